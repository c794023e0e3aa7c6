/**
 * The page's policy wants every text that becomes markup or code to be looked at (Trusted Types).
 * Markup, as of descriptions in the schema, is purified; code comes from beside this file alone.
 */
import purifier from "monaco-editor/esm/vs/base/browser/dompurify/dompurify.js";

interface Policies {
  createPolicy(name: "default", rules: Record<string, (value: string) => string>): unknown;
}

const { sanitize } = purifier as { sanitize: (html: string) => string };
const { trustedTypes } = globalThis as { trustedTypes?: Policies };
const OURS = import.meta.url.replace(/[^/]*$/, "");

trustedTypes?.createPolicy("default", {
  createHTML: (html) => sanitize(html),
  createScriptURL(address) {
    const { href } = new URL(address, location.href);
    if (!href.startsWith(OURS)) throw new TypeError(`${href} is no code of this page`);
    return href;
  },
});
