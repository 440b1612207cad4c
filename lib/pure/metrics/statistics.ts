/**
 * Intervals and tests on counts and p values. Sources: Wilson 1927; Newcombe 1998, method 10;
 * Fagerland, Lydersen and Laake 2013 (mid-p McNemar); Holm 1979.
 */
import { UsageError } from '../../base/errors.js';

/** 97.5 % quantile of the normal distribution: intervals are of 95 %. */
export const Z95 = 1.959963984540054;
/** Of differences that exist, a test of level 5 % finds 80 % if they are this many standard errors. */
const DETECTABLE = 2.8;

export type Interval = [low: number, high: number];

/** Wilson's interval of a proportion. @param of  above 0. */
export function wilson(hits: number, of: number, z = Z95): Interval {
  const p = hits / of;
  const zz = (z * z) / of;
  const middle = p + zz / 2;
  const half = z * Math.sqrt((p * (1 - p)) / of + zz / (4 * of));
  const low = hits === 0 ? 0 : (middle - half) / (1 + zz);
  const high = hits === of ? 1 : (middle + half) / (1 + zz);
  return [low, high];
}

/** ln k! for k = 0 … n. */
function logFactorials(n: number): Float64Array {
  const logs = new Float64Array(n + 1);
  for (let k = 2; k <= n; k += 1) logs[k] = (logs[k - 1] as number) + Math.log(k);
  return logs;
}

/**
 * McNemar's test on discordant pairs: examples that one side alone has right.
 * @returns the mid-p value, which keeps its level and finds more, and the exact one; 1 without any.
 */
export function mcnemar(onlyFirst: number, onlySecond: number): { midP: number; exactP: number } {
  const n = onlyFirst + onlySecond;
  if (n === 0) return { midP: 1, exactP: 1 };
  const least = Math.min(onlyFirst, onlySecond);
  const logs = logFactorials(n);
  const chance = (k: number): number =>
    Math.exp((logs[n] as number) - (logs[k] as number) - (logs[n - k] as number) - n * Math.LN2);
  let below = 0;
  for (let k = 0; k <= least; k += 1) below += chance(k);
  return {
    midP: Math.min(1, 2 * below - chance(least)),
    exactP: Math.min(1, 2 * below),
  };
}

/** How many examples both, the first or second alone, or neither side has right. */
export interface PairCounts {
  both: number;
  onlyFirst: number;
  onlySecond: number;
  neither: number;
}

/** Newcombe's interval (method 10) of the second proportion minus the first, of paired examples. */
export function pairedDifference({ both, onlyFirst, onlySecond, neither }: PairCounts): Interval {
  const n = both + onlyFirst + onlySecond + neither;
  const first = both + onlyFirst;
  const second = both + onlySecond;
  const [low1, high1] = wilson(first, n);
  const [low2, high2] = wilson(second, n);
  const p1 = first / n;
  const p2 = second / n;
  const margins = first * second * (n - first) * (n - second);
  const cross = both * neither - onlyFirst * onlySecond;
  const corrected = cross > 0 ? Math.max(cross - n / 2, 0) : cross;
  const phi = margins === 0 ? 0 : corrected / Math.sqrt(margins);
  const reach = (a: number, b: number): number => Math.sqrt(a * a - 2 * phi * a * b + b * b);
  const difference = p2 - p1;
  return [
    Math.max(-1, difference - reach(p2 - low2, high1 - p1)),
    Math.min(1, difference + reach(high2 - p2, p1 - low1)),
  ];
}

/** Smallest difference that a paired test of level 5 % finds with 80 % power. */
export function smallestDetectable(standardError: number): number {
  return DETECTABLE * standardError;
}

/** Holm's adjusted p values, in the order given: below a level, the family keeps that level. */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => (pValues[a] ?? 0) - (pValues[b] ?? 0));
  const adjusted = new Array<number>(pValues.length).fill(1);
  let least = 0;
  for (const [rank, at] of order.entries()) {
    least = Math.max(least, Math.min(1, (pValues.length - rank) * (pValues[at] ?? 1)));
    adjusted[at] = least;
  }
  return adjusted;
}

/** Whole numbers from a seed: xorshift128 (Marsaglia 2003), so that every machine draws the same. */
export class Draws {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @throws {UsageError} for what is no seed. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new UsageError(`the seed is ${seed}, not a whole number from 0`);
    }
    let mixed = (seed ^ Math.floor(seed / 2 ** 32)) | 0;
    const word = (): number => {
      mixed = (mixed + 0x9e3779b9) | 0;
      let bits = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
      bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
      return bits ^ (bits >>> 16);
    };
    [this.#a, this.#b, this.#c, this.#d] = [word(), word(), word(), word() | 1];
  }

  /** A whole number from 0 to `below` - 1. */
  next(below: number): number {
    const t = this.#a ^ (this.#a << 11);
    this.#a = this.#b;
    this.#b = this.#c;
    this.#c = this.#d;
    this.#d = this.#d ^ (this.#d >>> 19) ^ t ^ (t >>> 8);
    return Math.floor(((this.#d >>> 0) / 2 ** 32) * below);
  }
}

/** Draws as many examples as there are, with replacement: `counts` says how often each was drawn. */
export function resample(draws: Draws, counts: Uint32Array): void {
  counts.fill(0);
  for (let i = 0; i < counts.length; i += 1) {
    const drawn = draws.next(counts.length);
    counts[drawn] = (counts[drawn] as number) + 1;
  }
}

/** What resampling says of a number: a 95 % percentile interval, its standard error, a two-sided p. */
export interface Bootstrap {
  interval: Interval;
  standardError: number;
  /** That the number is 0. */
  p: number;
}

/** @param values  the number on each resample; those that are not defined are left out. Null: too few. */
export function summarizeBootstrap(values: readonly number[]): Bootstrap | null {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  const n = sorted.length;
  if (n < values.length / 2 || n < 2) return null;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / n;
  const squares = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const atMost = sorted.filter((value) => value <= 0).length;
  const atLeast = sorted.filter((value) => value >= 0).length;
  return {
    interval: [quantile(sorted, 0.025), quantile(sorted, 0.975)],
    standardError: Math.sqrt(squares / (n - 1)),
    p: Math.min(1, (2 * (Math.min(atMost, atLeast) + 1)) / (n + 1)),
  };
}

/** Linear between neighbours, as NumPy. */
function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)] as number;
  const high = sorted[Math.ceil(at)] as number;
  return low + (high - low) * (at - Math.floor(at));
}
