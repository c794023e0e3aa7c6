import { expect, test } from "vitest";
import { account, becomes, Browser, PASSWORD } from "./browser.js";

test("signing up, in and out, with what each refusal says", async () => {
  const browser = await Browser.start();
  const auth = browser.tab();
  expect(auth.getSnapshot()).toEqual({ status: "refreshing", user: null, error: null });
  await becomes(auth, "anonymous");

  const input = account();
  const signedUp = await auth.signUp({ ...input, name: "Ada" });
  expect(signedUp).toMatchObject({ __typename: "AuthPayload", user: { name: "Ada", roles: [] } });
  expect(auth.getSnapshot()).toMatchObject({ status: "signed-in", user: { email: input.email } });
  expect(await browser.query("{ me { email } }", await auth.token())).toEqual({
    data: { me: { email: input.email } },
  });

  expect(await auth.signOut()).toBe(true);
  expect(auth.getSnapshot()).toEqual({ status: "anonymous", user: null, error: null });
  expect(await auth.token()).toBe(null);
  expect(browser.cookie).toBe("");

  expect(await auth.signIn({ email: input.email, password: "wrong horse" })).toMatchObject({
    __typename: "InvalidCredentials",
    message: expect.any(String) as string,
  });
  expect(auth.getSnapshot().status).toBe("anonymous");
  expect(await auth.signUp({ email: "nonsense", password: "x" })).toMatchObject({
    __typename: "InvalidInput",
    violations: expect.arrayContaining([
      expect.objectContaining({ field: "email", code: "MALFORMED" }),
    ]) as unknown[],
  });
  expect(await auth.signUp(input)).toMatchObject({ __typename: "EmailTaken" });
  expect(await auth.signIn({ username: input.username, password: PASSWORD })).toMatchObject({
    __typename: "AuthPayload",
  });
  expect(auth.getSnapshot().status).toBe("signed-in");
});

test("a page that loads restores the session by one refresh", async () => {
  const browser = await Browser.start();
  (await browser.signedIn()).close();
  const auth = browser.tab();
  await Promise.all([auth.token(), auth.token(), becomes(auth, "signed-in")]);
  expect(browser.gate.count("refreshToken")).toBe(1);
});
