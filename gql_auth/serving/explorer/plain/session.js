// Who is signed in. The access token lives in this object and nowhere else: not in storage, not in
// a cookie. The refresh token is in a cookie that scripts cannot read; the browser sends it.
//
// Three states: "checking" (the page has opened and nothing is known yet), "signedIn" and
// "anonymous". Only a definite answer moves it: the server rejecting the refresh token, or a
// sign-out. A server that is away or failing signs nobody out; the page tries again later.

const session = {
  state: "checking",
  token: null,
  user: null,
  expiresAt: 0, // by this browser's clock, in milliseconds, as are the rest
  refreshAt: Infinity,
  failures: 0,
};

const REFRESH_LEAD = 60_000;
const SHORTEST_REFRESH = 5_000; // however short the token's life
const LONGEST_PAUSE = 60_000;
const COOKIE_TIMEOUT = 30_000;

const AUTH_RESULT = `
    __typename
    ... on AuthPayload { accessToken expiresIn user { id email username name } }
    ... on TooManyAttempts { retryAfter }
    ... on AuthError { message }`;

const REFRESH = `mutation ExplorerRefresh {
  refreshToken {${AUTH_RESULT}
    ... on RefreshTokenRejected { reason }
  }
}`;

const sessionListeners = [];
const onSessionChange = (listener) => sessionListeners.push(listener);
const sessionChanged = () => sessionListeners.forEach((listener) => listener());

/**
 * Run one task at a time, across this browser's tabs where it can: whatever reads or sets the
 * refresh cookie goes through here, so answers cannot overtake each other.
 */
let cookieQueue = Promise.resolve();
function withCookie(task) {
  if (navigator.locks) return navigator.locks.request("gql-auth-cookie", () => task());
  const run = cookieQueue.then(task);
  cookieQueue = run.catch(() => {});
  return run;
}

/** Take over what a sign-in, sign-up or refresh has answered. */
function signedIn(payload) {
  const life = payload.expiresIn * 1000;
  const lead = Math.min(REFRESH_LEAD, life / 5) * (1 + Math.random() / 4);
  session.state = "signedIn";
  session.token = payload.accessToken;
  session.user = payload.user;
  session.expiresAt = Date.now() + life;
  session.refreshAt = Date.now() + Math.max(SHORTEST_REFRESH, life - lead);
  session.failures = 0;
  sessionChanged();
}

function signedOut() {
  Object.assign(session, { state: "anonymous", token: null, user: null, expiresAt: 0 });
  Object.assign(session, { refreshAt: Infinity, failures: 0 });
  sessionChanged();
}

/** Nothing definite was heard: keep what there is, and try again after a pause that grows. */
function postpone(message, seconds) {
  session.failures += 1;
  const growing = Math.min(LONGEST_PAUSE, 1000 * 2 ** session.failures);
  const pause = seconds ? seconds * 1000 : growing * (0.5 + Math.random() / 2);
  session.refreshAt = Date.now() + pause;
  notify(message);
  sessionChanged();
}

async function renew() {
  let answer;
  try {
    answer = await post({ query: REFRESH }, {}, AbortSignal.timeout(COOKIE_TIMEOUT));
  } catch {
    postpone("The server cannot be reached. The session is kept; trying again shortly.");
    return;
  }
  const result = answer.body?.data?.refreshToken;
  const was = session.state;
  if (result?.__typename === "AuthPayload") {
    if (session.failures || (session.user && session.user.id !== result.user.id)) notify("");
    signedIn(result);
  } else if (result?.__typename === "RefreshTokenRejected") {
    signedOut();
    if (was === "signedIn") notify(`Signed out: ${result.message}.`);
    else notify(result.reason === "MISSING" ? "" : `The last session is over: ${result.message}.`);
  } else if (result?.__typename === "TooManyAttempts") {
    postpone(`The session could not be refreshed yet: ${result.message}`, result.retryAfter);
  } else {
    postpone(`The session could not be refreshed: ${problemOf(answer)}`);
    // Anything but a failing server will answer the same again: leave it to the user.
    if (answer.status >= 400 && answer.status < 500) session.refreshAt = Infinity;
  }
}

/** Refresh the session. One refresh is in flight at most; whoever asks meanwhile shares it. */
let refreshing = null;
function refresh() {
  const before = session.token;
  const unlessChanged = () => (session.token === before ? renew() : undefined);
  refreshing ??= withCookie(unlessChanged).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

/** Before an operation: wait for the restoring, renew what has expired. Says if it renewed. */
async function readyToken() {
  const due = session.state === "signedIn" && Date.now() >= session.expiresAt;
  if (!due && (session.token || !refreshing)) return false;
  await refresh();
  return true;
}

/** Called every second: a hidden page lets its token be, and renews it when it is looked at. */
function refreshWhenDue() {
  if (!document.hidden && !refreshing && Date.now() >= session.refreshAt) refresh();
}

// Other tabs hear that somebody signed in or out (never a token) and then ask the server.
const otherTabs = new BroadcastChannel("gql-auth-session");
otherTabs.addEventListener("message", () => {
  session.refreshAt = 0;
  refreshWhenDue();
});

/** Take over a payload that came by other means than a refresh. */
function adopt(payload) {
  const isNews = session.user?.id !== payload.user.id;
  signedIn(payload);
  if (isNews) otherTabs.postMessage("changed");
}

const SIGN_OUT = `mutation ExplorerSignOut { logout { sessionEnded } }`;

/** End the session on the server; the page forgets it once the server has said so. */
function signOut() {
  return withCookie(async () => {
    const answer = await post({ query: SIGN_OUT }, {}, AbortSignal.timeout(COOKIE_TIMEOUT));
    if (!answer.body?.data?.logout) throw new Error(problemOf(answer));
    signedOut();
    otherTabs.postMessage("changed");
  });
}
