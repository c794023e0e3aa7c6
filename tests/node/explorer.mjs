// The explorer in Chromium. Each story is one user's: it answers what was there to see.
import { readFile } from 'node:fs/promises';
import { launch, visit } from './chromium.mjs';
import { given, tell } from './talk.mjs';

const { url, chromium, story, ...rest } = await given();
const browser = await launch(chromium);
const password = 'correct horse battery';

/** A page of the explorer whose editor can be typed into, as a person sees it. */
async function enter(options = {}, context = undefined) {
  context ??= await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const { page, seen } = await visit(context, url);
  await page.locator('.graphiql-query-editor .view-line').first().waitFor();
  const account = page.getByRole('region', { name: 'Account', exact: true });
  return {
    context,
    page,
    seen,
    account,
    status: account.getByRole('status').first(),
    requests: account.locator('section', { hasText: 'Latest requests' }).getByRole('listitem'),
    async signUp(email = `${crypto.randomUUID()}@example.com`) {
      await account.getByLabel('Email').fill(email);
      await account.getByLabel('Password').fill(password);
      await account.getByRole('button', { name: 'Create the account' }).click();
      await account.getByText(`Signed in as ${email}`).waitFor();
      return email;
    },
    async signIn(email) {
      await account.getByRole('button', { name: 'Sign in' }).first().click();
      await account.getByLabel('Email').fill(email);
      await account.getByLabel('Password').fill(password);
      await account.locator('form').getByRole('button').click();
      await account.getByText(`Signed in as ${email}`).waitFor();
    },
    async write(text) {
      await page.evaluate((value) => {
        const [editor] = globalThis.__MONACO.editor.getEditors();
        editor.setValue(value);
      }, text);
    },
    async run() {
      await page.getByRole('button', { name: 'Execute query' }).click();
    },
    /** What the response editor shows once it shows something like this. */
    async response(pattern) {
      const read = () => page.evaluate(() => globalThis.explorerResponse());
      const shown = ([source]) => new RegExp(source).test(globalThis.explorerResponse());
      await page.waitForFunction(shown, [pattern.source]).catch(async (error) => {
        throw new Error(`no ${pattern} in ${await read()}`, { cause: error });
      });
      return read();
    },
  };
}

/** Lets the page be asked for the whole text of its response editor, not only for visible lines. */
async function readable(page) {
  await page.evaluate(() => {
    globalThis.explorerResponse = () =>
      globalThis.__MONACO.editor
        .getModels()
        .find((model) => model.uri.path.endsWith('response.json'))
        ?.getValue();
  });
}

const focused = (page) =>
  page.evaluate(() => {
    const at = document.activeElement;
    return at.getAttribute('aria-label') || at.name || at.textContent;
  });

