import { useAuth } from "@gql-auth/client/react";
import { useEffect, useSyncExternalStore } from "react";
import { askAgain, knock } from "./client";
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

  // What has failed is not always tried again: a change is for the user to repeat, a page may have
  // been left. The server is asked all the same, so that the banner goes when it should.
  useEffect(() => {
    if (!unreachable) return;
    void knock();
    const timer = setInterval(() => void knock(), 3000);
    return () => {
      clearInterval(timer);
    };
  }, [unreachable]);

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
          <span>
            <span className="pulse" aria-hidden="true" />
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
