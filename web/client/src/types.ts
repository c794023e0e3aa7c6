/** An account, as the server's `User` type has it. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly username: string | null;
  readonly name: string | null;
  readonly locale: string | null;
  readonly roles: readonly string[];
  readonly createdAt: string;
}

/** What is wrong with one field of an input; `code` is for programs, `message` for people. */
export interface Violation {
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

export interface SignUpInput {
  readonly email: string;
  readonly password: string;
  readonly username?: string | null;
  readonly name?: string | null;
}

/** Exactly one of `email` and `username`. */
export type SignInInput =
  | { readonly email: string; readonly username?: never; readonly password: string }
  | { readonly username: string; readonly email?: never; readonly password: string };

/** Signed in. The access token is not here: whoever needs it asks `auth.token()`. */
export interface SignedIn {
  readonly __typename: "AuthPayload";
  readonly user: User;
}

export interface InvalidInput {
  readonly __typename: "InvalidInput";
  readonly message: string;
  readonly violations: readonly Violation[];
}

export interface TooManyAttempts {
  readonly __typename: "TooManyAttempts";
  readonly message: string;
  /** In seconds. */
  readonly retryAfter: number;
}

interface Plain<Name extends string> {
  readonly __typename: Name;
  readonly message: string;
}

/**
 * A refusal that this version of the client does not know. Servers may add members to their
 * result unions; each implements the interface `AuthError`, so there is a message to show.
 */
export interface OtherRefusal extends Plain<"AuthError"> {
  /** The member's own name. */
  readonly typename: string;
}

/** What `signUp` comes to. Compare `__typename`; `AuthError` stands for members yet to come. */
export type SignUpResult =
  | SignedIn
  | InvalidInput
  | Plain<"EmailTaken">
  | Plain<"UsernameTaken">
  | Plain<"EmailNotVerified">
  | TooManyAttempts
  | OtherRefusal;

/** What `signIn` comes to. Compare `__typename`; `AuthError` stands for members yet to come. */
export type SignInResult =
  | SignedIn
  | InvalidInput
  | Plain<"InvalidCredentials">
  | Plain<"EmailNotVerified">
  | TooManyAttempts
  | OtherRefusal;

export interface MailTokenRejected extends Plain<"MailTokenRejected"> {
  readonly reason: "INVALID" | "EXPIRED" | "USED" | "REPLACED";
}

/** Another browser has asked for the link: show `email`, and let the person confirm. */
export interface ConfirmationRequired extends Plain<"ConfirmationRequired"> {
  readonly email: string;
}

/** What `signInByLink` comes to. Compare `__typename`; `AuthError` stands for members yet to come. */
export type LinkResult =
  SignedIn | MailTokenRejected | ConfirmationRequired | TooManyAttempts | OtherRefusal;

/**
 * - `signed-in`: there is a user and an access token that is good.
 * - `refreshing`: there is no good access token now and one is being got, for as long as it takes.
 *   Before the first answer after a page load `user` is null; later it is who was signed in.
 * - `anonymous`: the server has said, or the user has, that nobody is signed in.
 */
export type AuthStatus = "signed-in" | "refreshing" | "anonymous";

/** A moment of the sign-in: a new object when something changed, the same one until then. */
export type AuthState =
  | { readonly status: "signed-in"; readonly user: User; readonly error: AuthUnavailable | null }
  | {
      readonly status: "refreshing";
      readonly user: User | null;
      readonly error: AuthUnavailable | null;
    }
  | { readonly status: "anonymous"; readonly user: null; readonly error: null };

/**
 * Somebody else has signed in while an operation waited for its token, and it was not sent: it would
 * have been done in their name.
 */
export class UserChanged extends Error {
  override readonly name = "UserChanged";

  constructor() {
    super("Somebody else has signed in meanwhile; the operation was not sent");
  }
}

/**
 * The server could not be asked, or could not answer: no network, a timeout, an answer of 5xx, too
 * many attempts. It says nothing about the session, which is kept.
 */
export class AuthUnavailable extends Error {
  override readonly name = "AuthUnavailable";

  constructor(
    message: string,
    /** When the server wants to be asked again, in seconds from its answer, if it said so. */
    readonly retryAfter?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
