import {
  buildASTSchema,
  introspectionFromSchema,
  isInterfaceType,
  isObjectType,
  parse,
  valueFromASTUntyped,
  type DirectiveNode,
  type GraphQLSchema,
  type IntrospectionQuery,
} from "graphql";

/**
 * The schema as the server prints it. Introspection does not tell which directives are on a field;
 * the printed text does, so the documentation can say what a field requires.
 */
export async function readSchema(url: string): Promise<IntrospectionQuery> {
  const response = await fetch(url, { credentials: "same-origin" });
  if (response.status === 404) throw new Error("This server does not show its schema.");
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  const schema = buildASTSchema(parse(await response.text()), { assumeValidSDL: true });
  describeRequirements(schema);
  return introspectionFromSchema(schema, { inputValueDeprecation: true });
}

/** Writes what the directives of each field ask of the caller at the top of its description. */
export function describeRequirements(schema: GraphQLSchema): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const asked = field.astNode?.directives?.map(requirement).filter((each) => each !== null);
      if (!asked?.length) continue;
      field.description = [`🔒 ${asked.join(" ")}`, field.description].filter(Boolean).join("\n\n");
    }
  }
}

/** What a directive requires, in words where we know it; null where it is no requirement. */
function requirement(directive: DirectiveNode): string | null {
  const name = directive.name.value;
  if (name === "authenticated") return "Requires that you are signed in.";
  if (name === "hasRole") {
    const roles = directive.arguments?.map(({ value }) => valueFromASTUntyped(value)).flat() ?? [];
    const named = roles.map((role) => `\`${String(role)}\``);
    return `Requires the role ${named.join(" or ")}.`;
  }
  return null;
}
