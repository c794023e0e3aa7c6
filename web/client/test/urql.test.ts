import { cacheExchange, Client, fetchExchange, gql } from "@urql/core";
import { expect, test } from "vitest";
import type { Auth } from "../src/index.js";
import { authExchange } from "../src/urql.js";
import { account, becomes, Browser } from "./browser.js";

const me = (number: number) =>
  gql(`
  query Me${number} {
    me {
      id
      email
    }
  }
`);
const ME = me(0);
const REVOKE_OTHERS = gql`
  mutation {
    revokeOtherSessions {
      endedSessions
    }
  }
`;
const LOGIN = gql`
  mutation Innocent($input: LoginInput!) {
    result: login(input: $input) {
      __typename
    }
  }
`;

function client(browser: Browser, auth: Auth, json = false): Client {
  return new Client({
    url: browser.gate.url,
    fetch: browser.fetch,
    preferGetMethod: false,
    requestPolicy: "network-only",
    fetchOptions: () => ({
      headers: { "x-own": "1", ...(json && { accept: "application/json" }) },
    }),
    exchanges: [cacheExchange, authExchange(auth), fetchExchange],
  });
}

/** Queries that urql does not take for one and the same. */
const queries = (urql: Client, count: number) =>
  Array.from({ length: count }, (_, i) => urql.query(me(i), {}).toPromise());

test.each([false, true])(
  "ten queries that are refused at once: one refresh, each sent twice (as application/json: %s)",
  async (json) => {
    const browser = await Browser.start();
    const auth = await browser.signedIn();
    browser.gate.damaged.add((await auth.token()) ?? "");
    for (const { data, error } of await Promise.all(queries(client(browser, auth, json), 10))) {
      expect(error).toBe(undefined);
      expect(data).toMatchObject({ me: { email: auth.getSnapshot().user?.email } });
    }
    expect(browser.gate.count("refreshToken")).toBe(1);
    expect(browser.gate.count("me")).toBe(20);
  },
);

test("an operation is sent twice at most, however often it is refused", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  browser.gate.damagesAll = true;
  for (const { error } of await Promise.all(queries(client(browser, auth), 5))) {
    expect(error?.graphQLErrors[0]?.extensions).toMatchObject({ code: "UNAUTHENTICATED" });
  }
  expect(browser.gate.count("me")).toBe(10);
  expect(browser.gate.count("refreshToken")).toBe(1);
  expect(auth.getSnapshot().status).toBe("signed-in");
});

test("the same operation later has its one retry again", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const urql = client(browser, auth);
  for (const times of [1, 2]) {
    browser.gate.damaged.add((await auth.token()) ?? "");
    expect((await urql.query(ME, {})).error).toBe(undefined);
    expect(browser.gate.count("refreshToken")).toBe(times);
  }
});

test("a refused mutation is sent again", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  browser.gate.damaged.add((await auth.token()) ?? "");
  const result = await client(browser, auth).mutation(REVOKE_OTHERS, {});
  expect(result.data).toMatchObject({ revokeOtherSessions: { endedSessions: 0 } });
});

test("operations wait while a refresh runs, and those of signing in do not", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const urql = client(browser, auth);
  const release = browser.gate.hold("refreshToken");
  const renewed = auth.renew(await auth.token());
  const held = urql.query(ME, {}).toPromise();
  const { email, password } = account();
  const login = await urql.mutation(LOGIN, { input: { email, password } });
  expect(login.data).toMatchObject({ result: { __typename: "InvalidCredentials" } });
  expect(browser.gate.authorizations.filter(([field]) => field === "login")).toEqual([
    ["login", undefined],
  ]);
  expect(browser.gate.count("me")).toBe(0);
  release();
  await Promise.all([renewed, held]);
  expect(browser.gate.count("me")).toBe(1);
});

test("nobody signed in: operations go without a token, and a refusal starts no refresh", async () => {
  const browser = await Browser.start();
  const auth = browser.tab();
  await becomes(auth, "anonymous");
  const { error } = await client(browser, auth).query(ME, {});
  expect(error?.graphQLErrors[0]?.message).toBe("Access token required");
  expect(browser.gate.authorizations.at(-1)).toEqual(["me", undefined]);
  expect(browser.gate.count("me")).toBe(1);
  expect(browser.gate.count("refreshToken")).toBe(1);
});

test("a session that has ended: the refusal arrives", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  await browser.query("mutation { logout { sessionEnded } }", null);
  const { error } = await client(browser, auth).query(ME, {});
  expect(error?.graphQLErrors[0]?.extensions).toMatchObject({ reason: "SESSION_REVOKED" });
  expect(auth.getSnapshot().status).toBe("anonymous");
});

test("an operation that is given up while it waits is not sent", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const urql = client(browser, auth);
  const release = browser.gate.hold("refreshToken");
  const renewed = auth.renew(await auth.token());
  urql
    .query(ME, {})
    .subscribe(() => undefined)
    .unsubscribe();
  release();
  await renewed;
  await urql.query(me(1), {});
  expect(browser.gate.count("me")).toBe(1);
});

test("no token in time is an error of the operation", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn({ holdFor: 50 });
  browser.gate.online = false;
  auth.renew(await auth.token()).catch(() => undefined);
  const { error } = await client(browser, auth).query(ME, {});
  expect(error?.networkError).toMatchObject({ name: "AuthUnavailable" });
});
