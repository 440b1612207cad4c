/**
 * Casts between floating-point types, element by element on byte planes: rounded to nearest, ties to
 * even, as NumPy and PyTorch do. A NaN stays one: narrowed, its leading bits with the quiet bit set.
 */

/** Casts with their number in the format, and the widths of their elements. */
export const CASTS = {
  'F32→F16': { code: 1, from: 4, to: 2 },
  'F32→BF16': { code: 2, from: 4, to: 2 },
  'F16→F32': { code: 3, from: 2, to: 4 },
  'BF16→F32': { code: 4, from: 2, to: 4 },
  'F32→F64': { code: 5, from: 4, to: 8 },
  'F64→F32': { code: 6, from: 8, to: 4 },
} as const;

export type Cast = keyof typeof CASTS;

/** Bits of a float16 from those of a float32. */
function halfOf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const size = word & 0x7fffffff;
  if (size >= 0x47800000) {
    // Beyond 65,536, infinite or NaN.
    if (size > 0x7f800000) return sign | 0x7e00 | ((size >>> 13) & 0x1ff);
    return sign | 0x7c00;
  }
  if (size >= 0x38800000) {
    // Normal: the exponent moves by 112; a carry of the rounding goes into it, up to infinity.
    return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
  }
  // Subnormal: units of 2^-24. Below half a unit it is zero.
  const exponent = size >>> 23;
  if (exponent < 102) return sign;
  const mantissa = (size & 0x7fffff) | 0x800000;
  const drop = 126 - exponent;
  const kept = mantissa >>> drop;
  const rest = mantissa & ((1 << drop) - 1);
  const half = 1 << (drop - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

/** Bits of a bfloat16 from those of a float32. */
function brainOf(word: number): number {
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

/** Bits of a float32 from those of a float16. */
function widened(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  const shift = Math.clz32(mantissa) - 21;
  return sign | ((113 - shift) << 23) | ((mantissa << (13 + shift)) & 0x7fffff);
}

/** Casts one element, its bytes the most significant first. */
export function castElement(cast: Cast, element: Uint8Array): Uint8Array {
  const { to } = CASTS[cast];
  const target = Array.from({ length: to }, () => new Uint8Array(1));
  castPlanes(
    cast,
    Array.from(element, (byte) => Uint8Array.of(byte)),
    target,
  );
  return Uint8Array.from(target, (plane) => plane[0]!);
}

/** Words of planes from `from` on, each of four bytes. */
function wordAt(planes: readonly Uint8Array[], from: number, i: number): number {
  const [a, b, c, d] = [planes[from]!, planes[from + 1]!, planes[from + 2]!, planes[from + 3]!];
  return ((a[i]! << 24) | (b[i]! << 16) | (c[i]! << 8) | d[i]!) >>> 0;
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);
const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);
/** Where the upper half of a float64 lies in memory. */
const UPPER = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;

function putWord(target: readonly Uint8Array[], from: number, i: number, word: number): void {
  for (let k = 0; k < 4; k++) target[from + k]![i] = word >>> (24 - 8 * k);
}

/** Float32 to float64: exact; the mantissa of a NaN gets zeros behind it. */
function widenToDouble(planes: readonly Uint8Array[], target: readonly Uint8Array[]): void {
  for (let i = 0; i < planes[0]!.length; i++) {
    const word = wordAt(planes, 0, i);
    singleBits[0] = word;
    double[0] = single[0]!;
    if ((word & 0x7fffffff) > 0x7f800000) {
      halves[UPPER] = (word & 0x80000000) | 0x7ff00000 | ((word & 0x7fffff) >>> 3);
      halves[1 - UPPER] = word << 29;
    }
    putWord(target, 0, i, halves[UPPER]!);
    putWord(target, 4, i, halves[1 - UPPER]!);
  }
}

/** Float64 to float32: to nearest, ties to even; a NaN keeps its leading bits and is made quiet. */
function narrowFromDouble(planes: readonly Uint8Array[], target: readonly Uint8Array[]): void {
  for (let i = 0; i < planes[0]!.length; i++) {
    const upper = wordAt(planes, 0, i);
    const lower = wordAt(planes, 4, i);
    halves[UPPER] = upper;
    halves[1 - UPPER] = lower;
    single[0] = double[0]!;
    if (Number.isNaN(double[0]!)) {
      const leading = ((upper & 0xfffff) << 3) | (lower >>> 29);
      singleBits[0] = (upper & 0x80000000) | 0x7fc00000 | leading;
    }
    putWord(target, 0, i, singleBits[0]!);
  }
}

/** Casts all elements. @param target  planes of the width of the result, as long as `planes`. */
export function castPlanes(
  cast: Cast,
  planes: readonly Uint8Array[],
  target: readonly Uint8Array[],
): void {
  const { length } = planes[0] as Uint8Array;
  if (cast === 'F32→F64') {
    widenToDouble(planes, target);
    return;
  }
  if (cast === 'F64→F32') {
    narrowFromDouble(planes, target);
    return;
  }
  if (CASTS[cast].from === 4) {
    const [p0, p1, p2, p3] = planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const [t0, t1] = target as [Uint8Array, Uint8Array];
    const narrow = cast === 'F32→F16' ? halfOf : brainOf;
    for (let i = 0; i < length; i++) {
      const bits = narrow((p0[i]! << 24) | (p1[i]! << 16) | (p2[i]! << 8) | p3[i]!);
      t0[i] = bits >>> 8;
      t1[i] = bits;
    }
    return;
  }
  const [p0, p1] = planes as [Uint8Array, Uint8Array];
  const [t0, t1, t2, t3] = target as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  if (cast === 'BF16→F32') {
    t0.set(p0);
    t1.set(p1);
    t2.fill(0);
    t3.fill(0);
    return;
  }
  for (let i = 0; i < length; i++) {
    const word = widened((p0[i]! << 8) | p1[i]!);
    t0[i] = word >>> 24;
    t1[i] = word >>> 16;
    t2[i] = word >>> 8;
    t3[i] = word;
  }
}
