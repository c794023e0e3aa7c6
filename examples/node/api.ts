import { ClientError, GraphQLClient } from "graphql-request";
import type { TokenFile, Tokens } from "./tokens.ts";

const TOKENS = `
  __typename
  ... on AuthPayload { accessToken refreshToken user { email } }
  ... on AuthError { message }
`;
export const SIGNUP = `mutation ($input: SignupInput!) {
  result: signup(input: $input) { ${TOKENS} }
}`;
export const LOGIN = `mutation ($input: LoginInput!) {
  result: login(input: $input) { ${TOKENS} }
}`;
const REFRESH = `mutation ($token: String!) {
  result: refreshToken(token: $token) { ${TOKENS} ... on RefreshTokenRejected { reason } }
}`;
const LOGOUT = "mutation ($token: String!) { logout(token: $token) { sessionEnded } }";

// The session is over: everything else that goes wrong leaves the tokens as they are.
const OVER = ["EXPIRED", "REUSED", "REVOKED"];

interface SignedIn extends Tokens {
  readonly __typename: "AuthPayload";
  readonly user: { readonly email: string };
}

interface Rejected {
  readonly __typename: "RefreshTokenRejected";
  readonly reason: string;
  readonly message: string;
}

/** Any other refusal: all of them implement `AuthError`, those of later servers too. */
interface OtherRefusal {
  readonly __typename: "AuthError";
  readonly message: string;
}

type Answer = { readonly result: SignedIn | Rejected | OtherRefusal };

/** Nobody is signed in, or the server says no; the message is for people. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** The server, asked as whoever is signed in. */
export class Api {
  readonly #client: GraphQLClient;
  readonly #file: TokenFile;
  #refreshing: Promise<string> | null = null;

  constructor(url: string, file: TokenFile) {
    this.#client = new GraphQLClient(url, { headers: { "x-refresh-transport": "body" } });
    this.#file = file;
  }

  /**
   * What a document answers; refreshes once where the access token is refused. Throws Refused where
   * nobody is signed in; on anything else that is thrown the session is kept.
   */
  async ask<Data>(document: string, variables: object = {}): Promise<Data> {
    const token = (await this.#file.read())?.accessToken ?? null;
    try {
      return await this.#send<Data>(document, variables, token);
    } catch (error) {
      if (!isUnauthenticated(error)) throw error;
    }
    // Operations that are refused at once share one refresh.
    this.#refreshing ??= this.#refresh(token).finally(() => {
      this.#refreshing = null;
    });
    return this.#send<Data>(document, variables, await this.#refreshing);
  }

  /** Signs up or in, whoever was signed in before; the account's address. */
  async signIn(document: string, email: string, password: string): Promise<string> {
    await this.signOut(); // no cookie tells the server which session this one replaces
    const { result } = await this.#send<Answer>(document, { input: { email, password } }, null);
    if (result.__typename !== "AuthPayload") throw new Refused(result.message);
    await this.#keep(result);
    return result.user.email;
  }

  /** Ends the session, here and on the server; whether there was one. */
  async signOut(): Promise<boolean> {
    const token = (await this.#file.read())?.refreshToken;
    if (token === undefined) return false;
    interface Ended {
      readonly logout: { readonly sessionEnded: boolean };
    }
    const { logout } = await this.#send<Ended>(LOGOUT, { token }, null);
    await this.#file.remove();
    return logout.sessionEnded;
  }

  async #refresh(refused: string | null): Promise<string> {
    const tokens = await this.#file.read();
    if (!tokens) throw new Refused("Nobody is signed in here");
    if (tokens.accessToken !== refused) return tokens.accessToken; // another process has refreshed
    const presented = tokens.refreshToken;
    const { result } = await this.#send<Answer>(REFRESH, { token: presented }, null);
    const stillOurs = (await this.#file.read())?.refreshToken === presented;
    if (result.__typename === "AuthPayload") {
      // Of two processes that refresh at once both get the same tokens. One that is late must not
      // put them back over newer ones: the server would take it for a thief.
      if (stillOurs) await this.#keep(result);
      return result.accessToken;
    }
    if (result.__typename === "RefreshTokenRejected" && OVER.includes(result.reason) && stillOurs)
      await this.#file.remove();
    throw new Refused(result.message);
  }

  #keep({ accessToken, refreshToken }: Tokens): Promise<void> {
    return this.#file.write({ accessToken, refreshToken });
  }

  #send<Data>(document: string, variables: object, token: string | null): Promise<Data> {
    return this.#client.request<Data>({
      document,
      variables,
      requestHeaders: token === null ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(30_000),
    });
  }
}

function isUnauthenticated(error: unknown): boolean {
  return (
    error instanceof ClientError &&
    (error.response.errors ?? []).some(({ extensions }) => extensions.code === "UNAUTHENTICATED")
  );
}
