import type { AuthState, AuthUnavailable, User } from "./types.js";

/** What was got from the server last. */
export interface Session {
  readonly token: string;
  readonly user: User;
  /** By this page's monotonic clock, in milliseconds, as `renewAt`. */
  readonly until: number;
  readonly renewAt: number;
}

/** The state while nothing is known yet: what servers render and pages begin with. */
export const UNKNOWN: AuthState = Object.freeze({ status: "refreshing", user: null, error: null });

const LONGEST_TIMER = 2 ** 31 - 1; // milliseconds
const REMEMBERED = 50; // tokens; an operation is not under way for as long as they lived

export const now = () => performance.now();

/**
 * Holds the session, and shows it to the outside.
 *
 * Lifetimes are counted from the receipt of a token by a clock that nobody can set: what the
 * client's wall clock says does not matter.
 */
export class SessionState {
  /** null: nobody is signed in. undefined: not known yet. */
  session: Session | null | undefined;
  /** Resolves when the caches of a former user are cleared, if that is going on. */
  clearing: Promise<void> | undefined;
  /**
   * Every change of the session begins an era and aborts the one before. What was begun in an
   * earlier era has no say any more.
   */
  era = new AbortController();
  snapshot = UNKNOWN;
  readonly listeners = new Set<() => void>();

  private error: AuthUnavailable | null = null;
  private readonly owners = new Map<string | null, string>();
  private timers: ReturnType<typeof setTimeout>[] = [];
  private readonly renew: () => void;
  private readonly onSignedOut: (() => unknown) | undefined;

  /** @param renew is called ahead of the session's expiry. */
  constructor(renew: () => void, onSignedOut: (() => unknown) | undefined) {
    this.renew = renew;
    this.onSignedOut = onSignedOut;
  }

  /** The session, if its access token is good. */
  good(): Session | null {
    return this.session && now() < this.session.until ? this.session : null;
  }

  /** The id of the user whose access token this is or was; undefined where it is none of the last. */
  ownerOf(token: string | null): string | undefined {
    return this.owners.get(token);
  }

  /** Puts a session in the place of the one there is; resolves when caches are cleared. */
  async become(next: Session | null): Promise<void> {
    const before = this.session;
    this.session = next;
    this.error = null;
    this.era.abort();
    this.era = new AbortController();
    this.stopTimers();
    if (next) {
      const at = (moment: number, act: () => void) => {
        this.timers.push(setTimeout(act, Math.min(moment - now(), LONGEST_TIMER)));
      };
      at(next.renewAt, this.renew);
      at(next.until, () => {
        this.retire(next.token);
      });
    }
    if (before && before.user.id !== next?.user.id && this.onSignedOut)
      this.clear(this.onSignedOut);
    this.publish();
    await this.clearing;
  }

  adopt(token: string, user: User, expiresIn: number): Promise<void> {
    // It ends on a whole second, so up to one earlier than it says.
    const life = Math.max(expiresIn - 1, expiresIn / 2) * 1000;
    this.owners.set(token, user.id);
    const [oldest] = this.owners.keys();
    if (this.owners.size > REMEMBERED && oldest) this.owners.delete(oldest);
    return this.become({
      token,
      user,
      until: now() + life,
      // Ahead of expiry, and not all tabs at once.
      renewAt: now() + Math.max(life * (0.75 + 0.15 * Math.random()), 250),
    });
  }

  /** This token is good no longer: its time is over, or the server has refused it. */
  retire(token: string | null): void {
    if (this.session?.token !== token) return;
    this.session = { ...this.session, until: 0 };
    this.publish();
  }

  /** The server could not be asked: this is shown, nothing else changes. */
  fail(error: AuthUnavailable): void {
    this.error = error;
    this.publish();
  }

  /** Makes a new snapshot if it would differ from the one there is. */
  publish(): void {
    if (this.clearing) return; // which publishes when it is done
    const { session, snapshot } = this;
    let user = session?.user ?? null;
    if (JSON.stringify(user) === JSON.stringify(snapshot.user)) user = snapshot.user;
    const status = session === null ? "anonymous" : this.good() ? "signed-in" : "refreshing";
    const error = session === null ? null : this.error;
    if (
      status === snapshot.status &&
      user === snapshot.user &&
      error?.message === snapshot.error?.message
    ) {
      return;
    }
    this.snapshot = Object.freeze({ status, user, error } as AuthState);
    for (const changed of [...this.listeners]) changed();
  }

  stopTimers(): void {
    this.timers.forEach(clearTimeout);
    this.timers = [];
  }

  /**
   * Runs the hook, after those that still run, and after operations that wait for a token have been
   * told that there is none: Apollo Client's `clearStore` fails those that are under way.
   */
  private clear(hook: () => unknown): void {
    const mine: Promise<void> = (this.clearing ?? new Promise((resolve) => setTimeout(resolve)))
      .then(hook)
      .catch((problem: unknown) => {
        console.error("gql-auth: onSignedOut failed", problem);
      })
      .then(() => {
        if (this.clearing === mine) this.clearing = undefined;
        this.publish();
      });
    this.clearing = mine;
  }
}
