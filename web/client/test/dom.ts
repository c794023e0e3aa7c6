// A page around the tests of a file, imported first. Not Vitest's environment, which would bring
// happy-dom's own fetch: the tests talk to the server by Node's.
import { Window } from "happy-dom";

const page = new Window({ url: "http://127.0.0.1:1/" });

for (const name of [
  "document",
  "location",
  "localStorage",
  "sessionStorage",
  "Storage",
  "Element",
  "HTMLElement",
  "HTMLIFrameElement",
  "MutationObserver",
  "Node",
] as const) {
  Object.defineProperty(globalThis, name, { configurable: true, value: page[name] });
}
Object.assign(globalThis, {
  window: page,
  addEventListener: page.addEventListener.bind(page),
  removeEventListener: page.removeEventListener.bind(page),
});

/** What a browser does with a page: `happen("pageshow", true)`. */
export function happen(name: string, persisted = false): void {
  const event = new page.Event(name);
  Object.assign(event, { persisted });
  if (name === "visibilitychange") page.document.dispatchEvent(event);
  else page.dispatchEvent(event);
}
