import type { TokenSource } from "./api.js";
import { isAuthOperation, mayRepeat, type Result, type Roots, rootsOf } from "./operations.js";
import { outline } from "./outline.js";

export interface AuthFetchOptions {
  /** A `fetch` to use instead of the global one. */
  readonly fetch?: typeof fetch;
  /**
   * Origins besides the server's own that may have the access token, as
   * `https://api.example.com`. Requests to all others pass untouched.
   */
  readonly origins?: readonly string[];
}

/**
 * A `fetch` that attaches the access token, holds requests while there is none, and when the server
 * has refused the token sends a request once more with the next one: after a 401, or a GraphQL
 * error with the code UNAUTHENTICATED. For plain GraphQL over HTTP, graphql-request and REST.
 */
export function authFetch(auth: TokenSource, options: AuthFetchOptions = {}): typeof fetch {
  const origins = [new URL(auth.url).origin, ...(options.origins ?? [])];

  return async (input, init) => {
    const send = options.fetch ?? fetch;
    // Asked of a Request, whose address may be relative to another base than the page's own.
    const { url } = typeof input === "object" && "url" in input ? input : new Request(input);
    if (!origins.includes(new URL(url).origin)) return send(input, init);
    const request = new Request(input, init);
    const { asked, roots } = await look(request);
    if (isAuthOperation(roots)) return send(request);

    const attempt = (token: string | null) => {
      const next = request.clone();
      if (token) next.headers.set("authorization", `Bearer ${token}`);
      return send(next);
    };
    const token = await auth.token(request.signal);
    const response = await attempt(token);
    if (!(await refused(response, asked, roots))) return response;
    const next = await auth.renew(token, request.signal);
    if (next === null) return response;
    await response.body?.cancel();
    return attempt(next);
  };
}

/** What a request asks, and whether it asks GraphQL at all. */
async function look(request: Request): Promise<{ asked: boolean; roots: Roots | undefined }> {
  if (!request.headers.get("content-type")?.includes("json")) {
    const query = new URL(request.url).searchParams.get("query");
    return { asked: false, roots: query ? rootsOf(outline(query)) : undefined };
  }
  const body = (await request
    .clone()
    .json()
    .catch(() => null)) as { query?: unknown; operationName?: unknown } | null;
  const { query, operationName } = body ?? {};
  if (typeof query !== "string") return { asked: false, roots: undefined };
  const name = typeof operationName === "string" ? operationName : null;
  return { asked: true, roots: rootsOf(outline(query), name) };
}

/** Whether the answer is that the token was refused, and the request can be repeated. */
async function refused(response: Response, asked: boolean, roots: Roots | undefined) {
  const json = response.headers.get("content-type")?.includes("json");
  const result = json
    ? ((await response
        .clone()
        .json()
        .catch(() => null)) as Result | null)
    : null;
  if (Array.isArray(result?.errors)) return mayRepeat(roots, result);
  // Refused as a whole, by something that is no GraphQL: nothing of it was done.
  return response.status === 401 && (!asked || !json);
}
