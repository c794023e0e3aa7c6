// examples/apollo-react as people use it: by what is written on it.
import { describe, expect } from "vitest";
import { picture } from "../picture.js";
import { address, type Arrival, type Arrive, it } from "../tab.js";
import { until } from "../waiting.js";
import { PASSWORD, Visitor } from "../visitor.js";

const NEW_PASSWORD = "staple battery horse correct";
const PHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 " +
  "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1";
const DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";

const at = async (arrive: Arrive, server: "fiveSeconds" | "usualLife", arrival?: Arrival) => {
  const person = await arrive(server, { site: "apolloReact", userAgent: DESK, ...arrival });
  const visitor = await Visitor.of(person);
  await visitor.heading("Welcome back");
  return { visitor, gate: person.front.gate, person };
};

async function signUp(visitor: Visitor, email = address(), name = "Ada"): Promise<string> {
  await visitor.press("Create an account");
  await visitor.fill({ "Name optional": name, "E-mail address": email, Password: PASSWORD });
  await visitor.press("Sign up");
  await account(visitor).waitFor();
  return email;
}

async function signIn(visitor: Visitor, email: string, password = PASSWORD): Promise<void> {
  await visitor.fill({ "E-mail address": email, Password: password });
  await visitor.press("Sign in");
}

const account = (visitor: Visitor) =>
  visitor.page.getByRole("region", { name: "Your account", exact: true });
const sessions = (visitor: Visitor) =>
  visitor.page.getByRole("list", { name: "Your sessions" }).getByRole("listitem");

describe("the example of Apollo Client", () => {
  it("signs up, out and in, tells what is wrong, and survives a reload", async ({ arrive }) => {
    const { visitor } = await at(arrive, "usualLife");
    const { page } = visitor;
    const email = address();

    await visitor.press("Create an account");
    await visitor.fill({ "E-mail address": email, Password: "short" });
    await visitor.press("Sign up");
    await visitor.alert("shorter than");
    const focused = page.locator("input:focus");
    expect(await focused.getAttribute("name")).toBe("password");
    expect(await page.getByLabel("E-mail address").inputValue()).toBe(email);
    await visitor.press("Sign in instead");
    await signUp(visitor, email);
    expect(await page.getByRole("timer").innerText()).toMatch(/^expires in 1[45] min \d+ s$/);
    expect(await page.getByRole("definition").allInnerTexts()).toContain(email);

    await page.reload();
    await visitor.heading("Account");
    expect(await visitor.told()).toEqual(["Account"]); // and no form in between

    await visitor.press("Sign out");
    await visitor.heading("Welcome back");
    await signIn(visitor, email, "not this one");
    await visitor.alert("Invalid credentials");
    expect(await page.getByLabel("E-mail address").inputValue()).toBe(email);
    await signIn(visitor, email);
    await visitor.heading("Account");
    await visitor.press("Sign out");
    await visitor.press("Create an account");
    await visitor.fill({ "E-mail address": email, Password: PASSWORD });
    await visitor.press("Sign up");
    await visitor.alert("Sign in instead?");
    expect(visitor.problems).toEqual([]);
  });

  it("lists the sessions and ends another one at once", async ({ arrive }) => {
    const { visitor: desk } = await at(arrive, "usualLife");
    const email = await signUp(desk);
    await desk.follow("Sessions");
    await sessions(desk).filter({ hasText: "this one" }).waitFor();
    const { visitor: phone } = await at(arrive, "usualLife", { userAgent: PHONE });

    await signIn(phone, email);
    await phone.follow("Password"); // a page that asks for nothing
    await phone.heading("Password");
    await sessions(desk).filter({ hasText: "Safari on iOS" }).waitFor(); // the socket has told
    await desk.press("Sign out Safari on iOS");
    await desk.status("Safari on iOS is signed out.");
    await phone.heading("Welcome back");
    expect(await sessions(desk).count()).toBe(1);

    await signIn(phone, email);
    await sessions(desk).filter({ hasText: "Safari on iOS" }).waitFor();
    await desk.press("Sign out everywhere else");
    await desk.status("One other session has ended.");
    await phone.heading("Welcome back");
    await desk.press("Sign out here");
    await desk.heading("Welcome back");
  });

  it("changes the password, which ends the other sessions", async ({ arrive }) => {
    const { visitor: desk } = await at(arrive, "usualLife");
    const email = await signUp(desk);
    const { visitor: phone } = await at(arrive, "usualLife");
    await signIn(phone, email);
    await phone.heading("Account");

    await desk.follow("Password");
    const change = async (currentPassword: string, newPassword: string) => {
      await desk.fill({ "Current password": currentPassword, "New password": newPassword });
      await desk.press("Change password");
    };
    await change("not this one", NEW_PASSWORD);
    await desk.alert("This is not your password.");
    await change(PASSWORD, "short");
    await desk.alert("shorter than");
    await change(PASSWORD, NEW_PASSWORD);
    await desk.status("Your password is changed. One other session has ended.");
    await phone.heading("Welcome back");
    await signIn(phone, email);
    await phone.alert("Invalid credentials");
    await signIn(phone, email, NEW_PASSWORD);
    await phone.heading("Account");
  });

  it("signs out all tabs with one", async ({ arrive }) => {
    const { visitor } = await at(arrive, "usualLife");
    await signUp(visitor);
    const other = await visitor.another();
    await other.heading("Account");
    await visitor.press("Sign out");
    await other.heading("Welcome back");
  });
});

