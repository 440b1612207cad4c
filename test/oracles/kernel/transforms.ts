/**
 * Digits of differences and back: docs/format/codec.md, the table of transforms.
 *
 * Elements are compared as unsigned numbers of whole planes; everything is modulo 2^bits.
 */
import { TRANSFORM_RAW, TRANSFORM_SUB16, TRANSFORM_SUB16_TWICE, TRANSFORM_SUB32 } from './head.js';

/** 128 in each digit but the first: adding it makes digits balanced, −128 … 127. */
const HALVES = 0x808080;

/** Planes that belong together: [first plane, planes of one number] in order. */
function groups(transform: number, width: number): [number, number][] {
  const single = (from: number): [number, number][] =>
    Array.from({ length: width - from }, (_, k) => [from + k, 1]);
  switch (transform) {
    case TRANSFORM_SUB16:
      return [[0, 2], ...single(2)];
    case TRANSFORM_SUB16_TWICE:
      return [
        [0, 2],
        [2, 2],
      ];
    case TRANSFORM_SUB32:
      return [[0, 4]];
    default:
      return single(0);
  }
}

/** Unsigned number of `size` planes from `first` of element i. */
function numberAt(planes: readonly Uint8Array[], first: number, size: number, i: number): number {
  let value = 0;
  for (let k = 0; k < size; k++) value = value * 256 + (planes[first + k]?.[i] as number);
  return value;
}

function putNumber(
  planes: readonly Uint8Array[],
  [first, size]: [number, number],
  i: number,
  value: number,
): void {
  for (let k = 0; k < size; k++) {
    (planes[first + k] as Uint8Array)[i] = Math.floor(value / 256 ** (size - 1 - k)) % 256;
  }
}

/** The halves of a number of `size` planes: of its lower size − 1 bytes. */
function halvesOf(size: number): number {
  return HALVES % 256 ** (size - 1);
}

function modulo(value: number, size: number): number {
  const range = 256 ** size;
  return ((value % range) + range) % range;
}

/** Digits of child − base, plane by plane. Raw: the child's planes. */
export function makeDigits(
  transform: number,
  child: readonly Uint8Array[],
  base: readonly Uint8Array[],
): Uint8Array[] {
  if (transform === TRANSFORM_RAW) return child.map((plane) => new Uint8Array(plane));
  const digits = child.map((plane) => new Uint8Array(plane.length));
  const n = (child[0] as Uint8Array).length;
  for (const [first, size] of groups(transform, child.length)) {
    const halves = halvesOf(size);
    for (let i = 0; i < n; i++) {
      const d = numberAt(child, first, size, i) - numberAt(base, first, size, i);
      putNumber(digits, [first, size], i, (modulo(d + halves, size) ^ halves) >>> 0);
    }
  }
  return digits;
}

/** The child from digits and base: the inverse of `makeDigits` for leading planes up to a stop. */
export function undoDigits(
  transform: number,
  digits: readonly Uint8Array[],
  base: readonly Uint8Array[],
): Uint8Array[] {
  // Planes may be Buffers, whose slice() is not a copy.
  const child = digits.map((plane) => new Uint8Array(plane));
  if (transform === TRANSFORM_RAW) return child;
  const n = (digits[0] as Uint8Array).length;
  for (const [first, size] of groups(transform, digits.length)) {
    // A stop never cuts a group; those behind it are not wanted.
    if (first >= digits.length) continue;
    const halves = halvesOf(size);
    for (let i = 0; i < n; i++) {
      const d = ((numberAt(digits, first, size, i) ^ halves) >>> 0) - halves;
      putNumber(child, [first, size], i, modulo(numberAt(base, first, size, i) + d, size));
    }
  }
  return child;
}

/** True if the leading `depth` planes are exact from as many planes of the base. */
export function isStop(transform: number, width: number, depth: number): boolean {
  if (depth < 1 || depth > width) return false;
  if (depth === width) return true;
  if (transform === TRANSFORM_SUB32) return false;
  if (transform === TRANSFORM_SUB16_TWICE) return depth === 2;
  return depth >= 2;
}
