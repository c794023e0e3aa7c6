import { happen } from "./dom.js"; // first
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createAuth } from "../src/index.js";
import { becomes, Browser, until } from "./browser.js";

beforeEach(() => {
  localStorage.clear();
});
afterEach(() => {
  vi.restoreAllMocks();
});

test.each(["online", "visibilitychange", "pageshow"])(
  "%s ends a pause between attempts",
  async (event) => {
    const browser = await Browser.start();
    const auth = await browser.signedIn();
    vi.spyOn(Math, "random").mockReturnValue(1000); // pauses of minutes
    browser.gate.online = false;
    const renewed = auth.renew(await auth.token());
    await until(auth, ({ error }) => error !== null);
    browser.gate.online = true;
    happen(event);
    expect(await renewed).not.toBe(null);
  },
);

test("a page from the back-forward cache asks anew: it may have missed a sign-out", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  happen("pagehide", true);
  const elsewhere = browser.tab();
  await becomes(elsewhere, "signed-in");
  await elsewhere.signOut();
  expect(auth.getSnapshot().status).toBe("signed-in"); // it slept
  happen("pageshow", true);
  await becomes(auth, "anonymous");
});

test("a page from the back-forward cache asks anew: it may have missed a sign-in", async () => {
  const browser = await Browser.start();
  const auth = browser.tab();
  await becomes(auth, "anonymous");
  happen("pagehide", true);
  const { user } = (await browser.signedIn()).getSnapshot();
  expect(auth.getSnapshot().status).toBe("anonymous");
  happen("pageshow", true);
  await until(auth, (state) => state.user?.id === user?.id);
});

test("a sign-out without network holds over a reload", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  browser.gate.online = false;
  expect(await auth.signOut()).toBe(false);
  auth.close();
  browser.gate.online = true;
  const reloaded = browser.tab();
  expect(reloaded.getSnapshot().status).toBe("anonymous");
  await vi.waitFor(() => {
    expect(browser.cookie).toBe("");
  });
  expect(browser.gate.count("refreshToken")).toBe(0);
  expect(localStorage.length).toBe(0);
});

test("a page from the back-forward cache that missed a sign-out without network asks for nothing", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const elsewhere = browser.tab();
  await becomes(elsewhere, "signed-in");
  happen("pagehide", true);
  elsewhere.close();
  localStorage.setItem(`gql-auth:${auth.url}:signed-out`, "1"); // as the other tab left it
  const before = browser.gate.count("refreshToken");
  happen("pageshow", true);
  await becomes(auth, "anonymous");
  expect(browser.gate.count("refreshToken")).toBe(before);
});

test("a sign-out holds where storage is forbidden", async () => {
  const forbid = () => {
    throw new DOMException("", "SecurityError");
  };
  vi.spyOn(Storage.prototype, "setItem").mockImplementation(forbid);
  vi.spyOn(Storage.prototype, "getItem").mockImplementation(forbid);
  vi.spyOn(Storage.prototype, "removeItem").mockImplementation(forbid);
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  expect(await auth.signOut()).toBe(true);
  expect(browser.cookie).toBe("");
});

test("no token is ever stored, logged or put into an address", async () => {
  const stored = vi.spyOn(Storage.prototype, "setItem");
  const logs = (["log", "info", "warn", "error", "debug"] as const).map((name) =>
    vi.spyOn(console, name),
  );
  const browser = await Browser.start();
  const asked: string[] = [];
  const auth = await browser.signedIn({
    fetch: (input, init) => {
      asked.push(input instanceof Request ? input.url : input.toString());
      return browser.fetch(input, init);
    },
  });
  const tokens = [await auth.token()];
  tokens.push(await auth.renew(tokens[0] ?? null));
  browser.gate.break("refreshToken", 503);
  vi.spyOn(Math, "random").mockReturnValue(0);
  tokens.push(await auth.renew(tokens[1] ?? null));
  await auth.signOut();
  const said = JSON.stringify([
    stored.mock.calls,
    logs.map((log) => log.mock.calls),
    asked,
    Object.entries(localStorage),
    Object.entries(sessionStorage),
    document.cookie,
    location.href,
  ]);
  for (const token of tokens) {
    expect(token).toBeTypeOf("string");
    expect(said).not.toContain(token);
    expect(said).not.toContain(token?.split(".")[1]);
  }
});

test.each([
  ["/graphql", "same-origin"],
  ["http://127.0.0.1:1/graphql", "same-origin"],
  ["http://127.0.0.1:2/graphql", "include"],
])("cookies go to %s with credentials: %s", async (url, credentials) => {
  const asked: (RequestCredentials | undefined)[] = [];
  const auth = createAuth({
    url,
    fetch: (_, init) => {
      asked.push(init?.credentials);
      return Promise.resolve(
        Response.json({ data: { result: { __typename: "RefreshTokenRejected", message: "" } } }),
      );
    },
  });
  await becomes(auth, "anonymous");
  auth.close();
  expect(asked).toEqual([credentials]);
});
