import { AuthUnavailable, type User } from "./types.js";

/** A member of a result union, as it came. */
export interface Answer {
  readonly __typename: string;
  readonly message?: string;
  readonly accessToken?: string;
  readonly expiresIn?: number;
  readonly user?: User;
  readonly retryAfter?: number;
}

/** Sends one of the five operations. Throws AuthUnavailable for all that is not an answer. */
export type Wire = (
  operation: Operation,
  variables?: object,
  signal?: AbortSignal,
) => Promise<Answer>;

type Operation = "signup" | "login" | "loginWithMagicLink" | "refreshToken" | "logout";

const PAYLOAD =
  "__typename ... on AuthPayload { accessToken expiresIn user { id email emailVerified username name locale roles createdAt } } ... on AuthError { message } ... on TooManyAttempts { retryAfter }";
const INVALID = " ... on InvalidInput { violations { field code message } }";

const take = (operation: Operation, type: string) =>
  `mutation ($input: ${type}!) { result: ${operation}(input: $input) { ${PAYLOAD}${INVALID} } }`;

const QUERIES: Record<Operation, string> = {
  signup: take("signup", "SignupInput"),
  login: take("login", "LoginInput"),
  loginWithMagicLink: `mutation ($token: String!, $confirmed: Boolean!) { result: loginWithMagicLink(token: $token, confirmed: $confirmed) { ${PAYLOAD} ... on MailTokenRejected { reason } ... on ConfirmationRequired { email } } }`,
  refreshToken: `mutation { result: refreshToken { ${PAYLOAD} } }`,
  logout: "mutation { result: logout { __typename } }",
};

interface Body {
  readonly data?: { readonly result?: Answer | null } | null;
  readonly errors?: readonly {
    readonly message?: string;
    readonly extensions?: { readonly code?: string };
  }[];
}

/** @param page the origin of the page, where it is another one than the server's. */
export function createWire(
  url: string,
  send: typeof fetch,
  credentials: RequestCredentials,
  timeout: number,
  page?: string,
): Wire {
  let answered = false;
  let told = false;

  /** What no waiting mends is told to the developer, once. */
  function tell(problem: string) {
    if (!told) console.error(`gql-auth: ${problem}`);
    told = true;
  }

  function unreachable(error: unknown): string {
    const problem = "The server cannot be reached";
    if (!page || answered || !(error instanceof TypeError)) return problem;
    // Browsers do not tell a page whether it was that, or the network.
    const both = `${problem}, or does not allow ${page}: GQL_AUTH_ALLOWED_ORIGINS`;
    tell(both);
    return both;
  }

  return async (operation, variables, signal) => {
    const ending = new AbortController();
    const end = () => {
      ending.abort();
    };
    const timer = setTimeout(end, timeout);
    signal?.addEventListener("abort", end);
    try {
      signal?.throwIfAborted();
      const response = await send(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/graphql-response+json, application/json;q=0.9",
        },
        body: JSON.stringify({
          query: QUERIES[operation],
          ...(variables && { variables }),
        }),
        credentials,
        cache: "no-store",
        // The page may be left at once after signing out.
        keepalive: operation === "logout",
        signal: ending.signal,
      });
      answered = true;
      const retryAfter = Number(response.headers.get("retry-after")) || undefined;
      const body: unknown = await response.json().catch((error: unknown) => {
        throw new AuthUnavailable(`The server answered ${response.status}`, retryAfter, {
          cause: error,
        });
      });
      const { data, errors } = (body ?? {}) as Body;
      const result = data?.result;
      const failure = errors?.[0];
      // As of an origin that the server does not allow. Of the session it says nothing.
      if (failure?.extensions?.code === "FORBIDDEN") tell(failure.message ?? "Forbidden");
      if (
        typeof result?.__typename !== "string" ||
        (result.__typename === "AuthPayload" && !result.accessToken)
      ) {
        throw new AuthUnavailable(
          failure?.message ?? `The server answered ${response.status}`,
          retryAfter,
        );
      }
      return result;
    } catch (error) {
      if (error instanceof AuthUnavailable) throw error;
      throw new AuthUnavailable(unreachable(error), undefined, { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  };
}
