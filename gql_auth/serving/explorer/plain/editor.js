// The editors: operation, variables, headers. Plain text areas with a little help while typing.

const INDENT = "  ";
const CLOSING = { "{": "}", "(": ")", "[": "]" };

/** Put text in place of the selection, in a way that undo takes back where the browser can. */
function insertText(area, text) {
  area.focus();
  if (document.execCommand("insertText", false, text)) return;
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/** A new line keeps the indent, and goes one deeper after an opening bracket. */
function insertNewLine(area) {
  const before = area.value.slice(0, area.selectionStart);
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const indent = line.match(/^[ \t]*/)[0];
  const closing = CLOSING[before.at(-1)];
  if (!closing) return insertText(area, `\n${indent}`);
  const isPair = area.value[area.selectionEnd] === closing;
  insertText(area, `\n${indent}${INDENT}${isPair ? `\n${indent}` : ""}`);
  if (!isPair) return undefined;
  const caret = area.selectionStart - indent.length - 1;
  return area.setSelectionRange(caret, caret);
}

/** A closing bracket on a line of its own goes one indent back. */
function insertClosing(area, bracket) {
  const start = area.selectionStart;
  const line = area.value.slice(area.value.lastIndexOf("\n", start - 1) + 1, start);
  const isAlone = line.length >= INDENT.length && line.trim() === "" && start === area.selectionEnd;
  if (isAlone) area.setSelectionRange(start - INDENT.length, start);
  insertText(area, bracket);
}

function setUpTyping(area) {
  let mayLeave = false; // Escape, then Tab, moves on: the keyboard is never trapped
  area.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      mayLeave = true;
      return;
    }
    const isTab = event.key === "Tab" && !event.shiftKey && !mayLeave;
    const isClosing = Object.values(CLOSING).includes(event.key);
    if (isTab) insertText(area, INDENT);
    else if (event.key === "Enter") insertNewLine(area);
    else if (isClosing) insertClosing(area, event.key);
    if (isTab || isClosing || event.key === "Enter") event.preventDefault();
    mayLeave = false;
  });
  area.addEventListener("blur", () => {
    mayLeave = false;
  });
}

/** Read an editor that holds a JSON object, or nothing. Undefined, with a message, if it is bad. */
function readObject(name, check = () => null) {
  const [area, place] = [byId(name), byId(`${name}-problem`)];
  const text = area.value.trim();
  let [value, problem] = [{}, null];
  try {
    value = text ? JSON.parse(text) : {};
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    problem = isObject ? check(value) : 'This must be a JSON object, as in {"name": "value"}.';
  } catch (error) {
    problem = `This is not valid JSON: ${error.message}`;
  }
  place.textContent = problem ?? "";
  if (problem) area.setAttribute("aria-invalid", "true");
  else area.removeAttribute("aria-invalid");
  return problem ? undefined : value;
}

const readVariables = () => readObject("variables");

const readHeaders = () =>
  readObject("headers", (value) => {
    for (const [name, text] of Object.entries(value)) {
      if (typeof text !== "string") return `The header "${name}" must be a string.`;
      try {
        new Headers({ [name]: text });
      } catch {
        return `"${name}" is not a valid header.`;
      }
    }
    return null;
  });

/** The operation that would run: the chosen one where the document has several. */
function chosenOperation() {
  const operations = operationsOf(byId("operation").value);
  const name = byId("operation-name").value;
  const chosen = operations.length > 1 ? operations.find((it) => it.name === name) : operations[0];
  return chosen ?? { kind: "query", name: null, fields: [], usesCookie: false };
}

/** Offer the operations of the document when there are several, keeping what was chosen. */
function showChooser() {
  const operations = operationsOf(byId("operation").value);
  const names = operations.map((it) => it.name).filter(Boolean);
  const select = byId("operation-name");
  const before = select.value;
  byId("chooser").hidden = operations.length < 2;
  select.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
  if (names.includes(before)) select.value = before;
}

/** One tab for each example; a tab keeps what was typed in it. */
function setUpTabs() {
  const drafts = EXAMPLES.map(({ query, variables = "" }) => ({ query, variables }));
  let open = 0;
  const tabs = EXAMPLES.map(({ title }, index) =>
    make("button", { type: "button", onclick: () => show(index) }, title),
  );
  const show = (index) => {
    drafts[open] = { query: byId("operation").value, variables: byId("variables").value };
    load(index);
  };
  const load = (index) => {
    open = index;
    byId("operation").value = drafts[index].query;
    byId("variables").value = drafts[index].variables;
    tabs.forEach((tab, at) => tab.setAttribute("aria-pressed", String(at === index)));
    showChooser();
    readVariables();
  };
  byId("examples").append(...tabs);
  load(0);
}

function setUpEditors() {
  for (const name of ["operation", "variables", "headers"]) setUpTyping(byId(name));
  byId("operation").addEventListener("input", showChooser);
  for (const [name, read] of [["variables", readVariables], ["headers", readHeaders]]) {
    // A message comes when the field is left, and goes as soon as it no longer applies.
    byId(name).addEventListener("change", read);
    byId(name).addEventListener("input", () => byId(name).hasAttribute("aria-invalid") && read());
  }
  setUpTabs();
}
