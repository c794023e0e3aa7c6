import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { RetryLink } from "@apollo/client/link/retry";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createAuth } from "@gql-auth/client";
import { authLink } from "@gql-auth/client/apollo";
import { authSocket } from "@gql-auth/client/graphql-ws";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import { graphql } from "./generated";
import introspection from "./generated/possible-types";
import { isOutage, watchLink } from "./network";

/** The sign-in: keeps the access token in memory, refreshes it, and shares it with other tabs. */
export const auth = createAuth({
  url: "/graphql",
  onSignedOut: () => client.clearStore(), // what the last user saw is not for the next one
});

// Subscriptions by a socket, which opens with a good token and opens again with the next one.
const socket = new GraphQLWsLink(
  createClient({ url: auth.url.replace(/^http/, "ws"), ...authSocket(auth) }),
);

// Queries are tried again until there is an answer. A mutation may have been done although its
// answer was lost: whether to repeat it is for the user to say.
const retry = new RetryLink({
  delay: { initial: 400, max: 3000, jitter: true },
  attempts: (_count, operation, error) =>
    operation.operationType === OperationTypeNode.QUERY && isOutage(error),
});

const http = ApolloLink.from([
  authLink(auth), // attaches the token; refreshes once where it is refused, and sends again
  retry,
  watchLink, // what the banner shows
  new HttpLink({ uri: auth.url }),
]);

export const client = new ApolloClient({
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    socket,
    http,
  ),
  // Without the types Apollo cannot tell what `... on AuthError`, an interface, is for.
  cache: new InMemoryCache({ possibleTypes: introspection.possibleTypes }),
});

/** Asks for all that is on the screen again. What fails, the page and the banner tell. */
export const askAgain = () => client.refetchQueries({ include: "active" }).catch(() => undefined);

const KNOCK = graphql(`
  query Knock {
    __typename
  }
`);

/** Asks the server for nothing, to see whether it is there; the banner shows what comes of it. */
export const knock = () =>
  client.query({ query: KNOCK, fetchPolicy: "no-cache" }).catch(() => undefined);
