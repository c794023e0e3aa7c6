import { buildSchema, graphqlSync, GraphQLError, parse } from "graphql";
import { expect, test } from "vitest";
import { isAuthOperation, mayRepeat, rootsOf } from "../src/operations.js";
import { outline } from "../src/outline.js";

const documents = [
  "{ me { id } }",
  "query Q($a: In = {b: [1]}) @d(x: {y: 1}) { one: me { id } two: me(a: {b: 1}) @skip(if: true) { me } }",
  'mutation { login(input: {email: "}{", password: "\\""}) { __typename } }',
  "mutation Innocent { x: refreshToken { __typename } }",
  "mutation A { changePassword { a } } mutation B { logout { b } }",
  "fragment F on Mutation { ...G } mutation { ...F } fragment G on Mutation { signup { id } }",
  "mutation { ... on Mutation @include(if: true) { ... { login } } }",
  "mutation { ...F } fragment F on Mutation { ...F revoke }",
  "query login { refreshToken: me { logout } }",
  "# mutation { login }\n{ me }",
  'mutation { say(text: """ } login \\""" { """) # } login {\n, other }',
  "subscription { events { id } }",
  "\ufeffquery ($on: on) { ...{ ...query } ... on on { on: query } } fragment on2 on Query { on } fragment query on Query { fragment }",
];

test.each(documents)("the outline has the roots of %s", (text) => {
  const document = parse(text);
  for (const name of [undefined, "A", "B", "Q"]) {
    expect(rootsOf(outline(text), name)).toEqual(rootsOf(document, name));
  }
});

test.each([
  "",
  "}",
  "{",
  "mutation",
  "query {{{",
  '"',
  "...",
  "fragment",
  "{ a( }",
  "nonsense @ (",
])("the outline of %j, which is no document, comes to an end", (text) => {
  expect(isAuthOperation(rootsOf(outline(text)))).toBe(false);
});

test.each([
  ["mutation Innocent { x: refreshToken { __typename } }", true],
  ["mutation { ... on Mutation { ...F } } fragment F on Mutation { me login { a } }", true],
  ["mutation { changePassword { a } }", false],
  ["mutation login { changePassword { logout } }", false],
  ["{ login }", false],
])("%s: whether it is an operation of signing in: %s", (text, expected) => {
  expect(isAuthOperation(rootsOf(parse(text)))).toBe(expected);
  expect(isAuthOperation(rootsOf(outline(text)))).toBe(expected);
});

const schema = buildSchema(`
  type Query { open: String, secret: String, must: String! }
  type Mutation { open: Thing, secret: String, must: String!, mustOpen: String!, broken: String }
  type Thing { id: ID, secret: String, must: String! }
`);

function refuse(): never {
  throw new GraphQLError("Token expired", { extensions: { code: "UNAUTHENTICATED" } });
}

function run(text: string) {
  let ran = 0;
  const open = () => {
    ran++;
    return { id: "1", secret: refuse, must: refuse };
  };
  const broken = () => {
    ran++;
    throw new GraphQLError("Broken", { extensions: { code: "INTERNAL_SERVER_ERROR" } });
  };
  const mustOpen = () => {
    ran++;
    return "";
  };
  const rootValue = { open, broken, mustOpen, secret: refuse, must: refuse };
  const result = graphqlSync({ schema, source: text, rootValue });
  return { again: mayRepeat(rootsOf(parse(text)), result), ran };
}

test.each([
  ["mutation { secret }", true],
  ["mutation { must }", true],
  ["mutation { a: secret b: must }", true],
  ["mutation { a: secret b: secret }", true],
  ["mutation { must open { id } }", true],
  ["mutation { ...F } fragment F on Mutation { must open { id } }", true],
  ["mutation { secret open { id } }", false],
  ["mutation { open { id } secret }", false],
  ["mutation { open { id } must }", false],
  ["mutation { mustOpen must }", false],
  ["mutation { open { secret } }", false],
  ["mutation { open { must } }", false],
  ["mutation { must broken }", true],
  ["mutation { broken must }", false],
  ["mutation { secret broken }", false],
  ["mutation { broken }", false],
])("%s is repeated where nothing of it has run: %s", (text, expected) => {
  const { again, ran } = run(text);
  expect(again).toBe(expected);
  expect(ran === 0).toBe(expected);
});

test("queries are repeated even where a part was answered", () => {
  const text = "{ open secret }";
  const result = { data: { open: "", secret: null }, errors: [refusal(["secret"])] };
  expect(mayRepeat(rootsOf(parse(text)), result)).toBe(true);
  expect(mayRepeat(rootsOf(parse(text)), { data: { open: "" } })).toBe(false);
});

test("only the code counts, and a refusal of the whole request is one of every field", () => {
  const roots = rootsOf(parse("mutation { one two }"));
  expect(mayRepeat(roots, { errors: [refusal(undefined)] })).toBe(true);
  const forbidden = { message: "UNAUTHENTICATED", extensions: { code: "FORBIDDEN" } };
  expect(mayRepeat(roots, { errors: [forbidden] })).toBe(false);
  // Of a persisted operation the text is not known: it may have had a field before this one.
  expect(mayRepeat(undefined, { data: null, errors: [refusal(["two"])] })).toBe(false);
});

function refusal(path: string[] | undefined) {
  return { message: "", path, extensions: { code: "UNAUTHENTICATED" } };
}
