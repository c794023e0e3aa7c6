import { GraphiQL } from "graphiql";
import { ACCOUNT } from "./account/pane";
import { auth, journal } from "./auth";
import { Editors } from "./editors";
import { EXAMPLES } from "./examples";
import { createFetcher, INTROSPECTION } from "./fetcher";
import { ForgetAnswers } from "./forgetting";
import { createStorage } from "./storage";

const fetcher = createFetcher(auth, journal.fetch);
const storage = createStorage(localStorage);
const PLUGINS = [ACCOUNT];
// On a small screen the pane would hide the editors.
const opened = matchMedia("(width >= 48rem)").matches ? ACCOUNT : undefined;

export function Explorer() {
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      plugins={PLUGINS}
      {...(opened && { visiblePlugin: opened })}
      defaultTabs={EXAMPLES}
      introspectionQueryName={INTROSPECTION}
      inputValueDeprecation
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo>
        <h1 className="explorer-title">GraphQL explorer</h1>
      </GraphiQL.Logo>
      <Editors />
      <ForgetAnswers />
    </GraphiQL>
  );
}
