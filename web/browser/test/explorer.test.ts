// The explorer in the documentation. All that it does is tested by tests/browser/test_explorer.py.
import { expect } from "vitest";
import { picture } from "../picture.js";
import { it } from "../tab.js";
import { PASSWORD } from "../visitor.js";

it("the explorer is what its picture shows", async ({ arrive }) => {
  const { front, context } = await arrive("usualLife", {
    viewport: { width: 1440, height: 800 },
    locale: "en-GB",
    timezoneId: "UTC",
    userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
  });
  const page = await context.newPage();
  await page.goto(front.target.href);
  const account = page.getByRole("region", { name: "Account", exact: true });
  await account.getByLabel("Email").fill("grace@example.com");
  await account.getByLabel("Password").fill(PASSWORD);
  await account.getByLabel("Name optional", { exact: true }).fill("Grace Hopper");
  await account.getByRole("button", { name: "Create the account" }).click();
  await account.getByText("Signed in as Grace Hopper").waitFor();
  await account.getByRole("listitem").filter({ hasText: "this one" }).waitFor();
  await page.getByRole("button", { name: "Execute query" }).click();
  await page.locator(".result-window").getByText("grace@example.com").waitFor();
  expect(await account.getByRole("timer").innerText()).toMatch(/^1[45]:\d\d$/);
  await picture(page, "explorer");
});
