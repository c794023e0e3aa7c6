import { afterEach, expect, test, vi } from "vitest";
import { account, becomes, Browser, eventually, PASSWORD } from "./browser.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("eight tabs that load at the same moment: one refresh", async () => {
  const browser = await Browser.start();
  (await browser.signedIn()).close();
  const tabs = Array.from({ length: 8 }, () => browser.tab());
  await Promise.all(tabs.map((tab) => becomes(tab, "signed-in")));
  expect(browser.gate.count("refreshToken")).toBe(1);
});

test("eight tabs that are refused at the same moment: one refresh", async () => {
  const browser = await Browser.start();
  const first = await browser.signedIn();
  const tabs = [first, ...Array.from({ length: 7 }, () => browser.tab({ restore: false }))];
  await first.refresh();
  await Promise.all(tabs.map((tab) => becomes(tab, "signed-in")));
  const token = await first.token();
  const renewed = await Promise.all(
    tabs.flatMap((tab) => [tab.renew(token), tab.renew(token), tab.token()]),
  );
  expect(new Set(renewed).size).toBe(1);
  expect(renewed[0]).not.toBe(token);
  expect(browser.gate.count("refreshToken")).toBe(2);
});

test.each(["locks", "BroadcastChannel", "both"])(
  "without %s the tabs stay signed in all the same",
  async (missing) => {
    if (missing !== "BroadcastChannel") vi.stubGlobal("navigator", {});
    if (missing !== "locks") vi.stubGlobal("BroadcastChannel", undefined);
    const browser = await Browser.start();
    (await browser.signedIn()).close();
    const tabs = Array.from({ length: 4 }, () => browser.tab());
    await Promise.all(tabs.map((tab) => becomes(tab, "signed-in")));
    for (const tab of tabs) {
      const before = await tab.token();
      const [after] = await Promise.all([tab.renew(before), tab.renew(before), tab.renew(before)]);
      expect(after).not.toBe(before);
      const reply = await browser.query("{ me { id } }", after);
      expect(reply.errors).toBe(undefined);
    }
    expect(await tabs[0]?.signOut()).toBe(true);
    expect(browser.cookie).toBe("");
  },
);

test("a page that may not use locks refreshes without", async () => {
  vi.stubGlobal("navigator", {
    locks: { request: () => Promise.reject(new DOMException("", "SecurityError")) },
  });
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const before = await auth.token();
  expect(await auth.renew(before)).not.toBe(before);
});

test("a tab frozen with the lock does not stop the others for ever", async () => {
  const browser = await Browser.start();
  const first = await browser.signedIn();
  const auth = browser.tab({ restore: false, timeout: 500 });
  await first.refresh();
  await becomes(auth, "signed-in");
  let thaw: () => void = () => undefined;
  const frozen = new Promise<void>((resolve) => (thaw = resolve));
  const lock = navigator.locks.request(`gql-auth:${auth.url}`, () => frozen);
  const before = await auth.token();
  expect(await auth.renew(before)).not.toBe(before);
  thaw();
  await lock;
});

test("signing out in one tab signs out all, and clears their caches", async () => {
  const browser = await Browser.start();
  const cleared: string[] = [];
  const one = await browser.signedIn({ onSignedOut: () => cleared.push("one") });
  const two = browser.tab({ onSignedOut: () => cleared.push("two") });
  await becomes(two, "signed-in");
  const dead = await two.token();
  const [confirmed] = await Promise.all([one.signOut(), becomes(two, "anonymous")]);
  expect(confirmed).toBe(true);
  expect(cleared.sort()).toEqual(["one", "two"]);
  expect(await two.token()).toBe(null);
  const reply = await browser.query("{ me { id } }", dead);
  expect(reply.errors?.[0]?.extensions.reason).toBe("SESSION_REVOKED");
});

test("the hook is waited for before anybody sees the change", async () => {
  const browser = await Browser.start();
  let done: () => void = () => undefined;
  const work = new Promise<void>((resolve) => (done = resolve));
  const auth = await browser.signedIn({ onSignedOut: () => work });
  const signingOut = auth.signOut();
  expect(await auth.token()).toBe(null);
  expect(auth.getSnapshot().status).toBe("signed-in");
  done();
  await signingOut;
  expect(auth.getSnapshot().status).toBe("anonymous");
});

test("a hook that fails is reported and keeps nobody signed in", async () => {
  const browser = await Browser.start();
  const report = vi.spyOn(console, "error").mockReturnValue();
  const auth = await browser.signedIn({
    onSignedOut: () => {
      throw new Error("no cache");
    },
  });
  await auth.signOut();
  expect(auth.getSnapshot().status).toBe("anonymous");
  expect(report).toHaveBeenCalledOnce();
});