const stories = {
  /** Nothing comes from elsewhere, nothing is refused by the policy; how heavy it is. */
  async loads() {
    const context = await browser.newContext();
    const page = await context.newPage();
    const line = await context.newCDPSession(page);
    await line.send('Network.enable');
    await page.close();
    const user = await enter({}, context);
    await readable(user.page);
    await user.run();
    await user.response(/ACCESS_TOKEN_MISSING/);
    // Hover and completion come from the workers, by a schema that they were given.
    await user.page.getByText('emailVerified').first().hover();
    await user.page.locator('.monaco-hover').getByText('User.emailVerified').waitFor();
    const weight = await user.page.evaluate(() => {
      const loaded = performance.getEntriesByType('resource');
      const [page] = performance.getEntriesByType('navigation');
      return {
        bytes: [page, ...loaded].reduce((sum, each) => sum + each.transferSize, 0),
        files: loaded.length + 1,
      };
    });
    return { ...user.seen, weight };
  },

  /** What is wrong is told at its field; then the loop of the access token, as it is listed. */
  async loop() {
    const user = await enter();
    await readable(user.page);
    const { account } = user;
    await account.getByLabel('Email').fill('short@example.com');
    await account.getByLabel('Password').fill('short');
    await account.getByRole('button', { name: 'Create the account' }).click();
    await account.getByText('shorter than').waitFor();
    const refused = await focused(user.page);
    const email = await user.signUp();
    await user.run();
    const first = await user.response(/"me"/);
    await account.getByText('What is in it').click();
    const token = await account.getByRole('region', { name: 'decoded' }).innerText();
    const countdown = await account.getByRole('timer').innerText();
    await account.getByRole('button', { name: 'Expire it now' }).click();
    await account.getByText('Spoiled').waitFor();
    const before = await user.requests.count();
    await user.run();
    await account.getByText('401 ACCESS_TOKEN_INVALID').waitFor();
    await account.getByRole('timer').waitFor();
    const second = await user.response(/"me"/);
    const requests = (await user.requests.allInnerTexts()).slice(before);
    await account.getByRole('button', { name: 'Refresh now' }).click();
    await user.requests
      .nth(before + 3)
      .getByText('AuthPayload')
      .waitFor();
    requests.push(...(await user.requests.allInnerTexts()).slice(before + 3));
    return { email, refused, first, second, token, countdown, requests };
  },

  /** A session is ended from another browser. */
  async revoked() {
    const [here, there] = [await enter(), await enter()];
    const email = await here.signUp();
    await there.signIn(email);
    const list = here.account.locator('section', { hasText: 'Reload the list' });
    await list.getByRole('button', { name: 'Reload the list' }).click();
    await list.getByText('The list is up to date.').waitFor();
    const sessions = await list.getByRole('listitem').count();
    const others = list.getByRole('listitem').filter({ hasNotText: 'this one' });
    await others.getByRole('button', { name: 'Revoke' }).click();
    await list.getByText('The session is revoked.').waitFor();
    const left = await list.getByRole('listitem').count();
    await there.run();
    await there.status.getByText('Not signed in').waitFor();
    return {
      sessions,
      left,
      here: await here.status.innerText(),
      requests: (await there.requests.allInnerTexts()).slice(-2),
    };
  },

  /** Answers leave the page with the user; passwords and tokens never enter the storage. */
  async leaves() {
    const user = await enter();
    await readable(user.page);
    const email = await user.signUp();
    const other = await enter({}, user.context);
    await other.status.getByText(email).waitFor();
    await user.run();
    await user.response(/"me"/);
    await user.page.getByRole('tab', { name: 'Sessions' }).click();
    await user.run();
    await user.response(/userAgent/);
    const stored = await user.page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
    await other.account.getByRole('button', { name: 'Sign out' }).click();
    await user.status.getByText('Not signed in').waitFor();
    const texts = [await user.page.evaluate(() => globalThis.explorerResponse())];
    await user.page.getByRole('tab', { name: 'Me' }).click();
    await user.page.locator('.view-line', { hasText: 'emailVerified' }).first().waitFor();
    texts.push(await user.page.evaluate(() => globalThis.explorerResponse()));
    return { stored, texts, errors: user.seen.errors };
  },

  /** A sign-in by an operation of the user's own is noticed; so is a header of the user's own. */
  async byHand() {
    const user = await enter();
    await readable(user.page);
    await user.page.getByRole('tab', { name: 'SignUp' }).click();
    await user.run();
    await user.response(/"AuthPayload"/);
    await user.status.getByText('Signed in as Ada').waitFor();
    await user.page.getByRole('tab', { name: 'LogOut' }).click();
    await user.run();
    await user.response(/"sessionEnded": true/);
    await user.status.getByText('Not signed in').waitFor();
    return { errors: user.seen.errors };
  },

  /** A protected subscription, over a socket that has the token. */
  async subscribes() {
    const user = await enter();
    await readable(user.page);
    await user.write('subscription Count { count(to: 3) }');
    await user.run();
    const refused = await user.response(/ACCESS_TOKEN_MISSING/);
    await user.signUp();
    await user.run();
    const counted = await user.response(/"count": 3/);
    return { refused, counted, errors: user.seen.errors };
  },

  /** The documentation says what fields require. */
  async documents() {
    const user = await enter();
    await user.page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    const docs = user.page.getByRole('region', { name: 'Documentation Explorer' });
    await docs.getByRole('link', { name: 'Query' }).click();
    const fields = {};
    for (const name of rest.fields) {
      await docs.getByRole('link', { name, exact: true }).click();
      const described = docs.locator('.graphiql-markdown-description').first();
      await described.waitFor();
      fields[name] = await described.innerText();
      await docs.getByRole('link', { name: 'Query' }).first().click();
    }
    return fields;
  },

  /** Where introspection is off, the page works and says so. */
  async conceals() {
    const user = await enter();
    await readable(user.page);
    await user.signUp();
    await user.run();
    const response = await user.response(/"me"/);
    await user.page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    const docs = user.page.getByRole('region', { name: 'Documentation Explorer' });
    return { response, docs: await docs.innerText() };
  },

  /** All of it by the keyboard. */
  async keyboard() {
    const user = await enter();
    await readable(user.page);
    const { page, account } = user;
    const tabTo = async (wanted) => {
      for (let presses = 0; presses < 60; presses++) {
        if (wanted === (await focused(page))) return presses;
        await page.keyboard.press('Tab');
      }
      throw new Error(`Tab does not lead to ${wanted}, but to ${await focused(page)}`);
    };
    await tabTo('email');
    await page.keyboard.type('keys@example.com');
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await account.getByText('Signed in as keys@example.com').waitFor();
    await tabTo('Me');
    await page.keyboard.press('ArrowRight');
    const right = await focused(page);
    await page.keyboard.press('ArrowLeft');
    await tabTo('Operation. Press Enter to go in, Escape to leave.');
    await page.keyboard.press('Enter');
    const inside = [await focused(page)];
    await page.keyboard.press('Control+Enter');
    const response = await user.response(/"me"/);
    await page.keyboard.press('Control+End');
    await page.keyboard.press('Tab');
    inside.push(await focused(page));
    await page.keyboard.press('Escape');
    const outside = [await focused(page)];
    await page.keyboard.press('Tab');
    outside.push(await focused(page));
    return { right, response, inside, outside };
  },

  /** What axe finds to be serious, in each state and colour. */
  async axe() {
    const source = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
    const found = [];
    const settings = [
      { colorScheme: 'light' },
      { colorScheme: 'dark' },
      { colorScheme: 'light', viewport: { width: 390, height: 800 } },
    ];
    let checked = 0;
    for (const options of settings) {
      const small = options.viewport !== undefined;
      const user = await enter(options);
      await readable(user.page);
      const { page } = user;
      await page.evaluate(source);
      const check = async (state) => {
        const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
        checked += passes.length;
        for (const { impact, id, nodes } of violations) {
          if (!['serious', 'critical'].includes(impact)) continue;
          found.push(`${JSON.stringify(options)} ${state}: ${id} ${nodes[0].target}`);
        }
      };
      if (small) await page.getByRole('button', { name: 'Show Account' }).click();
      await check('signed out');
      await user.account.getByRole('button', { name: 'Create the account' }).click();
      await user.account.locator('[aria-invalid]').first().waitFor();
      await check('refused');
      await user.signUp(`axe${checked}@example.com`);
      await user.account.getByRole('listitem').filter({ hasText: 'this one' }).waitFor();
      await user.account.getByText('What is in it').click();
      await check('signed in');
      if (small) await page.getByRole('button', { name: 'Hide Account' }).click();
      await user.run();
      await user.response(/"me"/);
      await check('answered');
      await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
      await page.getByRole('link', { name: 'Query' }).click();
      await check('documentation');
      if (small) await page.getByRole('button', { name: 'Hide Documentation Explorer' }).click();
      await page.getByRole('button', { name: 'Open settings dialog' }).click();
      await check('settings');
      await user.context.close();
    }
    return { found, checked };
  },

  /** The page where GraphiQL was not built. */
  async plain() {
    const context = await browser.newContext();
    const { page, seen } = await visit(context, url);
    await page.getByRole('button', { name: 'Sign up', exact: true }).first().click();
    const form = page.getByRole('dialog', { name: 'Sign up' });
    await form.getByLabel('Email').fill('plain@example.com');
    await form.getByLabel('Password').fill(password);
    await form.getByRole('button', { name: 'Sign up' }).click();
    await page.getByText('Signed in as plain@example.com').waitFor();
    await page.getByRole('textbox', { name: 'Operation' }).fill('{ me { email } }');
    await page.getByRole('button', { name: 'Run' }).click();
    await page.locator('#response', { hasText: '"email": "plain@example.com"' }).waitFor();
    return { ...seen, said: await page.locator('.built').innerText() };
  },
};

const began = performance.now();
const told = await stories[story]();
await browser.close();
tell({ ...told, seconds: (performance.now() - began) / 1000 });
