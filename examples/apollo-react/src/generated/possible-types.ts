
      export interface PossibleTypesResultData {
        possibleTypes: {
          [key: string]: string[]
        }
      }
      const result: PossibleTypesResultData = {
  "possibleTypes": {
    "AuthError": [
      "ConfirmationRequired",
      "EmailNotVerified",
      "EmailTaken",
      "InvalidCredentials",
      "InvalidInput",
      "MailTokenRejected",
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
    "ConfirmEmailChangeResult": [
      "ConfirmEmailChangePayload",
      "EmailTaken",
      "MailTokenRejected",
      "TooManyAttempts"
    ],
    "DeleteAccountResult": [
      "DeleteAccountPayload",
      "InvalidCredentials",
      "InvalidInput",
      "TooManyAttempts"
    ],
    "ExportMyDataResult": [
      "ExportMyDataPayload",
      "TooManyAttempts"
    ],
    "ForgotPasswordResult": [
      "InvalidInput",
      "MailRequested",
      "TooManyAttempts"
    ],
    "LoginResult": [
      "AuthPayload",
      "EmailNotVerified",
      "InvalidCredentials",
      "InvalidInput",
      "TooManyAttempts"
    ],
    "LoginWithMagicLinkResult": [
      "AuthPayload",
      "ConfirmationRequired",
      "MailTokenRejected",
      "TooManyAttempts"
    ],
    "RefreshTokenResult": [
      "AuthPayload",
      "RefreshTokenRejected",
      "TooManyAttempts"
    ],
    "RequestEmailChangeResult": [
      "InvalidCredentials",
      "InvalidInput",
      "MailRequested",
      "TooManyAttempts"
    ],
    "RequestMagicLinkResult": [
      "InvalidInput",
      "MailRequested",
      "TooManyAttempts"
    ],
    "ResendVerifyEmailResult": [
      "InvalidInput",
      "MailRequested",
      "TooManyAttempts"
    ],
    "ResetPasswordResult": [
      "InvalidInput",
      "MailTokenRejected",
      "ResetPasswordPayload",
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
      "EmailNotVerified",
      "EmailTaken",
      "InvalidInput",
      "TooManyAttempts",
      "UsernameTaken"
    ],
    "UpdateProfileResult": [
      "InvalidInput",
      "UpdateProfilePayload",
      "UsernameTaken"
    ],
    "VerifyEmailResult": [
      "EmailTaken",
      "MailTokenRejected",
      "TooManyAttempts",
      "UsernameTaken",
      "VerifyEmailPayload"
    ]
  }
};
      export default result;
    