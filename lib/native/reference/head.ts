/**
 * The head of a segment, read into one structure: docs/format/codec.md §Segment codec 2.
 */
import { BitInput, ByteInput, damage } from './input.js';
import { CHUNK_SYMBOLS, readTable, type Table } from './rans.js';

export const CODEC = 2;

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

export const CLASSES_MAX = 16;

/** How one plane is coded. */
export type Coding =
  | { mode: 'constant'; value: number }
  | { mode: 'stored' }
  | {
      mode: 'rans';
      kind: number;
      /** Class of each context; all 0 without contexts. */
      classOf: Uint8Array;
      /** One for each class. */
      tables: Table[];
      /** Payload bytes of each chunk. */
      lengths: number[];
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
  if (input.u8() !== CODEC) throw damage('another codec');
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

  const head: Head = { transform, mask: null, palette: null, planes: [] };
  if (transform === TRANSFORM_PALETTE) head.palette = readPalette(input, count, width);
  if (!plain) {
    let n = count;
    if (flags === 1) {
      head.mask = readMask(input, count);
      n = head.mask.changed;
    }
    const kinds = [KIND_NONE];
    if (needsBase(head)) kinds.push(KIND_BASE);
    for (let k = 0; k < width; k++) {
      const own = transform === TRANSFORM_RAW && k === 1 ? [KIND_OWN] : [];
      head.planes.push(readCoding(input, n, [...kinds, ...own]));
    }
  }
  if (input.remaining > 0) throw damage('bytes behind the head');
  return head;
}

function readMask(input: ByteInput, count: number): Mask {
  const changed = input.varint();
  if (changed < 1 || changed >= count) throw damage('a mask of nothing or everything');
  return { changed, bits: readCoding(input, Math.ceil(count / 8), [KIND_NONE]) };
}

function readPalette(input: ByteInput, count: number, width: number): Palette {
  const values = input.u8() + 1;
  const planes = Array.from({ length: width }, () => input.take(values));
  for (let i = 1; i < values; i++) {
    if (compareValues(planes, i - 1, i) >= 0) throw damage('values that do not ascend');
  }
  return { planes, indices: readCoding(input, count, [KIND_NONE]) };
}

/** Compares two elements as unsigned numbers: negative if the first is smaller. */
function compareValues(planes: readonly Uint8Array[], a: number, b: number): number {
  for (const plane of planes) {
    const difference = (plane[a] as number) - (plane[b] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Reads a plane description. @param n  symbols of the plane. @param kinds  allowed ones. */
function readCoding(input: ByteInput, n: number, kinds: readonly number[]): Coding {
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
  const bits = new BitInput(input);
  const tables = Array.from({ length: classes }, () => readTable(bits));
  bits.end();
  const lengths = Array.from({ length: Math.ceil(n / CHUNK_SYMBOLS) }, () => input.varint());
  return { mode: 'rans', kind, classOf, tables, lengths };
}
