export { createAuth } from "./auth.js";
export type { AccessToken, Auth, AuthOptions, TokenSource } from "./api.js";
export {
  AuthUnavailable,
  type AuthState,
  type AuthStatus,
  type ConfirmationRequired,
  type InvalidInput,
  type LinkResult,
  type MailTokenRejected,
  type OtherRefusal,
  type SignedIn,
  type SignInInput,
  type SignInResult,
  type SignUpInput,
  type SignUpResult,
  type TooManyAttempts,
  type User,
  UserChanged,
  type Violation,
} from "./types.js";
