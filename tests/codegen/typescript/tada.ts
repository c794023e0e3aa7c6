// The same as gql.tada types them, of the schema and the documents alone.
import { initGraphQLTada, type ResultOf, type VariablesOf } from "gql.tada";
import type { introspection } from "./generated/graphql-env";
import { never } from "./never";

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { DateTime: string; JSON: unknown } }>();
type ViolationCode = ReturnType<typeof graphql.scalar<"ViolationCode">>;
type MailTokenRejection = ReturnType<typeof graphql.scalar<"MailTokenRejection">>;

const SIGNUP = graphql(`
  mutation Signup($input: SignupInput!) {
    signup(input: $input) {
      __typename
      ... on AuthPayload {
        accessToken
        tokenType
        expiresIn
        expiresAt
        refreshToken
        user {
          id
          email
          username
          roles
          createdAt
        }
      }
      ... on InvalidInput {
        violations {
          field
          code
          message
        }
      }
      ... on EmailTaken {
        message
      }
      ... on UsernameTaken {
        message
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const LOGIN = graphql(`
  mutation Login($input: LoginInput!) {
    login(input: $input) {
      __typename
      ... on AuthPayload {
        accessToken
      }
      ... on InvalidInput {
        violations {
          field
          code
        }
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const REFRESH = graphql(`
  mutation Refresh($token: String) {
    refreshToken(token: $token) {
      __typename
      ... on AuthPayload {
        accessToken
        refreshToken
      }
      ... on RefreshTokenRejected {
        reason
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const LOGOUT = graphql(`
  mutation Logout($token: String) {
    logout(token: $token) {
      sessionEnded
    }
  }
`);

const CHANGE_PASSWORD = graphql(`
  mutation ChangePassword($input: ChangePasswordInput!) {
    changePassword(input: $input) {
      __typename
      ... on ChangePasswordPayload {
        endedSessions
      }
      ... on InvalidInput {
        violations {
          field
          code
        }
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const REVOKE_SESSION = graphql(`
  mutation RevokeSession($id: ID!) {
    revokeSession(id: $id) {
      __typename
      ... on RevokeSessionPayload {
        session {
          id
          lastUsedAt
        }
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const VERIFY_EMAIL = graphql(`
  mutation VerifyEmail($token: String!) {
    verifyEmail(token: $token) {
      __typename
      ... on VerifyEmailPayload {
        user {
          id
          emailVerified
          locale
        }
      }
      ... on MailTokenRejected {
        reason
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const RESEND_VERIFY_EMAIL = graphql(`
  mutation ResendVerifyEmail($email: String) {
    resendVerifyEmail(email: $email) {
      __typename
      ... on MailRequested {
        accepted: message
      }
      ... on InvalidInput {
        violations {
          field
          code
        }
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const FORGOT_PASSWORD = graphql(`
  mutation ForgotPassword($email: String!) {
    forgotPassword(email: $email) {
      __typename
      ... on MailRequested {
        accepted: message
      }
      ... on InvalidInput {
        violations {
          field
          code
        }
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const RESET_PASSWORD = graphql(`
  mutation ResetPassword($token: String!, $newPassword: String!) {
    resetPassword(token: $token, newPassword: $newPassword) {
      __typename
      ... on ResetPasswordPayload {
        endedSessions
      }
      ... on MailTokenRejected {
        reason
      }
      ... on InvalidInput {
        violations {
          field
          code
        }
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const REQUEST_MAGIC_LINK = graphql(`
  mutation RequestMagicLink($email: String!) {
    requestMagicLink(email: $email) {
      __typename
      ... on MailRequested {
        accepted: message
      }
      ... on InvalidInput {
        violations {
          field
          code
        }
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const LOGIN_WITH_MAGIC_LINK = graphql(`
  mutation LoginWithMagicLink($token: String!, $confirmed: Boolean) {
    loginWithMagicLink(token: $token, confirmed: $confirmed) {
      __typename
      ... on AuthPayload {
        accessToken
      }
      ... on MailTokenRejected {
        reason
      }
      ... on ConfirmationRequired {
        email
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const REQUEST_EMAIL_CHANGE = graphql(`
  mutation RequestEmailChange($newEmail: String!, $password: String!) {
    requestEmailChange(newEmail: $newEmail, password: $password) {
      __typename
      ... on MailRequested {
        accepted: message
      }
      ... on InvalidInput {
        violations {
          field
          code
        }
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const CONFIRM_EMAIL_CHANGE = graphql(`
  mutation ConfirmEmailChange($token: String!) {
    confirmEmailChange(token: $token) {
      __typename
      ... on ConfirmEmailChangePayload {
        endedSessions
      }
      ... on MailTokenRejected {
        reason
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const UPDATE_PROFILE = graphql(`
  mutation UpdateProfile($input: UpdateProfileInput!) {
    updateProfile(input: $input) {
      __typename
      ... on UpdateProfilePayload {
        user {
          name
        }
      }
      ... on InvalidInput {
        violations {
          field
          code
        }
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const DELETE_ACCOUNT = graphql(`
  mutation DeleteAccount($password: String!) {
    deleteAccount(password: $password) {
      __typename
      ... on DeleteAccountPayload {
        deletesAt
      }
      ... on InvalidInput {
        violations {
          field
          code
        }
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const EXPORT_MY_DATA = graphql(`
  mutation ExportMyData {
    exportMyData {
      __typename
      ... on ExportMyDataPayload {
        data
      }
      ... on TooManyAttempts {
        retryAfter
      }
      ... on AuthError {
        message
      }
    }
  }
`);

const SESSION_EVENTS = graphql(`
  subscription SessionEvents {
    sessionEvents {
      __typename
      at
      session {
        id
        userAgent
      }
      ... on SessionEnded {
        reason
      }
    }
  }
`);

type Told<Name extends string> = { readonly field: string; readonly code: Name };

/** What a form says to the codes of violations. */
function violation({ field, code }: Told<ViolationCode>): string {
  switch (code) {
    case "REQUIRED":
    case "TOO_SHORT":
    case "TOO_LONG":
    case "MALFORMED":
    case "FORBIDDEN_CHARACTER":
    case "TOO_COMMON":
    case "NOT_UNIQUE_ENOUGH":
    case "AMBIGUOUS":
      return `${field}: ${code}`;
    default:
      return never(code);
  }
}

export function signup({ signup: result }: ResultOf<typeof SIGNUP>): string {
  switch (result.__typename) {
    case "AuthPayload": {
      const until: string = result.expiresAt;
      const token: string | null = result.refreshToken;
      return [result.accessToken, until, token ?? "", ...result.user.roles].join();
    }
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "EmailTaken":
    case "UsernameTaken":
    case "EmailNotVerified":
      return result.message;
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export function login({ login: result }: ResultOf<typeof LOGIN>): string {
  switch (result.__typename) {
    case "AuthPayload":
      return result.accessToken;
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "InvalidCredentials":
    case "EmailNotVerified":
      return result.message;
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export function refresh({ refreshToken: result }: ResultOf<typeof REFRESH>): string {
  switch (result.__typename) {
    case "AuthPayload":
      return result.refreshToken ?? result.accessToken;
    case "RefreshTokenRejected":
      switch (result.reason) {
        case "MISSING":
        case "EXPIRED":
        case "INVALID":
        case "REUSED":
        case "REVOKED":
          return result.message;
        default:
          return never(result.reason);
      }
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export const logout = ({ logout: { sessionEnded } }: ResultOf<typeof LOGOUT>): boolean =>
  sessionEnded;

export function changePassword({
  changePassword: result,
}: ResultOf<typeof CHANGE_PASSWORD>): string {
  switch (result.__typename) {
    case "ChangePasswordPayload":
      return result.endedSessions.toFixed();
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "InvalidCredentials":
      return result.message;
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export function revokeSession({ revokeSession: result }: ResultOf<typeof REVOKE_SESSION>): string {
  switch (result.__typename) {
    case "RevokeSessionPayload":
      return result.session.lastUsedAt;
    case "SessionNotFound":
      return result.message;
    default:
      return never(result);
  }
}

/** What a page says of a link that does nothing. */
function rejected(reason: MailTokenRejection): string {
  switch (reason) {
    case "INVALID":
    case "EXPIRED":
    case "USED":
    case "REPLACED":
      return reason;
    default:
      return never(reason);
  }
}

export function verifyEmail({ verifyEmail: result }: ResultOf<typeof VERIFY_EMAIL>): string {
  switch (result.__typename) {
    case "VerifyEmailPayload":
      return result.user.locale ?? result.user.id;
    case "MailTokenRejected":
      return rejected(result.reason);
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    case "EmailTaken":
    case "UsernameTaken":
      return result.message;
    default:
      return never(result);
  }
}

export function resendVerifyEmail({
  resendVerifyEmail: result,
}: ResultOf<typeof RESEND_VERIFY_EMAIL>): string {
  switch (result.__typename) {
    case "MailRequested":
      return result.accepted;
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export function forgotPassword({
  forgotPassword: result,
}: ResultOf<typeof FORGOT_PASSWORD>): string {
  switch (result.__typename) {
    case "MailRequested":
      return result.accepted;
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export function resetPassword({ resetPassword: result }: ResultOf<typeof RESET_PASSWORD>): string {
  switch (result.__typename) {
    case "ResetPasswordPayload":
      return result.endedSessions.toFixed();
    case "MailTokenRejected":
      return rejected(result.reason);
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export function requestMagicLink({
  requestMagicLink: result,
}: ResultOf<typeof REQUEST_MAGIC_LINK>): string {
  switch (result.__typename) {
    case "MailRequested":
      return result.accepted;
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export function loginWithMagicLink({
  loginWithMagicLink: result,
}: ResultOf<typeof LOGIN_WITH_MAGIC_LINK>): string {
  switch (result.__typename) {
    case "AuthPayload":
      return result.accessToken;
    case "MailTokenRejected":
      return rejected(result.reason);
    case "ConfirmationRequired":
      return result.email;
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export function requestEmailChange({
  requestEmailChange: result,
}: ResultOf<typeof REQUEST_EMAIL_CHANGE>): string {
  switch (result.__typename) {
    case "MailRequested":
      return result.accepted;
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    case "InvalidCredentials":
      return result.message;
    default:
      return never(result);
  }
}

export function confirmEmailChange({
  confirmEmailChange: result,
}: ResultOf<typeof CONFIRM_EMAIL_CHANGE>): string {
  switch (result.__typename) {
    case "ConfirmEmailChangePayload":
      return result.endedSessions.toFixed();
    case "MailTokenRejected":
      return rejected(result.reason);
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    case "EmailTaken":
      return result.message;
    default:
      return never(result);
  }
}

export function updateProfile({ updateProfile: result }: ResultOf<typeof UPDATE_PROFILE>): string {
  switch (result.__typename) {
    case "UpdateProfilePayload":
      return result.user.name ?? "";
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "UsernameTaken":
      return result.message;
    default:
      return never(result);
  }
}

export function deleteAccount({ deleteAccount: result }: ResultOf<typeof DELETE_ACCOUNT>): string {
  switch (result.__typename) {
    case "DeleteAccountPayload":
      return result.deletesAt;
    case "InvalidInput":
      return result.violations.map(violation).join();
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    case "InvalidCredentials":
      return result.message;
    default:
      return never(result);
  }
}

export function exportMyData({ exportMyData: result }: ResultOf<typeof EXPORT_MY_DATA>): string {
  switch (result.__typename) {
    case "ExportMyDataPayload":
      return JSON.stringify(result.data);
    case "TooManyAttempts":
      return result.retryAfter.toFixed();
    default:
      return never(result);
  }
}

export function sessionEvent({ sessionEvents: event }: ResultOf<typeof SESSION_EVENTS>): string {
  switch (event.__typename) {
    case "SessionBegan":
      return event.session.userAgent ?? event.at;
    case "SessionEnded":
      return event.reason;
    default:
      return never(event);
  }
}

/** What is forgotten is found: else all of the above would compile whatever is generated. */
export function forgetful({ login: result }: ResultOf<typeof LOGIN>): string {
  switch (result.__typename) {
    case "AuthPayload":
    case "InvalidInput":
    case "InvalidCredentials":
    case "EmailNotVerified":
      return "";
    default:
      // @ts-expect-error TooManyAttempts comes here
      return never(result);
  }
}

export const variables: VariablesOf<typeof SIGNUP> = {
  input: { email: "ada@example.com", password: "correct horse battery" },
};

// @ts-expect-error the password is missing
export const incomplete: VariablesOf<typeof SIGNUP> = { input: { email: "ada@example.com" } };
