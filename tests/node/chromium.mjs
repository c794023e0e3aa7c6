// Chromium as tests/chromium.py found it, and pages of it that remember what went wrong.
import { chromium } from 'playwright-core';

const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser with a profile of its own, which is deleted when it closes. */
export const launch = ({ executable, environment }) =>
  chromium.launch({
    executablePath: executable,
    env: environment,
    chromiumSandbox: false,
    args: FLAGS,
  });

/**
 * A page in its context. `seen` has the requests that it sent, what its policy has refused, and
 * what it wrote to the console.
 */
export async function visit(context, url) {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // a machine may have other things to do
  const seen = { requests: [], violations: [], errors: [] };
  page.on('request', (request) => seen.requests.push(request.url()));
  page.on('pageerror', (error) => seen.errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') seen.errors.push(message.text());
  });
  await page.exposeBinding('tellViolation', (_source, what) => seen.violations.push(what));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      globalThis.tellViolation(`${event.effectiveDirective}: ${event.blockedURI}`);
    });
  });
  await page.goto(url);
  return { page, seen };
}
