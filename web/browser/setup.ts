// What all tests share: one Chromium, the page, a server with tokens of five seconds and one with
// tokens of the usual life.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "vite";
import type { TestProject } from "vitest/node";
import { Server } from "../client/test/server.js";
import { startChromium } from "./chromium.js";

declare module "vitest" {
  interface ProvidedContext {
    readonly chromium: string;
    readonly site: string;
    readonly fiveSeconds: string;
    readonly usualLife: string;
  }
}

export default async function setup(project: TestProject) {
  const site = await mkdtemp(join(tmpdir(), "gql-auth-page-"));
  const [chromium, fiveSeconds, usualLife] = await Promise.all([
    startChromium(),
    Server.start({ GQL_AUTH_ACCESS_TOKEN_TTL: "5s" }),
    Server.start(),
    build({
      root: new URL("page", import.meta.url).pathname,
      logLevel: "error",
      build: { outDir: site, emptyOutDir: true },
    }),
  ]);
  project.provide("chromium", chromium.wsEndpoint());
  project.provide("site", site);
  project.provide("fiveSeconds", fiveSeconds.url);
  project.provide("usualLife", usualLife.url);
  return async () => {
    await Promise.all([chromium.close(), fiveSeconds.stop(), usualLife.stop()]);
    await rm(site, { recursive: true });
  };
}
