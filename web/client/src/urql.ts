import {
  type Exchange,
  makeErrorResult,
  makeOperation,
  type Operation,
  type OperationResult,
} from "@urql/core";
import { filter, fromPromise, makeSubject, merge, mergeMap, pipe, share, takeUntil } from "wonka";
import type { TokenSource } from "./api.js";
import { isAuthOperation, mayRepeat, rootsOf } from "./operations.js";

const RETRY = "gqlAuthRetry";

/**
 * An exchange for urql, before the one that sends: `[cacheExchange, authExchange(auth),
 * fetchExchange]`. It attaches the access token, holds operations while there is none, and when the
 * server has refused the token sends an operation once more with the next one. What the server
 * refuses after that, or from somebody who is not signed in, is the application's.
 */
export function authExchange(auth: TokenSource): Exchange {
  return ({ forward }) => {
    const tokens = new Map<number, string | null>(); // that operations in flight were sent with
    return (incoming) => {
      const operations = pipe(incoming, share);
      const retries = makeSubject<Operation>();
      const answers = makeSubject<OperationResult>();
      const passes = (operation: Operation) =>
        operation.kind === "teardown" || isAuthOperation(rootsOf(operation.query));

      const endOf = ({ key }: Operation) =>
        pipe(
          operations,
          filter((other) => other.kind === "teardown" && other.key === key),
        );

      /** The operation with a token; none where no token could be got, which is answered. */
      const prepare = (operation: Operation) =>
        auth.token().then(
          (token) => {
            tokens.set(operation.key, token);
            return withToken(operation, token);
          },
          (error: unknown) => {
            answers.next(makeErrorResult(operation, error as Error));
            return null;
          },
        );

      const results = pipe(
        merge([
          pipe(operations, filter(passes)),
          pipe(
            merge([
              pipe(
                operations,
                filter((operation) => !passes(operation)),
              ),
              retries.source,
            ]),
            mergeMap((operation) =>
              pipe(fromPromise(prepare(operation)), takeUntil(endOf(operation))),
            ),
            filter((operation) => operation !== null),
          ),
        ]),
        forward,
        share,
      );

      const retriable = ({ operation, data, error }: OperationResult) =>
        !operation.context[RETRY] &&
        mayRepeat(rootsOf(operation.query), {
          data: data as unknown,
          errors: error?.graphQLErrors,
        });

      return merge([
        answers.source,
        pipe(
          results,
          filter((result) => passes(result.operation) || !retriable(result)),
        ),
        pipe(
          results,
          filter((result) => !passes(result.operation) && retriable(result)),
          mergeMap((result) =>
            pipe(fromPromise(retry(result)), takeUntil(endOf(result.operation))),
          ),
          filter((result) => result !== null),
        ),
      ]);

      /** The refused result itself, where there is no use in trying again. */
      async function retry(result: OperationResult) {
        const { operation } = result;
        try {
          const token = await auth.renew(tokens.get(operation.key) ?? null);
          if (token === null) return result;
        } catch (error) {
          return makeErrorResult(operation, error as Error);
        }
        retries.next(
          makeOperation(operation.kind, operation, { ...operation.context, [RETRY]: true }),
        );
        return null;
      }
    };
  };
}

function withToken(operation: Operation, token: string | null): Operation {
  if (!token) return operation;
  const { fetchOptions } = operation.context;
  const options = typeof fetchOptions === "function" ? fetchOptions() : fetchOptions;
  const headers = Object.fromEntries(new Headers(options?.headers));
  return makeOperation(operation.kind, operation, {
    ...operation.context,
    fetchOptions: { ...options, headers: { ...headers, authorization: `Bearer ${token}` } },
  });
}
