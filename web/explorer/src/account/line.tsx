import { useSyncExternalStore } from "react";
import { journal } from "../auth";

/** What this page has sent last and what came of it: the refresh loop as it happens. */
export function Line() {
  const entries = useSyncExternalStore(journal.subscribe, journal.getSnapshot);
  return (
    <section aria-labelledby="account-line">
      <h3 id="account-line">Latest requests</h3>
      <ol className="account-line">
        {entries.map(({ id, operation, outcome, refused }) => (
          <li key={id} className={refused ? "account-problem" : ""}>
            <code>{operation}</code> {outcome ?? "…"}
          </li>
        ))}
      </ol>
    </section>
  );
}
