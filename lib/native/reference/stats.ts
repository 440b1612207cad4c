/**
 * Statistics that the encoder chooses by: native/stats.c in TypeScript. Integers only, so that every
 * build makes the same choices; all of them stay below 2^53.
 */
import { SCALE } from './rans.js';

/** Costs are in 1/65536 bit. */
export const COST_ONE = 65536;

/** log2(1 + i/64) in 1/65536, rounded; the last is one less, as the kernel keeps them in 16 bits. */
const LOG2_FRACTION = Array.from({ length: 65 }, (_, i) =>
  Math.min(65535, Math.round(Math.log2(1 + i / 64) * 65536)),
);

/** Bits behind the leading one of a number ≥ 1. */
function bitsBelow(value: number): number {
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

/** Cost of writing the table of these counts: an estimate. */
export function tableCost(counts: Uint32Array): number {
  const total = sumOf(counts);
  if (total === 0) return 8 * COST_ONE;
  let bits = 8;
  for (const count of counts) {
    if (count > 0) bits += 2 + 2 * bitsBelow(quotient(count * SCALE, total) + 1);
  }
  return bits * COST_ONE;
}

/** Scales counts, not all zero, to frequencies that add up to 2,048, each counted one at least 1. */
export function normalize(counts: Uint32Array): Uint16Array {
  const total = sumOf(counts);
  const half = quotient(total, 2);
  const freq = Uint16Array.from(counts, (count) =>
    count === 0 ? 0 : Math.max(1, quotient(count * SCALE + half, total)),
  );
  let left = SCALE - freq.reduce((sum, share) => sum + share, 0);
  while (left !== 0) {
    // One unit is taken where that costs least, or given where it saves most: about count / share.
    let best = -1;
    let bestScore = 0;
    for (const [symbol, share] of freq.entries()) {
      if (share === 0 || (left < 0 && share <= 1)) continue;
      const score = quotient((counts[symbol] as number) * 2 ** 20, share) + 1;
      if (best < 0 || (left < 0 ? score < bestScore : score > bestScore)) {
        best = symbol;
        bestScore = score;
      }
    }
    freq[best] = (freq[best] as number) + Math.sign(left);
    left -= Math.sign(left);
  }
  return freq;
}

/** Contexts with fewer symbols than this share of all are joined before the search. */
const RARE_SHARE = 512;
/** Fewer symbols than this say nothing about a table. */
const GROUP_SYMBOLS = 192;

/** A cut of contexts into classes (the last context of each but the last) and what it costs. */
export interface Split {
  last: number[];
  cost: number;
}

/** What the search for a cut may do. */
export interface SplitOptions {
  classesMax: number;
  groupsMax: number;
  /** Symbols counted, of how many: tables weigh less the smaller the sample is. */
  sampled: number;
  whole: number;
}

/** The cheapest cut. @param rows  counts of each of 256 contexts. */
export function findSplit(rows: readonly Uint32Array[], options: SplitOptions): Split {
  const { classesMax, sampled, whole } = options;
  const groupOf = findGroups(rows.map(sumOf), options.groupsMax);
  const groups = (groupOf[255] as number) + 1;
  const sums = Array.from({ length: groups }, () => new Uint32Array(256));
  for (const [context, row] of rows.entries()) {
    addCounts(sums[groupOf[context] as number] as Uint32Array, row);
  }
  /** Cost of one class of groups from … to. */
  const classCost = sums.map((_, from) => {
    const merged = new Uint32Array(256);
    return sums.map((sum, to) => {
      if (to < from) return Number.POSITIVE_INFINITY;
      addCounts(merged, sum);
      return orderZeroCost(merged) + quotient(tableCost(merged) * sampled, whole);
    });
  });
  const cut = cutGroups(classCost, groups, classesMax);
  return { last: cut.ends.map((group) => groupOf.lastIndexOf(group)), cost: cut.cost };
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
): { ends: number[]; cost: number } {
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
  return { ends, cost: totals[chosen] as number };
}
