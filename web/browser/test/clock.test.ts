// Clocks of which one is ten minutes wrong: the server's is moved, which to it makes the browser's
// wrong for whatever it does, cookies included.
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { Server } from "../../client/test/server.js";
import { it } from "../tab.js";

const TEN_MINUTES = 600;
const UNPACKED = new URL("../../../.venv/debian/usr", import.meta.url).pathname;

/** The environment of a process whose wall clock is off by so many seconds. */
async function clockMovedBy(seconds: number): Promise<Record<string, string>> {
  for (const root of [UNPACKED, "/usr"]) {
    for (const name of await readdir(join(root, "lib")).catch(() => [])) {
      const folder = join(root, "lib", name, "faketime");
      if (!(await readdir(folder).catch((): string[] => [])).includes("libfaketime.so.1")) continue;
      return {
        LD_PRELOAD: "libfaketime.so.1",
        LD_LIBRARY_PATH: folder,
        FAKETIME: `${seconds < 0 ? "" : "+"}${seconds}s`,
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      };
    }
  }
  throw new Error("libfaketime is missing: scripts/test fetches it");
}

describe.concurrent("a client whose clock is ten minutes", () => {
  it.for([
    ["fast", -TEN_MINUTES],
    ["slow", TEN_MINUTES],
  ] as const)("%s stays signed in", async ([, off], { arrive, onTestFinished }) => {
    const moved = await clockMovedBy(off);
    const server = await Server.start({ GQL_AUTH_ACCESS_TOKEN_TTL: "5s", ...moved });
    onTestFinished(async () => {
      await server.stop();
      const { pid = 0 } = server; // libfaketime forgets nothing of a process that a signal ends
      await rm(`/dev/shm/faketime_shm_${pid}`, { force: true });
      await rm(`/dev/shm/sem.faketime_sem_${pid}`, { force: true });
    });
    const tab = await (await arrive(new URL(server.url))).signedIn();
    const issued = (await tab.page.evaluate(() => window.lab.claims()?.iat)) ?? 0;
    expect(Math.abs(issued - Date.now() / 1000 - off)).toBeLessThan(10);

    expect(await tab.use(2)).toMatchObject({ failures: [] });
    await tab.page.reload(); // the cookie has not expired either
    await tab.becomes("signed-in");
    expect(await tab.me("fetch")).toBe(tab.email);
    expect(await tab.logouts()).toBe(0);
  });
});
