import { AuthProvider, useAuth, useUser } from "@gql-auth/client/react";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";
import { lab } from "./lab.js";

declare global {
  interface Window {
    lab: typeof lab;
  }
}

function SignIn() {
  const { status, error } = useAuth();
  const user = useUser();
  useEffect(() => {
    lab.shown.push(status);
  }, [status]);
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
    <SignIn />
  </AuthProvider>,
);
window.lab = lab;
