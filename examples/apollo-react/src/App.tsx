import { useSubscription } from "@apollo/client/react";
import { useAuth } from "@gql-auth/client/react";
import { useSyncExternalStore } from "react";
import { Account } from "./Account";
import { askAgain } from "./client";
import { Entrance } from "./Entrance";
import { graphql } from "./generated";
import { Logo } from "./Logo";
import { Network } from "./Network";
import { Password } from "./Password";
import { Sessions } from "./Sessions";

const EVENTS = graphql(`
  subscription SessionEvents {
    sessionEvents {
      __typename
      session {
        id
      }
    }
  }
`);

const PAGES = {
  "#account": { name: "Account", Page: Account },
  "#sessions": { name: "Sessions", Page: Sessions },
  "#password": { name: "Password", Page: Password },
};
type Place = keyof typeof PAGES;

function watchPlace(changed: () => void) {
  window.addEventListener("hashchange", changed);
  return () => {
    window.removeEventListener("hashchange", changed);
  };
}

const placeNow = () => (location.hash in PAGES ? (location.hash as Place) : "#account");

/** Who is signed in sees the pages, whoever is not the entrance, and for a moment nobody knows. */
export function App() {
  const { status, user, error } = useAuth();
  return (
    <>
      <Network />
      {user ? (
        <Home />
      ) : status === "anonymous" ? (
        <Entrance />
      ) : (
        <main className="waiting" aria-busy="true">
          <Logo />
          <p>{error ? "As soon as the server answers, you are back." : "One moment…"}</p>
        </main>
      )}
    </>
  );
}

function Home() {
  const { user, signOut } = useAuth();
  const place = useSyncExternalStore(watchPlace, placeNow);
  const { name, Page } = PAGES[place];
  // On every page: where this session is ended from elsewhere, the socket tells it at once.
  useSubscription(EVENTS, { ignoreResults: true, onData: () => void askAgain() });
  return (
    <>
      <header className="bar">
        <Logo />
        <nav aria-label="Pages">
          {Object.entries(PAGES).map(([hash, page]) => (
            <a key={hash} href={hash} aria-current={hash === place ? "page" : undefined}>
              {page.name}
            </a>
          ))}
        </nav>
        <div className="who">
          <span className="address">{user?.email}</span>
          <button type="button" className="quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </header>
      <main className="page">
        <h1>{name}</h1>
        <Page />
      </main>
    </>
  );
}
