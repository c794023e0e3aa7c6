import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AuthState } from "../src/index.js";
import { becomes, Browser, until } from "./browser.js";
import type { Fault } from "./gate.js";

beforeEach(() => {
  vi.spyOn(Math, "random").mockReturnValue(0); // no pauses between attempts
});
afterEach(() => {
  vi.restoreAllMocks();
});

const UNAVAILABLE = {
  errors: [{ message: "Try again later", extensions: { code: "SERVICE_UNAVAILABLE" } }],
};
const faults: [string, Fault][] = [
  ["the connection refused", "refuse"],
  ["the answer lost", "lose"],
  ["half an answer", "truncate"],
  ["no answer in time", "hang"],
  ["503", 503],
  ["502", 502],
  ["500", 500],
  ["429", 429],
  ["403 of something in between", 403],
  ["200 with a page, as of a captive portal", 200],
  ["a GraphQL error", UNAVAILABLE],
  ["an answer of null", { data: null }],
  ["a member that is not known yet", { data: { result: { __typename: "New", message: "Hm" } } }],
  ["a payload without token", { data: { result: { __typename: "AuthPayload" } } }],
];

const patience = (fault: Fault) => ({ timeout: fault === "hang" ? 3000 : 30_000 });

test.each(faults)("%s signs nobody out", async (_, fault) => {
  const browser = await Browser.start();
  const auth = await browser.signedIn(patience(fault));
  const { user } = auth.getSnapshot();
  const seen: AuthState[] = [];
  auth.subscribe(() => seen.push(auth.getSnapshot()));
  browser.gate.break("refreshToken", fault, fault);
  const before = await auth.token();
  const after = await auth.renew(before);
  expect(browser.gate.count("refreshToken")).toBe(3);
  expect(after).not.toBe(null);
  expect(after).not.toBe(before);
  expect(seen.map(({ status }) => status)).not.toContain("anonymous");
  expect(seen.every((state) => state.user === user)).toBe(true);
  expect(seen.some(({ error }) => error?.name === "AuthUnavailable")).toBe(true);
  expect(auth.getSnapshot()).toEqual({ status: "signed-in", user, error: null });
});

test.each(faults)("%s when a page loads: the session is restored afterwards", async (_, fault) => {
  const browser = await Browser.start();
  (await browser.signedIn()).close();
  browser.gate.break("refreshToken", fault);
  const auth = browser.tab(patience(fault));
  await until(auth, ({ error }) => error !== null);
  expect(auth.getSnapshot()).toMatchObject({ status: "refreshing", user: null });
  await becomes(auth, "signed-in");
});

test("the server's wish of when to be asked again is honoured", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const refused = { __typename: "TooManyAttempts", message: "Too many attempts", retryAfter: 1 };
  browser.gate.break("refreshToken", { data: { result: refused } });
  const renewed = auth.renew(await auth.token());
  await until(auth, ({ error }) => error?.retryAfter === 1);
  const told = performance.now();
  expect(await renewed).not.toBe(null);
  expect(performance.now() - told).toBeGreaterThanOrEqual(990); // timers may be a little early
});

test("what waits for a token fails in time, and not as if nobody were signed in", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn({ holdFor: 50 });
  browser.gate.online = false;
  await expect(auth.renew(await auth.token())).rejects.toMatchObject({ name: "AuthUnavailable" });
  expect(auth.getSnapshot().status).toBe("refreshing");
  browser.gate.online = true;
  await becomes(auth, "signed-in");
});

test("waiting for a token can be given up", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  browser.gate.online = false;
  const giveUp = new AbortController();
  const waiting = auth.renew(await auth.token(), giveUp.signal);
  giveUp.abort();
  await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
});

test("signing in says that the server could not be asked", async () => {
  const browser = await Browser.start();
  const auth = browser.tab({ restore: false });
  browser.gate.break("login", 503);
  await expect(auth.signIn({ email: "a@example.com", password: "x" })).rejects.toMatchObject({
    name: "AuthUnavailable",
    message: "The server answered 503",
  });
});

test.each(["MISSING", "EXPIRED", "INVALID", "REUSED", "REVOKED"])(
  "a refresh that is rejected as %s is the end",
  async (reason) => {
    const browser = await Browser.start();
    const onSignedOut = vi.fn();
    const auth = await browser.signedIn({ onSignedOut });
    browser.gate.break("refreshToken", {
      data: { result: { __typename: "RefreshTokenRejected", message: "Over", reason } },
    });
    expect(await auth.renew(await auth.token())).toBe(null);
    expect(await becomes(auth, "anonymous")).toEqual({
      status: "anonymous",
      user: null,
      error: null,
    });
    expect(onSignedOut).toHaveBeenCalledOnce();
    // Nobody is signed in: no refresh would help, so none is tried.
    expect(await auth.renew(null)).toBe(null);
    expect(browser.gate.count("refreshToken")).toBe(1);
  },
);

test("a session revoked elsewhere ends here at the next refused query", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const token = await auth.token();
  await browser.query(
    'mutation { revokeSession(id: "' + (await sessionId(browser, token)) + '") { __typename } }',
    token,
  );
  const refused = await browser.query("{ me { id } }", token);
  expect(refused.errors?.[0]?.extensions).toMatchObject({ reason: "SESSION_REVOKED" });
  expect(await auth.renew(token)).toBe(null);
  expect(auth.getSnapshot().status).toBe("anonymous");
});

async function sessionId(browser: Browser, token: string | null): Promise<string> {
  const { data } = await browser.query("{ sessions { id } }", token);
  return (data as { sessions: { id: string }[] }).sessions[0]?.id ?? "";
}
