import { useAuth } from "@gql-auth/client/react";
import { useSyncExternalStore } from "react";
import { askAgain } from "./client";
import { network } from "./network";

function watchConnection(changed: () => void) {
  window.addEventListener("online", changed);
  window.addEventListener("offline", changed);
  return () => {
    window.removeEventListener("online", changed);
    window.removeEventListener("offline", changed);
  };
}

/** What is wrong with the network, while something is. Nobody is signed out by it. */
export function Network() {
  const { slow, unreachable } = useSyncExternalStore(network.subscribe, network.getSnapshot);
  const online = useSyncExternalStore(watchConnection, () => navigator.onLine);
  const { auth, error, user } = useAuth();

  let told: string | null = null;
  if (!online) told = "You are offline.";
  else if (unreachable || error) told = "The server cannot be reached.";
  else if (slow > 0) told = "Still waiting for the server…";
  const away = told !== null && !(online && slow > 0 && !unreachable && !error);

  function tryNow() {
    void auth.refresh();
    void askAgain();
  }

  return (
    <div className="network" role="status">
      {told && (
        <div className={away ? "notice away" : "notice"}>
          <span className="pulse" aria-hidden="true" />
          <span>
            {told}
            {away && (user ? " You stay signed in; trying again…" : " Trying again…")}
          </span>
          {away && online && (
            <button type="button" className="link" onClick={tryNow}>
              Try now
            </button>
          )}
        </div>
      )}
    </div>
  );
}
