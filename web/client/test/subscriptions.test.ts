import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { Client, fetchExchange } from "@urql/core";
import { createClient } from "graphql-ws";
import { afterEach, expect, test, vi } from "vitest";
import { authLink } from "../src/apollo.js";
import { authSocket } from "../src/graphql-ws.js";
import type { Auth } from "../src/index.js";
import { authExchange } from "../src/urql.js";
import { account, becomes, Browser } from "./browser.js";

const EVENTS = "subscription { sessionEvents { __typename session { current } } }";

interface Seen {
  connections: number;
  readonly events: unknown[];
  readonly errors: unknown[];
}

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const counting =
  (browser: Browser, seen: Seen): typeof fetch =>
  (...request) => {
    seen.connections++;
    return browser.fetch(...request);
  };

/** The session events as each client brings them, with the real server and no gate between. */
const clients: [string, (browser: Browser, auth: Auth, seen: Seen) => void][] = [
  [
    "graphql-ws",
    (_, auth, seen) => {
      const { events, errors } = seen;
      const client = createClient({
        url: auth.url.replace("http", "ws"),
        ...authSocket(auth),
        on: { connected: () => seen.connections++ },
      });
      open.push(client.dispose);
      client.subscribe(
        { query: EVENTS },
        {
          next: ({ data }) => events.push(data?.["sessionEvents"]),
          error: (error) => errors.push(error),
          complete: () => errors.push("complete"),
        },
      );
    },
  ],
  [
    "Apollo Client, multipart",
    (browser, auth, seen) => {
      const { events, errors } = seen;
      const http = new HttpLink({ uri: auth.url, fetch: counting(browser, seen) });
      const client = new ApolloClient({
        link: ApolloLink.from([authLink(auth), http]),
        cache: new InMemoryCache(),
      });
      const subscription = client
        .subscribe<{ sessionEvents: unknown }>({ query: gql(EVENTS), errorPolicy: "all" })
        .subscribe({
          next: ({ data, error }) => {
            if (error) errors.push(error);
            else events.push(data?.sessionEvents);
          },
          error: (error) => errors.push(error),
          complete: () => errors.push("complete"),
        });
      open.push(() => {
        subscription.unsubscribe();
      });
    },
  ],
  [
    "urql, server-sent events",
    (browser, auth, seen) => {
      const { events, errors } = seen;
      const client = new Client({
        url: auth.url,
        fetch: counting(browser, seen),
        preferGetMethod: false,
        fetchSubscriptions: true,
        exchanges: [authExchange(auth), fetchExchange],
      });
      const subscription = client.subscription(EVENTS, {}).subscribe(({ data, error }) => {
        if (error) errors.push(error);
        else events.push((data as { sessionEvents: unknown } | undefined)?.sessionEvents);
      });
      open.push(() => {
        subscription.unsubscribe();
      });
    },
  ],
];

/** Signs in and listens; `elsewhere` is another browser with the same account. */
async function listen([, subscribe]: (typeof clients)[number], server: "server" | "brief") {
  const browser = await Browser.start(server);
  const auth = browser.tab({ url: browser.target, restore: false });
  const input = account();
  await auth.signUp(input);
  const seen: Seen = { connections: 0, events: [], errors: [] };
  subscribe(browser, auth, seen);
  const elsewhere = await Browser.start(server);
  const other = elsewhere.tab({ restore: false });
  /** Signs in elsewhere until that is heard of here: the connection may just be made anew. */
  const hear = () =>
    vi.waitFor(
      async () => {
        await other.signIn({ email: input.email, password: input.password });
        expect(seen.events.length).toBeGreaterThan(0);
      },
      { timeout: 10_000, interval: 300 },
    );
  return { auth, seen, elsewhere, other, hear };
}

test("in each client a subscription outlives its tokens", async () => {
  const listening = await Promise.all(clients.map((client) => listen(client, "brief")));
  const work = listening.map(async ({ seen, hear }) => {
    await vi.waitFor(
      () => {
        expect(seen.connections).toBeGreaterThan(2);
      },
      { timeout: 15_000 },
    );
    await hear();
    expect(seen.events[0]).toMatchObject({
      __typename: "SessionBegan",
      session: { current: false },
    });
    expect(seen.errors).toEqual([]);
  });
  await Promise.all(work);
});

test("in each client a session revoked elsewhere ends here at once", async () => {
  for (const client of clients) {
    const { auth, seen, elsewhere, other, hear } = await listen(client, "server");
    await hear();
    const token = await other.token();
    await elsewhere.query("mutation { revokeOtherSessions { endedSessions } }", token);
    await becomes(auth, "anonymous");
    expect(seen.events.at(-1)).toMatchObject({
      __typename: "SessionEnded",
      session: { current: true },
    });
  }
});
