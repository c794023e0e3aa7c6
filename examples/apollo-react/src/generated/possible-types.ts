
      export interface PossibleTypesResultData {
        possibleTypes: {
          [key: string]: string[]
        }
      }
      const result: PossibleTypesResultData = {
  "possibleTypes": {
    "AuthError": [
      "EmailTaken",
      "InvalidCredentials",
      "InvalidInput",
      "RefreshTokenRejected",
      "SessionNotFound",
      "TooManyAttempts",
      "UsernameTaken"
    ],
    "ChangePasswordResult": [
      "ChangePasswordPayload",
      "InvalidCredentials",
      "InvalidInput",
      "TooManyAttempts"
    ],
    "LoginResult": [
      "AuthPayload",
      "InvalidCredentials",
      "InvalidInput",
      "TooManyAttempts"
    ],
    "RefreshTokenResult": [
      "AuthPayload",
      "RefreshTokenRejected",
      "TooManyAttempts"
    ],
    "RevokeSessionResult": [
      "RevokeSessionPayload",
      "SessionNotFound"
    ],
    "SessionEvent": [
      "SessionBegan",
      "SessionEnded"
    ],
    "SignupResult": [
      "AuthPayload",
      "EmailTaken",
      "InvalidInput",
      "TooManyAttempts",
      "UsernameTaken"
    ]
  }
};
      export default result;
    