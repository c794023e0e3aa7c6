import { useMutation } from "@apollo/client/react";
import { useUser } from "@gql-auth/client/react";
import { useState } from "react";
import { Field } from "./Field";
import { Form, type Refusal } from "./Form";
import { graphql } from "./generated";

const CHANGE_PASSWORD = graphql(`
  mutation ChangePassword($input: ChangePasswordInput!) {
    changePassword(input: $input) {
      __typename
      ... on ChangePasswordPayload {
        endedSessions
      }
      ... on InvalidInput {
        violations {
          field
          message
        }
      }
      ... on AuthError {
        message
      }
    }
  }
`);

/** A new password; the account's other sessions end with the old one. */
export function Password() {
  const user = useUser();
  const [change] = useMutation(CHANGE_PASSWORD);
  const [ended, setEnded] = useState(0);

  async function send(given: FormData): Promise<Refusal | null> {
    const input = {
      currentPassword: given.get("currentPassword") as string,
      newPassword: given.get("newPassword") as string,
    };
    const { data } = await change({ variables: { input } });
    const result = data?.changePassword;
    switch (result?.__typename) {
      case "ChangePasswordPayload":
        setEnded(result.endedSessions);
        return null;
      case "InvalidInput":
        return { violations: result.violations };
      case "InvalidCredentials":
        return {
          violations: [{ field: "currentPassword", message: "This is not your password." }],
        };
      default: // TooManyAttempts, and what servers may add later
        return { message: result?.message ?? "The password was not changed." };
    }
  }

  return (
    <section className="card narrow" aria-label="Change your password">
      <p className="lead">Everywhere else you are signed out. Here you go on.</p>
      <Form
        action="Change password"
        working="Changing…"
        send={send}
        done={`Your password is changed. ${others(ended)}`}
      >
        {/* So that a password manager knows whose password it is. */}
        <input type="email" autoComplete="username" value={user?.email} readOnly hidden />
        <Field
          name="currentPassword"
          label="Current password"
          type="password"
          autoComplete="current-password"
        />
        <Field
          name="newPassword"
          label="New password"
          type="password"
          autoComplete="new-password"
          hint="8 characters or more; a few words are easy to remember"
        />
      </Form>
    </section>
  );
}

function others(ended: number): string {
  if (ended === 0) return "No other session was open.";
  return ended === 1 ? "One other session has ended." : `${ended} other sessions have ended.`;
}
