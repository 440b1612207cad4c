/**
 * Frequency tables: fitted to counts, written and read as docs/format/codec.md §Tables says;
 * native/table.c in TypeScript.
 */
import { type BitInput, damage } from './input.js';
import type { BitOutput } from './output.js';
import { bitsBelow, COST_ONE, log2Cost, quotient } from './stats.js';

/** Frequencies of a table add up to this. */
export const SCALE_BITS = 11;
export const SCALE = 1 << SCALE_BITS;

/** Order of the Exp-Golomb code of a share's distance to one half of `total`. */
function golombOrder(total: number): number {
  return Math.max(0, bitsBelow(total) - 4);
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

/** Frequency of symbol i of 2^log that share `total` equally. */
function flatShare(total: number, log: number, i: number): number {
  return (((i + 1) * total) >> log) - ((i * total) >> log);
}

/** Reads 256 frequencies. */
export function readFrequencies(bits: BitInput): Uint16Array {
  const freq = new Uint16Array(256);
  readNode(bits, freq, { from: 0, log: 8 }, SCALE);
  return freq;
}

/** Reads the frequencies of the 2^log symbols from `from` on, which add up to `total`. */
function readNode(
  bits: BitInput,
  freq: Uint16Array,
  { from, log }: { from: number; log: number },
  total: number,
): void {
  if (total === 0) return;
  if (log === 0) {
    freq[from] = total;
    return;
  }
  const lower = readShare(bits, log, total);
  if (lower === null) {
    for (let i = 0; i < 2 ** log; i++) freq[from + i] = flatShare(total, log, i);
    return;
  }
  const half = log - 1;
  readNode(bits, freq, { from, log: half }, lower);
  readNode(bits, freq, { from: from + 2 ** half, log: half }, total - lower);
}

/** What the lower half of a node gets, or null if all its symbols share equally. */
function readShare(bits: BitInput, log: number, total: number): number | null {
  if (total === 1) return bits.bit();
  if (bits.bit() === 1) {
    if (total >= 2 ** log && bits.bit() === 0) return null;
    return bits.bit() === 1 ? total : 0;
  }
  const value = bits.golomb(golombOrder(total));
  const distance = value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  const share = (total >> 1) + distance;
  if (share < 0 || share > total) throw damage('a share that is more than there is');
  return share;
}

/** Writes 256 frequencies that add up to 2,048. */
export function putFrequencies(freq: Uint16Array, bits: BitOutput): void {
  putNode(freq, 8, SCALE, bits);
}

function putNode(freq: Uint16Array, log: number, total: number, bits: BitOutput): void {
  if (log === 0 || total === 0) return;
  const half = 2 ** (log - 1);
  const lower = freq.subarray(0, half).reduce((sum, share) => sum + share, 0);
  const dense = total >= 2 ** log;
  if (total === 1) {
    bits.bits(lower, 1);
  } else if (dense && freq.every((share, i) => share === flatShare(total, log, i))) {
    bits.bits(0b01, 2);
    return;
  } else if (lower === 0 || lower === total) {
    bits.bits(dense ? 0b11 : 0b1, dense ? 2 : 1);
    bits.bits(lower === 0 ? 0 : 1, 1);
  } else {
    bits.bits(0, 1);
    bits.golomb(zigzag(lower - (total >> 1)), golombOrder(total));
  }
  putNode(freq.subarray(0, half), log - 1, lower, bits);
  putNode(freq.subarray(half), log - 1, total - lower, bits);
}

/** Nodes 1 (the root) … 511 of the tree over symbols; the halves of node i are 2i and 2i + 1. */
interface Fit {
  sums: number[];
  costs: number[];
  flat: boolean[];
}

/** log2 of the symbols of a node. */
function sizeLog(node: number): number {
  return 8 - bitsBelow(node);
}

/** Bits of a node's description. */
function shareBits(lower: number, sum: number, root: number): number {
  const total = quotient(sum * SCALE, root) + 1;
  const share = quotient(lower * SCALE, root);
  const order = golombOrder(total);
  return 2 + order + 2 * bitsBelow((zigzag(share - (total >> 1)) >> order) + 1);
}

/** What others pay if `size` symbols that occur `count` times get a frequency of at least 1 each. */
function leastCost(size: number, count: number, root: number): number {
  // 46 is 65536 · log2(e) / 2048.
  return Math.max(0, size * root - count * SCALE) * 46;
}

function fitTree(counts: Uint32Array, sampled: number, whole: number): Fit {
  const sums = [...new Array<number>(256).fill(0), ...counts];
  for (let i = 255; i > 0; i--) sums[i] = (sums[2 * i] as number) + (sums[2 * i + 1] as number);
  const root = sums[1] as number;
  const entropy = sums.map((sum) => (sum > 1 ? sum * log2Cost(sum) : 0));
  const costs = sums.map((sum, i) => (i >= 256 && sum > 0 ? leastCost(1, sum, root) : 0));
  const flat = new Array<boolean>(512).fill(false);
  const tableBits = (bits: number): number => quotient(bits * COST_ONE * sampled, whole);
  for (let i = 255; i > 0; i--) {
    const sum = sums[i] as number;
    const [a, b] = [2 * i, 2 * i + 1];
    if (sum === 0) continue;
    const both = (sums[a] as number) > 0 && (sums[b] as number) > 0;
    const split =
      tableBits(both ? shareBits(sums[a] as number, sum, root) : 3) +
      (entropy[i] as number) -
      (entropy[a] as number) -
      (entropy[b] as number) +
      (costs[a] as number) +
      (costs[b] as number);
    const log = sizeLog(i);
    const equal = sum * log * COST_ONE + leastCost(2 ** log, sum, root) + tableBits(2);
    flat[i] = equal <= split;
    costs[i] = Math.min(equal, split);
  }
  return { sums, costs, flat };
}

/**
 * What coding symbols with these counts costs, and their table, in 1/65536 bit.
 * @param counts  256, of `sampled` of `whole` symbols: tables weigh less the smaller the sample is.
 */
export function tableCost(counts: Uint32Array, sampled = 1, whole = 1): number {
  return fitTree(counts, sampled, whole).costs[1] as number;
}

/** Symbols that share a frequency equally. */
interface Group {
  from: number;
  log: number;
  count: number;
  freq: number;
}

/** Frequencies for counts (not all zero) that add up to 2,048. */
export function fitFrequencies(counts: Uint32Array): Uint16Array {
  const tree = fitTree(counts, 1, 1);
  const groups: Group[] = [];
  const gather = (node: number): void => {
    const count = tree.sums[node] as number;
    if (count === 0) return;
    if (node < 256 && !tree.flat[node]) {
      gather(2 * node);
      gather(2 * node + 1);
      return;
    }
    const log = sizeLog(node);
    groups.push({ from: (node - 2 ** (8 - log)) * 2 ** log, log, count, freq: 0 });
  };
  gather(1);
  normalize(groups, tree.sums[1] as number);
  const freq = new Uint16Array(256);
  for (const { from, log, freq: total } of groups) {
    for (let i = 0; i < 2 ** log; i++) freq[from + i] = flatShare(total, log, i);
  }
  return freq;
}

/** Gives each group a sum of frequencies, at least one for each symbol. */
function normalize(groups: readonly Group[], sum: number): void {
  const half = quotient(sum, 2);
  let left = SCALE;
  for (const group of groups) {
    group.freq = Math.max(2 ** group.log, quotient(group.count * SCALE + half, sum));
    left -= group.freq;
  }
  while (left !== 0) {
    // One unit is taken where that costs least, or given where it saves most: about count / freq.
    let best: Group | null = null;
    let bestScore = 0;
    for (const group of groups) {
      if (left < 0 && group.freq <= 2 ** group.log) continue;
      const score = quotient(group.count * 2 ** 20, group.freq) + 1;
      if (best === null || (left < 0 ? score < bestScore : score > bestScore)) {
        best = group;
        bestScore = score;
      }
    }
    (best as Group).freq += Math.sign(left);
    left -= Math.sign(left);
  }
}
