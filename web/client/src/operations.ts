/** As much of a GraphQL document as is needed here; a `DocumentNode` is one. */
export interface Document {
  readonly definitions: readonly Part[];
}

interface Part {
  readonly kind: string;
  readonly operation?: string | undefined;
  readonly name?: { readonly value: string } | undefined;
  readonly alias?: { readonly value: string } | undefined;
  readonly selectionSet?: { readonly selections: readonly Part[] } | undefined;
}

/** What an operation asks for at its root. */
export interface Roots {
  readonly operation: string;
  readonly fields: readonly { readonly name: string; readonly key: string }[];
}

/** An error as it stands in an answer. */
interface Failure {
  readonly path?: readonly (string | number)[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

export interface Result {
  readonly data?: unknown;
  readonly errors?: readonly Failure[] | undefined;
}

const AUTH_FIELDS = "signup login refreshToken logout".split(" ");

/** The root fields of the operation that would run; undefined where the document has none. */
export function rootsOf(document: Document, operationName?: string | null): Roots | undefined {
  const { definitions } = document;
  const found = definitions.find(
    ({ kind, name }) =>
      kind === "OperationDefinition" && (!operationName || name?.value === operationName),
  );
  if (!found) return undefined;
  const fields: { name: string; key: string }[] = [];
  const entered = new Set<string>();
  const collect = (part: Part | undefined) => {
    for (const node of part?.selectionSet?.selections ?? []) {
      const name = node.name?.value ?? "";
      if (node.kind === "Field") fields.push({ name, key: node.alias?.value ?? name });
      else if (node.kind !== "FragmentSpread") collect(node);
      else if (!entered.has(name)) {
        entered.add(name);
        collect(definitions.find((d) => d.kind === "FragmentDefinition" && d.name?.value === name));
      }
    }
  };
  collect(found);
  return { operation: found.operation ?? "query", fields };
}

/**
 * Whether an operation signs in or out or refreshes. Such an operation is nobody's business but the
 * server's: it needs no access token, and no refresh may come of its failing.
 */
export function isAuthOperation(roots: Roots | undefined): boolean {
  return (
    roots?.operation === "mutation" && roots.fields.some(({ name }) => AUTH_FIELDS.includes(name))
  );
}

/**
 * Whether the server has refused the access token, and the operation can be sent again as if it had
 * never been sent.
 *
 * A query always can. Of a mutation nothing must have run: the fields at its root run one after the
 * other, so it can where each of them was refused, or where the first was and its refusal ended the
 * operation. A refusal further down, in what a field returns, tells that the field has run.
 */
export function mayRepeat(roots: Roots | undefined, { data, errors }: Result): boolean {
  const refused = errors?.filter(({ extensions }) => extensions?.["code"] === "UNAUTHENTICATED");
  if (!refused?.length) return false;
  if (roots && roots.operation !== "mutation") return true;
  if (refused.some(({ path }) => !path?.length)) return true;
  const keys = new Set(
    refused.filter(({ path }) => path?.length === 1).map(({ path }) => path?.[0]),
  );
  const [first, ...others] = new Set(roots?.fields.map(({ key }) => key));
  if (first === undefined || !keys.has(first)) return false;
  return data == null || others.every((key) => keys.has(key));
}
