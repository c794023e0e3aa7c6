import { createAuth } from "@gql-auth/client";
import { AuthProvider, useAuth } from "@gql-auth/client/react";
import { authExchange } from "@gql-auth/client/urql";
import { useActionState, useMemo } from "react";
import { createRoot } from "react-dom/client";
import { cacheExchange, Client, fetchExchange, gql, Provider, useQuery } from "urql";

const auth = createAuth({ url: "/graphql" });

const makeClient = () =>
  new Client({
    url: auth.url,
    preferGetMethod: false,
    exchanges: [cacheExchange, authExchange(auth), fetchExchange],
  });

interface Sessions {
  readonly sessions: readonly { readonly id: string; readonly userAgent: string | null }[];
}
const SESSIONS = gql<Sessions, Record<string, never>>`
  {
    sessions {
      id
      userAgent
    }
  }
`;

function App() {
  const { status, user, error } = useAuth();
  const who = user?.id;
  // Another user, another cache: urql has no way to empty one.
  const client = useMemo(() => (who ? makeClient() : null), [who]);
  if (!client)
    return status === "anonymous" ? <SignIn /> : <p>{error?.message ?? "One moment…"}</p>;
  return (
    <Provider value={client}>
      <Home />
    </Provider>
  );
}

function SignIn() {
  const { signIn, signUp } = useAuth();
  const [problem, send, pending] = useActionState(async (_: string | null, given: FormData) => {
    const [email, password] = [given.get("email"), given.get("password")] as [string, string];
    const enter = given.get("how") === "up" ? signUp : signIn;
    try {
      const result = await enter({ email, password });
      return result.__typename === "AuthPayload" ? null : result.message;
    } catch {
      return "The server could not be reached. Try again in a moment.";
    }
  }, null);
  return (
    <form action={send}>
      <h1>Sign in</h1>
      <label>
        E-mail address <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <p role="alert">{problem}</p>
      <button name="how" value="in" disabled={pending}>
        Sign in
      </button>
      <button name="how" value="up" disabled={pending}>
        Sign up
      </button>
    </form>
  );
}

function Home() {
  const { user, error, signOut } = useAuth();
  const [{ data, error: failed }, again] = useQuery({ query: SESSIONS });
  return (
    <>
      <h1>{user?.email}</h1>
      <p role="status">{error && "The server cannot be reached. You stay signed in."}</p>
      {failed && <p role="alert">{failed.message}</p>}
      <ul>
        {data?.sessions.map(({ id, userAgent }) => (
          <li key={id}>{userAgent}</li>
        ))}
      </ul>
      <button
        onClick={() => {
          again({ requestPolicy: "network-only" });
        }}
      >
        Ask again
      </button>
      <button onClick={() => void signOut()}>Sign out</button>
    </>
  );
}

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <AuthProvider auth={auth}>
    <App />
  </AuthProvider>,
);
