/**
 * Encoding of one plane: native/encode_plane.c in TypeScript. What to do is decided on a sample; the
 * tables are made of all symbols (level fast: of the sample), and the result is weighed again with them.
 */

import { joinCells } from './cells.js';
import { contextsOf, digitsAbove, type Surroundings } from './decode.js';
import { ABOVE_DIGITS, CLASSES_MAX, KIND_ABOVE, KIND_BASE, KIND_NONE, KIND_OWN } from './head.js';
import { BitOutput, type ByteOutput } from './output.js';
import { encodeStream, makeTable, type Table } from './rans.js';
import {
  addCounts,
  COST_ONE,
  findCut,
  quotient,
  STATS_BYTES,
  STATS_DIGITS,
  sumOf,
} from './stats.js';
import { fitFrequencies, putFrequencies, tableCost } from './table.js';

/** Symbols that are looked at to decide: blocks spread over the plane; level max looks at all. */
const SAMPLE_BLOCK = 1024;
const SAMPLE_BLOCKS = [32, 64] as const;
/** A plane is stored from so many 1/1000 of 8 bits on, for each level. */
const STORE_FROM = [950, 990, 999] as const;
/** Level default: small extents are read fast enough; wide raw ones are read faster stored. */
const STORE_FROM_SMALL = 995;
const STORE_FROM_DEEP = 950;
const LARGE_FROM = 2 ** 18;
/** Classes of a context, and groups of contexts to find them in. */
const CLASSES = [1, 8, CLASSES_MAX] as const;
const GROUPS = [1, 32, 64] as const;
/** A class has to save so much of a plane, in 1/1000, since reading it costs time. */
const CONTEXT_GAIN = 1;
/** A plane of so many 1/1000 of 8 bits is noise: below the first two, no context helps. */
const NOISE_FROM = 999;
/** Level fast: weight of a symbol of the sample against one that may be anywhere. */
const FAST_WEIGHT = 16;
/** Fewer symbols than this leave nothing to tell apart by the plane above. */
const ABOVE_FROM = 4096;

/** Encoder effort: fast, default, max. */
export type Level = 0 | 1 | 2;
export const FAST = 0;
const DEFAULT = 1;
export const MAX = 2;

/** Where block b of a sample of `blocks` blocks begins. */
export function sampleFrom(n: number, block: number, blocks: number, b: number): number {
  return blocks === 1 ? 0 : quotient((n - block) * b, blocks - 1);
}

/** One plane to write. */
export interface PlaneToWrite {
  bytes: Uint8Array;
  level: Level;
  /** Kind of contexts that may be used. */
  kind: number;
  /** What they are taken from. */
  around: Surroundings;
  /** Whether there is a digit above. */
  above: boolean;
}

/** Elements that are tried, of how many: nothing is written. */
export interface Trial {
  sampled: number;
  whole: number;
}

/** How a plane is coded: kind, cut, and the table of each symbol. */
interface Chosen {
  kind: number;
  last: number[];
  /** KIND_ABOVE: table of class c and digit u at 4c + u. */
  numbers: Uint8Array;
  tableOf: Uint8Array;
  tables: number;
}

function isConstant(bytes: Uint8Array): boolean {
  const first = bytes[0] as number;
  return bytes.every((byte) => byte === first);
}

/** What a plane of a trial would take, in 1/65536 bit. */
export function planeCost(plane: PlaneToWrite, { sampled, whole }: Trial): number {
  const n = plane.bytes.length;
  if (isConstant(plane.bytes)) return 0;
  const all = quotient(n * whole, sampled);
  const { cost, looked } = choose(plane, all, true);
  const stored = looked * 8 * COST_ONE;
  return cost < quotient(stored, 1000) * storeFrom(plane, all) ? cost : stored;
}

