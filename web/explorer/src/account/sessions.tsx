import { authFetch } from "@gql-auth/client/fetch";
import { useEffect, useState } from "react";
import { auth, journal } from "../auth";

interface Session {
  readonly id: string;
  readonly current: boolean;
  readonly lastUsedAt: string;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
}

const LIST = "query AccountSessions { sessions { id current lastUsedAt ipAddress userAgent } }";
const REVOKE =
  "mutation AccountRevoke($id: ID!) { revokeSession(id: $id) { __typename ... on AuthError { message } } }";

const send = authFetch(auth, { fetch: journal.fetch });

/** Where the user is signed in, each with a way to end it. */
export function Sessions() {
  const [sessions, setSessions] = useState<readonly Session[]>([]);
  const [told, setTold] = useState("");

  useEffect(() => {
    list().then(setSessions, (error: unknown) => {
      setTold(String(error));
    });
  }, []);

  async function attempt(act: () => Promise<string>) {
    try {
      const done = await act();
      setSessions(await list());
      setTold(done);
    } catch (error) {
      setTold(String(error));
    }
  }

  return (
    <section aria-labelledby="account-sessions">
      <h3 id="account-sessions">Sessions</h3>
      <ul className="account-sessions">
        {sessions.map((session) => {
          const what = describe(session);
          return (
            <li key={session.id}>
              <span>
                {what} {session.current && <strong>this one</strong>}
              </span>
              <button
                className="graphiql-button"
                aria-label={`Revoke ${what}${session.current ? ", this one" : ""}`}
                onClick={() => void attempt(() => revoke(session.id))}
              >
                Revoke
              </button>
            </li>
          );
        })}
      </ul>
      <button
        className="graphiql-button"
        onClick={() => void attempt(() => Promise.resolve("The list is up to date."))}
      >
        Reload the list
      </button>
      <p role="status">{told}</p>
    </section>
  );
}

async function list(): Promise<readonly Session[]> {
  return (await ask<{ sessions: Session[] }>("AccountSessions", LIST)).sessions;
}

async function revoke(id: string): Promise<string> {
  type Answer = { revokeSession: { message?: string } };
  const { revokeSession } = await ask<Answer>("AccountRevoke", REVOKE, { id });
  return revokeSession.message ?? "The session is revoked.";
}

function describe({ userAgent, ipAddress, lastUsedAt }: Session): string {
  const browser = /(Firefox|Edg|Chrome|Safari|curl|python-\w+|node)\b/i.exec(userAgent ?? "")?.[1];
  const parts = [browser ?? "Client", ipAddress, new Date(lastUsedAt).toLocaleString()];
  return parts.filter(Boolean).join(", ");
}

async function ask<T>(operationName: string, query: string, variables = {}): Promise<T> {
  const response = await send(auth.url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    credentials: "same-origin",
    body: JSON.stringify({ operationName, query, variables }),
  });
  const answer = (await response.json()) as { data?: T; errors?: { message: string }[] };
  if (!answer.data) throw new Error(answer.errors?.[0]?.message ?? `${response.status}`);
  return answer.data;
}
