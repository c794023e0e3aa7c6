import { AuthProvider, useAuth, useUser } from "@gql-auth/client/react";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";
import { lab } from "./lab.js";

declare global {
  interface Window {
    lab: typeof lab;
  }
}

function Page() {
  const { status, error } = useAuth();
  const user = useUser();
  // What docs/frontend.md says to show.
  const view = status === "anonymous" ? "the sign-in form" : (user?.email ?? "nothing yet");
  useEffect(() => {
    lab.shown.push(view);
  }, [view]);
  return (
    <dl>
      <dt>status</dt>
      <dd id="status">{status}</dd>
      <dt>user</dt>
      <dd id="user">{user?.email ?? "nobody"}</dd>
      <dt>error</dt>
      <dd id="error">{error?.message ?? "none"}</dd>
    </dl>
  );
}

const root = document.getElementById("root");
if (!root) throw new Error("There is no #root");
createRoot(root).render(
  <AuthProvider auth={lab.auth}>
    <Page />
  </AuthProvider>,
);
window.lab = lab;
