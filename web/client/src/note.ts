/** Whether the user has signed out and the server has not confirmed it yet. */
export interface SignOutNote {
  readonly leave: () => void;
  readonly isThere: () => boolean;
  readonly remove: () => void;
}

/**
 * Kept in localStorage, so that a reload without network does not sign the user in again by the
 * cookie that is still there. It is a mark and holds nothing of the session.
 */
export function createSignOutNote(name: string): SignOutNote {
  const key = `${name}:signed-out`;
  let inMemory = false;
  // Storage is missing in workers and on servers, and throws where the user forbids it.
  const tried = <T>(access: () => T, otherwise: T): T => {
    try {
      return access();
    } catch {
      return otherwise;
    }
  };
  return {
    leave() {
      inMemory = tried(() => {
        localStorage.setItem(key, "1");
        return false;
      }, true);
    },
    isThere: () => inMemory || tried(() => localStorage.getItem(key) !== null, false),
    remove() {
      inMemory = false;
      tried(() => {
        localStorage.removeItem(key);
      }, undefined);
    },
  };
}
