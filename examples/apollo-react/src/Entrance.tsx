import type { SignInResult, SignUpResult } from "@gql-auth/client";
import { useAuth } from "@gql-auth/client/react";
import { useState } from "react";
import { Field } from "./Field";
import { Form, type Refusal } from "./Form";
import { Logo } from "./Logo";

/** Signing in and up. */
export function Entrance() {
  const { signIn, signUp } = useAuth();
  const [isNew, setIsNew] = useState(false);

  async function enter(given: FormData): Promise<Refusal | null> {
    const email = text(given, "email");
    const password = text(given, "password");
    const name = text(given, "name");
    const result = isNew
      ? await signUp({ email, password, ...(name && { name }) })
      : await signIn({ email, password });
    return refusalOf(result);
  }

  return (
    <main className="entrance">
      <Logo />
      <section className="card" aria-labelledby="entrance">
        <h1 id="entrance">{isNew ? "Create your account" : "Welcome back"}</h1>
        <Form
          key={isNew ? "up" : "in"}
          action={isNew ? "Sign up" : "Sign in"}
          working={isNew ? "Signing up…" : "Signing in…"}
          send={enter}
        >
          {isNew && <Field name="name" label="Name" optional autoComplete="name" />}
          <Field name="email" label="E-mail address" type="email" autoComplete="username" />
          <Field
            name="password"
            label="Password"
            type="password"
            autoComplete={isNew ? "new-password" : "current-password"}
            {...(isNew && { hint: "8 characters or more; a few words are easy to remember" })}
          />
        </Form>
        <p className="other">
          {isNew ? "You have an account?" : "New here?"}{" "}
          <button
            type="button"
            className="link"
            onClick={() => {
              setIsNew(!isNew);
            }}
          >
            {isNew ? "Sign in instead" : "Create an account"}
          </button>
        </p>
      </section>
    </main>
  );
}

function text(given: FormData, name: string): string {
  const value = given.get(name);
  return typeof value === "string" ? value : "";
}

/** What the form says to a refusal; null where the user is in. */
function refusalOf(result: SignUpResult | SignInResult): Refusal | null {
  switch (result.__typename) {
    case "AuthPayload":
      return null;
    case "InvalidInput":
      return { violations: result.violations };
    case "EmailTaken":
      return { violations: [{ field: "email", message: `${result.message}. Sign in instead?` }] };
    case "InvalidCredentials":
    case "UsernameTaken":
    case "EmailNotVerified":
    case "TooManyAttempts":
    case "AuthError": // what servers may add later
      return { message: result.message };
  }
}
