/**
 * Numbers of tensors, and of how far one is from another, by the kernel: sums in float64 that every build
 * gives alike. Of leading planes, each value counts as the middle of what it can be, and `valueError` bounds
 * what that does. @see native/drift.h
 */
import { loadKernel } from '../../base/native/kernel.js';
import { DTYPES, type DType } from '../tensor/dtype.js';

/** Kinds of native/drift.h, in its order. */
const KINDS = ['F32', 'F16', 'BF16', 'F64', 'I8', 'U8', 'I16', 'U16', 'I32', 'U32'] as const;

/** What elements count as; undefined for types that have to be widened to F64 first. */
export function driftKind(dtype: DType): number | undefined {
  const kind = (KINDS as readonly string[]).indexOf(dtype);
  return kind < 0 ? undefined : kind;
}

/**
 * Bound of |value − true value| / |value| where the leading `known` planes of a type are known; 0 if they are
 * all there are. Floats of exponent 0 count as 0, which is off by 2^−126 at most.
 */
export function valueError(dtype: DType, known: number): number {
  if (known >= DTYPES[dtype].width) return 0;
  return 2 ** -(8 * known - (dtype === 'F64' ? 11 : 8));
}

/** True for types of which leading planes bound the values. */
export function hasPrefix(dtype: DType): boolean {
  return dtype === 'F32' || dtype === 'F64';
}

/** Numbers of a pair of tensors, over pairs of which both values are finite. */
export interface DriftSums {
  /** ‖b − a‖², ‖a‖², ‖b‖², a·b. */
  change: number;
  before: number;
  after: number;
  dot: number;
  /** Largest |b − a|, and between what it lies. */
  maxAbs: number;
  maxAbsLeast: number;
  maxAbsMost: number;
  /** Pairs whose known bytes differ; of equal types alone. */
  differ: number;
  /** Pairs of opposite signs. */
  signFlips: number;
  /** Pairs of which a value is not finite. */
  odd: number;
}

const DRIFT_FIELDS = 14;

/** Collects the numbers of a pair. Pieces come in order, all but the last of a multiple of 1,024 elements. */
export class PairDrift {
  readonly #state = new Float64Array(DRIFT_FIELDS);
  readonly #bytes = new Uint8Array(this.#state.buffer);
  readonly #kinds: readonly [number, number];

  /** @param kinds  of `driftKind`, of either side. */
  constructor(kinds: readonly [number, number]) {
    this.#kinds = kinds;
  }

  /** Adds leading planes of as many elements on either side. */
  add(a: readonly Uint8Array[], b: readonly Uint8Array[]): void {
    const [x, y] = this.#kinds;
    loadKernel().services.drift(a, x, b, y, this.#bytes);
  }

  finish(): DriftSums {
    const state = this.#state;
    const at = (field: number): number => state[field] as number;
    const sum = (field: number): number => at(field) + at(field + 1);
    return {
      change: sum(0),
      before: sum(2),
      after: sum(4),
      dot: sum(6),
      maxAbs: at(8),
      maxAbsLeast: at(9),
      maxAbsMost: at(10),
      differ: at(11),
      signFlips: at(12),
      odd: at(13),
    };
  }
}

const WEIGH_FIELDS = 13;
const BINS = 16384;

/** Numbers of one tensor, over finite values but for the counts. */
export interface WeightSums {
  sum: number;
  absolute: number;
  square: number;
  fourth: number;
  /** ±Infinity if no value is finite. */
  least: number;
  most: number;
  zeros: number;
  nans: number;
  infinities: number;
  /**
   * Counts by sign, exponent and two bits of mantissa: bin i holds the values whose first 14 bits as a float64
   * are i.
   */
  bins: Uint32Array;
}

/** Collects the numbers of a tensor. Pieces as in PairDrift. */
export class TensorWeights {
  readonly #state = new Float64Array(WEIGH_FIELDS);
  readonly #bins = new Uint32Array(BINS);
  readonly #kind: number;

  constructor(kind: number) {
    this.#kind = kind;
    this.#state[8] = Number.POSITIVE_INFINITY;
    this.#state[9] = Number.NEGATIVE_INFINITY;
  }

  add(planes: readonly Uint8Array[]): void {
    const state = new Uint8Array(this.#state.buffer);
    loadKernel().services.weigh(planes, this.#kind, state, new Uint8Array(this.#bins.buffer));
  }

  finish(): WeightSums {
    const at = (field: number): number => this.#state[field] as number;
    const sum = (field: number): number => at(field) + at(field + 1);
    return {
      sum: sum(0),
      absolute: sum(2),
      square: sum(4),
      fourth: sum(6),
      least: at(8),
      most: at(9),
      zeros: at(10),
      nans: at(11),
      infinities: at(12),
      bins: this.#bins,
    };
  }
}

/**
 * The values of a bin of `WeightSums`: from, which it may reach, up to but not `to`, by size. `to` is not
 * finite if the bin holds values that are not.
 */
export function binRange(bin: number): { sign: 1 | -1; from: number; to: number } {
  const word = new DataView(new ArrayBuffer(8));
  const sizeOf = (bits: number): number => {
    // One beyond the last size would be the sign.
    word.setUint32(0, (Math.min(bits, BINS / 2 - 1) << 18) >>> 0);
    return word.getFloat64(0);
  };
  const size = bin & (BINS / 2 - 1);
  return { sign: bin < BINS / 2 ? 1 : -1, from: sizeOf(size), to: sizeOf(size + 1) };
}
