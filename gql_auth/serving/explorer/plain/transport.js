// Sending operations to the address of this page, and what to do when one is refused for want of
// a valid access token.

const JSON_TYPES = "application/graphql-response+json, application/json";

/** Send one request. Throws when no answer came; any answer, of any status, is returned. */
async function post(request, extraHeaders = {}, signal = undefined) {
  const headers = new Headers({ "Content-Type": "application/json", Accept: JSON_TYPES });
  new Headers(extraHeaders).forEach((value, name) => headers.set(name, value));
  const started = performance.now();
  const response = await fetch(location.pathname, {
    method: "POST",
    credentials: "same-origin",
    cache: "no-store",
    headers,
    body: JSON.stringify(request),
    signal,
  });
  const text = await response.text();
  const answer = { status: response.status, statusText: response.statusText, text, body: null };
  answer.milliseconds = Math.round(performance.now() - started);
  try {
    answer.body = JSON.parse(text);
  } catch {
    // Not JSON: a proxy's page, say. It is shown as it came.
  }
  return answer;
}

/** What went wrong, in a few words. */
function problemOf(answer) {
  const message = answer.body?.errors?.[0]?.message;
  return message ?? `the server answered ${answer.status} ${answer.statusText}`.trim();
}

const refusalsOf = (answer) =>
  (Array.isArray(answer.body?.errors) ? answer.body.errors : []).filter(
    (error) => error.extensions?.code === "UNAUTHENTICATED",
  );

/**
 * Run an operation as the user who is signed in. Where the token is refused, the session is
 * refreshed once and the operation is sent once more, never in a loop. Headers that carry an
 * Authorization of their own are left alone, and so is their answer.
 */
async function execute(request, operation, headers, signal) {
  const send = (token) => {
    const attempt = () =>
      post(request, token ? { ...headers, Authorization: `Bearer ${token}` } : headers, signal);
    return operation.usesCookie ? withCookie(attempt) : attempt();
  };
  if (new Headers(headers).has("Authorization")) return send(null);

  const renewed = operation.usesCookie ? false : await readyToken();
  const [used, user] = [session.token, session.user?.id];
  const answer = await send(used);
  const refusals = refusalsOf(answer);
  if (!refusals.length || session.state === "anonymous") return answer;

  if (session.token === used && !renewed) await refresh();
  if (!session.token || session.token === used) return answer;
  if (user && session.user.id !== user) {
    return { ...answer, note: "another account has signed in meanwhile; not sent again" };
  }
  if (!isRepeatable(operation, refusals)) {
    return { ...answer, note: "token refreshed; not sent again, as part of it may have run" };
  }
  return { ...(await send(session.token)), note: "token refreshed, sent again" };
}

/**
 * After an operation of the user's own that may have changed the cookie: take the session from
 * its answer, or ask for it, so that the page shows who is signed in now.
 */
async function followCookie(answer) {
  const results = Object.values(answer.body?.data ?? {});
  const isComplete = (it) => it?.accessToken && it.expiresIn && it.user?.id && it.user.email;
  const payload = results.filter(isComplete).pop();
  if (payload) adopt(payload);
  else if (results.length) await refresh();
}
