import {
  type Exchange,
  makeErrorResult,
  makeOperation,
  type Operation,
  type OperationResult,
} from "@urql/core";
import {
  filter,
  fromPromise,
  fromValue,
  makeSubject,
  merge,
  mergeMap,
  pipe,
  share,
  takeUntil,
} from "wonka";
import type { TokenSource } from "./api.js";
import { isAuthOperation, mayRepeat, rootsOf } from "./operations.js";

const ATTEMPT = "gqlAuthAttempt";

const attemptOf = ({ context }: Operation) => (context[ATTEMPT] as number | undefined) ?? 0;

const passes = (operation: Operation) =>
  operation.kind === "teardown" || isAuthOperation(rootsOf(operation.query));

/**
 * An exchange for urql, before the one that sends: `[cacheExchange, authExchange(auth),
 * fetchExchange]`. It attaches the access token, holds operations while there is none, and when the
 * server has refused the token sends an operation once more with the next one. What the server
 * refuses after that, or from somebody who is not signed in, is the application's. A subscription goes
 * on over the expiry of the token that it was begun with, as often as that happens.
 */
export function authExchange(auth: TokenSource): Exchange {
  return ({ forward }) => {
    // How each operation was sent last; what comes of an earlier attempt is dropped.
    const sent = new Map<number, { attempt: number; token: string | null }>();

    return (incoming) => {
      const operations = pipe(incoming, share);
      const retries = makeSubject<Operation>();
      const answers = makeSubject<OperationResult>();

      const endOf = ({ key }: Operation) =>
        pipe(
          operations,
          filter((other) => other.kind === "teardown" && other.key === key),
        );

      /** The operation with a token; none where no token could be got, which is answered. */
      const prepare = (operation: Operation) =>
        auth.token().then(
          (token) => {
            sent.set(operation.key, { attempt: attemptOf(operation), token });
            return withToken(operation, token);
          },
          (error: unknown) => {
            answers.next(makeErrorResult(operation, error as Error));
            return null;
          },
        );

      /** The refused result itself, where there is no use in trying again. */
      const retry = async (result: OperationResult) => {
        const { operation } = result;
        const { key } = operation;
        const attempt = attemptOf(operation) + 1;
        const token = sent.get(key)?.token ?? null;
        sent.set(key, { attempt, token });
        try {
          if ((await auth.renew(token)) === null) return { ...result, hasNext: false };
        } catch (error) {
          return makeErrorResult(operation, error as Error);
        }
        const context = { ...operation.context, [ATTEMPT]: attempt };
        retries.next(makeOperation(operation.kind, operation, context));
        return null;
      };

      const retriable = ({ operation, data, error }: OperationResult) => {
        // The end of a subscription whose token was due and has been replaced is no refusal.
        const due =
          operation.kind === "subscription" &&
          auth.peek()?.token !== sent.get(operation.key)?.token;
        const result = { data: data as unknown, errors: error?.graphQLErrors };
        return (attemptOf(operation) === 0 || due) && mayRepeat(rootsOf(operation.query), result);
      };

      const guarded = pipe(
        merge([
          pipe(
            operations,
            filter((operation) => !passes(operation)),
          ),
          retries.source,
        ]),
        mergeMap((operation) => pipe(fromPromise(prepare(operation)), takeUntil(endOf(operation)))),
        filter((operation) => operation !== null),
      );

      return merge([
        answers.source,
        pipe(
          merge([pipe(operations, filter(passes)), guarded]),
          forward,
          filter(
            ({ operation }) =>
              passes(operation) || sent.get(operation.key)?.attempt === attemptOf(operation),
          ),
          mergeMap((result) =>
            !passes(result.operation) && retriable(result)
              ? pipe(fromPromise(retry(result)), takeUntil(endOf(result.operation)))
              : fromValue(result),
          ),
          filter((result) => result !== null),
        ),
      ]);
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