test("a sign-in as somebody else is seen by all tabs, after their caches are cleared", async () => {
  const browser = await Browser.start();
  const onSignedOut = vi.fn();
  const one = await browser.signedIn();
  const two = browser.tab({ onSignedOut });
  const anonymous = browser.tab({ restore: false });
  await becomes(two, "signed-in");
  const input = account();
  await one.signUp(input);
  for (const tab of [two, anonymous]) {
    await eventually(() => {
      expect(tab.getSnapshot()).toMatchObject({
        status: "signed-in",
        user: { email: input.email },
      });
    });
    expect(await tab.token()).toBe(await one.token());
  }
  expect(onSignedOut).toHaveBeenCalledOnce();
});

test("signing in again as the same user clears nothing", async () => {
  const browser = await Browser.start();
  const onSignedOut = vi.fn();
  const auth = browser.tab({ restore: false, onSignedOut });
  const input = account();
  await auth.signUp(input);
  const { user } = auth.getSnapshot();
  await auth.signIn({ email: input.email, password: PASSWORD });
  expect(auth.getSnapshot().user).toBe(user);
  expect(onSignedOut).not.toHaveBeenCalled();
});

test.each(["the same tab", "another tab"])(
  "a sign-out in %s during a refresh wins, and its late answer changes nothing",
  async (where) => {
    const browser = await Browser.start();
    // A fetch that cannot be aborted, so that the answer does come.
    const stubborn: typeof fetch = (input, init) => {
      const rest = { ...init };
      delete rest.signal;
      return browser.fetch(input, rest);
    };
    const refreshing = await browser.signedIn({ fetch: stubborn });
    const other = browser.tab();
    await eventually(() => {
      expect(other.peek()?.token).toBe(refreshing.peek()?.token);
    });
    const release = browser.gate.hold("refreshToken");
    const before = browser.gate.count("refreshToken");
    const renewed = refreshing.renew(await refreshing.token());
    await eventually(() => {
      expect(browser.gate.count("refreshToken")).toBe(before + 1);
    });
    const signingOut = (where === "the same tab" ? refreshing : other).signOut();
    await Promise.all([becomes(refreshing, "anonymous"), becomes(other, "anonymous")]);
    const states: string[] = [];
    for (const tab of [refreshing, other]) {
      tab.subscribe(() => states.push(tab.getSnapshot().status));
    }
    release();
    expect(await renewed).toBe(null);
    expect(await signingOut).toBe(true);
    expect(states).toEqual([]);
    const reloaded = browser.tab();
    await becomes(reloaded, "anonymous");
  },
);

test.each(["the same tab", "another tab"])(
  "a sign-out in %s does not wait for a refresh that hangs",
  async (where) => {
    const browser = await Browser.start();
    const auth = await browser.signedIn({ timeout: 60_000 });
    const other = browser.tab({ timeout: 60_000 });
    await eventually(() => {
      expect(other.peek()?.token).toBe(auth.peek()?.token);
    });
    const release = browser.gate.hold("refreshToken");
    const before = browser.gate.count("refreshToken");
    const renewed = auth.renew(await auth.token());
    await eventually(() => {
      expect(browser.gate.count("refreshToken")).toBe(before + 1);
    });
    expect(await (where === "the same tab" ? auth : other).signOut()).toBe(true);
    expect(await renewed).toBe(null);
    release();
  },
);

test("news of a refresh that comes after the sign-out signs nobody in", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const { user } = auth.getSnapshot();
  await auth.signOut();
  const states: string[] = [];
  auth.subscribe(() => states.push(auth.getSnapshot().status));
  const other = new BroadcastChannel(`gql-auth:${auth.url}`);
  other.postMessage({ type: "refreshed", token: "late", expiresIn: 900, user });
  other.postMessage({ type: "signed-in", token: "new", expiresIn: 900, user });
  await becomes(auth, "signed-in");
  other.close();
  expect(await auth.token()).toBe("new");
  expect(states).toEqual(["signed-in"]);
});

test("news of somebody else's refresh is not taken: the server is asked who is signed in", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const { user } = auth.getSnapshot();
  const before = await auth.token();
  const other = new BroadcastChannel(`gql-auth:${auth.url}`);
  other.postMessage({ type: "of a version to come" });
  other.postMessage({
    type: "refreshed",
    token: "late",
    expiresIn: 900,
    user: { ...user, id: "x" },
  });
  await eventually(() => {
    expect(auth.peek()?.token).not.toBe(before);
  });
  other.close();
  expect(auth.peek()?.token).not.toBe("late");
  expect(auth.getSnapshot().user).toEqual(user);
});

test("a sign-out without network holds here, and reaches the server when it can", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  browser.gate.online = false;
  expect(await auth.signOut()).toBe(false);
  expect(auth.getSnapshot().status).toBe("anonymous");
  expect(browser.cookie).not.toBe("");
  browser.gate.online = true;
  await eventually(() => {
    expect(browser.cookie).toBe("");
  });
});

test("a sign-in ends the attempts to confirm the sign-out before", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  browser.gate.break("logout", 503);
  vi.spyOn(Math, "random").mockReturnValue(1000); // the next attempt would be in minutes
  expect(await auth.signOut()).toBe(false);
  const input = account();
  await auth.signUp(input);
  expect(await auth.refresh()).toMatchObject({ user: { email: input.email } });
  expect(browser.gate.count("logout")).toBe(1);
});
