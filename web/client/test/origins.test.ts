// Pages of origins that the server does not allow: their developers are told what to do.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Auth } from "../src/index.js";
import { becomes, Browser, until } from "./browser.js";

const UNKNOWN = "https://app.example.com";

beforeEach(() => {
  vi.spyOn(Math, "random").mockReturnValue(0); // no pauses between attempts
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** The problems that an auth has while it makes so many attempts. */
async function problems(auth: Auth, browser: Browser, attempts: number): Promise<string[]> {
  const found = new Set<string>();
  await new Promise<void>((resolve) => {
    const end = auth.subscribe(() => {
      found.add(auth.getSnapshot().error?.message ?? "");
    });
    const timer = setInterval(() => {
      if (browser.gate.count("refreshToken") < attempts) return;
      clearInterval(timer);
      end();
      resolve();
    }, 5);
  });
  return [...found];
}

test("the server refuses the page: the error says so, and the console once", async () => {
  const report = vi.spyOn(console, "error").mockReturnValue();
  const browser = await Browser.start();
  const fromThere: typeof fetch = (input, init) => {
    const request = new Request(input, init);
    request.headers.set("origin", UNKNOWN);
    return browser.fetch(request);
  };
  const auth = browser.tab({ fetch: fromThere });
  const [found, ...others] = await problems(auth, browser, 4);
  expect(found).toMatch(/origin.*GQL_AUTH_ALLOWED_ORIGINS/);
  expect(others).toEqual([]);
  expect(auth.getSnapshot().status).toBe("refreshing"); // of the session it says nothing
  expect(report).toHaveBeenCalledOnce();
  expect(report.mock.calls[0]?.join(" ")).toContain(found);
  await expect(auth.signIn({ email: "a@example.com", password: "x" })).rejects.toThrow(found);
});

test("the browser keeps the answer from the page: the setting is named", async () => {
  const report = vi.spyOn(console, "error").mockReturnValue();
  const browser = await Browser.start();
  vi.stubGlobal("location", new URL(`${UNKNOWN}/page`));
  let blocked = true;
  const auth = browser.tab({
    fetch: (...request) =>
      blocked ? Promise.reject(new TypeError("Failed to fetch")) : browser.fetch(...request),
  });
  const { error } = await until(auth, (state) => state.error !== null);
  expect(error?.message).toContain(UNKNOWN);
  expect(error?.message).toContain("GQL_AUTH_ALLOWED_ORIGINS");
  // Once something has come through, it is the network.
  blocked = false;
  await becomes(auth, "anonymous");
  blocked = true;
  await expect(auth.signIn({ email: "a@example.com", password: "x" })).rejects.toThrow(
    /^The server cannot be reached$/,
  );
  expect(report).toHaveBeenCalledOnce();
});

test("of an outage the console is told nothing", async () => {
  const report = vi.spyOn(console, "error").mockReturnValue();
  const browser = await Browser.start();
  browser.gate.break("refreshToken", "refuse", 503, 403, { data: null });
  await becomes(browser.tab(), "anonymous");
  expect(report).not.toHaveBeenCalled();
});
