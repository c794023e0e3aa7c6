/** One request that this page has sent, as the account pane lists it. */
export interface Entry {
  readonly id: number;
  readonly operation: string;
  /** What came of it, in a few words; null while it is under way. */
  readonly outcome: string | null;
  readonly refused: boolean;
}

/** What went over the line: every request goes through `fetch` here, the client's own too. */
export interface Journal {
  readonly fetch: typeof fetch;
  /** Has the server refuse this access token from now on: it is sent with a broken signature. */
  readonly spoil: (token: string) => void;
  readonly isSpoiled: (token: string) => boolean;
  readonly getSnapshot: () => readonly Entry[];
  readonly subscribe: (changed: () => void) => () => void;
}

const KEPT = 12; // entries
const OWN = /result: (\w+)/; // how the client names the field of its own operations

export function createJournal(send: typeof fetch): Journal {
  let entries: readonly Entry[] = [];
  let spoiled: string | null = null;
  let count = 0;
  const listeners = new Set<() => void>();

  function put(entry: Entry) {
    const others = entries.filter(({ id }) => id !== entry.id);
    entries = [...others, entry].sort((one, other) => one.id - other.id).slice(-KEPT);
    for (const changed of listeners) changed();
  }

  return {
    async fetch(input, init) {
      const request = new Request(input, init);
      const operation = nameOf(await request.clone().text());
      const begun = { id: ++count, operation, outcome: null, refused: false };
      if (spoiled && request.headers.get("authorization") === `Bearer ${spoiled}`) {
        request.headers.set("authorization", `Bearer ${spoil(spoiled)}`);
      }
      put(begun);
      try {
        const response = await send(request);
        put({ ...begun, ...(await outcomeOf(response.clone())) });
        return response;
      } catch (error) {
        put({ ...begun, outcome: "no answer", refused: true });
        throw error;
      }
    },
    spoil(token) {
      spoiled = token;
      for (const changed of listeners) changed();
    },
    isSpoiled: (token) => token === spoiled,
    getSnapshot: () => entries,
    subscribe(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  };
}

/** The same token with another signature. */
function spoil(token: string): string {
  const signature = token.slice(token.lastIndexOf(".") + 1);
  return token.slice(0, -signature.length) + signature.slice(1) + signature.charAt(0);
}

interface Sent {
  readonly query?: string;
  readonly operationName?: string | null;
}

interface Answer {
  readonly data?: { readonly result?: { readonly __typename?: string } } | null;
  readonly errors?: readonly { readonly extensions?: { code?: string; reason?: string } }[];
}

function nameOf(body: string): string {
  const { query = "", operationName } = JSON.parse(body) as Sent;
  return operationName ?? OWN.exec(query)?.[1] ?? "unnamed operation";
}

async function outcomeOf(response: Response): Promise<Pick<Entry, "outcome" | "refused">> {
  const answer = (await response.json().catch(() => ({}))) as Answer;
  const refusal = answer.errors?.[0]?.extensions;
  const outcome = refusal?.reason ?? refusal?.code ?? answer.data?.result?.__typename ?? "";
  return {
    outcome: [response.status, outcome].filter(Boolean).join(" "),
    refused: !response.ok || refusal !== undefined,
  };
}
