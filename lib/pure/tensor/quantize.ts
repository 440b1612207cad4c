/**
 * The arithmetic of lossy tiers: values of one extent in, the values that a tier keeps of them out,
 * in the extent's own dtype.
 *
 * Pure and exact: every step is an IEEE float64 operation with a defined result, so one extent gives
 * the same bits on every machine. Not finite values are never lost: NaN stays a NaN (quiet, without
 * its payload), infinities stay. Finite values stay finite: what would overflow becomes the largest.
 * bf16 and fp16 keep −0 and round towards subnormal numbers; fixed and quant make −0 to 0.
 * Start at `TierFit`. @see docs/format/tier.md
 */
import { assert } from '../../base/errors.js';
import { DTYPES, type DType, widen } from './dtype.js';
import type { FloatDType, Tier } from './tier.js';
import type { ErrorSum } from './tier-errors.js';

/** Significant bits, least exponent of a normal number, and largest finite value of binary formats. */
const FORMATS = {
  bf16: { precision: 8, exponentMin: -126, max: (2 - 2 ** -7) * 2 ** 127 },
  fp16: { precision: 11, exponentMin: -14, max: 65504 },
} as const;

const WORDS = new Uint32Array(2);
const DOUBLE = new Float64Array(WORDS.buffer);
/** Index of the word with sign and exponent. */
const HIGH = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0;
/** 2^(i − 1074): looked up, since a power takes longer than all else that rounding does. */
const POWERS = Float64Array.from({ length: 1074 + 1024 }, (_, i) => 2 ** (i - 1074));
/** Adding and subtracting it rounds a number below 2^51 to an integer, ties to even. */
const ROUNDER = 1.5 * 2 ** 52;

/** 2^exponent, from −1074 to 1023. */
function powerOf(exponent: number): number {
  return POWERS[exponent + 1074] as number;
}

/** Rounds |x| < 2^51 to the nearest integer, ties to even. */
function roundEven(x: number): number {
  return x + ROUNDER - ROUNDER;
}

/** Exponent of the leading bit of a finite number; −1023 for 0 and subnormal float64. */
function exponentOf(x: number): number {
  DOUBLE[0] = x;
  return (((WORDS[HIGH] as number) >>> 20) & 0x7ff) - 1023;
}

/** What becomes of finite values that a format has no number for: its largest one, or infinity as in IEEE 754. */
export type Overflow = 'largest' | 'infinity';

/** The nearest number of a binary format, ties to even. */
export function roundTo(
  format: keyof typeof FORMATS,
  x: number,
  overflow: Overflow = 'largest',
): number {
  if (!Number.isFinite(x)) return x;
  const { precision, exponentMin, max } = FORMATS[format];
  if (Math.abs(x) >= max) {
    // Half a step above the largest number is as near to the next one, whose last bit is 0.
    const isBeyond = Math.abs(x) >= max * (1 + 1 / (2 ** (precision + 1) - 2));
    const size = isBeyond && overflow === 'infinity' ? Number.POSITIVE_INFINITY : max;
    return x < 0 ? -size : size;
  }
  const last = Math.max(exponentOf(x), exponentMin) - precision + 1;
  const rounded = roundEven(x * powerOf(-last)) * powerOf(last);
  // The sum above turns −0, and what rounds to it, into 0.
  return rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded;
}

/** Bits of a number that is a half, or not finite. */
function halfBits(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const size = Math.abs(x);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  const exponent = exponentOf(size);
  if (exponent < -14) return sign | (size * 2 ** 24);
  return sign | ((exponent + 15) << 10) | ((size * powerOf(-exponent) - 1) * 1024);
}

/**
 * Little-endian elements of a float dtype: the mirror of `widen`, rounding to nearest, ties to even.
 * @returns memory of its own; NaN is the quiet one without payload and with a clear sign.
 */
