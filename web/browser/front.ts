// What a page is served by in production, as a proxy: the page's files, and the API behind the same
// origin. All that goes to the API passes a gate, which counts it and does harm when told to.
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";
import { Gate } from "../client/test/gate.js";

const TYPES: Record<string, string> = {
  css: "text/css",
  html: "text/html",
  js: "text/javascript",
  svg: "image/svg+xml",
};

export class Front {
  readonly gate: Gate;
  private readonly sockets = new Set<Duplex>();
  private readonly server = createServer((incoming, outgoing) => {
    void this.answer(incoming, outgoing);
  });

  private constructor(
    readonly target: URL,
    private readonly site: string,
  ) {
    this.gate = new Gate(target.href);
    this.server.on("upgrade", (incoming, socket) => {
      this.upgrade(incoming, socket);
    });
  }

  /**
   * @param target the API, as `http://localhost:8000/graphql`
   * @param site the folder of the page's files
   */
  static async open(target: string, site: string): Promise<Front> {
    const front = new Front(new URL(target), site);
    await new Promise<void>((resolve) => front.server.listen(0, "127.0.0.1", resolve));
    return front;
  }

  get origin(): string {
    return `http://localhost:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { pathname } = new URL(incoming.url ?? "/", this.origin);
    if (pathname === "/graphql") {
      this.rename(incoming);
      await this.gate.pass(incoming, outgoing);
      return;
    }
    const name = pathname === "/" ? "/index.html" : pathname;
    const file = await readFile(this.site + name).catch(() => null);
    const type = TYPES[name.split(".").at(-1) ?? ""] ?? "application/octet-stream";
    outgoing.writeHead(file ? 200 : 404, { "content-type": type }).end(file);
  }

  /** A WebSocket, piped through as it is. */
  private upgrade(incoming: IncomingMessage, socket: Duplex): void {
    this.rename(incoming);
    const upstream = connect(Number(this.target.port), "127.0.0.1", () => {
      const lines = Object.entries(incoming.headers).map(
        ([name, value]) => `${name}: ${String(value)}`,
      );
      upstream.write([`GET ${incoming.url ?? "/"} HTTP/1.1`, ...lines, "", ""].join("\r\n"));
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) {
      this.sockets.add(end);
      end.on("error", () => {
        socket.destroy();
        upstream.destroy();
      });
      end.on("close", () => this.sockets.delete(end));
    }
  }

  /** The page's origin is the API's own, as a server behind a proxy knows by its PUBLIC_URL. */
  private rename(incoming: IncomingMessage): void {
    if (incoming.headers.origin === this.origin) incoming.headers.origin = this.target.origin;
  }
}
