import { createContext, useContext, useId } from "react";
import type { Refusal } from "./Form";

/** What was wrong with what was given, for the fields of the form around. */
const Told = createContext<Refusal & { readonly given?: FormData }>({});
export const Violations = Told.Provider;

interface Props {
  readonly name: string;
  readonly label: string;
  readonly type?: "text" | "email" | "password";
  readonly autoComplete: string;
  readonly hint?: string;
  readonly optional?: boolean;
}

/** A field with its label, its hint, and what the server found wrong with it. */
export function Field({ name, label, type = "text", autoComplete, hint, optional }: Props) {
  const id = useId();
  const { violations = [], given } = useContext(Told);
  const problems = violations.filter(({ field }) => field === name);
  const before = type === "password" ? null : given?.get(name);
  return (
    <div className="field">
      <label htmlFor={id}>
        {label} {optional && <span className="optional">optional</span>}
      </label>
      <input
        id={id}
        name={name}
        type={type}
        autoComplete={autoComplete}
        required={!optional}
        defaultValue={typeof before === "string" ? before : undefined}
        aria-invalid={problems.length > 0 || undefined}
        aria-describedby={`${id}-hint ${id}-problem`}
        autoCapitalize="none"
      />
      <p className="hint" id={`${id}-hint`}>
        {hint}
      </p>
      <p className="problem" id={`${id}-problem`} role="alert">
        {problems.map(({ message }) => message).join(" ")}
      </p>
    </div>
  );
}
