// The page behind the links in mails, in Chromium: one person follows each of them.
import { readFile } from 'node:fs/promises';
import { launch, visit } from './chromium.mjs';
import { given, tell } from './talk.mjs';

const { links, chromium, pictures } = await given();
const axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const browser = await launch(chromium);
const story = {};

/** Follows a link; what is on the page before and after the button was pressed. */
async function follow(name, context, { password } = {}) {
  const { page, seen } = await visit(context, links[name]);
  const button = page.getByRole('button');
  await button.waitFor();
  const told = { before: await page.getByRole('main').innerText(), address: page.url() };
  told.sent = seen.requests.filter((url) => !url.includes('/links/')).length;
  told.axe = await page.evaluate(`${axe}; axe.run().then(({ violations }) =>
    violations.filter(({ tags }) => tags.some((tag) => tag.startsWith('wcag'))).map(({ id }) => id))`);
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png` });
  if (password) {
    await page.getByLabel('New password').fill('short');
    await button.click();
    await page.getByRole('status').getByText(/shorter/).waitFor();
    await page.getByLabel('New password').fill(password);
  }
  await button.click();
  if (name === 'other') {
    await page.getByRole('button', { name: 'Yes, sign in' }).waitFor();
    told.asked = await page.getByRole('main').innerText();
    await button.click();
  }
  await button.waitFor({ state: 'hidden' });
  told.after = await page.getByRole('main').innerText();
  told.violations = seen.violations;
  told.errors = seen.errors;
  told.cookies = (await context.cookies()).map((cookie) => cookie.name).sort();
  await page.close();
  return told;
}

const context = await browser.newContext({ viewport: { width: 320, height: 640 } });
const dark = await browser.newContext({ colorScheme: 'dark', viewport: { width: 800, height: 600 } });
story['verify-email'] = await follow('verify-email', context);
story['reset-password'] = await follow('reset-password', dark, {
  password: 'another fine password',
});
story.other = await follow('other', context);
story['change-email'] = await follow('change-email', dark);

const german = await browser.newContext({ locale: 'de-AT' });
const { page } = await visit(german, links['verify-email']);
await page.getByRole('button', { name: 'Adresse bestätigen' }).click();
story.used = await page.getByRole('status').getByText(/./).innerText();
await page.goto(links['verify-email'].split('#')[0]);
story.bare = await page.getByRole('main').innerText();
await browser.close();
tell(story);
