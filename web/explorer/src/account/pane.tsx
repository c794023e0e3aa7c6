import { useSyncExternalStore } from "react";
import { auth } from "../auth";
import { Entrance } from "./entrance";
import { Line } from "./line";
import { Sessions } from "./sessions";
import { Token } from "./token";

/** The pane of the account: signing in and out, the access token, the sessions. */
export const ACCOUNT = { title: "Account", icon: Icon, content: Pane };

function Pane() {
  const { status, user, error } = useSyncExternalStore(auth.subscribe, auth.getSnapshot);
  return (
    <section className="account" aria-label="Account">
      <div className="graphiql-doc-explorer-header">
        <h2 className="graphiql-doc-explorer-title">Account</h2>
      </div>
      <p role="status" className="account-status">
        {user ? (
          <>
            Signed in as <strong>{user.name ?? user.username ?? user.email}</strong>
          </>
        ) : status === "anonymous" ? (
          "Not signed in"
        ) : (
          "Looking for a session…"
        )}
        {error && <span className="account-problem">{error.message}; the session is kept.</span>}
      </p>
      {status === "anonymous" && <Entrance />}
      {user && (
        <>
          <button className="graphiql-button" onClick={() => void auth.signOut()}>
            Sign out
          </button>
          <Token />
          <Sessions key={user.id} />
        </>
      )}
      <Line />
    </section>
  );
}

function Icon(props: object) {
  return (
    <svg
      height="1em"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      {...props}
    >
      <circle cx="12" cy="8" r="4" />
      <path d="M4 21a8 8 0 0 1 16 0" />
    </svg>
  );
}
