import { createAuth } from "@gql-auth/client";
import { expect, test } from "vitest";
import { createFetcher } from "../src/fetcher";

const USER = {
  id: "1",
  email: "ada@example.com",
  emailVerified: true,
  username: null,
  name: null,
  roles: [],
  createdAt: "2026-01-01T00:00:00Z",
};

/** An explorer whose query is under way when its user signs out; what the query then comes to. */
async function signedOutMeanwhile(reply: object): Promise<unknown> {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let asked: () => void = () => undefined;
  const underWay = new Promise<void>((resolve) => (asked = resolve));
  const send: typeof fetch = async (input, init) => {
    const { query } = (await new Request(input, init).json()) as { query: string };
    const result = { __typename: "AuthPayload", accessToken: "t", expiresIn: 900, user: USER };
    if (/login|logout/.test(query)) return Response.json({ data: { result } });
    asked();
    await held;
    return Response.json(reply);
  };
  const auth = createAuth({ url: "http://localhost/graphql", fetch: send, restore: false });
  await auth.signIn({ email: USER.email, password: "correct horse battery" });
  const answer = createFetcher(auth, send)({ query: "{ me { email } }" });
  await underWay;
  await auth.signOut();
  release();
  auth.close();
  return answer;
}

test("an answer that comes after the sign-out is not shown to who is there then", async () => {
  const answer = signedOutMeanwhile({ data: { me: { email: USER.email } } });
  await expect(answer).rejects.toThrow("is not shown");
});

test("that the session has ended is shown", async () => {
  const refusal = { data: null, errors: [{ message: "Session revoked" }] };
  expect(await signedOutMeanwhile(refusal)).toEqual(refusal);
});
