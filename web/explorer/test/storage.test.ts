import { expect, test } from "vitest";
import { createStorage } from "../src/storage";

function createKept() {
  const items = new Map<string, string>();
  const kept = {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => items.set(key, value),
    removeItem: (key: string) => items.delete(key),
  };
  return { items, kept: kept as unknown as Storage };
}

test("the theme outlives the page, nothing else does", () => {
  const { items, kept } = createKept();
  const storage = createStorage(kept);
  storage.setItem("graphiql:theme", "dark");
  storage.setItem("graphiql:tabState", "a password");
  expect([...items]).toEqual([["graphiql:theme", "dark"]]);
  expect(storage.getItem("graphiql:tabState")).toBe("a password");
  expect(createStorage(kept).getItem("graphiql:tabState")).toBeNull();
  expect(createStorage(kept).getItem("graphiql:theme")).toBe("dark");
});