/** Chooses how to write a plane, and writes it. */
export function putPlane(plane: PlaneToWrite, head: ByteOutput, payload: ByteOutput): void {
  const { bytes } = plane;
  const n = bytes.length;
  if (isConstant(bytes)) {
    head.u8(0).u8(bytes[0] as number);
    return;
  }
  const { chosen, cost, looked, sample } = choose(plane, n, false);
  const limitOf = (symbols: number): number =>
    quotient(symbols * 8 * COST_ONE, 1000) * storeFrom(plane, n);
  const store = (): void => {
    head.u8(1);
    payload.put(bytes.slice());
  };
  if (plane.level === FAST && looked < n && cost < limitOf(looked)) {
    const coded = codeStream(bytes, chosen, [widenCounts(sample, bytes)]);
    if (coded.stream.length >= quotient(n * storeFrom(plane, n), 1000)) store();
    else putCoded(chosen, coded, head, payload);
    return;
  }
  const counts = countTables(bytes, chosen);
  const again = counts.reduce((sum, row) => sum + tableCost(row), 0);
  // If the sample was everything, there is nothing to weigh again.
  if (cost >= limitOf(looked) || (!isCounted(plane, chosen) && again >= limitOf(n))) {
    store();
  } else {
    putCoded(chosen, codeStream(bytes, chosen, counts), head, payload);
  }
}

/** Level fast: counts for a whole plane from those of a sample, every byte of the plane included. */
function widenCounts(sample: Uint32Array, bytes: Uint8Array): Uint32Array {
  const plain = extremes(bytes);
  const turned = extremes(bytes.map((byte) => byte ^ 0x80));
  const isSigned = turned.high - turned.low <= plain.high - plain.low;
  const { low, high } = isSigned ? turned : plain;
  const counts = sample.map((count) => count * FAST_WEIGHT);
  for (let value = low; value <= high; value++) {
    const symbol = isSigned ? value ^ 0x80 : value;
    counts[symbol] = (counts[symbol] as number) + 1;
  }
  return counts;
}

function extremes(bytes: Uint8Array): { low: number; high: number } {
  let low = 255;
  let high = 0;
  for (const byte of bytes) {
    low = Math.min(low, byte);
    high = Math.max(high, byte);
  }
  return { low, high };
}

/** @param n  symbols that the plane stands for. */
function storeFrom({ level, kind, around }: PlaneToWrite, n: number): number {
  if (level !== DEFAULT) return STORE_FROM[level];
  if (n < LARGE_FROM) return STORE_FROM_SMALL;
  const isDeep = around.width >= 4 && kind === KIND_BASE && around.k > 1;
  return isDeep ? STORE_FROM_DEEP : STORE_FROM[DEFAULT];
}

function samplingOf({ bytes, level }: PlaneToWrite): { blocks: number; block: number } {
  const all = { blocks: 1, block: bytes.length };
  if (level === MAX) return all;
  const blocks = SAMPLE_BLOCKS[level];
  return bytes.length <= SAMPLE_BLOCK * blocks ? all : { blocks, block: SAMPLE_BLOCK };
}

/** Whether the sample that chose was everything: there is nothing to weigh again. */
function isCounted(plane: PlaneToWrite, { kind }: Chosen): boolean {
  const { blocks, block } = samplingOf(plane);
  return kind !== KIND_ABOVE && blocks * block === plane.bytes.length;
}

/**
 * Chooses contexts on a sample of `looked` symbols, which cost `cost` then; `sample` has their counts.
 * @param whole  how many symbols the tables are for.
 */
function choose(
  plane: PlaneToWrite,
  whole: number,
  trial: boolean,
): { chosen: Chosen; cost: number; looked: number; sample: Uint32Array } {
  const { bytes, level, kind, around } = plane;
  const n = bytes.length;
  const use = level === FAST ? null : contextsOf(kind, around);
  const { rows, sampled } = sampleContexts(plane, use);
  const plain = new Uint32Array(256);
  for (const row of rows) addCounts(plain, row);
  const share = quotient(sampled * 8 * COST_ONE, 1000);
  let best = tableCost(plain, sampled, whole);
  const none = { kind: KIND_NONE, last: [], numbers: new Uint8Array(0), tables: 1 };
  let chosen: Chosen = { ...none, tableOf: new Uint8Array(n) };
  const noise = around.k > 1 && best >= share * NOISE_FROM;
  if (use === null || noise) return { chosen, cost: best, looked: sampled, sample: plain };
  const last = findCut(rows, {
    classesMax: CLASSES[level],
    groupsMax: GROUPS[level],
    buckets: kind === KIND_OWN ? STATS_BYTES : STATS_DIGITS,
    sampled,
    whole,
  });
  const classes = use.map((context) => last.filter((end) => end < context).length);
  if (last.length > 0) {
    const cost = joinRows(rows, last).reduce((sum, row) => sum + tableCost(row, sampled, whole), 0);
    if (cost + share * CONTEXT_GAIN < best) {
      best = cost;
      chosen = { ...none, kind, last, tableOf: classes, tables: last.length + 1 };
    }
  }
  if (level === MAX && plane.above && n >= ABOVE_FROM && !trial) {
    const cut =
      chosen.kind === KIND_NONE ? { ...none, classes: new Uint8Array(n) } : { last, classes };
    const { found, cost } = findAbove(plane, cut.last, cut.classes);
    if (cost + share * CONTEXT_GAIN < best) {
      best = cost;
      chosen = found;
    }
  }
  return { chosen, cost: best, looked: sampled, sample: plain };
}

