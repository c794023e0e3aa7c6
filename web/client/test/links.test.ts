// Signing in by the link of a mail, which the server has put into a file.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, inject, test } from "vitest";
import { account, becomes, Browser, eventually } from "./browser.js";

/** The token of the magic link that was mailed to an address. */
async function tokenFor(email: string): Promise<string> {
  const folder = inject("mails");
  let token: string | undefined;
  await eventually(async () => {
    for (const name of await readdir(folder)) {
      const mail = (await readFile(join(folder, name), "utf8")).replace(/=\r?\n/g, "");
      if (mail.includes(email)) token ??= /magic-link#token=3D([\w-]{43})/.exec(mail)?.[1];
    }
    expect(token).toBeDefined();
  });
  return token ?? "";
}

const ask = (email: string) =>
  `mutation { requestMagicLink(email: "${email}") { __typename ... on AuthError { message } } }`;

test("a link signs in at once where it was asked for, and elsewhere when that is confirmed", async () => {
  const browser = await Browser.start();
  const first = await browser.signedIn();
  const email = first.getSnapshot().user?.email ?? "";
  await first.signOut();
  await browser.query(ask(email), null);
  const token = await tokenFor(email);

  const other = (await Browser.start()).tab();
  expect(await other.signInByLink("nonsense")).toMatchObject({
    __typename: "MailTokenRejected",
    reason: "INVALID",
  });
  expect(await other.signInByLink(token)).toMatchObject({
    __typename: "ConfirmationRequired",
    email,
  });
  expect(other.getSnapshot().user).toBe(null);

  const second = browser.tab();
  expect(await second.signInByLink(token)).toMatchObject({
    __typename: "AuthPayload",
    user: { email, emailVerified: true, locale: null },
  });
  await becomes(first, "signed-in");
  expect(await other.signInByLink(token, true)).toMatchObject({ reason: "USED" });

  const { email: unknown } = account();
  expect(await browser.query(ask(unknown), null)).toEqual({
    data: { requestMagicLink: { __typename: "MailRequested" } },
  });
});
