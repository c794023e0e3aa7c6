import type { Auth } from "@gql-auth/client";
import { authFetch } from "@gql-auth/client/fetch";
import { authSocket } from "@gql-auth/client/graphql-ws";
import type { Fetcher, FetcherParams } from "@graphiql/toolkit";
import {
  Kind,
  OperationTypeNode,
  parse,
  type ExecutionResult,
  type OperationDefinitionNode,
} from "graphql";
import type { Client } from "graphql-ws";
import { readSchema } from "./schema";

/** The name under which GraphiQL asks for the schema, which no operation of a user has. */
export const INTROSPECTION = "ExplorerIntrospection";

const CHANGE_SESSION = new Set(["signup", "login", "logout", "refreshToken"]);

/**
 * Sends what the user runs: subscriptions by WebSocket, all else by HTTP. The client attaches the
 * access token and, where the server refuses it, refreshes it and sends the operation once more. A
 * token that the user gives as a header is sent as it is.
 */
export function createFetcher(auth: Auth, send: typeof fetch): Fetcher {
  const sendSigned = authFetch(auth, { fetch: send });
  let sockets: Promise<Client> | undefined;

  async function post(
    params: FetcherParams,
    given: Record<string, string>,
  ): Promise<ExecutionResult> {
    const headers = new Headers({
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json;q=0.9",
    });
    for (const [name, value] of Object.entries(given)) headers.set(name, value);
    const response = await (headers.has("authorization") ? send : sendSigned)(auth.url, {
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      headers,
      body: JSON.stringify(params),
    });
    const text = await response.text();
    try {
      return JSON.parse(text) as ExecutionResult;
    } catch {
      throw new Error(`${response.status} ${response.statusText}: ${text.slice(0, 1000)}`);
    }
  }

  const connect = () =>
    import("graphql-ws").then(({ createClient }) =>
      createClient({ url: auth.url.replace(/^http/, "ws"), lazy: true, ...authSocket(auth) }),
    );

  async function* subscribe(params: FetcherParams) {
    const client = await (sockets ??= connect());
    yield* client.iterate(params) as AsyncIterableIterator<ExecutionResult>;
  }

  return async (params, options) => {
    if (params.operationName === INTROSPECTION) {
      const schema = await readSchema(`${auth.url.replace(/\/$/, "")}/explorer/schema.graphql`);
      return { data: { ...schema } };
    }
    const operation = chosen(params);
    const asked = operation ? { ...params, operationName: operation.name?.value ?? null } : params;
    if (operation?.operation === OperationTypeNode.SUBSCRIPTION) return subscribe(asked);
    const user = auth.getSnapshot().user?.id;
    const answer = await post(asked, options?.headers ?? {});
    const changes = operation?.selectionSet.selections.some(
      (field) => field.kind === Kind.FIELD && CHANGE_SESSION.has(field.name.value),
    );
    // The cookie may be another one now: ask whose. Before the answer is shown, as a sign-out takes
    // the answers before it off the page.
    if (changes) await auth.refresh();
    else if (user && auth.getSnapshot().user?.id !== user && holdsSomething(answer)) {
      throw new Error("The user has changed meanwhile; the answer is not shown.");
    }
    return answer;
  };
}

/** Of a refusal, as that the session has ended, there is nothing to hide. */
function holdsSomething({ data }: ExecutionResult): boolean {
  return Object.values(data ?? {}).some((value) => value !== null);
}

/**
 * The operation to run. GraphiQL names it late after typing: for a moment it is the one that was
 * there before.
 */
function chosen({ query, operationName }: FetcherParams): OperationDefinitionNode | undefined {
  try {
    const operations = parse(query, { noLocation: true }).definitions.filter(
      (each) => each.kind === Kind.OPERATION_DEFINITION,
    );
    const named = operations.find(({ name }) => name?.value === operationName);
    return named ?? (operations.length === 1 ? operations[0] : undefined);
  } catch {
    return undefined; // the server says what is wrong
  }
}
