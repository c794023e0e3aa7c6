import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type Client, createClient } from "graphql-ws";
import { afterEach, expect, test, vi } from "vitest";
import { WebSocket as Connection, WebSocketServer } from "ws";
import { authSocket } from "../src/graphql-ws.js";
import { account, becomes, Browser, eventually, until } from "./browser.js";

interface Message {
  type: string;
  id?: string;
  payload?: { Authorization?: string; query?: string };
}

/**
 * A socket between client and server. Passes queries on; keeps subscriptions open itself, and
 * refuses them without a token, so that the test can close the socket as the server would.
 */
class SocketGate {
  readonly tokens: (string | undefined)[] = [];
  readonly subscriptions: string[] = [];
  /** Closes each socket with this as soon as it has said whose it is. */
  closesWith: number | undefined;
  readonly listening: Promise<unknown>;
  readonly connected: Promise<unknown>;
  private client: Connection | undefined;
  private readonly server: WebSocketServer;

  constructor(private readonly target: string) {
    this.server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    this.listening = new Promise((resolve) => this.server.once("listening", resolve));
    this.connected = new Promise((resolve) => this.server.once("connection", resolve));
    this.server.on("connection", (client: Connection, request: IncomingMessage) => {
      this.join(client, request.headers["sec-websocket-protocol"] ?? "");
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private join(client: Connection, protocol: string): void {
    this.client = client;
    let token: string | undefined;
    const server = new Connection(this.target.replace("http", "ws"), protocol);
    const opened = new Promise((resolve) => server.once("open", resolve));
    server.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Message;
      client.send(data.toString());
      if (message.type === "connection_ack" && this.closesWith) client.close(this.closesWith);
    });
    server.on("error", () => {
      client.terminate();
    });
    client.on("close", () => {
      server.close();
    });
    client.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Message;
      if (message.type === "connection_init") {
        token = message.payload?.Authorization;
        this.tokens.push(token);
      }
      if (message.payload?.query?.startsWith("subscription") && message.id) {
        const errors = [
          { message: "Access token required", extensions: { code: "UNAUTHENTICATED" } },
        ];
        if (token) this.subscriptions.push(message.id);
        else client.send(JSON.stringify({ id: message.id, type: "error", payload: errors }));
      } else
        void opened.then(() => {
          server.send(data.toString());
        });
    });
  }

  /** Tells the newest subscription something. */
  emit(data: object): void {
    const id = this.subscriptions.at(-1);
    this.client?.send(JSON.stringify({ id, type: "next", payload: { data } }));
  }

  closeClient(code: number): void {
    this.client?.close(code, "as the server would");
  }

  breakNetwork(): void {
    this.client?.terminate();
  }

  close(): void {
    for (const client of this.server.clients) client.terminate();
    this.server.close();
  }
}

const open: (Client | SocketGate)[] = [];
afterEach(() => {
  for (const it of open.splice(0)) {
    if (it instanceof SocketGate) it.close();
    else void it.dispose();
  }
  vi.restoreAllMocks();
});

async function start() {
  vi.spyOn(Math, "random").mockReturnValue(0);
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const gate = new SocketGate(browser.target);
  await gate.listening;
  const client = createClient({ url: gate.url, ...authSocket(auth) });
  open.push(client, gate);
  return { browser, auth, gate, client };
}

function watch(client: Client) {
  const seen: unknown[] = [];
  const ended = new Promise<unknown>((resolve) => {
    client.subscribe(
      { query: "subscription { events { id } }" },
      {
        next: ({ data }) => seen.push(data),
        error: resolve,
        complete: () => {
          resolve("complete");
        },
      },
    );
  });
  return { seen, ended };
}

const bearer = (token: string | null) => `Bearer ${token}`;

const sockets = (gate: SocketGate, count: number) =>
  eventually(() => {
    expect(gate.subscriptions).toHaveLength(count);
  });

test("the socket opens with the access token", async () => {
  const { auth, client } = await start();
  const replies = [];
  for await (const { data } of client.iterate({ query: "{ me { email } }" })) replies.push(data);
  expect(replies).toEqual([{ me: { email: auth.getSnapshot().user?.email } }]);
});

