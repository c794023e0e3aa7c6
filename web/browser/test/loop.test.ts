// The loop: tokens of five seconds, a minute of use, and the user notices nothing.
import { describe, expect } from "vitest";
import { it } from "../tab.js";

const MINUTE = 60_000; // milliseconds

describe.concurrent("a minute of use with tokens of five seconds", () => {
  it("has no failure and shows nothing but the user", async ({ arrive }) => {
    const person = await arrive("fiveSeconds");
    const tab = await person.signedIn();
    const { answers, failures } = await tab.use(12, MINUTE);
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
    let refused = 0;
    tab.page.on("response", (response) => {
      if (response.status() === 401) refused++;
    });
    const { answers, failures } = await tab.use(10, MINUTE);
    expect(failures).toEqual([]);
    expect(answers).toBeGreaterThan(10);
    expect(refused).toBeGreaterThanOrEqual(10);
    expect(await tab.logouts()).toBe(0);
    expect(await tab.shows("user")).toBe(tab.email);
  });
});
