import type { ClientOptions } from "graphql-ws";
import type { Auth } from "./api.js";
import { UserChanged } from "./types.js";

const EXPIRED = 4401; // the server closes a socket so when its access token has expired,
const ENDED = 4403; // and so when its session has ended
const USER_CHANGED = 4901; // ours: the socket belongs to somebody else than who is here now
const MOST_REFUSALS = 2; // one after the other, of tokens that were not due
const LONGEST_WAIT = 30_000; // milliseconds

type Options = Required<
  Pick<
    ClientOptions,
    "connectionParams" | "webSocketImpl" | "shouldRetry" | "retryAttempts" | "retryWait"
  >
>;

/**
 * Options for the client of graphql-ws: `createClient({ url, ...authSocket(auth) })`.
 *
 * The socket opens with a good access token, and opens again, its subscriptions with it, when the
 * server has closed it at the token's expiry, when the network has broken it or when the user has
 * changed. Where the session has ended one refresh settles it: the state becomes `anonymous`, and
 * protected subscriptions end with UNAUTHENTICATED.
 *
 * @param Base the WebSocket to build on, where there is no global one.
 */
export function authSocket(auth: Auth, Base: typeof WebSocket = WebSocket): Options {
  let token: string | null = null; // that the socket was opened with
  let owner: string | null | undefined; // undefined: the socket has not said yet whose it is
  let refusals = 0;
  let renewed = false;
  const page = typeof document === "undefined" ? null : window;
  const user = () => auth.getSnapshot().user?.id ?? null;

  class AuthSocket extends Base {
    constructor(...parameters: ConstructorParameters<typeof WebSocket>) {
      super(...parameters);
      owner = undefined;
      const end = auth.subscribe(() => {
        if (owner !== undefined && owner !== user()) this.close(USER_CHANGED);
      });
      this.addEventListener("close", end);
      // graphql-ws takes 4401 for final, whatever shouldRetry says.
      Object.defineProperty(this, "onclose", {
        set: (hear: ((event: unknown) => unknown) | null) => {
          super.onclose = hear && ((event) => hear(settle(event)));
        },
      });
    }
  }

  function settle(event: CloseEvent): Pick<CloseEvent, "code" | "reason"> {
    renewed = event.code === EXPIRED || event.code === ENDED;
    if (!renewed) return event;
    // A token that has been replaced meanwhile was due.
    refusals = auth.peek()?.token === token ? refusals + 1 : 0;
    if (refusals > MOST_REFUSALS) return event;
    auth.renew(token).catch(() => undefined);
    return { code: USER_CHANGED, reason: event.reason };
  }

  return {
    webSocketImpl: AuthSocket,

    async connectionParams() {
      // A socket is of whoever is here when it opens, and opens again for the next one.
      token = await auth.token().catch((problem: unknown) => {
        if (problem instanceof UserChanged) return auth.token();
        throw problem;
      });
      owner = user();
      return token ? { Authorization: `Bearer ${token}` } : {};
    },

    retryAttempts: Infinity,

    // What was let through as it is has been tried often enough.
    shouldRetry: (event) => ![EXPIRED, ENDED].includes((event as Partial<CloseEvent>).code ?? 0),

    async retryWait(retries) {
      const longest = renewed && retries === 0 ? 0 : Math.min(LONGEST_WAIT, 500 * 2 ** retries);
      await new Promise<void>((resolve) => {
        const go = () => {
          clearTimeout(timer);
          page?.removeEventListener("online", go);
          resolve();
        };
        const timer = setTimeout(go, longest * Math.random());
        page?.addEventListener("online", go);
      });
      await auth.token().catch(() => null);
    },
  };
}
