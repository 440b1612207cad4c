/**
 * Encoding of one plane: native/encode_plane.c in TypeScript. What to do is decided on a sample; the
 * tables are made of all symbols, and the result is weighed again with them.
 */
import { CLASSES_MAX, KIND_NONE } from './head.js';
import { BitOutput, type ByteOutput } from './output.js';
import { CHUNK_SYMBOLS, encodeChunk, makeTable, type Table } from './rans.js';
import {
  addCounts,
  COST_ONE,
  findSplit,
  normalize,
  orderZeroCost,
  quotient,
  sumOf,
  tableCost,
} from './stats.js';

/** Symbols that are looked at to decide: blocks spread over the plane; level max looks at all. */
const SAMPLE_BLOCK = 1024;
const SAMPLE_BLOCKS = 64;
/** Bits of a plane that is not worth coding, in 1/1000 of 8, for each level. */
const STORE_FROM = [950, 990, 999] as const;
/** Classes of a context, and groups of contexts to find them in. */
const CLASSES = [1, 8, CLASSES_MAX] as const;
const GROUPS = [1, 32, 64] as const;
/** A class has to save so much of a plane, in 1/1000, since reading it costs time. */
const CONTEXT_GAIN = 1;

/** Encoder effort: fast, default, max. */
export type Level = 0 | 1 | 2;
const FAST = 0;
const MAX = 2;

/** Where block b of a sample of `blocks` blocks begins. */
export function sampleFrom(n: number, block: number, blocks: number, b: number): number {
  return blocks === 1 ? 0 : quotient((n - block) * b, blocks - 1);
}

/** One plane to write. */
export interface PlaneToWrite {
  bytes: Uint8Array;
  level: Level;
  /** Kind of `contexts`; KIND_NONE for none. */
  kind: number;
  /** Context of each symbol, or null. */
  contexts: Uint8Array | null;
}

/** Chooses how to write a plane, and writes it. */
export function putPlane(plane: PlaneToWrite, head: ByteOutput, payload: ByteOutput): void {
  const { bytes, level } = plane;
  const n = bytes.length;
  const first = bytes[0] as number;
  if (bytes.every((byte) => byte === first)) {
    head.u8(0).u8(first);
    return;
  }
  const chosen = choose(plane);
  const all = chosen && countClasses(bytes, chosen);
  const cost = all?.reduce((sum, counts) => sum + orderZeroCost(counts) + tableCost(counts), 0);
  const limit = quotient(n * 8 * COST_ONE, 1000) * STORE_FROM[level];
  if (chosen === null || !all || (cost as number) >= limit) {
    head.u8(1);
    payload.put(bytes.slice());
  } else {
    putCoded(bytes, chosen, all, head, payload);
  }
}

/** The contexts that are used: their kind, the cut into classes, and the class of each symbol. */
interface Chosen {
  kind: number;
  last: number[];
  classes: Uint8Array;
}

/** Decides on a sample; null to store the plane. */
function choose({ bytes, level, kind, contexts }: PlaneToWrite): Chosen | null {
  const n = bytes.length;
  const use = level === FAST ? null : contexts;
  const { rows, sampled } = sampleContexts(bytes, use, level);
  const plain = new Uint32Array(256);
  for (const row of rows) addCounts(plain, row);
  const stored = sampled * 8 * COST_ONE;
  let best = orderZeroCost(plain) + quotient(tableCost(plain) * sampled, n);
  let chosen: Chosen = { kind: KIND_NONE, last: [], classes: new Uint8Array(n) };
  // A plane of pure noise hides no context worth the search.
  if (use !== null && best < quotient(stored, 1000) * 999) {
    const options = {
      classesMax: CLASSES[level],
      groupsMax: GROUPS[level],
      sampled,
      whole: n,
    };
    const { last, cost } = findSplit(rows, options);
    if (last.length > 0 && cost + quotient(stored, 1000) * CONTEXT_GAIN < best) {
      best = cost;
      const classes = use.map((context) => last.filter((end) => end < context).length);
      chosen = { kind, last, classes };
    }
  }
  return best >= quotient(stored, 1000) * STORE_FROM[level] ? null : chosen;
}

/** Counts of a sample for each context; without contexts, row 0 has all. */
function sampleContexts(
  bytes: Uint8Array,
  contexts: Uint8Array | null,
  level: Level,
): { rows: Uint32Array[]; sampled: number } {
  const n = bytes.length;
  const all = level === MAX || n <= SAMPLE_BLOCK * SAMPLE_BLOCKS;
  const blocks = all ? 1 : SAMPLE_BLOCKS;
  const block = all ? n : SAMPLE_BLOCK;
  const rows = Array.from({ length: 256 }, () => new Uint32Array(256));
  for (let b = 0; b < blocks; b++) {
    const from = sampleFrom(n, block, blocks, b);
    for (let i = from; i < from + block; i++) {
      const row = rows[contexts === null ? 0 : (contexts[i] as number)] as Uint32Array;
      const symbol = bytes[i] as number;
      row[symbol] = (row[symbol] as number) + 1;
    }
  }
  return { rows, sampled: blocks * block };
}

/** Counts of all symbols for each class. */
function countClasses(bytes: Uint8Array, { last, classes }: Chosen): Uint32Array[] {
  const counts = Array.from({ length: last.length + 1 }, () => new Uint32Array(256));
  for (const [i, symbol] of bytes.entries()) {
    const row = counts[classes[i] as number] as Uint32Array;
    row[symbol] = (row[symbol] as number) + 1;
  }
  return counts;
}

function putCoded(
  bytes: Uint8Array,
  { kind, last, classes }: Chosen,
  counts: readonly Uint32Array[],
  head: ByteOutput,
  payload: ByteOutput,
): void {
  head.u8(2).u8(kind);
  if (kind !== KIND_NONE) head.u8(last.length).put(Uint8Array.from(last));
  const bits = new BitOutput();
  const tables = counts.map((row) => {
    // A class that no symbol belongs to has a table all the same: symbol 0 alone.
    const used = sumOf(row) > 0 ? row : row.map((_, symbol) => (symbol === 0 ? 1 : 0));
    const table = makeTable(normalize(used));
    putTable(table, bits);
    return table;
  });
  head.put(bits.finish());
  for (let from = 0; from < bytes.length; from += CHUNK_SYMBOLS) {
    const chunk = encodeChunk(
      bytes.subarray(from, from + CHUNK_SYMBOLS),
      (i) => tables[classes[from + i] as number] as Table,
    );
    head.varint(chunk.length);
    payload.put(chunk);
  }
}

/** Writes the frequencies of a table: gap and share of each symbol that has one. */
function putTable({ freq }: Table, bits: BitOutput): void {
  let before = -1;
  for (const [symbol, share] of freq.entries()) {
    if (share === 0) continue;
    bits.gamma(symbol - before);
    bits.gamma(share);
    before = symbol;
  }
}
