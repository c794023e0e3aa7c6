import { afterEach, inject, vi } from "vitest";
import { type Auth, type AuthOptions, type AuthState, createAuth } from "../src/index.js";
import { Gate } from "./gate.js";

const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A browser as far as the client can tell: a cookie jar that its tabs share, and a way to the server. */
export class Browser {
  private readonly jar = new Map<string, string>();

  private constructor(
    readonly gate: Gate,
    /** The server behind the gate, by an address of this browser's own, as its tabs' channel is. */
    readonly target: string,
  ) {}

  static async start(server: "server" | "brief" = "server"): Promise<Browser> {
    const target = inject(server);
    const gate = await Gate.open(target);
    open.push(() => gate.close());
    return new Browser(gate, `${target}?browser=${new URL(gate.url).port}`);
  }

  get cookie(): string {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  /** What the browser does for a page with `credentials: "include"`. */
  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    if (this.cookie) request.headers.set("cookie", this.cookie);
    const response = await fetch(request);
    for (const line of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(/; */);
      const [name = "", value = ""] = pair.split("=");
      if (attributes.includes("Max-Age=0")) this.jar.delete(name);
      else this.jar.set(name, value);
    }
    return response;
  };

  /** Opens a tab, which looks for a session as pages do. */
  tab(options: Partial<AuthOptions> = {}): Auth {
    const auth = createAuth({ url: this.gate.url, fetch: this.fetch, restore: true, ...options });
    open.push(auth.close);
    return auth;
  }

  /** A tab with a new account signed in. */
  async signedIn(options: Partial<AuthOptions> = {}): Promise<Auth> {
    const auth = this.tab({ restore: false, ...options });
    const result = await auth.signUp(account());
    if (result.__typename !== "AuthPayload") throw new Error(result.message);
    return auth;
  }

  /** A query as any client sends it, with the token given. */
  async query(query: string, token: string | null): Promise<Reply> {
    const response = await this.fetch(this.gate.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query }),
    });
    return (await response.json()) as Reply;
  }
}

export interface Reply {
  data: Record<string, unknown> | null;
  errors?: { message: string; extensions: { code: string; reason?: string } }[];
}

let accounts = 0;

export const PASSWORD = "correct horse battery staple";

/** What makes an account that nobody has. */
export function account() {
  const name = `user${process.pid}x${accounts++}x${Math.random().toString(36).slice(2)}`;
  return { email: `${name}@example.com`, password: PASSWORD, username: name };
}

/** Resolves as soon as `look` does not throw; patient, since machines are busy. */
export function eventually(look: () => unknown): Promise<unknown> {
  return vi.waitFor(look, { timeout: 30_000 });
}

/** Resolves with the state as soon as it is as `wanted`. */
export function until(auth: Auth, wanted: (state: AuthState) => boolean): Promise<AuthState> {
  return new Promise((resolve) => {
    const look = () => {
      const state = auth.getSnapshot();
      if (!wanted(state)) return;
      end();
      resolve(state);
    };
    const end = auth.subscribe(look);
    look();
  });
}

export const becomes = (auth: Auth, status: AuthState["status"]) =>
  until(auth, (state) => state.status === status);
