// Somebody who uses a page by what is written on it, for the tests of the examples.
import axe from "axe-core";
import type { Page } from "playwright-core";
import type { Person } from "./tab.js";

export const PASSWORD = "correct horse battery staple";

declare global {
  interface Window {
    /** What the page has told the user since it was loaded: headings, alerts, banners. */
    told: Set<string>;
  }
}

export class Visitor {
  /** What the browser has complained of. */
  readonly problems: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly person: Person,
  ) {
    page.on("pageerror", (problem) => this.problems.push(problem.message));
  }

  /** Opens a tab. */
  static async of(person: Person): Promise<Visitor> {
    const page = await person.context.newPage();
    await page.addInitScript(() => {
      window.told = new Set();
      new MutationObserver(() => {
        for (const each of document.querySelectorAll("h1, [role=alert], [role=status]")) {
          if (each.textContent) window.told.add(each.textContent);
        }
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    const visitor = new Visitor(page, person);
    await page.goto(person.front.origin);
    return visitor;
  }

  /** Opens another tab of the same browser. */
  another = () => Visitor.of(this.person);

  heading = (name: string) =>
    this.page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  alert = (text: string) => this.page.getByRole("alert").filter({ hasText: text }).waitFor();
  status = (text: string) => this.page.getByRole("status").filter({ hasText: text }).waitFor();
  press = (button: string) => this.page.getByRole("button", { name: button, exact: true }).click();
  follow = (link: string) => this.page.getByRole("link", { name: link, exact: true }).click();
  told = () => this.page.evaluate(() => [...window.told]);
  forget = () =>
    this.page.evaluate(() => {
      window.told.clear();
    });

  async fill(fields: Record<string, string>): Promise<void> {
    for (const [label, text] of Object.entries(fields)) {
      await this.page.getByLabel(label, { exact: true }).fill(text);
    }
  }

  /** What can be reached by the Tab key from where the page begins, each by its name. */
  async tabStops(): Promise<string[]> {
    await this.page.evaluate(() => {
      document.body.tabIndex = -1;
      document.body.focus();
      document.body.removeAttribute("tabindex");
    });
    const stops: string[] = [];
    while (stops.length < 50) {
      await this.page.keyboard.press("Tab");
      const at = await this.page.evaluate(() => {
        const at = document.activeElement;
        const label = at instanceof HTMLInputElement ? at.labels?.[0] : at;
        return at === document.body
          ? null
          : (at?.getAttribute("aria-label") ?? label?.textContent.trim() ?? "");
      });
      if (at === null) return stops;
      stops.push(at);
    }
    throw new Error(`the Tab key is caught: ${stops.join(", ")}`);
  }

  /** What axe finds serious or critical, and whether the page is wider than its window. */
  async faults(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    return this.page.evaluate(async () => {
      const { violations, passes } = await (window as unknown as { axe: typeof axe }).axe.run();
      const found = violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(", ")}`);
      if (passes.length === 0) found.push("axe has looked at nothing");
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth > clientWidth) found.push(`${scrollWidth} wide in ${clientWidth}`);
      return found;
    });
  }
}
