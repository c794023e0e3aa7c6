// examples/urql as people use it: by what is written on it.
import { describe, expect } from "vitest";
import { address, type Arrival, type Arrive, it } from "../tab.js";
import { PASSWORD, Visitor } from "../visitor.js";
import { until } from "../waiting.js";

const at = async (arrive: Arrive, server: "fiveSeconds" | "usualLife", arrival?: Arrival) => {
  const person = await arrive(server, { site: "urql", ...arrival });
  const visitor = await Visitor.of(person);
  await visitor.heading("Sign in");
  return { visitor, gate: person.front.gate };
};

async function enter(visitor: Visitor, how: "Sign in" | "Sign up", email: string) {
  await visitor.fill({ "E-mail address": email, Password: PASSWORD });
  await visitor.press(how);
}

async function signUp(visitor: Visitor): Promise<string> {
  const email = address();
  await enter(visitor, "Sign up", email);
  await visitor.heading(email);
  return email;
}

const sessions = (visitor: Visitor) => visitor.page.getByRole("listitem");

describe("the example of urql", () => {
  it("signs up, out and in, and survives a reload", async ({ arrive }) => {
    const { visitor } = await at(arrive, "usualLife");
    await enter(visitor, "Sign in", address());
    await visitor.alert("Invalid credentials");
    const email = await signUp(visitor);
    await sessions(visitor).filter({ hasText: "Chrome" }).waitFor();
    await visitor.page.reload();
    await visitor.heading(email);
    expect(await visitor.told()).toEqual([email]); // and no form in between
    const other = await visitor.another();
    await other.heading(email);
    await visitor.press("Sign out");
    await other.heading("Sign in");
    await enter(other, "Sign in", email);
    await visitor.heading(email); // all tabs of a browser
    expect([...visitor.problems, ...other.problems]).toEqual([]);
  });

  it.for<[string, Arrival]>([
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["on a phone", { viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true }],
  ])("has nothing that axe finds serious, %s", async ([, arrival], { arrive }) => {
    const { visitor } = await at(arrive, "usualLife", arrival);
    expect(await visitor.tabStops()).toEqual(["E-mail address", "Password", "Sign in", "Sign up"]);
    await enter(visitor, "Sign in", address());
    await visitor.alert("Invalid credentials");
    expect(await visitor.faults()).toEqual([]);
    await signUp(visitor);
    await sessions(visitor).first().waitFor();
    expect(await visitor.faults()).toEqual([]);
    expect(await visitor.tabStops()).toEqual(["Ask again", "Sign out"]);
  });
});

describe.concurrent("the example of urql, as time goes by,", () => {
  it("shows nothing of tokens that last five seconds", async ({ arrive }) => {
    const { visitor, gate } = await at(arrive, "fiveSeconds");
    const email = await signUp(visitor);
    await visitor.forget();
    const begun = gate.count("refreshToken");
    await until(async () => {
      const asked = gate.count("sessions");
      await visitor.press("Ask again");
      await until(() => gate.count("sessions") > asked, "it asks again");
      return gate.count("refreshToken") >= begun + 3;
    }, "three refreshes");
    expect((await visitor.told()).filter((each) => each !== email)).toEqual([]);
    expect(await sessions(visitor).count()).toBe(1);
  });

  it("signs nobody out while there is no network", async ({ arrive }) => {
    const { visitor, gate } = await at(arrive, "fiveSeconds");
    const email = await signUp(visitor);
    gate.online = false;
    await visitor.status("The server cannot be reached. You stay signed in.");
    await visitor.page.reload();
    await visitor.page.getByText("The server cannot be reached").waitFor();
    gate.online = true;
    await visitor.heading(email);
    await sessions(visitor).first().waitFor();
    expect(await visitor.told()).not.toContain("Sign in");
  });
});
