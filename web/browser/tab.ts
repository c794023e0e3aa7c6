// People at their browsers, for the tests.
import { join } from "node:path";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { inject, test } from "vitest";
import type { AuthStatus } from "@gql-auth/client";
import { Front } from "./front.js";
import type { Site } from "./setup.js";

let browser: Promise<Browser> | undefined;
let people = 0;

/** An address that nobody has signed up with. */
export const address = () =>
  `person${process.pid}x${people++}x${Math.random().toString(36).slice(2)}@example.com`;

/** A browser profile of its own, before a server. */
export class Person {
  constructor(
    readonly context: BrowserContext,
    /** Where the page comes from. */
    readonly front: Front,
  ) {}

  /** Opens a tab, which looks for a session as pages do. */
  async tab(query = ""): Promise<Tab> {
    const page = await this.context.newPage();
    const tab = new Tab(page);
    await page.goto(`${this.front.origin}/${query}`);
    await page.waitForFunction(() => document.getElementById("status"));
    return tab;
  }

  /** Opens a tab in which a new account is signed in. */
  async signedIn(query = ""): Promise<Tab> {
    const tab = await this.tab(query);
    await tab.signUp();
    return tab;
  }
}

export class Tab {
  email = "";
  /** What the browser has complained of: defects of the page, and nothing that a test means. */
  readonly problems: string[] = [];

  constructor(readonly page: Page) {
    page.on("pageerror", (problem) => this.problems.push(problem.message));
  }

  async signUp(): Promise<void> {
    this.email = address();
    const came = await this.page.evaluate((email) => window.lab.signUp(email), this.email);
    if (came !== "AuthPayload") throw new Error(came);
    await this.becomes("signed-in");
  }

  /** Resolves as soon as the page shows that. */
  async becomes(status: AuthStatus): Promise<void> {
    await this.page.waitForFunction(
      (wanted) => document.getElementById("status")?.textContent === wanted,
      status,
    );
  }

  shows = (what: "status" | "user" | "error") => this.page.locator(`#${what}`).innerText();
  me = (way: "apollo" | "fetch") => this.page.evaluate((by) => window.lab.me(by), way);
  /** Uses the page until the server has rotated the session so often, and at least so long. */
  use = (rotations: number, least = 0) =>
    this.page.evaluate(([times, span]) => window.lab.use(times, span), [rotations, least] as const);
  logouts = () => this.page.evaluate(() => window.lab.logouts());
  generation = () => this.page.evaluate(() => window.lab.claims()?.gen ?? null);
  shown = () => this.page.evaluate(() => window.lab.shown);
}

export interface Arrival extends BrowserContextOptions {
  /** The page that is served: that of `web/browser/page`, unless it is said. */
  readonly site?: Site;
}
/** Somebody new at a server, by its URL or by what setup.ts calls it. */
export type Arrive = (
  server: "fiveSeconds" | "usualLife" | URL,
  arrival?: Arrival,
) => Promise<Person>;

/** A test, given `arrive`. */
export const it = test.extend<{ arrive: Arrive }>({
  // eslint-disable-next-line no-empty-pattern -- Vitest reads the pattern
  arrive: async ({}, give) => {
    const arrived: Person[] = [];
    await give(async (server, { site = "lab", ...options } = {}) => {
      browser ??= chromium.connect(inject("chromium"));
      const target = server instanceof URL ? server.href : inject(server);
      const front = await Front.open(target, join(inject("sites"), site));
      const person = new Person(await (await browser).newContext(options), front);
      arrived.push(person);
      return person;
    });
    for (const { context, front } of arrived) {
      await context.close();
      await front.close();
    }
  },
});
