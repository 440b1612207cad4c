/**
 * The reference decoder: docs/format/codec.md in the plainest TypeScript. Start at `decodeReference`.
 */
import { SEGMENT_ELEMENTS } from '../../../lib/base/limits.js';
import { ERROR_ARGUMENT, ERROR_BASE, failure } from '../../../lib/base/native/failure.js';
import {
  ABOVE_DIGITS,
  type Coding,
  KIND_ABOVE,
  KIND_NONE,
  KIND_OWN,
  type Mask,
  needsBase,
  type Palette,
  readHead,
  TRANSFORM_SAME,
} from './head.js';
import { ByteInput, damage } from './input.js';
import { decodeStream, type Table } from './rans.js';
import { isStop, undoDigits } from './transforms.js';

/** Class payloads: hi, mid, low. */
export type Classes = readonly [Uint8Array, Uint8Array, Uint8Array];

/** Class of plane k: 0 hi, 1 mid, 2 low (docs/format/plane.md §Classes). */
export function classOfPlane(width: number, k: number): number {
  if (k < 2) return 0;
  if (width === 4) return k - 1;
  return k < 4 ? 1 : 2;
}

/**
 * Decodes the leading `wanted` planes of a segment, a stop.
 * @param base  as many planes as the head needs, or more, or null. @returns planes in fresh memory.
 * @throws an Error with a `kernel` number.
 */
export function decodeReference(
  bytes: Uint8Array,
  classes: Classes,
  base: readonly Uint8Array[] | null,
  { count, width, wanted }: { count: number; width: number; wanted: number },
): Uint8Array[] {
  if (![1, 2, 4, 8].includes(width) || count < 1 || count > SEGMENT_ELEMENTS)
    throw failure(ERROR_ARGUMENT, 'sizes that no segment has');
  const head = readHead(bytes, count, width);
  if (!isStop(head.transform, width, wanted)) throw failure(ERROR_ARGUMENT, 'not a stop');
  const needed = needsBase(head) ? Math.min(wanted, head.differences) : 0;
  const under = (base ?? []).slice(0, needed);
  if (under.length < needed) throw failure(ERROR_BASE, 'no base, or too little of it');
  if (head.transform === TRANSFORM_SAME) return under.map((plane) => new Uint8Array(plane));

  const inputs = classes.map((payload) => new ByteInput(payload));
  const hi = inputs[0] as ByteInput;
  if (head.palette) return decodePalette(head.palette, hi, count, wanted);

  const changed = head.mask && decodeMask(head.mask, hi, count);
  const pick = (plane: Uint8Array): Uint8Array =>
    changed ? Uint8Array.from(changed, (i) => plane[i] as number) : plane;
  const from = under.map(pick);
  const n = changed ? changed.length : count;
  const digits: Uint8Array[] = [];
  for (const [k, coding] of head.planes.slice(0, wanted).entries()) {
    const input = inputs[classOfPlane(width, k)] as ByteInput;
    digits.push(decodePlane(coding, input, n, { k, width, base: from, digits }));
  }
  const values = [
    ...undoDigits(head.transform, digits.slice(0, head.differences), from),
    ...digits.slice(head.differences),
  ];
  if (!changed) return values;
  return values.map((plane, k) => {
    const whole = new Uint8Array(under[k] as Uint8Array);
    for (const [j, i] of changed.entries()) whole[i] = plane[j] as number;
    return whole;
  });
}

/** What the contexts of a plane may be taken from. */
export interface Surroundings {
  k: number;
  width: number;
  base: readonly Uint8Array[];
  /** Planes before k: digits, or of raw planes the bytes. */
  digits: readonly Uint8Array[];
}

/**
 * Context of each symbol, or null where the kind has none.
 * @see docs/format/codec.md §Contexts
 */
export function contextsOf(
  kind: number,
  { k, width, base, digits }: Surroundings,
): Uint8Array | null {
  if (kind === KIND_NONE) return null;
  const [first, second] = (kind === KIND_OWN ? digits.slice(0, k) : base) as [
    Uint8Array,
    Uint8Array | undefined,
  ];
  const shift = width === 1 ? 0 : width === 8 ? 4 : 1;
  return first.map((byte, i) => (byte << shift) | ((second?.[i] ?? 0) >> (8 - shift)));
}

/** What each digit of the plane above tells: 0, 1, 2 for 255, 3 for any other. */
export function digitsAbove({ k, digits }: Surroundings): Uint8Array {
  return (digits[k - 1] as Uint8Array).map((digit) =>
    digit < 2 ? digit : digit === 255 ? 2 : ABOVE_DIGITS - 1,
  );
}

function decodePlane(
  coding: Coding,
  input: ByteInput,
  n: number,
  around: Surroundings,
): Uint8Array {
  if (coding.mode === 'constant') return new Uint8Array(n).fill(coding.value);
  if (coding.mode === 'stored') return new Uint8Array(input.take(n));
  const { kind, classOf, tableOf, tables, length } = coding;
  const contexts = contextsOf(kind, around);
  const above = kind === KIND_ABOVE ? digitsAbove(around) : null;
  const out = new Uint8Array(n);
  decodeStream(input.take(length), out, (i) => {
    const at = classOf[contexts?.[i] ?? 0] as number;
    return tables[tableOf[ABOVE_DIGITS * at + (above?.[i] ?? 0)] as number] as Table;
  });
  return out;
}

/** Of masks and indices. */
const NOTHING: Surroundings = { k: 0, width: 1, base: [], digits: [] };

/** Numbers of the elements that differ from the base, ascending. */
function decodeMask(mask: Mask, input: ByteInput, count: number): number[] {
  const bytes = decodePlane(mask.bits, input, Math.ceil(count / 8), NOTHING);
  const changed: number[] = [];
  for (let i = 0; i < 8 * bytes.length; i++) {
    if (((bytes[i >> 3] as number) >> (i % 8)) & 1) changed.push(i);
  }
  if (changed.length !== mask.changed) throw damage('a mask of another number of elements');
  if ((changed.at(-1) as number) >= count) throw damage('a mask beyond the elements');
  return changed;
}

function decodePalette(
  palette: Palette,
  input: ByteInput,
  count: number,
  wanted: number,
): Uint8Array[] {
  const indices = decodePlane(palette.indices, input, count, NOTHING);
  const values = (palette.planes[0] as Uint8Array).length;
  if (indices.some((index) => index >= values)) throw damage('an index that names no value');
  return palette.planes
    .slice(0, wanted)
    .map((plane) => indices.map((index) => plane[index] as number));
}
