// What the tests do in a page, and what the page has gone through: `window.lab`.
import {
  ApolloClient,
  ApolloLink,
  gql,
  HttpLink,
  InMemoryCache,
  type TypedDocumentNode,
} from "@apollo/client";
import { createAuth } from "@gql-auth/client";
import { authLink } from "@gql-auth/client/apollo";
import { authFetch } from "@gql-auth/client/fetch";
import { authSocket } from "@gql-auth/client/graphql-ws";
import { createClient } from "graphql-ws";

const PASSWORD = "correct horse battery staple";
const TEXT = "query Me { me { email } }";

interface Me {
  readonly me: { readonly email: string };
}
interface Revoked {
  readonly revokeOtherSessions: { readonly endedSessions: number };
}

const ME: TypedDocumentNode<Me> = gql(TEXT);
const REVOKE: TypedDocumentNode<Revoked> = gql(
  "mutation { revokeOtherSessions { endedSessions } }",
);

/** What came of using the page for a while. */
export interface Use {
  readonly answers: number;
  readonly failures: readonly string[];
}

// The API is behind the page's own origin, unless the address says otherwise.
const url = new URLSearchParams(location.search).get("api") ?? "/graphql";

let cleared = 0;
const auth = createAuth({
  url,
  onSignedOut: async () => {
    await client.clearStore();
    cleared++;
  },
});
const client = new ApolloClient({
  link: ApolloLink.from([authLink(auth), new HttpLink({ uri: auth.url, credentials: "include" })]),
  cache: new InMemoryCache(),
});
const send = authFetch(auth);

const ways = {
  /** Apollo Client, not from its cache. */
  async apollo(): Promise<string> {
    const { data } = await client.query({ query: ME, fetchPolicy: "network-only" });
    return data?.me.email ?? "nobody";
  },

  async fetch(): Promise<string> {
    const response = await send(auth.url, {
      method: "POST",
      credentials: "include",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: TEXT }),
    });
    const body = (await response.json()) as { data: Me | null; errors?: { message: string }[] };
    if (!body.data) throw new Error(body.errors?.[0]?.message);
    return body.data.me.email;
  },
};

let logouts = 0;
let before = auth.getSnapshot();
auth.subscribe(() => {
  const now = auth.getSnapshot();
  if (before.user && !now.user) logouts++;
  before = now;
});

export const lab = {
  auth,
  /** How often the page came back from the back-forward cache. */
  revived: 0,
  /** What the user has seen: one after the other. */
  shown: [] as string[],
  /** What the subscription `sessionEvents` has brought. */
  events: [] as string[],
  /** How often somebody was signed in and then was not. */
  logouts: () => logouts,
  /** How often the caches of a former user were cleared. */
  cleared: () => cleared,
  /** What Apollo Client's cache knows of who is signed in. */
  cached: () => client.readQuery({ query: ME })?.me.email ?? null,

  async signUp(email: string): Promise<string> {
    return (await auth.signUp({ email, password: PASSWORD })).__typename;
  },

  async signIn(email: string): Promise<string> {
    return (await auth.signIn({ email, password: PASSWORD })).__typename;
  },

  /** Who the server says this is; what went wrong, where it says nothing. */
  me: (way: keyof typeof ways) => ways[way]().catch((problem: unknown) => String(problem)),

  /** Ends the account's other sessions; how many there were. */
  async revokeOthers(): Promise<number | undefined> {
    const { data } = await client.mutate({ mutation: REVOKE });
    return data?.revokeOtherSessions.endedSessions;
  },

  /** Asks by both ways at once, again and again until the server has rotated the session so many
   * times and so many milliseconds are over. */
  async use(rotations: number, least: number): Promise<Use> {
    let answers = 0;
    const failures: string[] = [];
    const end = Date.now() + least;
    let seen = lab.claims()?.gen ?? 0;
    const last = seen + rotations;
    while (seen < last || Date.now() < end) {
      seen = lab.claims()?.gen ?? seen;
      const both = await Promise.allSettled([ways.apollo(), ways.fetch()]);
      for (const one of both) {
        if (one.status === "fulfilled") answers++;
        else failures.push(String(one.reason));
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return { answers, failures };
  },

  /** What the access token says: the session's generation, which is how often the server has
   * rotated it, and when it was issued, in seconds. */
  claims(): { readonly gen: number; readonly iat: number } | null {
    const claims = auth.peek()?.token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/");
    return claims ? (JSON.parse(atob(claims)) as { gen: number; iat: number }) : null;
  },

  /** Subscribes to `sessionEvents`; resolves when the server has acknowledged the socket. */
  watch: () =>
    new Promise<void>((resolve) => {
      const socket = createClient({ url: auth.url.replace(/^http/, "ws"), ...authSocket(auth) });
      socket.on("connected", () => {
        resolve();
      });
      socket.subscribe<{ sessionEvents: { __typename: string } }>(
        { query: "subscription { sessionEvents { __typename } }" },
        {
          next({ data }) {
            if (data) lab.events.push(data.sessionEvents.__typename);
          },
          error: () => lab.events.push("error"),
          complete: () => lab.events.push("complete"),
        },
      );
    }),
};

addEventListener("pageshow", ({ persisted }) => {
  if (persisted) lab.revived++;
});
