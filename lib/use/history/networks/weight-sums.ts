/** Sums over weights, of a tensor or of several together, and the numbers that follow from them. */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import {
  binRange,
  driftKind,
  hasPrefix,
  TensorWeights,
  valueError,
  type WeightSums,
} from '../../../pure/codec/drift.js';
import { splitFast } from '../../../pure/codec/planes.js';
import { DTYPES, isNumeric, widen } from '../../../pure/tensor/dtype.js';
import type { Readers } from '../../../storage/objects/stored/stored-file.js';
import { readTensor, type StoredTensor } from '../../../storage/objects/stored/tensors.js';
import { forEachPiece, hasLeadingPlanes } from '../../../storage/objects/tensor-planes.js';

/** Values of one octave: 2^exponent ≤ |w| < 2^(exponent + 1). */
export interface Octave {
  exponent: number;
  negative: number;
  positive: number;
}

/** Numbers of weights. Those over values are over finite ones, and null without any. */
export interface WeightStatistics {
  elements: number;
  least: number | null;
  most: number | null;
  mean: number | null;
  /** Standard deviation. */
  deviation: number | null;
  absoluteMean: number | null;
  l1: number;
  l2: number;
  /** Fourth moment about 0 over the square of the second: 3 for normal values around 0. */
  kurtosis: number | null;
  zeros: number;
  nans: number;
  infinities: number;
  /** By exponent, ascending; zeros are in none. */
  histogram: Octave[];
  /**
   * Where leading planes were read, the relative error at most of least, most and norms, and of the mean in
   * relation to the mean of sizes; 0: all bytes were read.
   */
  bound: number;
}

/** Sums of a tensor or of several; the bins of the kernel would take 64 KiB of each. */
export interface Sums extends Omit<WeightSums, 'bins'> {
  octaves: Map<number, Octave>;
  /** Relative error of each value at most. */
  bound: number;
}

/** The sums of one tensor; null if its values are no numbers. */
export async function sumsOf(
  readers: Readers,
  tensor: StoredTensor,
  known: number,
  signal: AbortSignal | undefined,
): Promise<Sums | null> {
  if (!isNumeric(tensor.dtype)) return null;
  const kind = driftKind(tensor.dtype);
  if (kind !== undefined) {
    const leads = hasPrefix(tensor.dtype) && hasLeadingPlanes(tensor);
    const planes = leads ? Math.min(known, DTYPES[tensor.dtype].width) : DTYPES[tensor.dtype].width;
    const weights = new TensorWeights(kind);
    const isVerified = planes >= DTYPES[tensor.dtype].width;
    await forEachPiece(readers, tensor, { known: planes, isVerified, signal }, (own) => {
      weights.add(own);
    });
    return folded(weights.finish(), valueError(tensor.dtype, planes));
  }
  const weights = new TensorWeights(driftKind('F64') as number);
  for await (const bytes of readTensor(readers, tensor)) {
    throwIfAborted(signal);
    const values = widen(tensor.dtype, bytes) as Float64Array;
    const planes = Array.from({ length: 8 }, () => new Uint8Array(values.length));
    splitFast(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), planes);
    weights.add(planes);
  }
  return folded(weights.finish(), 0);
}

export function statisticsOf(sums: Sums, elements: number): WeightStatistics {
  const { sum, absolute, square, fourth, zeros, nans, infinities } = sums;
  const count = elements - nans - infinities;
  const mean = count > 0 ? sum / count : null;
  const second = count > 0 ? square / count : null;
  const told = (value: number): number | null => (Number.isFinite(value) ? value : null);
  return {
    elements,
    least: told(sums.least),
    most: told(sums.most),
    mean,
    deviation:
      mean === null || second === null ? null : Math.sqrt(Math.max(0, second - mean * mean)),
    absoluteMean: count > 0 ? absolute / count : null,
    l1: absolute,
    l2: Math.sqrt(square),
    kurtosis: second === null || second === 0 ? null : told(fourth / count / (second * second)),
    zeros,
    nans,
    infinities,
    histogram: [...sums.octaves.values()].sort((a, b) => a.exponent - b.exponent),
    bound: sums.bound,
  };
}

function folded({ bins, ...sums }: WeightSums, bound: number): Sums {
  return { ...sums, octaves: octavesOf(bins), bound };
}

/** Sums of two as if they were one. */
export function together(a: Sums, b: Sums): Sums {
  const octaves = new Map(a.octaves);
  for (const [exponent, { negative, positive }] of b.octaves) {
    const own = octaves.get(exponent) ?? { exponent, negative: 0, positive: 0 };
    octaves.set(exponent, {
      exponent,
      negative: own.negative + negative,
      positive: own.positive + positive,
    });
  }
  return {
    sum: a.sum + b.sum,
    absolute: a.absolute + b.absolute,
    square: a.square + b.square,
    fourth: a.fourth + b.fourth,
    least: Math.min(a.least, b.least),
    most: Math.max(a.most, b.most),
    zeros: a.zeros + b.zeros,
    nans: a.nans + b.nans,
    infinities: a.infinities + b.infinities,
    octaves,
    bound: Math.max(a.bound, b.bound),
  };
}

/** Bins of an octave taken together: there are four of each sign. */
function octavesOf(bins: Uint32Array): Map<number, Octave> {
  const octaves = new Map<number, Octave>();
  for (let bin = 0; bin < bins.length; bin++) {
    const count = bins[bin] as number;
    if (count === 0) continue;
    const { sign, from, to } = binRange(bin);
    // Zeros are counted apart, and what is not finite.
    if (from === 0 || !Number.isFinite(to)) continue;
    const exponent = Math.floor(Math.log2(from));
    const octave = octaves.get(exponent) ?? { exponent, negative: 0, positive: 0 };
    if (sign < 0) octave.negative += count;
    else octave.positive += count;
    octaves.set(exponent, octave);
  }
  return octaves;
}
