/**
 * What the leading planes of an element say about its value: the least and the greatest number that
 * the bytes not read leave possible. Start at `prefixBounds`.
 *
 * With k planes known, the other bytes are anything from all zeros to all ones. Floats grow in
 * magnitude with their bits, integers in value, so these two ends are the bounds.
 * @see docs/format/plane.md §Deltas and stops
 */
import { assert } from '../../lib/base/errors.js';
import { DTYPES, type DType, isNumeric, widen } from '../../lib/pure/tensor/dtype.js';
import { mergePlanes } from '../../lib/pure/tensor/planes.js';

/** An element that may not be, may be, or is NaN, whatever its other bytes are. */
export const NAN_NEVER = 0;
export const NAN_MAYBE = 1;
export const NAN_ALWAYS = 2;

/** Bounds of n elements. */
export interface PrefixBounds {
  /** Least value; −Infinity is one. NaN only where `nan` is NAN_ALWAYS. */
  lower: Float64Array;
  /** Greatest value, not below the least. */
  upper: Float64Array;
  /** NAN_NEVER, NAN_MAYBE (the bounds then hold if it is not) or NAN_ALWAYS for each element. */
  nan: Uint8Array;
}

/**
 * Bounds of the values of which the leading planes are known.
 *
 * They are the tightest there are, and equal where all planes are known; only 64-bit integers beyond
 * 2^53 are rounded outwards. A complex tensor gives its components.
 * @param planes  1 … width planes of n bytes, exact, most significant first; read, never kept. What is
 *   returned takes 17 bytes an element: give a run at a time.
 * @returns null for types that are not numbers.
 */
export function prefixBounds(dtype: DType, planes: readonly Uint8Array[]): PrefixBounds | null {
  const { kind, width } = DTYPES[dtype];
  if (!isNumeric(dtype)) return null;
  assert(planes.length >= 1 && planes.length <= width, 'one plane of each byte at most');
  const zeros = endOf(dtype, planes, 0x00);
  const ones = planes.length === width ? zeros.slice() : endOf(dtype, planes, 0xff);
  const n = zeros.length;
  if (dtype === 'I64' || dtype === 'U64') roundOutwards(dtype, planes, zeros, ones);
  const nan = new Uint8Array(n);
  if (kind !== 'float' && kind !== 'complex') return { lower: zeros, upper: ones, nan };
  if (width === 1) return { lower: zeros, upper: ones, nan: nan.map((_, i) => nanOf(zeros, i)) };
  const signs = planes[0] as Uint8Array;
  for (let i = 0; i < n; i++) {
    const near = zeros[i] as number;
    let far = ones[i] as number;
    nan[i] = nanOf(zeros, i);
    if (nan[i] === NAN_NEVER && Number.isNaN(far)) {
      // Infinity stands between the finite values and NaN.
      nan[i] = NAN_MAYBE;
      far = (signs[i] as number) & 0x80 ? -Infinity : Infinity;
    }
    const isNegative = ((signs[i] as number) & 0x80) !== 0;
    zeros[i] = isNegative ? far : near;
    ones[i] = isNegative ? near : far;
  }
  return { lower: zeros, upper: ones, nan };
}

function nanOf(values: Float64Array, i: number): number {
  return Number.isNaN(values[i]) ? NAN_ALWAYS : NAN_NEVER;
}

/** Little-endian elements whose unknown bytes are all `fill`. */
function complete(width: number, planes: readonly Uint8Array[], fill: number): Uint8Array {
  const n = (planes[0] as Uint8Array).length;
  const rest = new Uint8Array(planes.length < width ? n : 0).fill(fill);
  const all = Array.from({ length: width }, (_, k) => planes[k] ?? rest);
  const bytes = new Uint8Array(width * n);
  mergePlanes(all, width, bytes);
  return bytes;
}

function endOf(dtype: DType, planes: readonly Uint8Array[], fill: number): Float64Array {
  const values = widen(dtype, complete(DTYPES[dtype].width, planes, fill));
  assert(values !== null, 'a numeric type has values');
  return values;
}

/** Moves bounds that were rounded to a wrong side to the next number on the right one. */
function roundOutwards(
  dtype: 'I64' | 'U64',
  planes: readonly Uint8Array[],
  lower: Float64Array,
  upper: Float64Array,
): void {
  const exact = (fill: number): BigInt64Array | BigUint64Array => {
    const { buffer } = complete(8, planes, fill);
    return dtype === 'I64' ? new BigInt64Array(buffer) : new BigUint64Array(buffer);
  };
  const [least, most] = [exact(0x00), exact(0xff)];
  for (let i = 0; i < lower.length; i++) {
    if (BigInt(lower[i] as number) > (least[i] as bigint))
      lower[i] = beside(lower[i] as number, -1);
    if (BigInt(upper[i] as number) < (most[i] as bigint)) upper[i] = beside(upper[i] as number, 1);
  }
}

const DOUBLE = new Float64Array(1);
const BITS = new BigInt64Array(DOUBLE.buffer);

/** The next float64 below (−1) or above (1) a finite number that is not 0. */
function beside(value: number, direction: -1 | 1): number {
  DOUBLE[0] = value;
  const away = value > 0 ? 1n : -1n;
  BITS[0] = (BITS[0] as bigint) + away * BigInt(direction);
  return DOUBLE[0] as number;
}