describe.concurrent("the example of Apollo Client, as time goes by,", () => {
  it("shows nothing of tokens that last five seconds", async ({ arrive }) => {
    const { visitor, gate } = await at(arrive, "fiveSeconds");
    await signUp(visitor);
    await visitor.forget();
    const begun = gate.count("refreshToken");
    await until(async () => {
      await visitor.follow("Sessions");
      await sessions(visitor).first().waitFor();
      await visitor.follow("Account");
      expect(await visitor.page.getByRole("timer").innerText()).toMatch(/^expires in [0-5] s$/);
      return gate.count("refreshToken") >= begun + 3;
    }, "three refreshes");
    expect((await visitor.told()).sort()).toEqual(["Account", "Sessions"]);
    expect(visitor.problems).toEqual([]);
  });

  it("says that it waits where the network is slow", async ({ arrive }) => {
    const { visitor, gate } = await at(arrive, "usualLife");
    await signUp(visitor);
    const answer = gate.hold("sessions");
    await visitor.follow("Sessions");
    await visitor.status("Still waiting for the server…");
    answer();
    await sessions(visitor).first().waitFor();
    await gone(visitor, "Still waiting");
  });

  it("says that there is no network, signs nobody out, and goes on by itself", async ({
    arrive,
  }) => {
    const { visitor, gate, person } = await at(arrive, "usualLife");
    await signUp(visitor);

    gate.online = false;
    await visitor.follow("Sessions");
    await visitor.status("The server cannot be reached. You stay signed in; trying again…");
    await visitor.page.reload();
    await visitor.page.getByText("As soon as the server answers, you are back.").waitFor();
    await visitor.status("The server cannot be reached. Trying again…");
    gate.online = true;
    await sessions(visitor).first().waitFor();
    await gone(visitor, "cannot be reached");
    expect(await visitor.told()).not.toContain("Welcome back");

    await person.context.setOffline(true);
    await visitor.status("You are offline. You stay signed in; trying again…");
    await visitor.follow("Account");
    await visitor.heading("Account");
    await person.context.setOffline(false);
    await account(visitor).waitFor();
    await gone(visitor, "You are offline");
    expect(visitor.problems).toEqual([]);
  });

  it("keeps what was typed where there is no network", async ({ arrive }) => {
    const { visitor, gate } = await at(arrive, "usualLife");
    const email = address();
    gate.online = false;
    await signIn(visitor, email);
    await visitor.alert("The server could not be reached. Nothing was lost");
    expect(await visitor.page.getByLabel("E-mail address").inputValue()).toBe(email);
    gate.online = true;
    await signUp(visitor, email);

    await visitor.follow("Password");
    gate.break("changePassword", 503);
    await visitor.fill({ "Current password": PASSWORD, "New password": NEW_PASSWORD });
    await visitor.press("Change password");
    await visitor.alert("The server could not be reached. Nothing was lost");
    await gone(visitor, "cannot be reached");

    gate.online = false;
    await visitor.follow("Sessions");
    await visitor.status("The server cannot be reached.");
    await visitor.follow("Password");
    gate.online = true;
    await gone(visitor, "cannot be reached");
  });
});

