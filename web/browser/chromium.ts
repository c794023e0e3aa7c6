// Chromium as the tests start it: Debian's, of the machine or of .venv/debian.
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { type BrowserServer, chromium } from "playwright-core";

const UNPACKED = new URL("../../.venv/debian/usr/bin", import.meta.url).pathname;

// Nothing that leaves the machine, no graphics card, nothing asked at the first start.
const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

async function program(): Promise<string> {
  const folders = [UNPACKED, ...(process.env["PATH"] ?? "").split(delimiter)];
  for (const folder of folders) {
    const path = join(folder, "chromium");
    const there = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  throw new Error(
    "Chromium is missing: scripts/test fetches it; run scripts/_debian with bash, or on Debian " +
      "`apt-get install chromium`",
  );
}

/** Starts it, without a window; tests connect to it at `wsEndpoint()`. */
export async function startChromium(): Promise<BrowserServer> {
  return chromium.launchServer({
    executablePath: await program(),
    chromiumSandbox: process.getuid?.() !== 0, // which does not work for root
    args: FLAGS,
    ignoreDefaultArgs: ["--disable-back-forward-cache"], // users have it
  });
}
