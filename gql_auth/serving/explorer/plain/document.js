// Just enough reading of a GraphQL document to know its operations. The server does the parsing;
// a document that is wrong is sent as it is, and the server says what is wrong with it.

const TOKEN = /"""(?:\\"""|[^])*?"""|"(?:\\.|[^"\\\n])*"?|#[^\n]*|\.\.\.|[_A-Za-z]\w*|[^\s,]/g;
const NAME = /^[_A-Za-z]/;
const KINDS = ["query", "mutation", "subscription"];

// The fields that read or set the refresh cookie.
const COOKIE_FIELDS = ["signup", "login", "refreshToken", "logout"];

const tokensOf = (source) => (source.match(TOKEN) ?? []).filter((token) => token[0] !== "#");

/** The operations of a document: kind, name (or null), and the fields at their root. */
function operationsOf(source) {
  const tokens = tokensOf(source);
  const usesCookie = tokens.some((token) => COOKIE_FIELDS.includes(token));
  const found = [];
  let current = null; // the definition we are in
  let braces = 0; // selection sets only: braces inside parentheses are input objects
  let parentheses = 0;
  tokens.forEach((token, index) => {
    const previous = tokens[index - 1];
    if (token === "(") parentheses += 1;
    else if (token === ")") parentheses = Math.max(0, parentheses - 1);
    if (parentheses > 0) return;
    if (!current && (token === "{" || NAME.test(token))) {
      const kind = token === "{" ? "query" : token;
      const next = tokens[index + 1] ?? "";
      current = { kind, name: token !== "{" && NAME.test(next) ? next : null, fields: [] };
      current.usesCookie = kind === "mutation" && usesCookie;
      if (KINDS.includes(kind)) found.push(current);
    }
    if (token === "{") braces += 1;
    else if (token === "}") {
      braces = Math.max(0, braces - 1);
      if (braces === 0) current = null;
    } else if (current && braces === 1) {
      const isField = NAME.test(token) && tokens[index + 1] !== ":" && previous !== "@";
      if (isField || token === "...") current.fields.push(token);
    }
  });
  return found;
}

/**
 * May an operation that was refused for want of a token be sent again by itself? A query may. A
 * mutation may when nothing of it can have run: its only field was the one that was refused.
 */
function isRepeatable(operation, errors) {
  if (operation.kind === "query") return true;
  const [field] = operation.fields;
  const single = operation.fields.length === 1 && field !== "...";
  return single && errors.every((error) => error.path?.length === 1);
}
