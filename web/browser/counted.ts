import { createServer, type AddressInfo } from "node:net";
import { Server } from "../client/test/server.js";

/** A server that counts its refreshes. */
export class Counted {
  private constructor(
    private readonly server: Server,
    private readonly metrics: number,
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<Counted> {
    const metrics = await freePort();
    const server = await Server.start({ GQL_AUTH_METRICS_PORT: String(metrics), ...settings });
    return new Counted(server, metrics);
  }

  get url(): URL {
    return new URL(this.server.url);
  }

  /** How many refreshes there were, by what came of them. */
  async refreshes(): Promise<Record<string, number>> {
    const page = await (await fetch(`http://127.0.0.1:${this.metrics}/metrics`)).text();
    const lines = page.matchAll(/^gql_auth_refreshes_total\{outcome="(\w+)"\} (.+)$/gm);
    const counts: Record<string, number> = {};
    for (const [, outcome = "", count] of lines) counts[outcome] = Number(count);
    return counts;
  }

  stop = () => this.server.stop();
}

/** A port that nobody listens on now. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
