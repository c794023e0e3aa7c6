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

/** Sends one of the four operations. Throws AuthUnavailable for all that is not an answer. */
export type Wire = (operation: Operation, input?: object, signal?: AbortSignal) => Promise<Answer>;

type Operation = "signup" | "login" | "refreshToken" | "logout";

const PAYLOAD =
  "__typename ... on AuthPayload { accessToken expiresIn user { id email emailVerified username name roles createdAt } } ... on AuthError { message } ... on TooManyAttempts { retryAfter }";
const INVALID = " ... on InvalidInput { violations { field code message } }";

const take = (operation: Operation, type: string) =>
  `mutation ($input: ${type}!) { result: ${operation}(input: $input) { ${PAYLOAD}${INVALID} } }`;

const QUERIES: Record<Operation, string> = {
  signup: take("signup", "SignupInput"),
  login: take("login", "LoginInput"),
  refreshToken: `mutation { result: refreshToken { ${PAYLOAD} } }`,
  logout: "mutation { result: logout { __typename } }",
};

interface Body {
  readonly data?: { readonly result?: Answer | null } | null;
  readonly errors?: readonly { readonly message?: string }[];
}

export function createWire(
  url: string,
  send: typeof fetch,
  credentials: RequestCredentials,
  timeout: number,
): Wire {
  return async (operation, input, signal) => {
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
          ...(input && { variables: { input } }),
        }),
        credentials,
        cache: "no-store",
        // The page may be left at once after signing out.
        keepalive: operation === "logout",
        signal: ending.signal,
      });
      const retryAfter = Number(response.headers.get("retry-after")) || undefined;
      const body: unknown = await response.json().catch((error: unknown) => {
        throw new AuthUnavailable(`The server answered ${response.status}`, retryAfter, {
          cause: error,
        });
      });
      const { data, errors } = (body ?? {}) as Body;
      const result = data?.result;
      if (
        typeof result?.__typename !== "string" ||
        (result.__typename === "AuthPayload" && !result.accessToken)
      ) {
        throw new AuthUnavailable(
          errors?.[0]?.message ?? `The server answered ${response.status}`,
          retryAfter,
        );
      }
      return result;
    } catch (error) {
      if (error instanceof AuthUnavailable) throw error;
      throw new AuthUnavailable("The server cannot be reached", undefined, { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  };
}
