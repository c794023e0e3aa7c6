// The operations to start from. Each is a tab of its own: what is typed there stays there until
// the page is closed.

const PAYLOAD = `... on AuthPayload {
      accessToken
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

const asJson = (value) => JSON.stringify(value, null, 2);

const EXAMPLES = [
  {
    title: "Welcome",
    query: `# Welcome! Run this with Ctrl+Enter (on a Mac: ⌘+Enter).
# It lists what this API can be asked.
#
# The tabs above hold more to try: make an account
# with "Sign up", then see it with "Me". While you are
# signed in, the access token is sent for you.

query Welcome {
  __schema {
    queryType {
      fields {
        name
        description
      }
    }
    mutationType {
      fields {
        name
        description
      }
    }
  }
}
`,
  },
  {
    title: "Sign up",
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
    title: "Log in",
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
    title: "Me",
    query: `query Me {
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
    title: "Sessions",
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
    title: "Refresh token",
    query: `# The refresh token is in a cookie that no script can read;
# the browser sends it along.
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
    title: "Revoke other sessions",
    query: `# Signs you out everywhere but here.
mutation RevokeOtherSessions {
  revokeOtherSessions {
    endedSessions
  }
}
`,
  },
  {
    title: "Log out",
    query: `mutation LogOut {
  logout {
    sessionEnded
  }
}
`,
  },
];
