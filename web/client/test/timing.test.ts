import { afterEach, expect, test, vi } from "vitest";
import type { AuthState } from "../src/index.js";
import { becomes, Browser } from "./browser.js";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("refreshes run ahead of expiry, whatever the client's clock says, one for all tabs", async () => {
  const browser = await Browser.start("brief");
  const first = await browser.signedIn();
  const seen: AuthState[] = [];
  const tabs = [first, ...Array.from({ length: 7 }, () => browser.tab({ restore: false }))];
  await first.refresh(); // of which the others hear
  await Promise.all(tabs.map((tab) => becomes(tab, "signed-in")));
  for (const tab of tabs) tab.subscribe(() => seen.push(tab.getSnapshot()));
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 600_000 });
  for (const tab of tabs) expect(tab.peek()?.expiresIn).toBeLessThanOrEqual(1);
  await vi.waitFor(
    () => {
      expect(browser.gate.count("refreshToken")).toBe(3); // two of them at expiries
    },
    { timeout: 10_000 },
  );
  expect(seen).toEqual([]);
  await vi.waitFor(() => {
    expect(new Set(tabs.map((tab) => tab.peek()?.token)).size).toBe(1);
  });
  const token = await first.token();
  expect((await browser.query("{ me { id } }", token)).errors).toBe(undefined);
});

test("a token that expires while its successor is on its way is good no longer", async () => {
  const browser = await Browser.start("brief");
  const auth = await browser.signedIn();
  const release = browser.gate.hold("refreshToken");
  expect(await becomes(auth, "refreshing")).toMatchObject({ error: null });
  release();
  await becomes(auth, "signed-in");
});

test("offline for longer than the token's life, then online", async () => {
  const browser = await Browser.start("brief");
  const auth = await browser.signedIn();
  const { user } = auth.getSnapshot();
  browser.gate.online = false;
  await becomes(auth, "refreshing");
  expect(auth.getSnapshot().user).toBe(user);
  const held = auth.token();
  browser.gate.online = true;
  expect(await held).not.toBe(null);
  expect(auth.getSnapshot()).toEqual({ status: "signed-in", user, error: null });
});
