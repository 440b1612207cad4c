/**
 * Seeds and time of the trust tests. Without settings each run is like the one before; for hours of
 * search, `DLV_TRUST_SEED=<n>` chooses another seed and `DLV_TRUST_TIMES=<n>` multiplies the time.
 * `DLV_TRUST_SECONDS=<n>` bounds each file of tests: what does not fit is left out, and said to be.
 */
import type { ExecutionContext } from 'ava';
import { seededRandom } from '../helpers/rng.js';

function numberOf(name: string, fallback: number): number {
  const value = Number(process.env[name] ?? fallback);
  if (!(value > 0)) throw new Error(`${name} has to be a positive number`);
  return value;
}

/** The seed of this run. */
export const SEED = Math.floor(numberOf('DLV_TRUST_SEED', 1));

const TIMES = numberOf('DLV_TRUST_TIMES', 1);

/** When the time of this test file is over: each file runs in a process of its own. */
const END_MS =
  process.env.DLV_TRUST_SECONDS === undefined
    ? Number.POSITIVE_INFINITY
    : performance.now() + numberOf('DLV_TRUST_SECONDS', 1) * 1000;

/**
 * Milliseconds for a search that takes `seconds` in an ordinary run.
 * @param share  of the time that is left to the file, the search takes at most that part.
 */
export function searchMs(seconds: number, share = 1): number {
  return Math.min(seconds * 1000 * TIMES, Math.max(0, (END_MS - performance.now()) * share));
}

/** Part of the time left to a file that one of many searches in it takes. */
export const SHARE = 1 / 4;

/** Time after which a test that searches for `seconds` hangs. */
export function timeoutMs(seconds: number): number {
  return 600_000 + 3000 * seconds * TIMES;
}

/** The same items in an order that the seed decides: where time ends, other ones are left out each time. */
export function inSeedOrder<T>(items: readonly T[]): T[] {
  const random = seededRandom(SEED);
  const keyed = items.map((item): [number, T] => [random(), item]);
  return keyed.sort(([a], [b]) => a - b).map(([, item]) => item);
}

/** False when the time of the file is over: a loop of kills or samples ends early then. */
export function hasTime(): boolean {
  return performance.now() < END_MS;
}

let asked = 0;
let isSaid = false;

/**
 * True if the time of the file is over, for all but its first test: the test passes, and the first one
 * that is left out says that all others are.
 */
export function isOver(t: ExecutionContext): boolean {
  if (++asked === 1 || performance.now() < END_MS) return false;
  if (!isSaid) process.stdout.write(`# the time is over: left out from '${t.title}' on\n`);
  isSaid = true;
  t.pass();
  return true;
}
