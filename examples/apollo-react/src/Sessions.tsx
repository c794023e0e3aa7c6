import { useMutation, useQuery } from "@apollo/client/react";
import { useAuth } from "@gql-auth/client/react";
import { useState } from "react";
import { deviceOf } from "./devices";
import { graphql } from "./generated";
import type { SessionsQuery } from "./generated/graphql";
import { Loading } from "./Loading";
import { ago, moment } from "./times";

const SESSIONS = graphql(`
  query Sessions {
    sessions {
      id
      createdAt
      lastUsedAt
      ipAddress
      userAgent
      current
    }
  }
`);

const REVOKE = graphql(`
  mutation RevokeSession($id: ID!) {
    revokeSession(id: $id) {
      __typename
      ... on AuthError {
        message
      }
    }
  }
`);

const REVOKE_OTHERS = graphql(`
  mutation RevokeOtherSessions {
    revokeOtherSessions {
      endedSessions
    }
  }
`);

type Session = SessionsQuery["sessions"][number];

/** Where the account is signed in, as it changes; each session can be ended from here. */
export function Sessions() {
  const { signOut } = useAuth();
  const { data, error, refetch } = useQuery(SESSIONS, { fetchPolicy: "cache-and-network" });
  const [revoke] = useMutation(REVOKE);
  const [revokeOthers] = useMutation(REVOKE_OTHERS);
  const [busy, setBusy] = useState<string | null>(null);
  const [told, setTold] = useState("");

  /** One change, what it says, and the list as it is then. */
  async function change(what: string, work: () => Promise<string>) {
    setBusy(what);
    try {
      const said = await work();
      await refetch();
      setTold(said);
    } catch {
      setTold("That did not work. Try again in a moment.");
    } finally {
      setBusy(null);
    }
  }

  function end(session: Session) {
    if (session.current) return signOut();
    return change(session.id, async () => {
      const { data } = await revoke({ variables: { id: session.id } });
      return data?.revokeSession.__typename === "RevokeSessionPayload"
        ? `${deviceOf(session.userAgent)} is signed out.`
        : "That session had ended already.";
    });
  }

  function endOthers() {
    return change("others", async () => {
      const { data } = await revokeOthers();
      const count = data?.revokeOtherSessions.endedSessions ?? 0;
      return count === 1 ? "One other session has ended." : `${count} other sessions have ended.`;
    });
  }

  if (!data) return <Loading error={error} again={refetch} />;
  const others = data.sessions.filter(({ current }) => !current);
  return (
    <>
      <ul className="sessions" aria-label="Your sessions">
        {data.sessions.map((session) => (
          <li key={session.id} className="card session">
            <div>
              <h2>
                {deviceOf(session.userAgent)}
                {session.current && <span className="badge">this one</span>}
              </h2>
              <p className="detail">
                {session.ipAddress} · used{" "}
                <time dateTime={session.lastUsedAt}>{ago(session.lastUsedAt)}</time> · since{" "}
                <time dateTime={session.createdAt}>{moment(session.createdAt)}</time>
              </p>
            </div>
            <button
              type="button"
              disabled={busy !== null}
              aria-label={`Sign out ${session.current ? "here" : deviceOf(session.userAgent)}`}
              onClick={() => void end(session)}
            >
              {busy === session.id ? "Signing out…" : "Sign out"}
            </button>
          </li>
        ))}
      </ul>
      <p className="done" role="status">
        {told}
      </p>
      <button
        type="button"
        disabled={busy !== null || others.length === 0}
        onClick={() => void endOthers()}
      >
        Sign out everywhere else
      </button>
    </>
  );
}
