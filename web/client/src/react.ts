"use client";

import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useSyncExternalStore,
} from "react";
import type { Auth } from "./api.js";
import { UNKNOWN } from "./state.js";
import type { AuthState, User } from "./types.js";

const AuthContext = createContext<Auth | null>(null);

export function AuthProvider(props: { readonly auth: Auth; readonly children?: ReactNode }) {
  return createElement(AuthContext.Provider, { value: props.auth }, props.children);
}

/** The state of the sign-in, and what changes it. */
export type UseAuth = AuthState & Pick<Auth, "signUp" | "signIn" | "signOut"> & { auth: Auth };

/**
 * The sign-in of the next `AuthProvider` above. On servers that render, and when a page takes over
 * what they rendered, `status` is `refreshing`.
 */
export function useAuth(): UseAuth {
  const auth = useContext(AuthContext);
  if (!auth) throw new Error("useAuth: there is no AuthProvider above");
  const state = useSyncExternalStore(auth.subscribe, auth.getSnapshot, () => UNKNOWN);
  const { signUp, signIn, signOut } = auth;
  return { ...state, signUp, signIn, signOut, auth };
}

/** Who is signed in, or was when the network went; null for nobody, and while it is not known. */
export function useUser(): User | null {
  return useAuth().user;
}