export function narrow(
  dtype: FloatDType,
  values: Float64Array,
  overflow: Overflow = 'largest',
): Uint8Array {
  switch (dtype) {
    case 'F64': {
      const own = Float64Array.from(values, (x) => (Number.isNaN(x) ? Number.NaN : x));
      return new Uint8Array(own.buffer);
    }
    case 'F32': {
      const single = new Float32Array(values.length);
      const max = (2 - 2 ** -23) * 2 ** 127;
      for (let i = 0; i < values.length; i++) {
        const x = values[i] as number;
        single[i] = x; // rounds to nearest, ties to even
        if (Number.isNaN(x)) single[i] = Number.NaN;
        else if (overflow === 'infinity') continue;
        else if (x > max && x !== Number.POSITIVE_INFINITY) single[i] = max;
        else if (x < -max && x !== Number.NEGATIVE_INFINITY) single[i] = -max;
      }
      return new Uint8Array(single.buffer);
    }
    case 'F16': {
      const bits = Uint16Array.from(values, (x) => halfBits(roundTo('fp16', x, overflow)));
      return new Uint8Array(bits.buffer);
    }
    case 'BF16': {
      const single = Float32Array.from(values, (x) => roundTo('bf16', x, overflow));
      const wide = new Uint32Array(single.buffer);
      const bits = Uint16Array.from(wide, (word, i) =>
        Number.isNaN(single[i] as number) ? 0x7fc0 : word >>> 16,
      );
      return new Uint8Array(bits.buffer);
    }
  }
}

/** The random numbers of a codebook: mulberry32, a fixed sequence of 32-bit words for each seed. */
function* randomWords(seed: number): Generator<number, never> {
  for (let state = seed >>> 0; ; ) {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    yield (word ^ (word >>> 14)) >>> 0;
  }
}

/**
 * Places among `count` elements from which a random codebook is drawn, ascending.
 * @param key  32 bits that tell extents apart, so that tensors do not share places.
 */
function drawPlaces(codes: number, count: number, seed: number, key: number): number[] {
  const words = randomWords(seed ^ key);
  const places = new Set<number>();
  // A place met again is drawn again, a few times: extents are far longer than codebooks.
  for (let draws = 0; places.size < Math.min(codes, count) && draws < 16 * codes; draws++) {
    const unit = (words.next().value * 2 ** 21 + (words.next().value >>> 11)) / 2 ** 53;
    places.add(Math.floor(unit * count));
  }
  return [...places].sort((a, b) => a - b);
}

