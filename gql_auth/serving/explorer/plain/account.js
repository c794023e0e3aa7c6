// Signing up, in and out, and who is signed in.

const SIGN_IN = `mutation ExplorerSignIn($input: LoginInput!) {
  result: login(input: $input) {${AUTH_RESULT}
    ... on InvalidInput { violations { field message } }
  }
}`;

const SIGN_UP = `mutation ExplorerSignUp($input: SignupInput!) {
  result: signup(input: $input) {${AUTH_RESULT}
    ... on InvalidInput { violations { field message } }
  }
}`;

// Where a refusal that names no field is best shown.
const FIELD_OF = { EmailTaken: "email", UsernameTaken: "username" };

function showAccount() {
  const { state, user } = session;
  const isSignedIn = state === "signedIn";
  const label = byId("account-state");
  let text = session.failures ? "Session unknown" : "Looking for a session…";
  if (isSignedIn) text = `Signed in as ${user.name || user.username || user.email}`;
  else if (state === "anonymous") text = "Not signed in";
  if (label.textContent !== text) label.textContent = text; // what did not change is not read out
  label.title = isSignedIn ? user.email : "";
  byId("open-signin").hidden = isSignedIn;
  byId("open-signup").hidden = isSignedIn;
  byId("sign-out").hidden = !isSignedIn;
  showTimeLeft();
}

function showTimeLeft() {
  const pill = byId("account-time");
  pill.hidden = session.state !== "signedIn";
  const seconds = Math.max(0, Math.round((session.expiresAt - Date.now()) / 1000));
  pill.textContent = seconds ? `token ${clock(seconds)}` : "token expired";
}

/** Put every message at its field; what has no field here goes to the top of the form. */
function showProblems(form, message, violations = []) {
  const left = [];
  clearProblems(form);
  for (const violation of violations) {
    const name = String(violation.field ?? "").split(".").pop();
    const isIdentifier = name === "email" || name === "username";
    const input = form.elements[name] ?? (isIdentifier ? form.elements.identifier : undefined);
    if (!input || !name) {
      left.push(violation.message);
      continue;
    }
    const place = byId(`${input.id}-problem`);
    place.textContent = [place.textContent, violation.message].filter(Boolean).join(" ");
    input.setAttribute("aria-invalid", "true");
  }
  form.querySelector(".form-problem").textContent = [message, ...left].filter(Boolean).join(" ");
  (form.querySelector("[aria-invalid]") ?? form.querySelector("input")).focus();
}

function clearProblems(form) {
  form.querySelectorAll(".problem").forEach((place) => place.replaceChildren());
  form.querySelectorAll("[aria-invalid]").forEach((i) => i.removeAttribute("aria-invalid"));
}

/** Send a form's mutation; true when it signed somebody in, else the form says why not. */
async function sendForm(form, query, input) {
  let answer;
  try {
    answer = await withCookie(async () => {
      const signal = AbortSignal.timeout(COOKIE_TIMEOUT);
      const got = await post({ query, variables: { input } }, {}, signal);
      if (got.body?.data?.result?.__typename === "AuthPayload") adopt(got.body.data.result);
      return got;
    });
  } catch {
    showProblems(form, "No answer came from the server. Please try again.");
    return false;
  }
  const result = answer.body?.data?.result;
  if (result?.__typename === "AuthPayload") return true;
  if (!result) {
    showProblems(form, `That did not work: ${problemOf(answer)}`);
  } else if (result.retryAfter) {
    showProblems(form, `${result.message} (again in ${clock(result.retryAfter)})`);
  } else if (FIELD_OF[result.__typename]) {
    showProblems(form, "", [{ field: FIELD_OF[result.__typename], message: result.message }]);
  } else {
    showProblems(form, result.message ?? "That did not work.", result.violations);
  }
  return false;
}

function signInInput(form) {
  const identifier = form.elements.identifier.value.trim();
  const name = identifier.includes("@") ? "email" : "username";
  return { [name]: identifier, password: form.elements.password.value };
}

function signUpInput(form) {
  const input = { email: form.elements.email.value.trim(), password: form.elements.password.value };
  for (const name of ["username", "name"]) {
    const value = form.elements[name].value.trim();
    if (value) input[name] = value;
  }
  return input;
}

function setUpForm(name, query, inputOf) {
  const [dialog, form] = [byId(name), byId(`${name}-form`)];
  const button = form.querySelector("[type=submit]");
  byId(`open-${name}`).addEventListener("click", () => dialog.showModal());
  form.querySelector(".cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    form.reset(); // a password does not stay in the page
    clearProblems(form);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    const done = await sendForm(form, query, inputOf(form));
    button.disabled = false;
    if (!done) return;
    dialog.close();
    notify("");
    byId("operation").focus();
  });
}

function setUpAccount() {
  setUpForm("signin", SIGN_IN, signInInput);
  setUpForm("signup", SIGN_UP, signUpInput);
  byId("sign-out").addEventListener("click", async () => {
    try {
      await signOut();
      clearResponse(); // it may hold what only this account may see
      notify("");
      byId("open-signin").focus();
    } catch (error) {
      const reason = error instanceof TypeError ? "the server cannot be reached" : error.message;
      notify(`Still signed in: ${reason}.`);
    }
  });
  onSessionChange(showAccount);
  setInterval(() => {
    showTimeLeft();
    refreshWhenDue();
  }, 1000);
  document.addEventListener("visibilitychange", refreshWhenDue);
}
