import { expect, test } from "vitest";
import { authFetch } from "../src/fetch.js";
import { createServerAuth } from "../src/ssr.js";
import { becomes, Browser, type Reply } from "./browser.js";

function render(browser: Browser, cookie = browser.cookie) {
  const request = new Request("http://front.example/", {
    headers: { "user-agent": "Old Browser" },
  });
  if (cookie) request.headers.set("cookie", cookie);
  return createServerAuth({ url: browser.gate.url, request });
}

test("one refresh a request; the page's queries have its token, the browser gets the cookie", async () => {
  const browser = await Browser.start();
  const tab = await browser.signedIn();
  tab.close();
  const before = browser.cookie;
  const auth = render(browser, `theme=dark; ${before}; other=1`);
  const send = authFetch(auth);
  const ask = async (query: string) => {
    const response = await send(browser.gate.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query }),
    });
    return (await response.json()) as Reply;
  };
  const [one, two, session] = await Promise.all([
    ask("{ me { email } }"),
    ask("{ sessions { userAgent } }"),
    auth.session(),
  ]);
  expect(one).toEqual({ data: { me: { email: session?.user.email } } });
  expect(two).toEqual({ data: { sessions: [{ userAgent: "Old Browser" }] } });
  expect(browser.gate.count("refreshToken")).toBe(1);

  const headers = new Headers();
  auth.finish(headers);
  auth.finish(headers);
  const [line, ...others] = headers.getSetCookie();
  expect(others).toEqual([]);
  expect(line).toMatch(/^refresh_token=ey.*HttpOnly/);
  expect(line?.split(";")[0]).not.toBe(before);
  const next = render(browser, line?.split(";")[0]);
  expect((await next.session())?.user.email).toBe(session?.user.email);
});

test("of what the browser sends, its refresh cookie and its name go to the server, and no more", async () => {
  const seen: Record<string, string>[] = [];
  const auth = createServerAuth({
    url: "http://api.example/graphql",
    request: new Request("http://front.example/", {
      method: "POST",
      headers: {
        authorization: "Bearer of somebody else",
        cookie:
          "a=1; __Host-refresh_token=t; \xa0__Host-refresh_token=u; xrefresh_token=v; b=refresh_token=w",
        forwarded: "for=192.0.2.1",
        origin: "https://evil.example",
        "user-agent": "Old Browser",
        "x-forwarded-for": "192.0.2.1",
        "x-refresh-transport": "body",
      },
    }),
    fetch: (_, init) => {
      seen.push(Object.fromEntries(new Headers(init?.headers)));
      return Promise.resolve(Response.json({ data: null }));
    },
  });
  await expect(auth.session()).rejects.toMatchObject({ name: "AuthUnavailable" });
  expect(seen).toEqual([
    {
      accept: "application/graphql-response+json, application/json;q=0.9",
      "content-type": "application/json",
      cookie: "__Host-refresh_token=t",
      "user-agent": "Old Browser",
    },
  ]);
});

test("a request without the cookie asks nothing", async () => {
  const browser = await Browser.start();
  const auth = render(browser, "theme=dark; not_refresh_token=1");
  expect(await auth.session()).toBe(null);
  expect(await auth.token()).toBe(null);
  expect(browser.gate.seen).toEqual([]);
});

test("a session that has ended: nobody is signed in, and the cookie is deleted", async () => {
  const browser = await Browser.start();
  const tab = await browser.signedIn();
  const { cookie } = browser;
  await tab.signOut();
  const auth = render(browser, cookie);
  expect(await auth.session()).toBe(null);
  const headers = new Headers();
  auth.finish(headers);
  expect(headers.getSetCookie()[0]).toMatch(/^refresh_token="";.*Max-Age=0/);
});

test("a server that cannot answer is not taken for nobody being signed in", async () => {
  const browser = await Browser.start();
  await browser.signedIn();
  browser.gate.break("refreshToken", 503);
  const auth = render(browser);
  await expect(auth.session()).rejects.toMatchObject({ name: "AuthUnavailable" });
  await expect(auth.token()).rejects.toMatchObject({ name: "AuthUnavailable" });
  expect(browser.gate.count("refreshToken")).toBe(1);
});

test("many pages rendered at once for one browser keep it signed in", async () => {
  const browser = await Browser.start();
  (await browser.signedIn()).close();
  const pages = Array.from({ length: 5 }, () => render(browser));
  const users = await Promise.all(pages.map(async (page) => (await page.session())?.user.id));
  expect(new Set(users).size).toBe(1);
  expect(users[0]).toBeTypeOf("string");
  await becomes(browser.tab(), "signed-in");
});
