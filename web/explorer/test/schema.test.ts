import { buildSchema, GraphQLObjectType } from "graphql";
import { expect, test } from "vitest";
import { describeRequirements } from "../src/schema";

const SDL = `
directive @authenticated on FIELD_DEFINITION
directive @hasRole(anyOf: [String!]!) repeatable on FIELD_DEFINITION
directive @cost(weight: Int) on FIELD_DEFINITION
type Query {
  "Who asks." me: String @authenticated
  audit: String @hasRole(anyOf: ["admin", "owner"]) @hasRole(anyOf: ["eu"])
  "For all." open: String @cost(weight: 2)
}`;

test("a field says what it requires, above what it is", () => {
  const schema = buildSchema(SDL);
  describeRequirements(schema);
  const fields = (schema.getType("Query") as GraphQLObjectType).getFields();
  expect(fields["me"]?.description).toBe("🔒 Requires that you are signed in.\n\nWho asks.");
  expect(fields["audit"]?.description).toBe(
    "🔒 Requires the role `admin` or `owner`. Requires the role `eu`.",
  );
  expect(fields["open"]?.description).toBe("For all.");
});
