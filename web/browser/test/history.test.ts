// Back to a page that the browser has kept as it was: scripts stood still, news were missed.
import { describe, expect, inject } from "vitest";
import { it, type Tab } from "../tab.js";
import { until } from "../waiting.js";

/** Leaves the page, does something meanwhile, and comes back to it by the browser's button. */
async function away(tab: Tab, meanwhile: () => Promise<unknown>): Promise<void> {
  await tab.page.goto("about:blank");
  await meanwhile();
  await tab.page.goBack({ waitUntil: "commit" }); // it does not load again
  expect(await tab.page.evaluate(() => window.lab.revived)).toBe(1);
}

describe.concurrent("a page out of the back-forward cache", () => {
  it("is signed in when its token has expired meanwhile", async ({ arrive }) => {
    const person = await arrive("fiveSeconds");
    const tab = await person.signedIn();
    const token = await tab.page.evaluate(() => window.lab.auth.peek()?.token);
    await away(tab, () =>
      until(async () => {
        const answer = await fetch(inject("fiveSeconds"), {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
          body: JSON.stringify({ query: "{ me { id } }" }),
        });
        return (await answer.text()).includes("ACCESS_TOKEN_EXPIRED");
      }, "the token has expired"),
    );
    await tab.becomes("signed-in");
    expect(await tab.me("apollo")).toBe(tab.email);
    expect(await tab.logouts()).toBe(0);
  });

  it("is signed out when another tab has signed out meanwhile", async ({ arrive }) => {
    const person = await arrive("usualLife");
    const tab = await person.signedIn();
    const other = await person.tab();
    await other.becomes("signed-in");
    await away(tab, async () => {
      await other.page.evaluate(() => window.lab.auth.signOut());
    });
    await tab.becomes("anonymous");
  });
});
