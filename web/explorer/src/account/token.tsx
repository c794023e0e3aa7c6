import { useEffect, useState, useSyncExternalStore } from "react";
import { auth, journal } from "../auth";

/** The access token: what is in it, how long it is good, and two ways to see it renewed. */
export function Token() {
  useSeconds();
  useSyncExternalStore(journal.subscribe, journal.getSnapshot);
  const [busy, setBusy] = useState(false);
  const token = auth.peek();
  const spoiled = token !== null && journal.isSpoiled(token.token);

  async function refresh() {
    setBusy(true);
    await auth.refresh().finally(() => {
      setBusy(false);
    });
  }

  return (
    <section aria-labelledby="account-token">
      <h3 id="account-token">Access token</h3>
      <p>
        {token === null && "Expired; a new one is on its way."}
        {spoiled && "Spoiled: the server refuses it, as if it had expired. Run something!"}
        {token !== null && !spoiled && (
          <>
            Expires in{" "}
            <span role="timer" aria-live="off">
              {clock(token.expiresIn)}
            </span>
          </>
        )}
      </p>
      <div className="account-buttons">
        <button className="graphiql-button" aria-disabled={busy} onClick={() => void refresh()}>
          Refresh now
        </button>
        <button
          className="graphiql-button"
          onClick={() => {
            if (token) journal.spoil(token.token);
          }}
        >
          Expire it now
        </button>
      </div>
      {token && (
        <details>
          <summary>What is in it</summary>
          <pre role="region" tabIndex={0} aria-label="The access token, decoded">
            {decode(token.token)}
          </pre>
          <button
            className="graphiql-button"
            onClick={() => void navigator.clipboard.writeText(token.token)}
          >
            Copy the token
          </button>
        </details>
      )}
    </section>
  );
}

/** Renders once a second. */
function useSeconds() {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => {
      tick((count) => count + 1);
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }, []);
}

function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Header and claims of a JWT, for reading; nothing is verified here. */
export function decode(token: string): string {
  const parts = token.split(".").slice(0, 2);
  const read = (part: string) => {
    const bytes = Uint8Array.from(
      atob(part.replaceAll("-", "+").replaceAll("_", "/")),
      (letter) => letter.codePointAt(0) ?? 0,
    );
    return JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)), null, 2);
  };
  return parts.map(read).join("\n");
}
