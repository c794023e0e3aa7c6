import { readFileSync } from "node:fs";
import { buildSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";
import { EXAMPLES } from "../src/examples";

const schema = buildSchema(
  readFileSync(new URL("../../../schema.graphql", import.meta.url), "utf8"),
);

test.each(EXAMPLES)("an example is what the server takes: $query", ({ query, variables }) => {
  expect(validate(schema, parse(query))).toEqual([]);
  expect(JSON.parse(variables ?? "{}")).toBeTypeOf("object");
});
