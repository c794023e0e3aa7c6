// The end of a session: signed out in a tab, or ended from elsewhere.
import { describe, expect } from "vitest";
import { it } from "../tab.js";
import { until } from "../waiting.js";

describe.concurrent("signing out in one tab", () => {
  it("signs out the others at once, caches and all", async ({ arrive }) => {
    const person = await arrive("usualLife");
    const { gate } = person.front;
    const tab = await person.signedIn();
    const others = [await person.tab(), await person.tab()];
    for (const other of others) {
      expect(await other.me("apollo")).toBe(tab.email);
      expect(await other.page.evaluate(() => window.lab.cached())).toBe(tab.email);
    }
    const refreshes = gate.count("refreshToken");

    expect(await tab.page.evaluate(() => window.lab.auth.signOut())).toBe(true);
    for (const each of [tab, ...others]) {
      await each.becomes("anonymous");
      expect(await each.shows("user")).toBe("nobody");
      expect(await each.page.evaluate(() => window.lab.cached())).toBe(null);
      expect(await each.me("fetch")).toBe("Error: Access token required");
    }
    expect(gate.count("logout")).toBe(1);
    expect(gate.count("refreshToken")).toBe(refreshes); // nobody had to ask
    expect(await person.context.cookies()).toEqual([]);
  });

  it("does so without a network, and tells the server later", async ({ arrive }) => {
    const person = await arrive("usualLife");
    const { gate } = person.front;
    const tab = await person.signedIn();
    const other = await person.tab();
    await other.becomes("signed-in");

    await person.context.setOffline(true);
    expect(await tab.page.evaluate(() => window.lab.auth.signOut())).toBe(false);
    await other.becomes("anonymous");
    await person.context.setOffline(false);
    await until(() => gate.count("logout") > 0, "the server is told");
    await until(async () => !(await person.context.cookies()).length, "the cookie is gone");

    const next = await person.tab();
    await next.becomes("anonymous");
    expect(await next.logouts()).toBe(0);
  });
});

describe("a session that is ended elsewhere", () => {
  it("ends at once in a tab that subscribes, at its next query in another", async ({ arrive }) => {
    const phone = await arrive("usualLife");
    const laptop = await arrive("usualLife");
    const desk = await arrive("usualLife");
    const there = await desk.signedIn();
    const subscribing = await phone.tab();
    const asking = await laptop.tab();
    for (const tab of [subscribing, asking]) {
      await tab.page.evaluate((email) => window.lab.signIn(email), there.email);
      await tab.becomes("signed-in");
    }
    await subscribing.page.evaluate(() => window.lab.watch());

    const ended = await there.page.evaluate(() => window.lab.revokeOthers());
    expect(ended).toBe(2);

    await subscribing.becomes("anonymous");
    expect(await subscribing.page.evaluate(() => window.lab.events)).toContain("SessionEnded");
    expect(phone.front.gate.count("me")).toBe(0); // it has asked nothing of its own
    expect(await asking.shows("status")).toBe("signed-in"); // it cannot know yet
    expect(await asking.me("apollo")).toMatch(/Session revoked/);
    await asking.becomes("anonymous");

    expect(await there.me("apollo")).toBe(there.email);
    expect(await there.logouts()).toBe(0);
    expect(await subscribing.logouts()).toBe(1);
    expect(await asking.logouts()).toBe(1);
  });
});
