// Tabs of one browser: they share the session, and one of them refreshes for all.
import { afterAll, beforeAll, describe, expect } from "vitest";
import { Counted } from "../counted.js";
import { it, type Person, type Tab } from "../tab.js";
import { until } from "../waiting.js";

const EIGHT = 8;
const CONNECTIONS = 6; // that a browser opens to one host, for all of its tabs

/** One who has signed in and has eight tabs open. */
async function eight(person: Person): Promise<Tab[]> {
  const first = await person.signedIn();
  const others = Array.from({ length: EIGHT - 1 }, async () => {
    const tab = await person.tab();
    await tab.becomes("signed-in");
    return tab;
  });
  return [first, ...(await Promise.all(others))];
}

const each = <T>(tabs: Tab[], ask: (tab: Tab) => Promise<T>) => Promise.all(tabs.map(ask));

/** The generation that all tabs are at. */
const together = (tabs: Tab[]) =>
  until(async () => {
    const generations = new Set(await each(tabs, (tab) => tab.generation()));
    return generations.size === 1 && [...generations][0];
  }, "all tabs have the same token");

/** All refuse the token that they have, at the same moment. */
async function renew(tabs: Tab[]): Promise<void> {
  const moment = Date.now() + 300;
  await each(tabs, ({ page }) =>
    page.evaluate(async (at) => {
      const token = window.lab.auth.peek()?.token ?? null;
      await new Promise((resolve) => setTimeout(resolve, at - Date.now()));
      await window.lab.auth.renew(token);
    }, moment),
  );
}

describe("eight tabs that refresh at the same moment", () => {
  let server: Counted;
  beforeAll(async () => (server = await Counted.start()));
  afterAll(() => server.stop());

  it("refresh once, and five times in five", async ({ arrive }) => {
    const tabs = await eight(await arrive(server.url));
    const begun = await server.refreshes();
    for (let round = 1; round <= 5; round++) {
      await renew(tabs);
      await together(tabs);
      expect(await server.refreshes()).toEqual({
        ...begun,
        rotated: (begun["rotated"] ?? 0) + round,
      });
    }
    expect(await each(tabs, (tab) => tab.logouts())).toEqual(tabs.map(() => 0));
  });

  it("all stay signed in where they cannot agree on one", async ({ arrive }) => {
    const person = await arrive(server.url);
    await person.context.addInitScript(() => {
      Object.defineProperty(navigator, "locks", { value: undefined });
      Object.defineProperty(window, "BroadcastChannel", { value: undefined });
    });
    const { gate } = person.front;
    const tabs = [await person.signedIn()];
    while (tabs.length < CONNECTIONS) {
      const tab = await person.tab();
      await tab.becomes("signed-in");
      tabs.push(tab);
    }
    const begun = await server.refreshes();
    const seen = gate.count("refreshToken");

    const answer = gate.hold("refreshToken"); // none has an answer before all have asked
    const renewed = renew(tabs);
    await until(() => gate.count("refreshToken") === seen + CONNECTIONS, "all have asked");
    answer();
    await renewed;

    const now = await server.refreshes();
    const grown = (outcome: string) => (now[outcome] ?? 0) - (begun[outcome] ?? 0);
    expect(grown("rotated")).toBe(1);
    expect(grown("replayed") + grown("raced")).toBe(CONNECTIONS - 1);
    const { email } = tabs[0] ?? {};
    expect(await each(tabs, (tab) => tab.me("fetch"))).toEqual(tabs.map(() => email));
    expect(await each(tabs, (tab) => tab.logouts())).toEqual(tabs.map(() => 0));
  });
});

describe("eight tabs at work with tokens of five seconds", () => {
  it("refresh once an expiry, counted on the server", async ({ arrive, onTestFinished }) => {
    const server = await Counted.start({ GQL_AUTH_ACCESS_TOKEN_TTL: "5s" });
    onTestFinished(server.stop);
    const tabs = await eight(await arrive(server.url));

    /** The generation, and how often the server has rotated, of one moment. */
    const look = () =>
      until(async () => {
        const generation = await together(tabs);
        const refreshes = await server.refreshes();
        return generation === (await together(tabs)) ? { generation, refreshes } : null;
      }, "a moment without a refresh");

    const begun = await look();
    const used = await each(tabs, (tab) => tab.use(5));
    const now = await look();

    const expiries = now.generation - begun.generation;
    expect(expiries).toBeGreaterThanOrEqual(5);
    const rotated = (begun.refreshes["rotated"] ?? 0) + expiries;
    expect(now.refreshes).toEqual({ ...begun.refreshes, rotated });
    expect(used.flatMap(({ failures }) => failures)).toEqual([]);
    expect(await each(tabs, (tab) => tab.logouts())).toEqual(tabs.map(() => 0));
  });
});
