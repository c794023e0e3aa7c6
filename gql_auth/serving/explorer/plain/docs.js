// The documentation beside the editor: root types, then fields, then types, with a way back.

const MOST_RESULTS = 60;
const docs = { schema: null, problem: "Reading the schema…", trail: [] }; // trail: {type, field?}

const linkTo = (text, place) =>
  make("button", { type: "button", class: "link", onclick: () => openPlace(place) }, text);

/** A type as it is written, its name leading to the type. */
function typeLink(ref) {
  const [before, name, after] = typeParts(ref);
  const type = docs.schema.types.get(name);
  return make("span", { class: "type" }, before, type ? linkTo(name, { type }) : name, after);
}

const described = (it) => (it.description ? prose(it.description) : null);

const deprecation = (it) =>
  it.isDeprecated
    ? make("p", { class: "deprecated" }, `Deprecated: ${it.deprecationReason ?? "no reason given"}`)
    : null;

/** A heading and a list below it, or nothing where the list is empty. */
function group(title, items, show) {
  if (!items?.length) return [];
  const entries = items.map((item) => make("li", {}, ...[show(item)].flat()));
  return [make("h4", {}, title), make("ul", {}, ...entries)];
}

/** An argument or input field, with its default. */
function valueEntry(value) {
  const fallback = value.defaultValue ?? null;
  const line = make("code", { class: "signature" }, `${value.name}: `, typeLink(value.type));
  if (fallback !== null) line.append(` = ${fallback}`);
  return [line, described(value), deprecation(value)];
}

function fieldEntry(type, field) {
  const line = make("code", { class: "signature" }, linkTo(field.name, { type, field }));
  field.args.forEach((argument, index) => {
    line.append(index ? ", " : "(", `${argument.name}: `, typeLink(argument.type));
  });
  line.append(field.args.length ? "): " : ": ", typeLink(field.type));
  return [line, described(field), deprecation(field)];
}

const enumEntry = (value) => [
  make("code", { class: "signature" }, value.name),
  described(value),
  deprecation(value),
];

const typeEntry = (type) => [
  make("code", { class: "signature" }, linkTo(type.name, { type })),
  described(type),
];

const refEntry = (ref) => typeEntry(docs.schema.types.get(ref.name) ?? ref);

function startView() {
  const { schema } = docs;
  return [
    make("h3", { tabindex: "-1" }, "Schema"),
    schema.description ? prose(schema.description) : null,
    ...group("Start here", schema.roots, typeEntry),
    ...group("All types", schema.others, typeEntry),
  ];
}

function typeView(type) {
  const members = type.kind === "UNION" ? "One of" : "Implemented by";
  const kind = make("span", { class: "quiet" }, KIND_TEXT[type.kind]);
  const specification = type.specifiedByURL;
  return [
    make("h3", { tabindex: "-1" }, kind, " ", type.name),
    described(type) ?? make("p", { class: "quiet" }, "No description."),
    specification ? make("p", { class: "quiet" }, `Specified by ${specification}`) : null,
    ...group("Implements", type.interfaces, refEntry),
    ...group(members, type.possibleTypes, refEntry),
    ...group("Fields", type.fields, (field) => fieldEntry(type, field)),
    ...group("Input fields", type.inputFields, valueEntry),
    ...group("Values", type.enumValues, enumEntry),
  ];
}

function fieldView(type, field) {
  return [
    make("h3", { tabindex: "-1" }, make("span", { class: "quiet" }, `${type.name}.`), field.name),
    described(field) ?? make("p", { class: "quiet" }, "No description."),
    deprecation(field),
    ...group("Returns", [field.type], (ref) => {
      const result = docs.schema.types.get(typeParts(ref)[1]);
      return [make("code", { class: "signature" }, typeLink(ref)), result && described(result)];
    }),
    ...group("Arguments", field.args, valueEntry),
  ];
}

function searchView(text) {
  const results = searchSchema(docs.schema, text);
  const shown = results.slice(0, MOST_RESULTS);
  const more = results.length - shown.length;
  const entry = ({ type, member }) => {
    if (!member) return typeEntry(type);
    const isField = type.fields?.includes(member);
    const place = isField ? { type, field: member } : { type };
    return make("code", { class: "signature" }, linkTo(`${type.name}.${member.name}`, place));
  };
  return [
    make("p", { class: "quiet", role: "status" }, `${results.length} found`),
    ...group("Results", shown, entry),
    more > 0 ? make("p", { class: "quiet" }, `…and ${more} more: type on to narrow down.`) : null,
  ];
}

function placeView() {
  const place = docs.trail.at(-1);
  if (!place) return startView();
  const before = docs.trail.at(-2);
  const name = !before ? "Schema" : (before.field?.name ?? before.type.name);
  const back = make("button", { type: "button", class: "plain", onclick: goBack }, `← ${name}`);
  const view = place.field ? fieldView(place.type, place.field) : typeView(place.type);
  return [back, ...view];
}

function showDocs() {
  const text = byId("docs-search").value.trim();
  const view = byId("docs-view");
  const problem = () => [make("p", { class: "quiet", role: "status" }, docs.problem)];
  const nodes = !docs.schema ? problem() : text ? searchView(text) : placeView();
  view.replaceChildren(...nodes.filter(Boolean));
  view.scrollTop = 0;
}

/** After a step the focus goes to the new heading, so keyboards and screen readers follow. */
function focusHeading() {
  byId("docs-view").querySelector("h3")?.focus({ preventScroll: true });
}

function openPlace(place) {
  byId("docs-search").value = "";
  docs.trail.push(place);
  showDocs();
  focusHeading();
}

function goBack() {
  docs.trail.pop();
  showDocs();
  focusHeading();
}

async function readSchema() {
  Object.assign(docs, { schema: null, problem: "Reading the schema…", trail: [] });
  showDocs();
  try {
    docs.schema = await loadSchema();
  } catch (error) {
    const reason = error instanceof TypeError ? "the server cannot be reached" : error.message;
    docs.problem = `The schema could not be read: ${reason}.`;
  }
  showDocs();
}

function setUpDocs() {
  const [panel, toggle] = [byId("docs"), byId("toggle-docs")];
  const setOpen = (isOpen) => {
    panel.hidden = !isOpen;
    toggle.setAttribute("aria-expanded", String(isOpen));
  };
  setOpen(matchMedia("(min-width: 64rem)").matches);
  toggle.addEventListener("click", () => {
    setOpen(panel.hidden);
    if (!panel.hidden) panel.scrollIntoView({ block: "nearest" });
  });
  byId("docs-search").addEventListener("input", showDocs);
  byId("docs-reload").addEventListener("click", readSchema);
}
