import { expect, test } from "vitest";

test("the entries load", async () => {
  expect(Object.keys(await import("../src/index.js"))).toEqual([]);
});
