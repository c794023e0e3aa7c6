/** The operations to start from, each a tab of its own. */

const PAYLOAD = `... on AuthPayload {
      expiresIn
      user {
        id
        email
        username
        name
      }
    }`;
const REFUSALS = `... on TooManyAttempts {
      retryAfter
    }
    ... on AuthError {
      message
    }`;
const VIOLATIONS = `... on InvalidInput {
      violations {
        field
        code
        message
      }
    }`;

const asJson = (value: object) => JSON.stringify(value, null, 2);

export const EXAMPLES = [
  {
    query: `# Run this: Ctrl+Enter, or Cmd+Enter.
#
# Signed out, you are told why not.
# Sign up in the account pane and
# run it again: the access token
# is sent for you, and renewed
# when it has expired.

query Me {
  me {
    id
    email
    emailVerified
    username
    name
    roles
    createdAt
  }
}
`,
  },
  {
    query: `mutation SignUp($input: SignupInput!) {
  signup(input: $input) {
    __typename
    ${PAYLOAD}
    ${VIOLATIONS}
    ${REFUSALS}
  }
}
`,
    variables: asJson({
      input: { email: "ada@example.com", password: "correct horse battery staple", name: "Ada" },
    }),
  },
  {
    query: `# Give an email or a username, not both.

mutation LogIn($input: LoginInput!) {
  login(input: $input) {
    __typename
    ${PAYLOAD}
    ${VIOLATIONS}
    ${REFUSALS}
  }
}
`,
    variables: asJson({
      input: { email: "ada@example.com", password: "correct horse battery staple" },
    }),
  },
  {
    query: `# Where you are signed in, newest first.

query Sessions {
  sessions {
    id
    current
    createdAt
    lastUsedAt
    expiresAt
    ipAddress
    userAgent
  }
}
`,
  },
  {
    query: `# The refresh token is in a cookie that no
# script can read; the browser sends it.

mutation RefreshToken {
  refreshToken {
    __typename
    ${PAYLOAD}
    ... on RefreshTokenRejected {
      reason
    }
    ${REFUSALS}
  }
}
`,
  },
  {
    query: `mutation LogOut {
  logout {
    sessionEnded
  }
}
`,
  },
];
