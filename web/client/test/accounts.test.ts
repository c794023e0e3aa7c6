// Two people at one browser: what one of them has begun is never done as the other.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { cacheExchange, Client, fetchExchange, gql } from "@urql/core";
import { afterEach, expect, test, vi } from "vitest";
import { authLink } from "../src/apollo.js";
import { authFetch } from "../src/fetch.js";
import type { Auth } from "../src/index.js";
import { authExchange } from "../src/urql.js";
import { account, Browser, eventually, until } from "./browser.js";

afterEach(() => {
  vi.restoreAllMocks();
});

const FIELD = "revokeOtherSessions";
const TEXT = `mutation { ${FIELD} { endedSessions } }`;
const MUTATION = gql(TEXT);

/** Each way to send the mutation; what came of it, as text. */
const ways: Record<string, (browser: Browser, auth: Auth) => Promise<string>> = {
  async apollo({ gate, fetch }, auth) {
    const http = new HttpLink({ uri: gate.url, fetch });
    const client = new ApolloClient({
      link: ApolloLink.from([authLink(auth), http]),
      cache: new InMemoryCache(),
    });
    return client.mutate({ mutation: MUTATION }).then(({ data }) => JSON.stringify(data), String);
  },
  async urql({ gate, fetch }, auth) {
    const exchanges = [cacheExchange, authExchange(auth), fetchExchange];
    const client = new Client({ url: gate.url, fetch, preferGetMethod: false, exchanges });
    const result = await client.mutation(MUTATION, {});
    return result.error ? String(result.error) : JSON.stringify(result.data);
  },
  async fetch({ gate, fetch }, auth) {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ query: TEXT });
    const sent = authFetch(auth, { fetch })(gate.url, { method: "POST", headers, body });
    return sent.then((response) => response.text(), String);
  },
};

test.each(Object.entries(ways))(
  "%s: what was refused is not sent again as somebody else who has signed in since",
  async (_, send) => {
    const browser = await Browser.start();
    const auth = await browser.signedIn();
    const other = browser.tab({ restore: false });
    browser.gate.damaged.add((await auth.token()) ?? "");
    const release = browser.gate.hold(FIELD);
    const sent = send(browser, auth);
    await eventually(() => {
      expect(browser.gate.count(FIELD)).toBe(1);
    });
    const input = account();
    await other.signUp(input);
    await until(auth, ({ user }) => user?.email === input.email);
    release();
    expect(await sent).toMatch("Invalid or tampered token");
    expect(browser.gate.count(FIELD)).toBe(1);
  },
);

test.each(Object.entries(ways))(
  "%s: what waits for a token is not sent as somebody else who signs in meanwhile",
  async (_, send) => {
    const browser = await Browser.start();
    const auth = await browser.signedIn();
    const other = browser.tab({ restore: false });
    vi.spyOn(Math, "random").mockReturnValue(1000); // the next attempt would be in minutes
    browser.gate.break("refreshToken", 503);
    const renewed = auth.renew(await auth.token());
    await until(auth, ({ error }) => error !== null);
    const sent = send(browser, auth);
    await other.signUp(account());
    expect(await sent).toMatch("Somebody else has signed in");
    expect(await renewed).toBe(null);
    expect(browser.gate.count(FIELD)).toBe(0);
  },
);

test("of one's own sign-in elsewhere an operation takes the token", async () => {
  const browser = await Browser.start();
  const input = account();
  const auth = browser.tab({ restore: false });
  await auth.signUp(input);
  const other = browser.tab({ restore: false });
  const before = await auth.token();
  await other.signIn({ email: input.email, password: input.password });
  await eventually(() => {
    expect(auth.peek()?.token).toBe(other.peek()?.token);
  });
  expect(await auth.renew(before)).toBe(await other.token());
});
