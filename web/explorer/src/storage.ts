const KEPT = "graphiql:theme";

/**
 * Where GraphiQL remembers things. Operations, variables and headers may hold passwords and tokens,
 * so they live as long as the page; of all it writes, only the theme is kept in the browser.
 */
export function createStorage(kept: Storage | null) {
  const items = new Map<string, string>();
  return {
    getItem: (key: string) => (key === KEPT ? kept?.getItem(key) : items.get(key)) ?? null,
    setItem(key: string, value: string) {
      if (key === KEPT) kept?.setItem(key, value);
      else items.set(key, value);
    },
    removeItem(key: string) {
      if (key === KEPT) kept?.removeItem(key);
      else items.delete(key);
    },
    clear() {
      kept?.removeItem(KEPT);
      items.clear();
    },
    get length() {
      return items.size;
    },
  };
}
