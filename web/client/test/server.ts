// Real servers for the tests: one with tokens of the usual life, one with tokens of three seconds.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    readonly server: string;
    readonly brief: string;
    /** The folder where the first server's mails are. */
    readonly mails: string;
  }
}

const COMMAND = new URL("../../../.venv/bin/gql-auth", import.meta.url).pathname;

export class Server {
  private constructor(
    readonly url: string,
    private process: ChildProcess,
    private readonly settings: Record<string, string>,
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const data = await mkdtemp(join(tmpdir(), "gql-auth-client-"));
    const all = { GQL_AUTH_DATA_DIR: data, ...settings };
    const { url, child } = await run("0", all);
    return new Server(url, child, all);
  }

  get data(): string {
    return this.settings["GQL_AUTH_DATA_DIR"] ?? "";
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** Ends it as a power cut does. */
  kill(): Promise<void> {
    return this.end("SIGKILL");
  }

  /** Starts it again where it was, with the data that it has left. */
  async restart(): Promise<void> {
    this.process = (await run(new URL(this.url).port, this.settings)).child;
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
    await rm(this.data, { recursive: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill(signal);
    await ended;
  }
}

async function run(port: string, settings: Record<string, string>) {
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("GQL_AUTH_")),
  );
  const child = spawn(COMMAND, ["serve", "--port", port], {
    env: {
      ...environment,
      GQL_AUTH_BCRYPT_COST: "10",
      GQL_AUTH_SHUTDOWN_DELAY: "0",
      GQL_AUTH_THROTTLE_SIGNUP_ADDRESS: "1000/1h",
      ...settings,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const url = await new Promise<string>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      said += chunk.toString();
      const found = /^GraphQL +(\S+\/graphql) /m.exec(said)?.[1];
      if (found) resolve(found);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", reject);
    child.on("exit", () => {
      reject(new Error(`The server ended:\n${said}`));
    });
  });
  const ready = url.replace("/graphql", "/readyz");
  for (const until = Date.now() + 60_000; ;) {
    const answer = await fetch(ready).catch(() => null);
    if (answer?.ok) return { url, child };
    if (Date.now() > until) throw new Error(`The server is not ready:\n${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export default async function setup(project: TestProject) {
  const [usual, brief] = await Promise.all([
    Server.start(),
    Server.start({ GQL_AUTH_ACCESS_TOKEN_TTL: "3s" }),
  ]);
  project.provide("server", usual.url);
  project.provide("brief", brief.url);
  project.provide("mails", join(usual.data, "mail"));
  return async () => {
    await Promise.all([usual.stop(), brief.stop()]);
  };
}
