// The front end on another port of the API's site, in a browser that withholds third-party cookies.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { Server } from "../../client/test/server.js";
import { it } from "../tab.js";

/** What of the cookies that a server sets comes back to it when a page asks from afar. */
async function cookiesOf(page: Page, host: string): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    outgoing.writeHead(200, {
      "access-control-allow-origin": incoming.headers.origin ?? "*",
      "access-control-allow-credentials": "true",
      "set-cookie": "probe=1; SameSite=None; Secure; HttpOnly",
    });
    outgoing.end(incoming.headers.cookie ?? "none");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://${host}:${(server.address() as AddressInfo).port}/`;
  try {
    return await page.evaluate(async (address) => {
      await fetch(address, { credentials: "include" });
      return (await fetch(address, { credentials: "include" })).text();
    }, url);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe("a front end on another port of the same site", () => {
  it("keeps its session where third-party cookies are blocked", async ({
    arrive,
    onTestFinished,
  }) => {
    const person = await arrive("usualLife");
    const server = await Server.start({
      GQL_AUTH_ACCESS_TOKEN_TTL: "5s",
      GQL_AUTH_ALLOWED_ORIGINS: person.front.origin,
    });
    onTestFinished(() => server.stop());

    // The same cookie of the same host, asked for by a page of its own site and by one of another.
    const host = new URL(person.front.origin.replace("localhost", "127.0.0.1"));
    const there = await person.context.newPage();
    await there.goto(host.href);
    expect(await cookiesOf(there, host.hostname)).toBe("probe=1");
    const tab = await person.tab(`?api=${server.url}`);
    expect(await cookiesOf(tab.page, host.hostname)).toBe("none");

    await tab.signUp();
    expect(person.front.gate.count("signup")).toBe(0); // the page's own origin has no part in it
    expect(await tab.use(2)).toMatchObject({ failures: [] });
    await tab.page.reload();
    await tab.becomes("signed-in");
    expect(await tab.me("fetch")).toBe(tab.email);
    expect(await tab.logouts()).toBe(0);
  });
});
