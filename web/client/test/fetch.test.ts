import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { authFetch } from "../src/fetch.js";
import type { Auth } from "../src/index.js";
import { account, becomes, Browser, type Reply } from "./browser.js";

const servers: { close: () => void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  vi.unstubAllGlobals();
});

const REVOKE_OTHERS = "mutation { revokeOtherSessions { endedSessions } }";

function asker(browser: Browser, auth: Auth, headers: Record<string, string> = {}) {
  const send = authFetch(auth, { fetch: browser.fetch });
  return async (query: string, variables?: object, signal?: AbortSignal): Promise<Reply> => {
    const response = await send(browser.gate.url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ query, variables }),
      ...(signal && { signal }),
    });
    return (await response.json()) as Reply;
  };
}

test.each(["application/json", "application/graphql-response+json"])(
  "ten queries that are refused at once: one refresh, each sent twice (as %s)",
  async (accept) => {
    const browser = await Browser.start();
    const auth = await browser.signedIn();
    const ask = asker(browser, auth, { accept });
    browser.gate.damaged.add((await auth.token()) ?? "");
    for (const reply of await Promise.all(
      Array.from({ length: 10 }, () => ask("{ me { email } }")),
    )) {
      expect(reply).toEqual({ data: { me: { email: auth.getSnapshot().user?.email } } });
    }
    expect(browser.gate.count("refreshToken")).toBe(1);
    expect(browser.gate.count("me")).toBe(20);
  },
);

test("a request is sent twice at most, however often it is refused", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  browser.gate.damagesAll = true;
  const reply = await asker(browser, auth)("{ me { id } }");
  expect(reply.errors?.[0]?.extensions).toMatchObject({ code: "UNAUTHENTICATED" });
  expect(browser.gate.count("me")).toBe(2);
  expect(browser.gate.count("refreshToken")).toBe(1);
});

test("a refused mutation is sent again, one of which a part may have run is not", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const ask = asker(browser, auth, { accept: "application/graphql-response+json" });
  browser.gate.damaged.add((await auth.token()) ?? "");
  expect(await ask(REVOKE_OTHERS)).toEqual({ data: { revokeOtherSessions: { endedSessions: 0 } } });
  // The server says that the second field was refused: the first may have run.
  browser.gate.break("revokeOtherSessions", {
    data: null,
    errors: [{ message: "", path: ["b"], extensions: { code: "UNAUTHENTICATED" } }],
  });
  const before = browser.gate.count("revokeOtherSessions");
  const both =
    "mutation { a: revokeOtherSessions { endedSessions } b: revokeOtherSessions { endedSessions } }";
  expect((await ask(both)).errors).toHaveLength(1);
  expect(browser.gate.count("revokeOtherSessions")).toBe(before + 1);
});

test("requests wait while a refresh runs, and those of signing in do not", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const ask = asker(browser, auth);
  const release = browser.gate.hold("refreshToken");
  const renewed = auth.renew(await auth.token());
  const held = ask("{ me { id } }");
  const { email, password } = account();
  const login = await ask(
    "mutation Innocent($i: LoginInput!) { login(input: $i) { __typename } }",
    {
      i: { email, password },
    },
  );
  expect(login).toEqual({ data: { login: { __typename: "InvalidCredentials" } } });
  expect(browser.gate.count("me")).toBe(0);
  release();
  await Promise.all([renewed, held]);
});

test("nobody signed in: requests go without a token, and a refusal starts no refresh", async () => {
  const browser = await Browser.start();
  const auth = browser.tab();
  await becomes(auth, "anonymous");
  const reply = await asker(browser, auth)("{ me { id } }");
  expect(reply.errors?.[0]?.extensions.reason).toBe("ACCESS_TOKEN_MISSING");
  expect(browser.gate.seen).toEqual(["refreshToken", "me"]);
});

test("a request that is given up while it waits is not sent", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const release = browser.gate.hold("refreshToken");
  const renewed = auth.renew(await auth.token());
  const giveUp = new AbortController();
  const held = asker(browser, auth)("{ me { id } }", {}, giveUp.signal);
  giveUp.abort();
  await expect(held).rejects.toMatchObject({ name: "AbortError" });
  release();
  await renewed;
  expect(browser.gate.count("me")).toBe(0);
});

/** An API beside GraphQL that knows one token only. */
async function api(good: () => string | undefined) {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const allowed = request.headers.authorization === `Bearer ${good()}`;
      response.writeHead(allowed ? 200 : 401).end(allowed ? body : "no");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("a 401 of another API that may have the token", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const first = await auth.token();
  const { seen, url } = await api(() => {
    const token = auth.peek()?.token;
    return token === first ? "another" : token;
  });
  const send = authFetch(auth, { fetch: browser.fetch, origins: [url] });
  const response = await send(new Request(url, { method: "PUT", body: "some text" }));
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("some text");
  expect(seen).toEqual([`Bearer ${first}`, `Bearer ${await auth.token()}`]);
});

test("no other origin gets the token", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const { seen, url } = await api(() => undefined);
  const send = authFetch(auth);
  expect((await send(url)).status).toBe(401);
  expect((await send(new URL(url))).status).toBe(401);
  expect((await send(new Request(url))).status).toBe(401);
  expect(seen).toEqual([undefined, undefined, undefined]);
  expect(browser.gate.count("refreshToken")).toBe(0);
});

test.each([
  ["a relative address where the page has a <base> of another host", () => "/orders"],
  ["an address without scheme", () => "//other.example/orders"],
  ["a request of a frame, which is no instance of this page's Request", () => inFrame()],
])("%s: no other origin gets the token", async (_, make) => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const input = make();
  vi.stubGlobal("location", { href: auth.url });
  vi.stubGlobal("Request", inPage("https://other.example/"));
  const sent: [string, string | null][] = [];
  const send = authFetch(auth, {
    fetch: (...request) => {
      const { url, headers } = new Request(...request);
      sent.push([url, headers.get("authorization")]);
      return Promise.resolve(new Response());
    },
  });
  await send(input);
  expect(sent).toEqual([["https://other.example/orders", null]]);
});

const inFrame = () => new Request("https://other.example/orders");

/** The `Request` of a page, which browsers make relative to its base. */
const inPage = (base: string) =>
  class extends Request {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === "string" ? new URL(input, base) : input, init);
    }
  };
