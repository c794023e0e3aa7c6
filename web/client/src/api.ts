import type {
  AuthState,
  LinkResult,
  SignInInput,
  SignInResult,
  SignUpInput,
  SignUpResult,
} from "./types.js";

export interface AuthOptions {
  /** The GraphQL endpoint, as `/graphql` or `https://api.example.com/graphql`. */
  readonly url: string;
  /**
   * Runs when the user who was signed in is so no longer: signed out here or in another tab, the
   * session ended, or somebody else signed in. Clear caches here, as
   * `() => apolloClient.clearStore()`: `status` and `user` change when it is done.
   */
  readonly onSignedOut?: () => unknown;
  /** Whether to look for a session at once. By default where there is a page. */
  readonly restore?: boolean;
  /** Milliseconds for one request. 10 seconds by default. */
  readonly timeout?: number;
  /** Milliseconds that operations wait for an access token before they fail. 30 seconds by default. */
  readonly holdFor?: number;
  /** A `fetch` to use instead of the global one. */
  readonly fetch?: typeof fetch;
}

/** An access token, and for how many seconds it is good. */
export interface AccessToken {
  readonly token: string;
  readonly expiresIn: number;
}

/** What the links need of an `Auth`; servers that render have one of their own, of `/ssr`. */
export type TokenSource = Pick<Auth, "url" | "token" | "renew" | "peek">;

/** A sign-in to one server, shared by all tabs of the browser. */
export interface Auth {
  /** The server's endpoint. */
  readonly url: string;
  /** Makes an account and signs in. Throws AuthUnavailable. */
  readonly signUp: (input: SignUpInput) => Promise<SignUpResult>;
  /** Throws AuthUnavailable. */
  readonly signIn: (input: SignInInput) => Promise<SignInResult>;
  /**
   * Signs in by the token of a mail's link. `confirmed`: the person has said that the account is
   * theirs which `ConfirmationRequired` has named. Throws AuthUnavailable.
   */
  readonly signInByLink: (token: string, confirmed?: boolean) => Promise<LinkResult>;
  /**
   * Signs out here and in all tabs at once, whatever the network does. Tells whether the server has
   * confirmed it; where it has not, the client goes on asking it to, also after a reload.
   */
  readonly signOut: () => Promise<boolean>;
  /** A good access token, waited for while a refresh runs; null where nobody is signed in. Throws
   * AuthUnavailable after `holdFor`, UserChanged where it would be somebody else's than when asked. */
  readonly token: (signal?: AbortSignal) => Promise<string | null>;
  /**
   * The access token to use after the server has refused one as UNAUTHENTICATED. Refreshes, unless
   * that has been done since. null: nobody is signed in, or somebody else than whose token it was:
   * the operation must not be sent again.
   */
  readonly renew: (refused: string | null, signal?: AbortSignal) => Promise<string | null>;
  /**
   * Asks the server for the session now, also where nobody is signed in: the cookie may be new.
   * Resolves when it has answered, or after `holdFor`.
   */
  readonly refresh: () => Promise<AuthState>;
  /** The access token of this moment, if there is a good one. */
  readonly peek: () => AccessToken | null;
  readonly getSnapshot: () => AuthState;
  /** Calls back after each change of the snapshot; returns what ends it. */
  readonly subscribe: (changed: () => void) => () => void;
  /** Ends timers, listeners and the channel to other tabs. */
  readonly close: () => void;
}
