import { pick, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect } from "react";
import { onSignedOut } from "./auth";

/** Takes the answers out of all tabs on sign-out: they may hold what only that user may see. */
export function ForgetAnswers() {
  const { tabs, responseEditor } = useGraphiQL(pick("tabs", "responseEditor"));
  const actions = useGraphiQLActions();
  useEffect(
    () =>
      onSignedOut(() => {
        for (const tab of tabs) tab.response = null;
        actions.updateActiveTabValues({ response: null });
        responseEditor?.setValue("");
      }),
    [tabs, responseEditor, actions],
  );
  return null;
}
