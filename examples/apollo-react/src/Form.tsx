import { type ReactNode, useActionState, useEffect, useRef } from "react";
import { Violations } from "./Field";
import { isOutage } from "./network";

/** Why a form did not go through: for the whole of it, or field by field. */
export interface Refusal {
  readonly message?: string;
  readonly violations?: readonly { readonly field: string; readonly message: string }[];
}

interface Props {
  readonly children: ReactNode;
  readonly action: string;
  readonly working: string;
  /** Null: it went through. */
  readonly send: (given: FormData) => Promise<Refusal | null>;
  readonly done?: string;
}

/** A form that says what is wrong, where it is wrong, and keeps what was typed until it is right. */
export function Form({ children, action, working, send, done }: Props) {
  const [outcome, submit, pending] = useActionState<Outcome | null, FormData>(
    async (_before, given) => {
      try {
        const refusal = await send(given);
        return refusal ? { refusal, given } : { refusal: null };
      } catch (error) {
        const message = isOutage(error)
          ? "The server could not be reached. Nothing was lost: try again in a moment."
          : "Something went wrong. Try again in a moment.";
        return { refusal: { message }, given };
      }
    },
    null,
  );
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
  }, [outcome]);
  return (
    <form action={submit} ref={form} noValidate>
      <Violations value={{ ...outcome?.refusal, ...(outcome?.given && { given: outcome.given }) }}>
        {children}
      </Violations>
      {outcome?.refusal?.message && (
        <p className="refusal" role="alert">
          {outcome.refusal.message}
        </p>
      )}
      <button type="submit" className="primary" disabled={pending}>
        {pending ? working : action}
      </button>
      <p className="done" role="status">
        {outcome && !outcome.refusal && !pending ? done : ""}
      </p>
    </form>
  );
}

interface Outcome {
  readonly refusal: Refusal | null;
  readonly given?: FormData;
}
