// Small helpers for the page's elements. The files of this folder are joined into one module, in
// the order that __init__.py gives, so what is declared here is in reach of those that follow.

const byId = (id) => document.getElementById(id);

/**
 * Make an element. Children that are strings become text nodes: nothing that a server or a schema
 * says can turn into markup.
 */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Tell the user something about the page or the session; read out by screen readers. */
function notify(message) {
  byId("notice").textContent = message;
}

/** Text in which `quoted` words are shown as code, as descriptions write them. */
function prose(text) {
  const paragraph = make("p", { class: "prose" });
  text.split(/`([^`\n]+)`/).forEach((part, index) => {
    paragraph.append(index % 2 ? make("code", {}, part) : part);
  });
  return paragraph;
}

/** Whole seconds as "14:09", or "2:03:00" from an hour on. */
function clock(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const end = two(seconds % 60);
  return hours ? `${hours}:${two(minutes)}:${end}` : `${minutes}:${end}`;
}
