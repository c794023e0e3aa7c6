// What all tests share: one Chromium, the pages, a server with tokens of five seconds and one with
// tokens of the usual life.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "vite";
import type { TestProject } from "vitest/node";
import { Server } from "../client/test/server.js";
import { startChromium } from "./chromium.js";

/** The pages, each by the folder that Vite builds it from. */
const SITES = {
  lab: "page",
  apolloReact: "../../examples/apollo-react",
  urql: "../../examples/urql",
};
export type Site = keyof typeof SITES;

declare module "vitest" {
  interface ProvidedContext {
    readonly chromium: string;
    /** The folder in which each page is, built. */
    readonly sites: string;
    readonly fiveSeconds: string;
    readonly usualLife: string;
  }
}

export default async function setup(project: TestProject) {
  const sites = await mkdtemp(join(tmpdir(), "gql-auth-pages-"));
  const [chromium, fiveSeconds, usualLife] = await Promise.all([
    startChromium(),
    Server.start({ GQL_AUTH_ACCESS_TOKEN_TTL: "5s" }),
    Server.start(),
    ...Object.entries(SITES).map(([site, folder]) =>
      build({
        root: new URL(folder, import.meta.url).pathname,
        logLevel: "error",
        build: { outDir: join(sites, site), emptyOutDir: true },
      }),
    ),
  ]);
  project.provide("chromium", chromium.wsEndpoint());
  project.provide("sites", sites);
  project.provide("fiveSeconds", fiveSeconds.url);
  project.provide("usualLife", usualLife.url);
  return async () => {
    await Promise.all([chromium.close(), fiveSeconds.stop(), usualLife.stop()]);
    await rm(sites, { recursive: true });
  };
}