test.each([4401, 4403])(
  "closed with %i while the session lives: open again with a new token",
  async (code) => {
    const { auth, browser, client, gate } = await start();
    const { seen } = watch(client);
    await sockets(gate, 1);
    const first = await auth.token();
    gate.closeClient(code);
    await sockets(gate, 2);
    expect(browser.gate.count("refreshToken")).toBe(1);
    expect(gate.tokens).toEqual([bearer(first), bearer(await auth.token())]);
    expect(gate.tokens[0]).not.toBe(gate.tokens[1]);
    gate.emit({ events: { id: "1" } });
    await eventually(() => {
      expect(seen).toEqual([{ events: { id: "1" } }]);
    });
  },
);

test("closed at the expiry of a token that was renewed meanwhile: no refresh", async () => {
  const { auth, browser, client, gate } = await start();
  watch(client);
  await sockets(gate, 1);
  await auth.refresh();
  gate.closeClient(4401);
  await sockets(gate, 2);
  expect(gate.tokens[1]).toBe(bearer(await auth.token()));
  expect(browser.gate.count("refreshToken")).toBe(1);
});

test("the session has ended: one refresh settles it, the subscription ends as unauthenticated", async () => {
  const { auth, browser, client, gate } = await start();
  const { ended } = watch(client);
  await sockets(gate, 1);
  await browser.query("mutation { logout { sessionEnded } }", null);
  gate.closeClient(4403);
  expect(await ended).toMatchObject([{ extensions: { code: "UNAUTHENTICATED" } }]);
  expect(auth.getSnapshot().status).toBe("anonymous");
  expect(browser.gate.count("refreshToken")).toBe(1);
  expect(gate.tokens).toHaveLength(2);
});

test("a server that closes every socket as expired is not asked for ever", async () => {
  const { client, gate, browser } = await start();
  gate.closesWith = 4401;
  expect(await watch(client).ended).toMatchObject({ code: 4401 });
  expect(gate.tokens).toHaveLength(3);
  expect(browser.gate.count("refreshToken")).toBe(2);
});

test("the network breaks: open again, with the same token", async () => {
  const { browser, client, gate } = await start();
  watch(client);
  await sockets(gate, 1);
  gate.breakNetwork();
  await sockets(gate, 2);
  expect(gate.tokens[0]).toBe(gate.tokens[1]);
  expect(browser.gate.count("refreshToken")).toBe(0);
});

test("no token for a while: the socket opens when there is one", async () => {
  const { auth, browser, client, gate } = await start();
  watch(client);
  await sockets(gate, 1);
  browser.gate.online = false;
  gate.closeClient(4401);
  await becomes(auth, "refreshing");
  browser.gate.online = true;
  await sockets(gate, 2);
  expect(gate.tokens[1]).toBe(bearer(await auth.token()));
});

test("another user signs in: the socket is theirs", async () => {
  const { auth, client, gate } = await start();
  watch(client);
  await sockets(gate, 1);
  await auth.signUp(account());
  await sockets(gate, 2);
  expect(gate.tokens[1]).toBe(bearer(await auth.token()));
});

test("another user signs in while the socket waits for a token: it is theirs", async () => {
  const { auth, browser, client, gate } = await start();
  const other = browser.tab({ restore: false });
  vi.spyOn(Math, "random").mockReturnValue(1000); // the next attempt would be in minutes
  browser.gate.break("refreshToken", 503);
  auth.renew(await auth.token()).catch(() => undefined);
  await until(auth, ({ error }) => error !== null);
  watch(client);
  await gate.connected;
  await other.signUp(account());
  await sockets(gate, 1);
  expect(gate.tokens).toEqual([bearer(await other.token())]);
});

test("signing out ends protected subscriptions", async () => {
  const { auth, client, gate } = await start();
  const { ended } = watch(client);
  await sockets(gate, 1);
  await auth.signOut();
  expect(await ended).toMatchObject([{ extensions: { code: "UNAUTHENTICATED" } }]);
  expect(gate.tokens[1]).toBe(undefined);
});
