interface Props {
  readonly error: Error | undefined;
  readonly again: () => Promise<unknown>;
}

/** A page before its first answer, or without one. */
export function Loading({ error, again }: Props) {
  if (!error)
    return (
      <div className="card skeleton" aria-busy="true">
        <span className="hidden">Loading…</span>
      </div>
    );
  return (
    <div className="card" role="alert">
      <p>This could not be loaded: {error.message}</p>
      <button type="button" onClick={() => void again().catch(() => undefined)}>
        Try again
      </button>
    </div>
  );
}
