// The schema, by introspection, and the text of its types.

const VALUE = "name description defaultValue isDeprecated deprecationReason type { ...Ref }";
const INTROSPECTION = `query ExplorerSchema {
  __schema {
    description
    queryType { name }
    mutationType { name }
    subscriptionType { name }
    types {
      kind name description specifiedByURL
      fields(includeDeprecated: true) {
        name description isDeprecated deprecationReason
        type { ...Ref }
        args(includeDeprecated: true) { ${VALUE} }
      }
      inputFields(includeDeprecated: true) { ${VALUE} }
      enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
      interfaces { ...Ref }
      possibleTypes { ...Ref }
    }
  }
}
fragment Ref on __Type {
  kind name
  ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name ofType { kind name ofType { kind name } } }
  } } }
}`;

const KIND_TEXT = {
  OBJECT: "type",
  INTERFACE: "interface",
  UNION: "union",
  ENUM: "enum",
  INPUT_OBJECT: "input",
  SCALAR: "scalar",
};

/** Ask for the schema: its root types and all others by name. Throws with a reason. */
async function loadSchema() {
  const operation = { kind: "query", fields: ["__schema"], usesCookie: false };
  const answer = await execute({ query: INTROSPECTION }, operation, {}, undefined);
  const raw = answer.body?.data?.__schema;
  if (!raw) throw new Error(problemOf(answer));
  const types = new Map(raw.types.map((type) => [type.name, type]));
  const roots = [raw.queryType, raw.mutationType, raw.subscriptionType]
    .filter(Boolean)
    .map((root) => types.get(root.name));
  const isOther = (type) => !type.name.startsWith("__") && !roots.includes(type);
  const others = raw.types.filter(isOther).sort((a, b) => (a.name < b.name ? -1 : 1));
  return { description: raw.description, types, roots, others };
}

/** The parts of a type's text: what stands before its name, the name, what stands after. */
function typeParts(ref) {
  if (ref.kind === "NON_NULL") {
    const [before, name, after] = typeParts(ref.ofType);
    return [before, name, `${after}!`];
  }
  if (ref.kind === "LIST") {
    const [before, name, after] = typeParts(ref.ofType);
    return [`[${before}`, name, `${after}]`];
  }
  return ["", ref.name, ""];
}

/** What can be found: types by name, then fields, input fields and values as "Type.field". */
function searchSchema(schema, text) {
  const wanted = text.toLowerCase();
  const [names, members] = [[], []];
  for (const type of [...schema.roots, ...schema.others]) {
    if (type.name.toLowerCase().includes(wanted)) names.push({ type });
    for (const member of [type.fields, type.inputFields, type.enumValues].flatMap((m) => m ?? [])) {
      const isFound = `${type.name}.${member.name}`.toLowerCase().includes(wanted);
      const isOwn = member.name.toLowerCase().includes(wanted);
      if (isOwn || (wanted.includes(".") && isFound)) members.push({ type, member });
    }
  }
  return [...names, ...members];
}
