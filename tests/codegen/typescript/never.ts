/** Compiles only where nothing is left that could come here. */
export function never(value: never): never {
  throw new Error(`not handled: ${JSON.stringify(value)}`);
}
