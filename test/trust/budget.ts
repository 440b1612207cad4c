/**
 * Seeds and time of the trust tests. Without settings each run is like the one before; for hours of
 * search, `DLV_TRUST_SEED=<n>` chooses another seed and `DLV_TRUST_TIMES=<n>` multiplies the time.
 */

function numberOf(name: string, fallback: number): number {
  const value = Number(process.env[name] ?? fallback);
  if (!(value > 0)) throw new Error(`${name} has to be a positive number`);
  return value;
}

/** The seed of this run. */
export const SEED = Math.floor(numberOf('DLV_TRUST_SEED', 1));

const TIMES = numberOf('DLV_TRUST_TIMES', 1);

/** Milliseconds for a search that takes `seconds` in an ordinary run. */
export function searchMs(seconds: number): number {
  return seconds * 1000 * TIMES;
}

/** Time after which a test that searches for `seconds` hangs. */
export function timeoutMs(seconds: number): number {
  return 600_000 + 3 * searchMs(seconds);
}
