import type { User } from "./types.js";

/**
 * What tabs tell each other, over a BroadcastChannel: it stays in this browser and this origin, where
 * every page can ask the server for a token of its own anyway.
 */
export type News =
  | {
      readonly type: "signed-in" | "refreshed";
      readonly token: string;
      /** Seconds from now. Tabs share no monotonic clock. */
      readonly expiresIn: number;
      readonly user: User;
    }
  | { readonly type: "signed-out" };

const KNOWN = ["signed-in", "refreshed", "signed-out"];

export interface Tabs {
  readonly tell: (news: News) => void;
  /**
   * Runs `work` while no other tab is in its own. `work` is told whether it had to wait, in which
   * case another tab may just have done the same. Rejects when `signal` ends the waiting.
   */
  readonly alone: <T>(work: (waited: boolean) => Promise<T>, signal?: AbortSignal) => Promise<T>;
  readonly open: () => void;
  readonly close: () => void;
}

/**
 * The tabs of this browser that use the same server. Without Web Locks each tab is alone with
 * itself and relies on the server, which gives tabs that refresh at the same time the same session;
 * without BroadcastChannel each asks for itself.
 *
 * @param patience milliseconds to wait for another tab; one that was frozen holding the lock must
 *   not stop the others.
 */
export function createTabs(name: string, hear: (news: News) => void, patience: number): Tabs {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  let channel: BroadcastChannel | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  let queued = 0;

  async function inThisPage<T>(work: (waited: boolean) => Promise<T>, signal?: AbortSignal) {
    const before = queue;
    const waited = queued++ > 0;
    const mine = before.then(() => {
      signal?.throwIfAborted();
      return work(waited);
    });
    queue = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      queued--;
    }
  }

  return {
    tell(news) {
      channel?.postMessage(news);
    },

    async alone(work, signal) {
      if (!locks) return inThisPage(work, signal);
      const turn = { started: false };
      const run = (waited: boolean) => {
        turn.started = true;
        return work(waited);
      };
      const waiting = new AbortController();
      const stop = () => {
        waiting.abort();
      };
      const timer = setTimeout(stop, patience);
      signal?.addEventListener("abort", stop);
      try {
        const busy = {};
        const done = await locks.request(name, { ifAvailable: true }, (lock) =>
          lock ? run(false) : busy,
        );
        if (done !== busy) return done as Awaited<ReturnType<typeof work>>;
        return await locks.request(name, { signal: waiting.signal }, () => run(true));
      } catch (error) {
        if (turn.started || signal?.aborted) throw error;
        // Out of patience, or a page that may not use locks.
        return await inThisPage(() => work(true), signal);
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener("abort", stop);
      }
    },

    open() {
      if (channel || typeof BroadcastChannel === "undefined") return;
      channel = new BroadcastChannel(name);
      channel.onmessage = ({ data }: MessageEvent<News>) => {
        if (KNOWN.includes(data.type)) hear(data); // a tab may have another version of this
      };
      // On Node, where it has this, the channel shall not keep a server or a build from ending.
      (channel as { unref?: () => void }).unref?.();
    },

    close() {
      channel?.close();
      channel = undefined;
    },
  };
}
