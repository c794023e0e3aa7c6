// The loop: tokens of five seconds, a minute of use, and the user notices nothing. scripts/soak has
// ten minutes, and more tabs.
import { describe, expect } from "vitest";
import type { Fault } from "../../client/test/gate.js";
import { it } from "../tab.js";
import { until } from "../waiting.js";

const SOAKS = "GQL_AUTH_SOAK" in process.env;
const SPAN = SOAKS ? 600_000 : 60_000; // milliseconds
const TABS = SOAKS ? 8 : 2;
const FAULTS: Fault[] = ["lose", "refuse", 503, "truncate", "hang"];

describe.concurrent("use with tokens of five seconds", { timeout: SPAN + 60_000 }, () => {
  it("has no failure and shows nothing but the user", async ({ arrive }) => {
    const person = await arrive("fiveSeconds");
    const tab = await person.signedIn();
    const { answers, failures } = await tab.use(12, SPAN);
    expect(failures).toEqual([]);
    expect(answers).toBeGreaterThan(12);
    expect(await tab.shown()).toEqual(["nothing yet", "the sign-in form", tab.email]);
    expect(await tab.shows("user")).toBe(tab.email);
    expect(await tab.logouts()).toBe(0);
    expect(tab.problems).toEqual([]);
  });

  it("has none where the page learns of each expiry from a refusal", async ({ arrive }) => {
    const person = await arrive("fiveSeconds");
    // As after a sleep, in which the page's clock stands still: tokens seem better than they are.
    await person.context.addInitScript(() => {
      const real = performance.now.bind(performance);
      performance.now = () => real() / 10;
      const later = setTimeout.bind(window);
      window.setTimeout = ((act: () => void, span = 0) =>
        later(act, span > 2000 ? span * 10 : span)) as typeof setTimeout;
    });
    const tab = await person.signedIn();
    const bodies: Promise<string>[] = []; // the status tells of a refusal to Apollo Client alone
    tab.page.on("response", (response) => {
      bodies.push(response.text().catch(() => ""));
    });
    const { answers, failures } = await tab.use(10, SPAN);
    const texts = await Promise.all(bodies);
    const refused = texts.filter((text) => text.includes("ACCESS_TOKEN_EXPIRED")).length;
    expect(failures).toEqual([]);
    expect(answers).toBeGreaterThan(10);
    expect(refused).toBeGreaterThanOrEqual(10);
    expect(await tab.logouts()).toBe(0);
    expect(await tab.shows("user")).toBe(tab.email);
  });

  it("has none in several tabs whose refreshes fail in every way", async ({ arrive }) => {
    const person = await arrive("fiveSeconds");
    const { gate } = person.front;
    const first = await person.signedIn();
    const others = await Promise.all(Array.from({ length: TABS - 1 }, () => person.tab()));
    const tabs = [first, ...others];
    await Promise.all(tabs.map((tab) => tab.becomes("signed-in")));

    const use = { over: false };
    const using = Promise.all(tabs.map((tab) => tab.use(5, SPAN))).finally(() => (use.over = true));
    let failed = 0;
    for (; !use.over; failed++) {
      gate.break("refreshToken", FAULTS[failed % FAULTS.length] ?? "lose");
      const seen = gate.count("refreshToken");
      await until(() => use.over || gate.count("refreshToken") > seen + 1, "it is tried again", 60);
    }
    const used = await using;

    expect(failed).toBeGreaterThan(FAULTS.length);
    expect(used.flatMap(({ failures }) => failures)).toEqual([]);
    for (const tab of tabs) {
      expect(await tab.shows("user")).toBe(first.email);
      expect(await tab.logouts()).toBe(0);
    }
  });
});
