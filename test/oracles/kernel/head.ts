/**
 * The head of a segment, read into one structure: docs/format/codec.md §Segment codecs.
 */
import { BitInput, ByteInput, damage } from './input.js';
import { makeTable, type Table } from './rans.js';
import { readFrequencies } from './table.js';

export const CODEC = 2;
/** The same, with differences of the leading planes alone: those below are the child's own. */
export const CODEC_OWN = 3;
export const DIFFERENCES_MIN = 2;
export const MODE_STORED = 1;

export const TRANSFORM_RAW = 0;
export const TRANSFORM_BSUB = 1;
export const TRANSFORM_SUB16 = 2;
export const TRANSFORM_SUB16_TWICE = 3;
export const TRANSFORM_SUB32 = 4;
export const TRANSFORM_SAME = 5;
export const TRANSFORM_PALETTE = 6;

export const KIND_NONE = 0;
export const KIND_BASE = 1;
export const KIND_OWN = 2;
export const KIND_ABOVE = 3;

export const CLASSES_MAX = 16;
/** What the digit above tells: 0, 1, 255, or any other. */
export const ABOVE_DIGITS = 4;

/** How one plane is coded. */
export type Coding =
  | { mode: 'constant'; value: number }
  | { mode: 'stored' }
  | {
      mode: 'rans';
      kind: number;
      /** Class of each context; all 0 without contexts. */
      classOf: Uint8Array;
      /** KIND_ABOVE: table of class c below digit u, at 4c + u; others: table c for each u. */
      tableOf: Uint8Array;
      tables: Table[];
      /** Payload bytes. */
      length: number;
    };

/** A mask: which elements are not those of the base. */
export interface Mask {
  /** Elements that differ. */
  changed: number;
  bits: Coding;
}

/** Distinct values and the coding of the index of each element's. */
export interface Palette {
  /** Planes of the values, ascending, one byte each. */
  planes: Uint8Array[];
  indices: Coding;
}

/** What a head says. */
export interface Head {
  transform: number;
  /** Planes that are differences from the base's, the leading ones. */
  differences: number;
  mask: Mask | null;
  palette: Palette | null;
  /** One for each plane; none for SAME and a palette. */
  planes: Coding[];
}

/** True if decoding needs planes of the base. */
export function needsBase(head: Head): boolean {
  const { transform, mask } = head;
  return mask !== null || (transform !== TRANSFORM_RAW && transform !== TRANSFORM_PALETTE);
}

/**
 * Reads and checks a whole head.
 * @param count  elements of the segment. @param width  bytes of one.
 */
export function readHead(bytes: Uint8Array, count: number, width: number): Head {
  const input = new ByteInput(bytes);
  const codec = input.u8();
  if (codec !== CODEC && codec !== CODEC_OWN) throw damage('another codec');
  const transform = input.u8();
  const flags = input.u8();
  if (transform > TRANSFORM_PALETTE) throw damage('an unknown transform');
  if (flags > 1) throw damage('unknown flags');
  const plain = transform === TRANSFORM_SAME || transform === TRANSFORM_PALETTE;
  if (plain && flags !== 0) throw damage('a mask where nothing is masked');
  const whole = transform === TRANSFORM_SUB16_TWICE || transform === TRANSFORM_SUB32;
  if (whole && width !== 4) throw damage('a transform of other widths');
  const many = transform === TRANSFORM_SUB16 || transform === TRANSFORM_PALETTE;
  if (many && width === 1) throw damage('a transform of wider elements');

  const differences = codec === CODEC_OWN ? readDifferences(input, transform, flags, width) : width;
  const head: Head = { transform, differences, mask: null, palette: null, planes: [] };
  if (transform === TRANSFORM_PALETTE) head.palette = readPalette(input, width);
  if (!plain) {
    if (flags === 1) head.mask = readMask(input, count);
    for (let k = 0; k < width; k++) {
      const kinds = k < differences ? kindsOf(transform, k) : [KIND_NONE];
      head.planes.push(readCoding(input, kinds));
    }
  }
  if (input.remaining > 0) throw damage('bytes behind the head');
  return head;
}

function readDifferences(
  input: ByteInput,
  transform: number,
  flags: number,
  width: number,
): number {
  if (transform !== TRANSFORM_BSUB && transform !== TRANSFORM_SUB16)
    throw damage('own planes of another transform');
  if (flags !== 0) throw damage('own planes and a mask');
  const differences = input.u8();
  if (differences < DIFFERENCES_MIN || differences >= width)
    throw damage('another number of own planes');
  return differences;
}

/** Kinds of contexts that plane k of a transform may have. */
function kindsOf(transform: number, k: number): number[] {
  if (transform === TRANSFORM_RAW) return k === 0 ? [KIND_NONE] : [KIND_NONE, KIND_OWN];
  return k === 0 ? [KIND_NONE, KIND_BASE] : [KIND_NONE, KIND_BASE, KIND_ABOVE];
}

function readMask(input: ByteInput, count: number): Mask {
  const changed = input.varint();
  if (changed < 1 || changed >= count) throw damage('a mask of nothing or everything');
  return { changed, bits: readCoding(input, [KIND_NONE]) };
}

function readPalette(input: ByteInput, width: number): Palette {
  const values = input.u8() + 1;
  const planes = Array.from({ length: width }, () => input.take(values));
  return { planes, indices: readCoding(input, [KIND_NONE]) };
}

/** Reads a plane description. @param kinds  allowed ones. */
function readCoding(input: ByteInput, kinds: readonly number[]): Coding {
  const mode = input.u8();
  if (mode === 0) return { mode: 'constant', value: input.u8() };
  if (mode === 1) return { mode: 'stored' };
  if (mode !== 2) throw damage('an unknown mode');
  const kind = input.u8();
  if (!kinds.includes(kind)) throw damage('contexts that there are not');
  const classOf = new Uint8Array(256);
  const classes = kind === KIND_NONE ? 1 : input.u8() + 1;
  if (classes > CLASSES_MAX) throw damage('too many classes');
  let last = -1;
  for (let c = 0; c + 1 < classes; c++) {
    const next = input.u8();
    if (next <= last || next >= 255) throw damage('classes that do not ascend');
    last = next;
    classOf.fill(c + 1, last + 1);
  }
  const tableOf = readTableNumbers(input, kind, classes);
  const bits = new BitInput(input);
  const tables = Array.from({ length: Math.max(...tableOf) + 1 }, () =>
    makeTable(readFrequencies(bits)),
  );
  bits.end();
  return { mode: 'rans', kind, classOf, tableOf, tables, length: input.varint() };
}

/** Table of each class and digit above. */
function readTableNumbers(input: ByteInput, kind: number, classes: number): Uint8Array {
  const numbers = new Uint8Array(ABOVE_DIGITS * classes).map((_, i) =>
    Math.floor(i / ABOVE_DIGITS),
  );
  if (kind === KIND_ABOVE) {
    for (const [i, two] of input.take(numbers.length / 2).entries()) {
      numbers[2 * i] = two % 16;
      numbers[2 * i + 1] = two >> 4;
    }
  }
  return numbers;
}
