import type { Auth, AuthOptions } from "./api.js";
import { createSignOutNote } from "./note.js";
import { watchPage } from "./page.js";
import { createPause, within } from "./pause.js";
import { now, type Session, SessionState } from "./state.js";
import { createTabs, type News } from "./tabs.js";
import {
  AuthUnavailable,
  type LinkResult,
  type SignInResult,
  type SignUpResult,
  UserChanged,
} from "./types.js";
import { createWire, type Answer } from "./wire.js";

const NEWS_DELAY = 150; // milliseconds until what another tab has told must have arrived
const REFUSALS =
  "InvalidInput EmailTaken UsernameTaken InvalidCredentials EmailNotVerified MailTokenRejected ConfirmationRequired TooManyAttempts";

/** A sign-in to the server at `url`. One for an application, for as long as its page lives. */
export function createAuth(options: AuthOptions): Auth {
  const { timeout = 10_000, holdFor = 30_000 } = options;
  const here = globalThis.location as Location | undefined;
  const target = new URL(options.url, here?.href ?? "http://localhost"); // as for servers that render
  const { href: url } = target;
  const name = `gql-auth:${url}`;
  const own = target.origin === here?.origin;
  const wire = createWire(
    url,
    options.fetch ?? ((...request) => fetch(...request)),
    own ? "same-origin" : "include",
    timeout,
    own ? undefined : here?.origin,
  );
  const tabs = createTabs(name, hear, timeout + 2000);
  const note = createSignOutNote(name);
  const pause = createPause();
  const state = new SessionState(renewInBackground, options.onSignedOut);
  let renewing: Promise<void> | undefined;
  const closing = new AbortController();
  const closed = () => closing.signal.aborted;

  /** Attempts until one does not throw or there is no use in it, with longer and longer pauses. */
  async function persist(
    attempt: () => Promise<void>,
    useful: () => boolean,
    failed?: (problem: AuthUnavailable) => void,
  ) {
    for (let failures = 0; useful() && !closed(); failures++) {
      try {
        await attempt();
        return;
      } catch (problem) {
        if (!useful() || closed()) return;
        if (!(problem instanceof AuthUnavailable)) throw problem;
        failed?.(problem);
        await pause.wait(failures, problem.retryAfter);
      }
    }
  }

  function become(...session: Parameters<SessionState["adopt"]> | []) {
    const done = session.length ? state.adopt(...session) : state.become(null);
    if (closed()) state.stopTimers();
    pause.end();
    return done;
  }

  function accept(type: "signed-in" | "refreshed", answer: Answer) {
    const { accessToken: token, user, expiresIn } = answer as Required<Answer>;
    tabs.tell({ type, token, user, expiresIn });
    return become(token, user, expiresIn);
  }

  /** What another tab tells. */
  function hear(news: News) {
    if (news.type === "signed-out") {
      void become();
      return;
    }
    const { type, token, user, expiresIn } = news;
    if (type === "signed-in") {
      note.remove();
      void become(token, user, expiresIn);
    } else if (state.session && state.session.user.id !== user.id) {
      renewInBackground(); // late news, or we have missed a sign-in: the server knows
    } else if (state.session !== null) {
      // Where nobody is signed in, the refresh was begun before the sign-out.
      void become(token, user, expiresIn);
    }
  }

  function attemptRefresh(begun: AbortController) {
    const current = () => state.era === begun;
    return tabs.alone(async (waited) => {
      // The tab that we waited for has told what came of it, if anything did.
      if (waited) await within(NEWS_DELAY, undefined, begun.signal).catch(() => undefined);
      if (!current()) return;
      if (note.isThere()) {
        void become();
        return;
      }
      const answer = await wire("refreshToken", undefined, begun.signal);
      if (!current()) return; // a sign-in or a sign-out has come in between: it wins
      if (answer.__typename === "AuthPayload") void accept("refreshed", answer);
      else if (answer.__typename === "RefreshTokenRejected") void become();
      else throw new AuthUnavailable(answer.message ?? "Refused", answer.retryAfter);
    }, begun.signal);
  }

  /** One refresh at a time; resolves when the session is another one. */
  function renewNow(): Promise<void> {
    const begun = state.era;
    renewing ??= persist(
      () => attemptRefresh(begun),
      () => state.era === begun,
      (problem) => {
        state.fail(problem);
      },
    ).finally(() => {
      renewing = undefined;
    });
    return renewing;
  }

  function renewInBackground() {
    renewNow().catch((problem: unknown) => {
      console.error("gql-auth: the refresh failed", problem);
    });
  }

  const attemptSignOut = () =>
    tabs.alone(async () => {
      if (!note.isThere()) return; // done by another tab, or overtaken by a sign-in
      await wire("logout");
      note.remove();
    });

  /** Resolves with whether the first attempt has reached the server; the others follow. */
  const persistInSigningOut = () =>
    new Promise<boolean>((resolve) => {
      const failed = () => {
        resolve(false);
      };
      persist(attemptSignOut, note.isThere, failed).then(() => {
        resolve(true);
      }, failed);
    });

  async function enter(operation: "signup" | "login" | "loginWithMagicLink", given: object) {
    const answer = await tabs.alone(async () => {
      const answer = await wire(operation, given);
      if (answer.__typename === "AuthPayload") {
        note.remove(); // before a sign-out that waits could take this session for the last one
        void accept("signed-in", answer);
      }
      return answer;
    });
    if (answer.__typename === "AuthPayload") {
      await state.clearing;
      return { __typename: "AuthPayload", user: answer.user };
    }
    return REFUSALS.split(" ").includes(answer.__typename)
      ? answer
      : { ...answer, __typename: "AuthError", typename: answer.__typename };
  }

  /** The session once its token is good; null where nobody is signed in. */
  async function goodSession(signal?: AbortSignal): Promise<Session | null> {
    const deadline = now() + holdFor;
    for (;;) {
      signal?.throwIfAborted();
      const good = state.good();
      if (good) return good;
      if (state.session === null) return null;
      const left = deadline - now();
      if (closed() || left <= 0) {
        throw new AuthUnavailable("No access token could be got in time", undefined, {
          cause: state.snapshot.error,
        });
      }
      const { signal: ended } = state.era;
      const changed = new Promise<void>((resolve) => {
        ended.addEventListener("abort", () => {
          resolve();
        });
      });
      await within(left, Promise.race([renewNow(), changed]), signal);
    }
  }

  /** The network or the page is back. */
  function wake(missedNews: boolean) {
    tabs.open();
    pause.wake();
    if (missedNews || (state.session && now() >= state.session.renewAt)) renewInBackground();
  }

  tabs.open();
  const unwatch = watchPage(wake, tabs.close);
  if (note.isThere()) {
    // The server has not confirmed the last sign-out: the cookie must not bring its session back.
    void become();
    void persistInSigningOut();
  } else if (options.restore ?? typeof document !== "undefined") {
    renewInBackground();
  }

  return {
    url,

    async token(signal) {
      const asking = state.session?.user.id;
      const session = await goodSession(signal);
      if (asking && session && session.user.id !== asking) throw new UserChanged();
      return session?.token ?? null;
    },

    signUp: (input) => enter("signup", { input }) as Promise<SignUpResult>,
    signIn: (input) => enter("login", { input }) as Promise<SignInResult>,
    signInByLink: (token, confirmed = false) =>
      enter("loginWithMagicLink", { token, confirmed }) as Promise<LinkResult>,

    async signOut() {
      note.leave();
      tabs.tell({ type: "signed-out" });
      const cleared = become();
      const confirmed = await persistInSigningOut();
      await cleared;
      return confirmed;
    },

    async renew(refused, signal) {
      const owner = state.ownerOf(refused);
      state.retire(refused);
      const session = await goodSession(signal);
      // What one user has begun is not done as the next one.
      return session && (!owner || session.user.id === owner) ? session.token : null;
    },

    async refresh() {
      pause.wake();
      await within(holdFor, renewNow());
      await state.clearing;
      return state.snapshot;
    },

    peek() {
      const good = state.good();
      return good && { token: good.token, expiresIn: (good.until - now()) / 1000 };
    },

    getSnapshot: () => state.snapshot,

    subscribe(changed) {
      state.listeners.add(changed);
      return () => state.listeners.delete(changed);
    },

    close() {
      closing.abort();
      state.era.abort();
      state.stopTimers();
      pause.end();
      unwatch();
      tabs.close();
    },
  };
}
