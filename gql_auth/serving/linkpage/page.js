const ERROR = "__typename ... on AuthError { message }";
const WORDS = {
  en: {
    "verify-email": ["Confirm your e-mail address", "Press the button to confirm that this address is yours.", "Confirm the address", "Your address is confirmed. You can sign in now."],
    "reset-password": ["Set a new password", "All devices are signed out when you do.", "Set the password", "Your new password is set. You can sign in with it now."],
    "magic-link": ["Sign in", "Press the button to sign in in this browser.", "Sign in", "You are signed in. You can go back to the application."],
    "change-email": ["Confirm your new e-mail address", "Press the button to make this the address of your account.", "Use this address", "Your account has its new address. Other devices were signed out."],
    password: "New password",
    other: (email) => `This link was asked for in another browser. Sign in as ${email} here?`,
    otherAct: "Yes, sign in",
    missing: "This link is not complete. Open it again from the mail, whole.",
    network: "The server does not answer. Try again in a moment.",
    failed: "That did not work. Try again in a moment.",
  },
  de: {
    "verify-email": ["E-Mail-Adresse bestätigen", "Bestätigen Sie mit der Schaltfläche, dass dies Ihre Adresse ist.", "Adresse bestätigen", "Ihre Adresse ist bestätigt. Sie können sich jetzt anmelden."],
    "reset-password": ["Neues Passwort setzen", "Dabei werden alle Geräte abgemeldet.", "Passwort setzen", "Ihr neues Passwort ist gesetzt. Sie können sich jetzt damit anmelden."],
    "magic-link": ["Anmelden", "Melden Sie sich mit der Schaltfläche in diesem Browser an.", "Anmelden", "Sie sind angemeldet. Sie können zur Anwendung zurückkehren."],
    "change-email": ["Neue E-Mail-Adresse bestätigen", "Machen Sie dies mit der Schaltfläche zur Adresse Ihres Kontos.", "Diese Adresse verwenden", "Ihr Konto hat seine neue Adresse. Andere Geräte wurden abgemeldet."],
    password: "Neues Passwort",
    other: (email) => `Dieser Link wurde in einem anderen Browser angefordert. Hier als ${email} anmelden?`,
    otherAct: "Ja, anmelden",
    missing: "Dieser Link ist unvollständig. Öffnen Sie ihn noch einmal aus der E-Mail.",
    network: "Der Server antwortet nicht. Versuchen Sie es gleich noch einmal.",
    failed: "Das hat nicht geklappt. Versuchen Sie es gleich noch einmal.",
  },
};
const MUTATIONS = {
  "verify-email": `mutation VerifyEmail($token: String!) { done: verifyEmail(token: $token) { ${ERROR} } }`,
  "reset-password": `mutation ResetPassword($token: String!, $newPassword: String!) { done: resetPassword(token: $token, newPassword: $newPassword) { ${ERROR} ... on InvalidInput { violations { message } } } }`,
  "magic-link": `mutation LoginWithMagicLink($token: String!, $confirmed: Boolean!) { done: loginWithMagicLink(token: $token, confirmed: $confirmed) { ${ERROR} ... on ConfirmationRequired { email } } }`,
  "change-email": `mutation ConfirmEmailChange($token: String!) { done: confirmEmailChange(token: $token) { ${ERROR} } }`,
};

const [, endpoint, action] = location.pathname.match(/^(.*)\/links\/([^/]+)$/);
const language = navigator.languages.map((each) => each.slice(0, 2)).find((each) => each in WORDS) ?? "en";
const words = WORDS[language];
const [title, text, act, done] = words[action];
const at = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const sent = { token, ...(action === "magic-link" && { confirmed: false }) };

// The token is for this page alone: not for the history, nor for who looks at the address.
history.replaceState(null, "", location.pathname);
document.documentElement.lang = language;
document.title = title;
at("title").textContent = title;
if (token) {
  at("text").textContent = text;
  at("act").textContent = act;
  at("form").hidden = false;
  if (action === "reset-password") {
    at("password-label").textContent = words.password;
    at("password-label").hidden = at("password").hidden = false;
    at("password").required = true;
  }
} else {
  say(words.missing, "bad");
}

at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("act").disabled = true;
  say("", "");
  try {
    await send();
  } catch {
    say(words.network, "bad");
  }
  at("act").disabled = false;
});

async function send() {
  if (action === "reset-password") {
    sent.newPassword = at("password").value;
  }
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    credentials: "same-origin",
    body: JSON.stringify({ query: MUTATIONS[action], variables: sent }),
  });
  const answer = await response.json();
  const found = answer.data?.done;
  if (!found) {
    say(answer.errors?.[0]?.message ?? words.failed, "bad");
  } else if (found.__typename === "ConfirmationRequired") {
    at("text").textContent = words.other(found.email);
    at("act").textContent = words.otherAct;
    sent.confirmed = true;
  } else if (found.violations) {
    say(found.violations.map((each) => each.message).join(" "), "bad");
  } else if ("message" in found) {
    say(found.message, "bad");
  } else {
    at("form").hidden = true;
    at("text").textContent = "";
    say(done, "good");
    at("title").focus();
  }
}

function say(what, kind) {
  at("outcome").textContent = what;
  at("outcome").className = kind;
}
