// The same as gql.tada types them, of the schema and the documents alone.
import { initGraphQLTada, type ResultOf, type VariablesOf } from "gql.tada";
import type { introspection } from "./generated/graphql-env";
import { never } from "./never";

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { DateTime: string } }>();
type ViolationCode = ReturnType<typeof graphql.scalar<"ViolationCode">>;

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
