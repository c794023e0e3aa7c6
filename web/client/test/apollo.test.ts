import {
  ApolloClient,
  ApolloLink,
  CombinedGraphQLErrors,
  gql,
  HttpLink,
  InMemoryCache,
} from "@apollo/client";
import { expect, test, vi } from "vitest";
import { authLink } from "../src/apollo.js";
import type { Auth } from "../src/index.js";
import { account, becomes, Browser } from "./browser.js";

const ME = gql`
  query Me {
    me {
      id
      email
    }
  }
`;
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

function client(browser: Browser, auth: Auth, json = false) {
  const headers = json ? { accept: "application/json" } : {};
  const http = new HttpLink({ uri: browser.gate.url, fetch: browser.fetch, headers });
  return new ApolloClient({
    link: ApolloLink.from([authLink(auth), http]),
    cache: new InMemoryCache(),
    queryDeduplication: false,
    defaultOptions: { query: { fetchPolicy: "network-only" } },
  });
}

test.each([false, true])(
  "ten queries that are refused at once: one refresh, each sent twice (as application/json: %s)",
  async (json) => {
    const browser = await Browser.start();
    const auth = await browser.signedIn();
    const apollo = client(browser, auth, json);
    browser.gate.damaged.add((await auth.token()) ?? "");
    const results = await Promise.all(
      Array.from({ length: 10 }, () => apollo.query({ query: ME })),
    );
    for (const { data } of results) {
      expect(data).toMatchObject({ me: { email: auth.getSnapshot().user?.email } });
    }
    expect(browser.gate.count("refreshToken")).toBe(1);
    expect(browser.gate.count("me")).toBe(20);
  },
);

test("an operation is sent twice at most, however often it is refused", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const apollo = client(browser, auth);
  browser.gate.damagesAll = true;
  const results = await Promise.allSettled(
    Array.from({ length: 5 }, () => apollo.query({ query: ME })),
  );
  for (const result of results) {
    expect(result.status).toBe("rejected");
    const reason: unknown = (result as PromiseRejectedResult).reason;
    expect(CombinedGraphQLErrors.is(reason) && reason.errors[0]?.extensions).toMatchObject({
      code: "UNAUTHENTICATED",
    });
  }
  expect(browser.gate.count("me")).toBe(10);
  expect(browser.gate.count("refreshToken")).toBe(1);
  expect(auth.getSnapshot().status).toBe("signed-in");
});

test("a refused mutation is sent again", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  browser.gate.damaged.add((await auth.token()) ?? "");
  const { data } = await client(browser, auth).mutate({ mutation: REVOKE_OTHERS });
  expect(data).toEqual({
    revokeOtherSessions: { __typename: "RevokeOtherSessionsPayload", endedSessions: 0 },
  });
});

test("operations wait while a refresh runs, and those of signing in do not", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const apollo = client(browser, auth);
  const release = browser.gate.hold("refreshToken");
  const renewed = auth.renew(await auth.token());
  const held = apollo.query({ query: ME });
  const input = account();
  const { data } = await apollo.mutate({
    mutation: LOGIN,
    variables: { input: { email: input.email, password: input.password } },
  });
  expect(data).toEqual({ result: { __typename: "InvalidCredentials" } });
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
  await expect(client(browser, auth).query({ query: ME })).rejects.toThrow("Access token required");
  expect(browser.gate.authorizations.at(-1)).toEqual(["me", undefined]);
  expect(browser.gate.count("me")).toBe(1);
  expect(browser.gate.count("refreshToken")).toBe(1);
});

test("queries of a page that loads wait for its session", async () => {
  const browser = await Browser.start();
  (await browser.signedIn()).close();
  const auth = browser.tab();
  await client(browser, auth).query({ query: ME });
  expect(browser.gate.count("me")).toBe(1);
});

test("a session that has ended: the refusal arrives, the cache is cleared", async () => {
  const browser = await Browser.start();
  const clear = vi.fn();
  const auth = await browser.signedIn({ onSignedOut: () => apollo.clearStore().then(clear) });
  const apollo = client(browser, auth);
  await apollo.query({ query: ME });
  await browser.query("mutation { logout { sessionEnded } }", null);
  await expect(apollo.query({ query: ME })).rejects.toThrow("Session revoked");
  await becomes(auth, "anonymous");
  expect(clear).toHaveBeenCalledOnce();
  expect(apollo.extract()).toEqual({});
});

test("an operation that is given up while it waits is not sent", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const apollo = client(browser, auth);
  const release = browser.gate.hold("refreshToken");
  const renewed = auth.renew(await auth.token());
  apollo.watchQuery({ query: ME }).subscribe({}).unsubscribe();
  release();
  await renewed;
  await apollo.query({ query: ME });
  expect(browser.gate.count("me")).toBe(1);
});

test("no token in time is an error of the operation", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn({ holdFor: 50 });
  const apollo = client(browser, auth);
  browser.gate.online = false;
  auth.renew(await auth.token()).catch(() => undefined);
  await expect(apollo.query({ query: ME })).rejects.toMatchObject({ name: "AuthUnavailable" });
});