/** Resolves as soon as no banner says so any more. */
const gone = (visitor: Visitor, text: string) =>
  visitor.page
    .getByRole("status")
    .filter({ hasText: text })
    .waitFor({ state: "detached", timeout: 20_000 });

describe("the example of Apollo Client for everyone:", () => {
  it.for<[string, Arrival]>([
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["on a phone", { viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true }],
  ])("axe finds nothing serious, %s", async ([, arrival], { arrive }) => {
    const { visitor, person } = await at(arrive, "usualLife", arrival);
    expect(await visitor.faults()).toEqual([]);
    await visitor.press("Create an account");
    await visitor.fill({ "E-mail address": address(), Password: "short" });
    await visitor.press("Sign up");
    await visitor.alert("shorter than");
    expect(await visitor.faults()).toEqual([]);
    await visitor.press("Sign in instead");
    await signUp(visitor, `a-rather-long-name-of-somebody.${address()}`);
    expect(await visitor.faults()).toEqual([]);
    await visitor.follow("Sessions");
    await sessions(visitor).first().waitFor();
    expect(await visitor.faults()).toEqual([]);
    await visitor.follow("Password");
    await visitor.fill({ "Current password": "not this one", "New password": NEW_PASSWORD });
    await visitor.press("Change password");
    await visitor.alert("This is not your password.");
    expect(await visitor.faults()).toEqual([]);
    await person.context.setOffline(true);
    await visitor.status("You are offline.");
    expect(await visitor.faults()).toEqual([]);
  });

  it("all of it works by the keyboard", async ({ arrive }) => {
    const { visitor } = await at(arrive, "usualLife");
    const { keyboard } = visitor.page;
    const entrance = ["E-mail address", "Password", "Sign in", "Create an account"];
    expect(await visitor.tabStops()).toEqual(entrance);
    await visitor.page.getByRole("button", { name: "Create an account" }).focus();
    await keyboard.press("Enter");
    await visitor.heading("Create your account");
    await visitor.page.getByLabel("E-mail address").focus();
    await keyboard.type(address());
    await keyboard.press("Tab");
    await keyboard.type(PASSWORD);
    await keyboard.press("Enter");
    await visitor.heading("Account");
    const bar = ["Account", "Sessions", "Password", "Sign out"];
    expect(await visitor.tabStops()).toEqual(bar);
    await visitor.page.getByRole("link", { name: "Sessions" }).focus();
    await keyboard.press("Enter");
    await sessions(visitor).first().waitFor();
    expect(await visitor.tabStops()).toEqual([...bar, "Sign out here"]);
  });
});

describe("the example of Apollo Client in the documentation", () => {
  it("is what its pictures show", async ({ arrive }) => {
    const look = { viewport: { width: 960, height: 600 }, locale: "en-GB", timezoneId: "UTC" };
    const { visitor, person } = await at(arrive, "usualLife", look);
    const email = "ada@example.com";
    await visitor.fill({ "E-mail address": email });
    await picture(visitor.page, "example-sign-in");
    await signUp(visitor, email, "Ada Lovelace");
    await picture(visitor.page, "example-account");
    const { visitor: phone } = await at(arrive, "usualLife", { userAgent: PHONE });
    await signIn(phone, email);
    await phone.heading("Account");
    await visitor.follow("Sessions");
    await sessions(visitor).nth(1).waitFor();
    await person.context.setOffline(true);
    await visitor.status("You are offline. You stay signed in; trying again…");
    await picture(visitor.page, "example-offline");
  });
});
