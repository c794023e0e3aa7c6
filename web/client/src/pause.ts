const BASE = 500; // milliseconds
const CAP = 30_000;

/** Waiting between attempts, which can be cut short. */
export interface Pause {
  /**
   * @param failures how many there were; the wait grows with them (full jitter, so that clients do
   *   not come back all at once).
   * @param atLeast seconds that the server has asked for, which `wake` does not shorten.
   */
  readonly wait: (failures: number, atLeast: number | undefined) => Promise<void>;
  /** The network may be back. */
  readonly wake: () => void;
  /** There is nothing to wait for any more. */
  readonly end: () => void;
}

export function createPause(): Pause {
  const sleepers = new Set<{ end: () => void; patient: boolean }>();
  const rouse = (all: boolean) => {
    for (const sleeper of [...sleepers]) if (all || !sleeper.patient) sleeper.end();
  };
  return {
    wait: (failures, atLeast) =>
      new Promise((resolve) => {
        const span = Math.min(CAP, BASE * 2 ** failures) * Math.random();
        const sleeper = {
          patient: atLeast !== undefined,
          end: () => {
            clearTimeout(timer);
            sleepers.delete(sleeper);
            resolve();
          },
        };
        const timer = setTimeout(sleeper.end, atLeast === undefined ? span : atLeast * 1000 + span);
        sleepers.add(sleeper);
      }),
    wake: () => {
      rouse(false);
    },
    end: () => {
      rouse(true);
    },
  };
}

/** Resolves with `work` or after so many milliseconds; rejects when `signal` says so. */
export async function within(
  milliseconds: number,
  work: Promise<void> | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const ending = new AbortController();
  const limit = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    const abort = () => {
      reject(signal?.reason as Error);
    };
    signal?.addEventListener("abort", abort, { signal: ending.signal });
    ending.signal.addEventListener("abort", () => {
      clearTimeout(timer);
    });
  });
  try {
    await Promise.race(work ? [limit, work] : [limit]);
  } finally {
    ending.abort();
  }
}
