import { expect, test } from "vitest";
import { createJournal } from "../src/journal";

const ask = (operationName: string, authorization: string) => ({
  method: "POST",
  headers: { authorization },
  body: JSON.stringify({ query: "{ me { id } }", operationName }),
});

function watched(answer: () => Response) {
  const sent: string[] = [];
  const journal = createJournal((input, init) => {
    sent.push(new Request(input, init).headers.get("authorization") ?? "");
    return Promise.resolve(answer());
  });
  return { journal, sent };
}

test("a spoiled token is sent with another signature, all others as they are", async () => {
  const { journal, sent } = watched(() => Response.json({ data: {} }));
  journal.spoil("header.claims.signature");
  await journal.fetch("http://server/graphql", ask("Me", "Bearer header.claims.signature"));
  await journal.fetch("http://server/graphql", ask("Me", "Bearer header.claims.other"));
  expect(sent).toEqual(["Bearer header.claims.ignatures", "Bearer header.claims.other"]);
});

test("the journal tells what came of the last requests", async () => {
  const refusal = { extensions: { code: "UNAUTHENTICATED", reason: "ACCESS_TOKEN_EXPIRED" } };
  const { journal } = watched(() => Response.json({ errors: [refusal] }, { status: 401 }));
  for (let count = 1; count <= 20; count++) {
    await journal.fetch("http://server/graphql", ask(`Operation${count}`, ""));
  }
  const entries = journal.getSnapshot();
  expect(entries).toHaveLength(12);
  expect(entries.at(-1)).toMatchObject({
    operation: "Operation20",
    outcome: "401 ACCESS_TOKEN_EXPIRED",
    refused: true,
  });
});

test("without an answer the failure is the caller's, and is told", async () => {
  const journal = createJournal(() => Promise.reject(new TypeError("offline")));
  await expect(journal.fetch("http://server/graphql", ask("Me", ""))).rejects.toThrow("offline");
  expect(journal.getSnapshot()[0]?.outcome).toBe("no answer");
});
