import type { TokenSource } from "./api.js";
import type { User } from "./types.js";
import { AuthUnavailable } from "./types.js";
import { createWire } from "./wire.js";

export interface ServerAuthOptions {
  /** The GraphQL endpoint as this server reaches it. */
  readonly url: string;
  /** The request that is answered: a `Request`, or whatever has its headers. */
  readonly request: { readonly headers: Pick<Headers, "get"> };
  /** Milliseconds for one request. 10 seconds by default. */
  readonly timeout?: number;
  /** A `fetch` to use instead of the global one. */
  readonly fetch?: typeof fetch;
}

export interface ServerSession {
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly user: User;
}

/** The sign-in of one request that a server answers. Give it to `authFetch`, `authLink` and others. */
export interface ServerAuth extends TokenSource {
  /**
   * The session of who asks, got by one refresh, however often this is called; null where nobody is
   * signed in. Throws AuthUnavailable: whether somebody is, is not known.
   */
  readonly session: () => Promise<ServerSession | null>;
  /**
   * Gives the browser its new cookie: adds the `Set-Cookie` lines that the refresh has brought to the
   * answer's headers. An answer without them would leave the browser with a used refresh token.
   */
  readonly finish: (headers: Pick<Headers, "append">) => void;
}

const COOKIE = /^(?:__Host-)?refresh_token=/;

/**
 * The helper for servers that render pages or stand before the API. One for each request. Use it
 * where the answer's headers can still be set: in middleware, loaders and route handlers.
 */
export function createServerAuth(options: ServerAuthOptions): ServerAuth {
  const { url, request, timeout = 10_000, fetch: send = fetch } = options;
  const cookie = (request.headers.get("cookie") ?? "")
    .split(/; */)
    .filter((pair) => COOKIE.test(pair))
    .join("; ");
  const agent = request.headers.get("user-agent");
  const lines: string[] = [];
  let asked: Promise<ServerSession | null> | undefined;

  const wire = createWire(
    url,
    async (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set("cookie", cookie);
      if (agent) headers.set("user-agent", agent);
      const response = await send(input, { ...init, headers });
      lines.push(...response.headers.getSetCookie());
      return response;
    },
    "omit",
    timeout,
  );

  async function refresh(): Promise<ServerSession | null> {
    const answer = await wire("refreshToken");
    const { __typename, accessToken, expiresIn, user } = answer as Required<typeof answer>;
    if (__typename === "AuthPayload") return { accessToken, expiresIn, user };
    if (__typename === "RefreshTokenRejected") return null;
    throw new AuthUnavailable(answer.message ?? "Refused", answer.retryAfter);
  }

  const session = () => (asked ??= cookie ? refresh() : Promise.resolve(null));

  return {
    url,
    session,
    token: async () => (await session())?.accessToken ?? null,
    renew: () => Promise.resolve(null),
    peek: () => null,
    finish(headers) {
      for (const line of lines.splice(0)) headers.append("set-cookie", line);
    },
  };
}
