import { ApolloLink, CombinedGraphQLErrors, ServerError } from "@apollo/client";
import { Observable } from "rxjs";

/** How the network has been lately, for the banner. */
export interface NetworkState {
  /** Requests that have been waiting for longer than people notice. */
  readonly slow: number;
  /** Whether the last request found nobody to answer it. */
  readonly unreachable: boolean;
}

const PATIENCE = 1500; // milliseconds

let state: NetworkState = { slow: 0, unreachable: false };
const listeners = new Set<() => void>();

function change(next: Partial<NetworkState>) {
  state = { ...state, ...next };
  for (const listener of listeners) listener();
}

export const network = {
  subscribe: (listener: () => void) => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  },
  getSnapshot: () => state,
};

/**
 * Whether nobody could answer: no network, or a server that says to come back later. Everything
 * else is an answer.
 */
export function isOutage(error: unknown): boolean {
  if (CombinedGraphQLErrors.is(error))
    return error.errors.some(({ extensions }) => extensions?.code === "SERVICE_UNAVAILABLE");
  if (ServerError.is(error)) return error.statusCode >= 500;
  return error instanceof TypeError || (error instanceof Error && error.name === "AuthUnavailable");
}

/** Notes how requests fare. An answer that says "come back later" fails like a dead network. */
export const watchLink = new ApolloLink(
  (operation, forward) =>
    new Observable((observer) => {
      let noticed = false;
      const timer = setTimeout(() => {
        noticed = true;
        change({ slow: state.slow + 1 });
      }, PATIENCE);
      const settle = () => {
        clearTimeout(timer);
        if (noticed) change({ slow: state.slow - 1 });
        noticed = false;
      };
      const fail = (error: unknown) => {
        settle();
        if (isOutage(error)) change({ unreachable: true });
        observer.error(error);
      };
      const sent = forward(operation).subscribe({
        next(result) {
          const errors = result.errors && new CombinedGraphQLErrors(result);
          if (errors && isOutage(errors)) {
            fail(errors);
            return;
          }
          settle();
          if (state.unreachable) change({ unreachable: false });
          observer.next(result);
        },
        error: fail,
        complete() {
          settle();
          observer.complete();
        },
      });
      return () => {
        settle();
        sent.unsubscribe();
      };
    }),
);
