/**
 * Floats of which only the leading byte planes are known: a value to stand for each, and the interval
 * that it lies in. Pure. @see docs/format/plane.md
 */
import { assert, UsageError } from '../../base/errors.js';
import { WIDTH_MAX } from '../../base/limits.js';
import { DTYPES, type DType } from './dtype.js';
import { type TypedValues, typedValues } from './typed-values.js';

/** Bits of the exponent as they stand in the leading two bytes of an element. */
const EXPONENTS: Partial<Record<DType, number>> = {
  F64: 0x7ff0,
  F32: 0x7f80,
  F16: 0x7c00,
  BF16: 0x7f80,
  C64: 0x7f80,
  C128: 0x7ff0,
};

/** How many leading planes stand for elements of a dtype: all of them unless it is a float of several bytes. */
export function leadingOf(dtype: DType, planes: number): number {
  const { width } = DTYPES[dtype];
  return EXPONENTS[dtype] === undefined ? width : Math.min(planes, width);
}

/**
 * Fills in the planes behind the known ones: the middle of what a value can be. A zero stays zero and
 * an infinity infinite, and where all known bits of the exponent are set the rest is zero.
 * @param planes  all of them; the first `known` hold content, the others are overwritten.
 */
export function fillPlanes(planes: readonly Uint8Array[], known: number, dtype: DType): void {
  const exponent = EXPONENTS[dtype];
  if (known >= planes.length) return;
  assert(exponent !== undefined && known >= 1, 'leading planes of floats');
  const [first, second] = planes as [Uint8Array, Uint8Array];
  const middle = planes[known] as Uint8Array;
  for (const plane of planes.slice(known + 1)) plane.fill(0);
  const isOne = known === 1;
  const mask = isOne ? exponent & 0x7f00 : exponent;
  for (let i = 0; i < first.length; i++) {
    const head = ((first[i] as number) << 8) | (isOne ? 0 : (second[i] as number));
    let isZero = (head & 0x7fff) === 0;
    for (let k = 2; isZero && k < known; k++) isZero = planes[k]?.[i] === 0;
    middle[i] = isZero || (head & mask) === mask ? 0 : 0x80;
  }
}

/** The ends of the interval that each value lies in. */
export interface ValueBounds {
  /** NaN for both: the value is a NaN. An infinite end may also stand for a NaN. */
  least: TypedValues;
  greatest: TypedValues;
}

/**
 * @param bytes   little-endian elements whose leading planes are right.
 * @param known   how many these are.
 */
export function boundsOf(dtype: DType, bytes: Uint8Array, known: number): ValueBounds {
  if (dtype === 'F32') return singleBounds(bytes, known);
  const { width } = DTYPES[dtype];
  const near = bytes.slice();
  const far = bytes.slice();
  const rest = width - leadingOf(dtype, known);
  for (let at = 0; at < bytes.length; at += width) {
    near.fill(0, at, at + rest);
    far.fill(0xff, at, at + rest);
  }
  const least = typedValues(dtype, near);
  const greatest = typedValues(dtype, far);
  if (rest === 0) return { least, greatest };
  for (let i = 0; i < least.length; i++) {
    const zero = least[i] as number;
    const end = greatest[i] as number;
    const isNegative = (bytes[i * width + width - 1] as number) >= 0x80;
    const outer =
      Number.isNaN(end) && !Number.isNaN(zero) ? Number.POSITIVE_INFINITY : Math.abs(end);
    least[i] = isNegative ? -outer : zero;
    greatest[i] = isNegative ? zero : outer;
  }
  return { least, greatest };
}

/** `boundsOf` of float32, a word at a time. */
function singleBounds(bytes: Uint8Array, known: number): ValueBounds {
  const least = new Uint32Array(bytes.slice().buffer);
  const greatest = new Uint32Array(least.length);
  const rest = known >= 4 ? 0 : 2 ** (32 - 8 * known) - 1;
  const infinity = 0x7f800000;
  for (let i = 0; i < least.length; i++) {
    const near = ((least[i] as number) & ~rest) >>> 0;
    let far = (near | rest) >>> 0;
    const size = near & 0x7fffffff;
    if ((far & 0x7fffffff) > infinity && size <= infinity) far = (far & 0x80000000) | infinity;
    const isNegative = near >= 0x80000000;
    least[i] = isNegative ? far : near;
    greatest[i] = isNegative ? near : far;
  }
  return {
    least: new Float32Array(least.buffer),
    greatest: new Float32Array(greatest.buffer),
  };
}

/** Gives a number of planes that a user named back. @throws {UsageError} */
export function checkPlanes(planes: number): number {
  if (Number.isInteger(planes) && planes >= 1 && planes <= WIDTH_MAX) return planes;
  throw new UsageError(`'${planes}' is not a number of planes`, {
    option: '--planes',
    hint: 'from 1 to 8: an fp32 has 4, an fp64 8, an fp16 or bf16 2',
  });
}
