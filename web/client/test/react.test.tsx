import "./dom.js"; // first: React looks for a page when it is loaded
import { act, cleanup, render, renderHook, screen } from "@testing-library/react";
import { renderToString } from "react-dom/server";
import { afterEach, expect, test, vi } from "vitest";
import { AuthProvider, useAuth, useUser } from "../src/react.js";
import type { Auth } from "../src/index.js";
import { account, Browser } from "./browser.js";

afterEach(cleanup);

function Page() {
  const { status, error } = useAuth();
  const user = useUser();
  return (
    <p>
      {status} {user?.email ?? "nobody"} {error?.message}
    </p>
  );
}

const page = (auth: Auth) => (
  <AuthProvider auth={auth}>
    <Page />
  </AuthProvider>
);

test("a component follows the sign-in", async () => {
  const browser = await Browser.start();
  const auth = browser.tab();
  render(page(auth));
  expect(screen.getByText(/refreshing nobody/)).toBeTruthy();
  await screen.findByText(/anonymous nobody/, {}, { timeout: 30_000 });
  const input = account();
  await act(() => auth.signUp(input));
  expect(screen.getByText(new RegExp(`signed-in ${input.email}`))).toBeTruthy();
  await act(() => auth.signOut());
  expect(screen.getByText(/anonymous nobody/)).toBeTruthy();
});

test("a refresh that changes nothing renders nothing", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  const rendered = vi.fn();
  renderHook(() => (rendered(), useAuth()), {
    wrapper: ({ children }) => <AuthProvider auth={auth}>{children}</AuthProvider>,
  });
  const before = rendered.mock.calls.length;
  await act(() => auth.refresh());
  expect(browser.gate.count("refreshToken")).toBe(1);
  expect(rendered).toHaveBeenCalledTimes(before);
});

test("what a server renders is what the page begins with", async () => {
  const browser = await Browser.start();
  const auth = await browser.signedIn();
  document.body.innerHTML = `<div id="root">${renderToString(page(auth))}</div>`;
  const container = document.querySelector<HTMLElement>("#root") ?? document.body;
  expect(container.textContent).toMatch(/refreshing nobody/);
  const report = vi.spyOn(console, "error");
  render(page(auth), { container, hydrate: true });
  expect(container.textContent).toMatch(/signed-in .*@example.com/);
  expect(report).not.toHaveBeenCalled();
});

test("without a provider it says what is missing", () => {
  vi.spyOn(console, "error").mockReturnValue();
  expect(() => renderHook(() => useAuth())).toThrow("useAuth: there is no AuthProvider above");
});
