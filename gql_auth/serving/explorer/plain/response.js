// Running the operation and showing what came back.

const COLOUR_LIMIT = 200_000; // characters; a longer response is shown plain
const JSON_TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;

let running = null; // the AbortController of the operation in flight

/** Pretty JSON, coloured by elements: the text itself stays text. */
function jsonNodes(text) {
  if (text.length > COLOUR_LIMIT) return [text];
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(JSON_TOKEN)) {
    const [whole, string, colon] = match;
    const kind = colon ? "key" : string ? "string" : "literal";
    nodes.push(text.slice(end, match.index), make("span", { class: kind }, string ?? whole));
    if (colon) nodes.push(colon);
    end = match.index + whole.length;
  }
  return [...nodes, text.slice(end)];
}

function showStatus(text, isBad = false) {
  const status = byId("response-status");
  status.textContent = text;
  status.classList.toggle("bad", isBad);
}

function clearResponse() {
  byId("response").replaceChildren();
  showStatus("");
}

function showAnswer(answer) {
  const isJson = answer.body !== null;
  const nodes = isJson ? jsonNodes(JSON.stringify(answer.body, null, 2)) : [answer.text];
  byId("response").replaceChildren(...nodes);
  byId("response").scrollTop = 0;
  byId("response-title").scrollIntoView({ block: "nearest" });
  const errors = answer.body?.errors?.length ?? 0;
  const parts = [`${answer.status} ${answer.statusText}`.trim(), `${answer.milliseconds} ms`];
  if (errors) parts.push(errors === 1 ? "1 error" : `${errors} errors`);
  if (answer.note) parts.push(answer.note);
  showStatus(parts.join(" · "), errors > 0 || answer.status >= 400);
}

function setRunning(controller) {
  running = controller;
  byId("run").textContent = controller ? "Cancel" : "Run";
  byId("response").setAttribute("aria-busy", String(Boolean(controller)));
}

async function run() {
  if (running) return;
  const [variables, headers] = [readVariables(), readHeaders()];
  const bad = variables === undefined ? "variables" : headers === undefined ? "headers" : null;
  if (bad) {
    showStatus(`Not sent: the ${bad} need mending.`, true);
    byId(bad).focus();
    return;
  }
  const operation = chosenOperation();
  if (operation.kind === "subscription") {
    showStatus("Not sent: a subscription needs a WebSocket, which this page does not open.", true);
    return;
  }
  const request = { query: byId("operation").value, variables };
  if (operation.name) request.operationName = operation.name;
  const controller = new AbortController();
  const limit = operation.usesCookie ? setTimeout(() => controller.abort(), COOKIE_TIMEOUT) : 0;
  setRunning(controller);
  showStatus("Running…");
  try {
    const answer = await execute(request, operation, headers, controller.signal);
    showAnswer(answer);
    if (operation.usesCookie) await followCookie(answer);
  } catch (error) {
    byId("response").replaceChildren();
    const isAborted = error.name === "AbortError";
    showStatus(isAborted ? "Cancelled." : "No answer: the server cannot be reached.", !isAborted);
  } finally {
    clearTimeout(limit);
    setRunning(null);
  }
}

function setUpRunning() {
  const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
  byId("run-hint").textContent = isMac ? "⌘ Enter" : "Ctrl Enter";
  byId("run").addEventListener("click", () => (running ? running.abort() : run()));
  document.addEventListener("keydown", (event) => {
    const isRun = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    if (!isRun || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    run();
  });
}