/** Counts of a sample for each context; without contexts, row 0 has all. */
function sampleContexts(
  plane: PlaneToWrite,
  contexts: Uint8Array | null,
): { rows: Uint32Array[]; sampled: number } {
  const { bytes } = plane;
  const { blocks, block } = samplingOf(plane);
  const rows = Array.from({ length: 256 }, () => new Uint32Array(256));
  for (let b = 0; b < blocks; b++) {
    const from = sampleFrom(bytes.length, block, blocks, b);
    for (let i = from; i < from + block; i++) {
      const row = rows[contexts?.[i] ?? 0] as Uint32Array;
      const symbol = bytes[i] as number;
      row[symbol] = (row[symbol] as number) + 1;
    }
  }
  return { rows, sampled: blocks * block };
}

/** Counts of each class. */
function joinRows(rows: readonly Uint32Array[], last: readonly number[]): Uint32Array[] {
  const sums = Array.from({ length: last.length + 1 }, () => new Uint32Array(256));
  for (const [context, row] of rows.entries()) {
    addCounts(sums[last.filter((end) => end < context).length] as Uint32Array, row);
  }
  return sums;
}

/** Tables by class and digit above, and what the plane costs with them. */
function findAbove(
  { bytes, around }: PlaneToWrite,
  last: number[],
  classes: Uint8Array,
): { found: Chosen; cost: number } {
  const above = digitsAbove(around);
  const cells = classes.map((at, i) => ABOVE_DIGITS * at + (above[i] as number));
  const counts = countTables(bytes, { tableOf: cells, tables: ABOVE_DIGITS * (last.length + 1) });
  const { numbers, tables, cost } = joinCells(counts);
  const tableOf = cells.map((cell) => numbers[cell] as number);
  return { found: { kind: KIND_ABOVE, last, numbers, tableOf, tables }, cost };
}

/** Counts of all symbols for each table. */
function countTables(
  bytes: Uint8Array,
  { tableOf, tables }: Pick<Chosen, 'tableOf' | 'tables'>,
): Uint32Array[] {
  const counts = Array.from({ length: tables }, () => new Uint32Array(256));
  for (const [i, symbol] of bytes.entries()) {
    const row = counts[tableOf[i] as number] as Uint32Array;
    row[symbol] = (row[symbol] as number) + 1;
  }
  return counts;
}

/** A plane coded with tables of the given counts, and the tables' description. */
function codeStream(
  bytes: Uint8Array,
  { tableOf }: Chosen,
  counts: readonly Uint32Array[],
): { description: Uint8Array; stream: Uint8Array } {
  const bits = new BitOutput();
  const tables = counts.map((row) => {
    // A class that no symbol belongs to has a table all the same: symbol 0 alone.
    const used = sumOf(row) > 0 ? row : row.map((_, symbol) => (symbol === 0 ? 1 : 0));
    const table = makeTable(fitFrequencies(used));
    putFrequencies(table.freq, bits);
    return table;
  });
  const stream = encodeStream(bytes, (i) => tables[tableOf[i] as number] as Table);
  return { description: bits.finish(), stream };
}

function putCoded(
  { kind, last, numbers }: Chosen,
  { description, stream }: { description: Uint8Array; stream: Uint8Array },
  head: ByteOutput,
  payload: ByteOutput,
): void {
  head.u8(2).u8(kind);
  if (kind !== KIND_NONE) head.u8(last.length).put(Uint8Array.from(last));
  for (let i = 0; i < numbers.length; i += 2) {
    head.u8((numbers[i] as number) + 16 * (numbers[i + 1] as number));
  }
  head.put(description).varint(stream.length);
  payload.put(stream);
}
