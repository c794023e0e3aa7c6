import { writeFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { expect } from "vitest";

const LARGEST = 150_000; // bytes
const FOLDER = new URL("../../docs/pictures/", import.meta.url);

/** Takes a picture for the documentation; scripts/pictures keeps it as docs/pictures/NAME.png. */
export async function picture(page: Page, name: string): Promise<void> {
  const taken = await page.screenshot({ animations: "disabled", caret: "hide" });
  expect(taken.length).toBeLessThan(LARGEST);
  if (process.env["GQL_AUTH_PICTURES"]) await writeFile(new URL(`${name}.png`, FOLDER), taken);
}
