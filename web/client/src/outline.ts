import type { Document } from "./operations.js";

type Part = Document["definitions"][number];

const TOKEN = /"""(?:\\"""|[^])*?"""|"(?:\\.|[^"\\\n])*"|#.*|\.\.\.|[A-Za-z_]\w*|[^\s,\ufeff]/g;

/**
 * The outline of a GraphQL document, where there is only its text: definitions, fields, fragments,
 * without arguments, values and types. Of a text that is no document it makes something; the server
 * will refuse it.
 */
export function outline(text: string): Document {
  const tokens = (text.match(TOKEN) ?? []).filter((token) => !/^["#]/.test(token));
  let at = 0;
  const isName = (token: string | undefined) => token !== undefined && /^[A-Za-z_]/.test(token);

  /** Skips what stands in brackets, the opening one is next. */
  function skip(): void {
    let depth = 0;
    do {
      const token = tokens[at++];
      if (token === undefined) return;
      if ("([{".includes(token)) depth++;
      else if (")]}".includes(token)) depth--;
    } while (depth > 0);
  }

  /** Skips arguments and directives up to the next thing that is neither. */
  function skipDetails(): void {
    for (;;) {
      if (tokens[at] === "(") skip();
      else if (tokens[at] === "@") at += 2;
      else return;
    }
  }

  function selectionSet(): NonNullable<Part["selectionSet"]> {
    const selections: Part[] = [];
    at++;
    while (at < tokens.length && tokens[at] !== "}") selections.push(selection());
    at++;
    return { selections };
  }

  function selection(): Part {
    if (tokens[at] === "...") {
      at++;
      if (isName(tokens[at]) && tokens[at] !== "on") {
        const value = tokens[at++] ?? "";
        skipDetails();
        return { kind: "FragmentSpread", name: { value } };
      }
      if (tokens[at] === "on") at += 2;
      skipDetails();
      return {
        kind: "InlineFragment",
        selectionSet: tokens[at] === "{" ? selectionSet() : undefined,
      };
    }
    let name = tokens[at++] ?? "";
    let alias: Part["alias"];
    if (tokens[at] === ":") {
      alias = { value: name };
      name = tokens[at + 1] ?? "";
      at += 2;
    }
    skipDetails();
    if (tokens[at] === "{") skip();
    return { kind: "Field", name: { value: name }, alias };
  }

  const definitions: Part[] = [];
  while (at < tokens.length) {
    const keyword = tokens[at] === "{" ? "query" : tokens[at++];
    const name = isName(tokens[at]) ? { value: tokens[at] ?? "" } : undefined;
    while (at < tokens.length && tokens[at] !== "{") {
      if (tokens[at] === "(") skip();
      else at++;
    }
    const kind = keyword === "fragment" ? "FragmentDefinition" : "OperationDefinition";
    definitions.push({ kind, operation: keyword, name, selectionSet: selectionSet() });
  }
  return { definitions };
}
