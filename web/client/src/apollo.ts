import { ApolloLink } from "@apollo/client";
import { Observable, type Subscription } from "rxjs";
import type { TokenSource } from "./api.js";
import { isAuthOperation, mayRepeat, rootsOf } from "./operations.js";

/**
 * A link for Apollo Client 4, before the one that sends: `authLink(auth).concat(httpLink)`. It
 * attaches the access token, holds operations while there is none, and when the server has refused
 * the token sends an operation once more with the next one. What the server refuses after that, or
 * from somebody who is not signed in, is the application's. A subscription goes on over the expiry
 * of the token that it was begun with, as often as that happens.
 */
export function authLink(auth: TokenSource): ApolloLink {
  return new ApolloLink((operation, forward) => {
    const roots = rootsOf(operation.query, operation.operationName);
    if (isAuthOperation(roots)) return forward(operation);
    return new Observable<ApolloLink.Result>((observer) => {
      const ending = new AbortController();
      let sent: Subscription | undefined;

      function send(token: string | null, again: boolean) {
        if (ending.signal.aborted) return;
        operation.setContext(({ headers }: { headers?: Record<string, string> }) => ({
          headers: { ...headers, ...(token && { authorization: `Bearer ${token}` }) },
        }));
        let retrying = false;
        // The end of a subscription whose token was due and has been replaced is no refusal.
        const due = () => roots?.operation === "subscription" && auth.peek()?.token !== token;
        sent = forward(operation).subscribe({
          next(result) {
            if ((again || due()) && mayRepeat(roots, result)) {
              retrying = true;
              auth.renew(token, ending.signal).then(
                (next) => {
                  sent?.unsubscribe();
                  if (next) {
                    send(next, false);
                    return;
                  }
                  observer.next(result);
                  observer.complete();
                },
                (error: unknown) => {
                  observer.error(error);
                },
              );
            } else if (!retrying) observer.next(result);
          },
          error(error: unknown) {
            if (!retrying) observer.error(error);
          },
          complete() {
            if (!retrying) observer.complete();
          },
        });
      }

      auth.token(ending.signal).then(
        (token) => {
          send(token, true);
        },
        (error: unknown) => {
          observer.error(error);
        },
      );
      return () => {
        ending.abort();
        sent?.unsubscribe();
      };
    });
  });
}
