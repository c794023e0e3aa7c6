// Between client and server: passes everything on, counts it, and does harm when told to.
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * - `refuse`: the connection ends before the server sees anything
 * - `lose`: the server acts, its answer is lost
 * - `truncate`: half of the answer arrives
 * - `hang`: the server acts, its answer does not come
 * - a number: that HTTP status, by something in between
 * - an object: that JSON, by something in between
 */
export type Fault = "refuse" | "lose" | "truncate" | "hang" | number | object;

export class Gate {
  /** What passed, each by the name of its first field. */
  readonly seen: string[] = [];
  /** Whether there is a way through at all. */
  online = true;
  /** Access tokens that reach the server damaged, so that it refuses them. */
  readonly damaged = new Set<string>();
  /** Whether it refuses all of them. */
  damagesAll = false;
  /** Each Authorization header that came, by the name of the operation's first field. */
  readonly authorizations: [field: string, header: string | undefined][] = [];
  private readonly faults = new Map<string, Fault[]>();
  private readonly held = new Map<string, Promise<void>>();
  private readonly server = createServer(
    (incoming, outgoing) => void this.pass(incoming, outgoing),
  );

  constructor(private readonly target: string) {}

  static async open(target: string): Promise<Gate> {
    const gate = new Gate(target);
    await new Promise<void>((resolve) => gate.server.listen(0, "127.0.0.1", resolve));
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/graphql`;
  }

  count(field: string): number {
    return this.seen.filter((seen) => seen === field).length;
  }

  /** What will happen to the next requests for a field, one fault each. */
  break(field: string, ...faults: Fault[]): void {
    this.faults.set(field, faults);
  }

  /** Holds answers for a field back until the returned function is called. */
  hold(field: string): () => void {
    let release: () => void = () => undefined;
    this.held.set(field, new Promise((resolve) => (release = resolve)));
    return () => {
      this.held.delete(field);
      release();
    };
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** What becomes of one request. */
  async pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const field = fieldOf(body.toString());
    if (!this.online) {
      incoming.socket.destroy();
      return;
    }
    this.seen.push(field);
    this.authorizations.push([field, incoming.headers.authorization]);
    const fault = this.faults.get(field)?.shift();
    if (fault === "refuse") {
      incoming.socket.destroy();
      return;
    }
    if (typeof fault === "number") {
      outgoing.writeHead(fault, { "content-type": "text/html" }).end("<h1>Not now</h1>");
      return;
    }
    if (typeof fault === "object") {
      outgoing.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(fault));
      return;
    }
    const got = await this.ask(incoming, body).catch(() => null);
    await this.held.get(field);
    if (fault === "hang") return;
    if (fault === "lose" || !got) {
      incoming.socket.destroy();
      return;
    }
    const { status, headers, answer } = got;
    outgoing.writeHead(status, headers);
    if (fault === "truncate") {
      outgoing.write(answer.subarray(0, answer.length / 2), () => incoming.socket.destroy());
    } else outgoing.end(answer);
  }

  private ask(incoming: IncomingMessage, body: Buffer) {
    const headers = { ...incoming.headers };
    delete headers.host;
    const token = headers.authorization?.replace("Bearer ", "");
    if (token && (this.damagesAll || this.damaged.has(token))) headers.authorization = "Bearer x";
    return new Promise<{ status: number; headers: IncomingMessage["headers"]; answer: Buffer }>(
      (resolve, reject) => {
        const outgoing = request(this.target, { method: incoming.method, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => {
            const status = response.statusCode ?? 502;
            resolve({ status, headers: response.headers, answer: Buffer.concat(chunks) });
          });
        });
        outgoing.on("error", reject);
        outgoing.end(body);
      },
    );
  }
}

function fieldOf(body: string): string {
  const query = (JSON.parse(body || "{}") as { query?: string }).query ?? "";
  return /\{\s*(?:\w+\s*:\s*)?(\w+)/.exec(query)?.[1] ?? "";
}
