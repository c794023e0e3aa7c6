// Networks and servers that fail while the client refreshes: nobody is signed out by it.
import { describe, expect } from "vitest";
import { Server } from "../../client/test/server.js";
import { it } from "../tab.js";
import { until } from "../waiting.js";

const LOST = 20;

describe.concurrent("a refresh", () => {
  it("survives that its answer is lost, twenty times", async ({ arrive }) => {
    const person = await arrive("usualLife");
    const { gate } = person.front;
    const tab = await person.signedIn();
    const begun = (await tab.generation()) ?? 0;

    gate.break("refreshToken", ...Array<"lose">(LOST).fill("lose"));
    await tab.page.evaluate(() => {
      void window.lab.auth.refresh();
      // The network comes and goes: without this the client waits longer and longer.
      setInterval(() => dispatchEvent(new Event("online")), 20);
    });
    await until(() => gate.count("refreshToken") > LOST, "the answer after the last that is lost");
    await tab.page.waitForFunction(() => !window.lab.auth.getSnapshot().error);

    expect(await tab.generation()).toBe(begun + 1); // the same successor, twenty-one times
    expect(await tab.me("apollo")).toBe(tab.email);
    await tab.page.evaluate(() => window.lab.auth.refresh());
    expect(await tab.generation()).toBe(begun + 2);
    expect(await tab.me("fetch")).toBe(tab.email);
    expect(await tab.logouts()).toBe(0);
  });

  it.for([
    ["that the browser knows of", true],
    ["that it does not know of", false],
  ] as const)("waits while there is no network, %s", async ([, known], { arrive }) => {
    const person = await arrive("fiveSeconds");
    const tab = await person.signedIn();
    const online = async (is: boolean) => {
      if (known) await person.context.setOffline(!is);
      else person.front.gate.online = is;
    };

    await online(false);
    await tab.becomes("refreshing"); // the token's life is over
    expect(await tab.shows("user")).toBe(tab.email);
    expect(await tab.shows("error")).toBe("The server cannot be reached");
    const asked = tab.me("apollo");
    await online(true);

    expect(await asked).toBe(tab.email);
    await tab.becomes("signed-in");
    expect(await tab.shown()).toEqual(["nothing yet", "the sign-in form", tab.email]);
    expect(await tab.logouts()).toBe(0);
  });

  it("survives that the server is killed while it is at it", async ({ arrive, onTestFinished }) => {
    const server = await Server.start();
    onTestFinished(() => server.stop());
    const person = await arrive(new URL(server.url));
    const { gate } = person.front;
    const tab = await person.signedIn();

    for (const delay of [0, 3, 8, 100]) {
      const before = (await tab.generation()) ?? 0;
      const seen = gate.count("refreshToken");
      gate.break("refreshToken", "lose"); // the answer, if there is one, is on its way until then
      const lose = gate.hold("refreshToken");
      await tab.page.evaluate(() => void window.lab.auth.refresh());
      await until(() => gate.count("refreshToken") > seen, "a refresh is on its way");
      await new Promise((resolve) => setTimeout(resolve, delay));
      await server.kill();
      lose();
      await tab.page.waitForFunction(() => window.lab.auth.getSnapshot().error);
      await server.restart();
      await tab.page.waitForFunction(() => !window.lab.auth.getSnapshot().error);

      expect(await tab.generation()).toBe(before + 1); // whether or not it was committed
      expect(await tab.me("apollo")).toBe(tab.email);
    }
    expect(await tab.logouts()).toBe(0);
  });
});
