import type { SignInResult, SignUpResult, Violation } from "@gql-auth/client";
import { useEffect, useId, useRef, useState, type SubmitEvent } from "react";
import { auth } from "../auth";

type Way = "sign-in" | "sign-up";
type Refused = Exclude<SignInResult | SignUpResult, { __typename: "AuthPayload" }>;

const FIELDS = {
  "sign-in": [
    { name: "email", label: "Email or username", autoComplete: "username", required: true },
    { name: "password", label: "Password", autoComplete: "current-password", required: true },
  ],
  "sign-up": [
    { name: "email", label: "Email", autoComplete: "email", required: true },
    { name: "password", label: "Password", autoComplete: "new-password", required: true },
    { name: "username", label: "Username", autoComplete: "username", required: false },
    { name: "name", label: "Name", autoComplete: "name", required: false },
  ],
} as const;

/** The forms for signing in and up. */
export function Entrance() {
  const [way, setWay] = useState<Way>("sign-up");
  return (
    <>
      <div role="group" aria-label="What to do" className="account-ways">
        <WayButton way="sign-up" chosen={way} choose={setWay} label="Sign up" />
        <WayButton way="sign-in" chosen={way} choose={setWay} label="Sign in" />
      </div>
      <Form key={way} way={way} />
    </>
  );
}

function WayButton(props: { way: Way; chosen: Way; choose: (way: Way) => void; label: string }) {
  const { way, chosen, choose, label } = props;
  return (
    <button
      aria-pressed={way === chosen}
      onClick={() => {
        choose(way);
      }}
    >
      {label}
    </button>
  );
}

function Form({ way }: { way: Way }) {
  const id = useId();
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<{ message: string; at: Record<string, string> }>();

  // The first field that is wrong, or the first of all.
  useEffect(() => {
    const find = (what: string) => form.current?.querySelector<HTMLInputElement>(what);
    if (problem) (find("[aria-invalid]") ?? find("input"))?.focus();
  }, [problem]);

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    try {
      const refused = await enter(way, new FormData(event.currentTarget));
      if (refused) setProblem(explain(refused));
    } catch {
      setProblem({ message: "No answer came from the server. Please try again.", at: {} });
    }
    setBusy(false);
  }

  return (
    <form ref={form} noValidate onSubmit={(event) => void submit(event)}>
      <p role="alert" className="account-problem">
        {problem?.message}
      </p>
      {FIELDS[way].map(({ name, label, autoComplete, required }) => {
        const wrong = problem?.at[name];
        return (
          <div key={name} className="account-field">
            <label htmlFor={`${id}-${name}`}>
              {label} {!required && <small>optional</small>}
            </label>
            <input
              id={`${id}-${name}`}
              name={name}
              type={name === "password" ? "password" : "text"}
              autoComplete={autoComplete}
              autoCapitalize="off"
              spellCheck={false}
              required={required}
              {...(wrong && { "aria-invalid": true, "aria-describedby": `${id}-${name}-problem` })}
            />
            {wrong && (
              <p id={`${id}-${name}-problem`} className="account-problem">
                {wrong}
              </p>
            )}
          </div>
        );
      })}
      <button className="graphiql-button account-primary" aria-disabled={busy}>
        {way === "sign-in" ? "Sign in" : "Create the account"}
      </button>
    </form>
  );
}

/** Signs in or up; what was refused, or null. */
async function enter(way: Way, data: FormData): Promise<Refused | null> {
  const given = (name: string) => {
    const value = data.get(name);
    return typeof value === "string" ? value : "";
  };
  const [email, password] = [given("email").trim(), given("password")];
  const named = (name: "username" | "name") => {
    const value = given(name).trim();
    return value ? { [name]: value } : {};
  };
  const result =
    way === "sign-up"
      ? await auth.signUp({ email, password, ...named("username"), ...named("name") })
      : await auth.signIn(
          email.includes("@") ? { email, password } : { username: email, password },
        );
  return result.__typename === "AuthPayload" ? null : result;
}

/** The refusal, each part at the field that it is about. */
function explain(refused: Refused) {
  const at: Record<string, string> = {};
  const put = (field: string, message: string) => {
    at[field] = [at[field], message].filter(Boolean).join(" ");
  };
  switch (refused.__typename) {
    case "InvalidInput":
      for (const { field, message } of refused.violations as Violation[]) put(field, message);
      return { message: Object.keys(at).length ? "" : refused.message, at };
    case "EmailTaken":
      put("email", refused.message);
      return { message: "", at };
    case "UsernameTaken":
      put("username", refused.message);
      return { message: "", at };
    default:
      return { message: refused.message, at };
  }
}