/** Index of the nearest of ascending codes; of two equally near ones the lower. */
function nearest(codes: Float64Array, x: number): number {
  let low = 0;
  let high = codes.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    // Halves, so that the sum of two large codes does not overflow.
    const border = (codes[middle] as number) / 2 + (codes[middle + 1] as number) / 2;
    if (x <= border) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What a tier makes of the values of one extent. */
export interface Quantizer {
  /** Replaces values by those that the tier keeps, in place. */
  apply(values: Float64Array): void;
}

/** Learns from all values of an extent, in order, what its tier needs to know: range, codebook. */
export class TierFit {
  readonly #tier: Tier;
  readonly #dtype: FloatDType;
  readonly #places: number[];
  readonly #drawn: number[] = [];
  #nextPlace = 0;
  #seen = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  /**
   * @param count  elements of the extent.
   * @param key    32 bits of the extent's identity.
   */
  constructor(tier: Tier, dtype: FloatDType, count: number, key: number) {
    this.#tier = tier;
    this.#dtype = dtype;
    const random = tier.scheme === 'quant' && tier.codebook === 'random';
    this.#places = random ? drawPlaces(2 ** tier.bits, count, tier.seed, key) : [];
  }

  /** True if values have to be added before `finish`. */
  static needsValues(tier: Tier): boolean {
    return tier.scheme === 'fixed' || tier.scheme === 'quant';
  }

  /** Adds the next values of the extent. */
  add(values: Float64Array): void {
    for (const x of values) {
      if (!Number.isFinite(x)) continue;
      if (x < this.#min) this.#min = x;
      if (x > this.#max) this.#max = x;
    }
    while (this.#nextPlace < this.#places.length) {
      const place = (this.#places[this.#nextPlace] as number) - this.#seen;
      if (place >= values.length) break;
      const x = values[place] as number;
      if (Number.isFinite(x)) this.#drawn.push(x);
      this.#nextPlace++;
    }
    this.#seen += values.length;
  }

  finish(): Quantizer {
    const tier = this.#tier;
    if (tier.scheme === 'fixed') return fixedPoint(tier.bits, this.#min, this.#max);
    if (tier.scheme === 'quant') return this.#codebook(tier.bits, tier.codebook);
    const { scheme } = tier;
    return {
      apply(values) {
        for (let i = 0; i < values.length; i++) values[i] = roundTo(scheme, values[i] as number);
      },
    };
  }

  #codebook(bits: number, kind: 'uniform' | 'random'): Quantizer {
    const codes = kind === 'random' ? this.#drawn : uniformCodes(2 ** bits, this.#min, this.#max);
    // Codes as the dtype holds them: what is stored is then the nearest of what can be stored.
    const stored = widen(
      this.#dtype,
      narrow(
        this.#dtype,
        Float64Array.from(codes, (x) => x + 0),
      ),
    );
    assert(stored !== null, 'a float dtype widens');
    const sorted = Float64Array.from(new Set(stored)).sort();
    return {
      apply(values) {
        if (sorted.length === 0) return;
        for (let i = 0; i < values.length; i++) {
          const x = values[i] as number;
          if (Number.isFinite(x)) values[i] = sorted[nearest(sorted, x)] as number;
        }
      },
    };
  }
}

/** Codes evenly from the least to the largest value; none if there are no values. */
function uniformCodes(count: number, min: number, max: number): number[] {
  if (min > max) return [];
  const steps = count - 1;
  // Each end is weighted alone: the difference of two large ones could overflow.
  return Array.from({ length: count }, (_, i) => min * ((steps - i) / steps) + max * (i / steps));
}

/**
 * Fixed point: q · 2^(e − bits + 1) with −2^(bits−1) ≤ q < 2^(bits−1), where 2^e is the least power
 * of two above every |value|. The error is at most half a step, a whole one at the upper end.
 */
function fixedPoint(bits: number, min: number, max: number): Quantizer {
  const size = min > max ? 0 : Math.max(Math.abs(min), Math.abs(max));
  const top = 2 ** (bits - 1);
  const step = 2 ** (exponentOf(size) + 1 - bits + 1);
  return {
    apply(values) {
      for (let i = 0; i < values.length; i++) {
        const x = values[i] as number;
        if (!Number.isFinite(x)) continue;
        const kept = Math.min(roundEven(x / step), top - 1) * step + 0;
        // The least code of a range up to 2^1024 is beyond float64.
        values[i] = Math.max(kept, -Number.MAX_VALUE);
      }
    },
  };
}

/** The tiered form of a run of elements. @returns fresh bytes; `bytes` is read only. */
export function quantizeBytes(
  quantizer: Quantizer,
  dtype: FloatDType,
  bytes: Uint8Array,
  errors: ErrorSum,
): Uint8Array {
  const exact = widenFloat(dtype, bytes);
  const kept = exact.slice();
  quantizer.apply(kept);
  const result = narrow(dtype, kept);
  errors.add(exact, widenFloat(dtype, result));
  return result;
}

/** As `widen`, for dtypes that have values; memory of its own. */
export function widenFloat(dtype: FloatDType, bytes: Uint8Array): Float64Array {
  assert(bytes.length % DTYPES[dtype as DType].width === 0, 'whole elements');
  if (dtype === 'F32') {
    // Copying from one typed array to another is many times faster than widening one by one.
    const own = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    return new Float64Array(new Float32Array(own.buffer, own.byteOffset, own.length / 4));
  }
  const values = widen(dtype, bytes);
  assert(values !== null, 'a float dtype widens');
  return dtype === 'F64' ? values.slice() : values;
}
