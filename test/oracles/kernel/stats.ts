/**
 * Statistics that the encoder chooses by: native/stats.c in TypeScript. Integers only, so that every
 * build makes the same choices; all of them stay below 2^53.
 */

/** Costs are in 1/65536 bit. */
export const COST_ONE = 65536;

/** log2(1 + i/64) in 1/65536, rounded; the last is one less, as the kernel keeps them in 16 bits. */
const LOG2_FRACTION = Array.from({ length: 65 }, (_, i) =>
  Math.min(65535, Math.round(Math.log2(1 + i / 64) * 65536)),
);

/** Bits behind the leading one of a number ≥ 1. */
export function bitsBelow(value: number): number {
  return 31 - Math.clz32(value);
}

/** Integer quotient of numbers ≥ 0. */
export function quotient(a: number, b: number): number {
  return Math.floor(a / b);
}

/** log2 in 1/65536 of a number ≥ 1. */
export function log2Cost(value: number): number {
  const whole = bitsBelow(value);
  const mantissa = (whole >= 12 ? value >> (whole - 12) : value << (12 - whole)) - 4096;
  const index = mantissa >> 6;
  const low = LOG2_FRACTION[index] as number;
  const high = LOG2_FRACTION[index + 1] as number;
  return whole * COST_ONE + low + (((high - low) * (mantissa & 63)) >> 6);
}

/** Sum of 256 counts. */
export function sumOf(counts: Uint32Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Cost of coding symbols with these counts at order 0, tables apart. */
export function orderZeroCost(counts: Uint32Array): number {
  const total = sumOf(counts);
  if (total === 0) return 0;
  let used = 0;
  for (const count of counts) if (count > 0) used += count * log2Cost(count);
  return total * log2Cost(total) - used;
}

/** Contexts with fewer symbols than this share of all are joined before the search. */
const RARE_SHARE = 512;
/** Fewer symbols than this say nothing about a table. */
const GROUP_SYMBOLS = 96;
const BUCKETS = 32;
/** Kinds of buckets: finer around 0 (mod 256), or all of one size. */
export const STATS_DIGITS = 0;
export const STATS_BYTES = 1;
/** Bits of a table for each bucket that it has symbols in, about: many bytes are equally likely. */
const BUCKET_BITS = [10, 2] as const;

/** What the search for a cut may do. */
export interface CutOptions {
  classesMax: number;
  groupsMax: number;
  buckets: typeof STATS_DIGITS | typeof STATS_BYTES;
  /** Symbols counted, of how many: tables weigh less the smaller the sample is. */
  sampled: number;
  whole: number;
}

/**
 * The cheapest cut of contexts into classes: the last context of each but the last.
 * @param rows  counts of each of 256 contexts.
 */
export function findCut(rows: readonly Uint32Array[], options: CutOptions): number[] {
  const { classesMax, buckets, sampled, whole } = options;
  const groupOf = findGroups(rows.map(sumOf), options.groupsMax);
  const groups = (groupOf[255] as number) + 1;
  const sums = Array.from({ length: groups }, () => new Uint32Array(BUCKETS));
  for (const [context, row] of rows.entries()) {
    const sum = sums[groupOf[context] as number] as Uint32Array;
    for (const [symbol, count] of row.entries()) {
      const bucket = bucketOf(buckets, symbol);
      sum[bucket] = (sum[bucket] as number) + count;
    }
  }
  /** Cost of one class of groups from … to. */
  const classCost = sums.map((_, from) => {
    const merged = new Uint32Array(BUCKETS);
    return sums.map((sum, to) => {
      if (to < from) return Number.POSITIVE_INFINITY;
      addCounts(merged, sum);
      const filled = merged.filter((count) => count > 0).length;
      const table = quotient(filled * BUCKET_BITS[buckets] * COST_ONE * sampled, whole);
      return table + orderZeroCost(merged);
    });
  });
  return cutGroups(classCost, groups, classesMax).map((group) => groupOf.lastIndexOf(group));
}

/** Buckets of digits: 0, ±1, ±2, ±3, ±4 … 5, ±6 … 8, then six more for each sign. */
function bucketOf(buckets: number, symbol: number): number {
  if (buckets === STATS_BYTES) return symbol >> 3;
  if (symbol === 0) return 0;
  const sign = symbol >> 7;
  const size = sign === 1 ? 256 - symbol : symbol;
  const small = [0, 1, 2, 3, 4, 4, 5, 5, 5][size];
  const step = small ?? (size < 13 ? 6 : size < 21 ? 7 : 8 + (size >> 5));
  return 2 * step - sign;
}

/** Adds counts to others. */
export function addCounts(to: Uint32Array, counts: Uint32Array): void {
  for (const [symbol, count] of counts.entries()) to[symbol] = (to[symbol] as number) + count;
}

/** Joins neighbouring contexts into at most `groupsMax` groups large enough to have statistics. */
function findGroups(totals: readonly number[], groupsMax: number): number[] {
  const total = totals.reduce((sum, count) => sum + count, 0);
  let least = Math.max(quotient(total, RARE_SHARE) + 1, GROUP_SYMBOLS);
  for (; ; least *= 2) {
    let group = 0;
    let gathered = 0;
    const groupOf = totals.map((count) => {
      if (gathered >= least) {
        group++;
        gathered = 0;
      }
      gathered += count;
      return group;
    });
    if (group < groupsMax) return groupOf;
  }
}

/** The cheapest cut of groups into consecutive classes: the last group of each class but the last. */
function cutGroups(
  classCost: readonly (readonly number[])[],
  groups: number,
  classesMax: number,
): number[] {
  const costOf = (from: number, to: number): number => classCost[from]?.[to] as number;
  // best[k][g]: cheapest cut of groups 0 … g into k + 1 classes; begins[k][g]: where the last begins.
  const best: number[][] = [];
  const begins: number[][] = [];
  for (let k = 0; k < classesMax; k++) {
    best.push([]);
    begins.push([]);
    for (let g = 0; g < groups; g++) {
      let least = k === 0 ? costOf(0, g) : Number.POSITIVE_INFINITY;
      let begin = 0;
      for (let from = k; k > 0 && from <= g; from++) {
        const cost = (best[k - 1]?.[from - 1] as number) + costOf(from, g);
        if (cost < least) {
          least = cost;
          begin = from;
        }
      }
      best[k]?.push(least);
      begins[k]?.push(begin);
    }
  }
  const totals = best.map((row) => row[groups - 1] as number);
  const chosen = totals.indexOf(Math.min(...totals));
  const ends: number[] = [];
  let end = groups;
  for (let k = chosen; k > 0; k--) {
    end = begins[k]?.[end - 1] as number;
    ends.unshift(end - 1);
  }
  return ends;
}
