import { createAuth } from "@gql-auth/client";
import { createJournal } from "./journal";

const ended = new Set<() => void>();

export const journal = createJournal((...request) => fetch(...request));

/** Who is signed in: the API is at the page's own address. */
export const auth = createAuth({
  url: location.pathname,
  fetch: journal.fetch,
  onSignedOut() {
    for (const tell of ended) tell();
  },
});

/** Calls back when the user who was signed in no longer is; returns what ends it. */
export function onSignedOut(tell: () => void): () => void {
  ended.add(tell);
  return () => ended.delete(tell);
}
