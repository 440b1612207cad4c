/** Sums over weights, of a tensor or of several together, and the numbers that follow from them. */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import { maxOf } from '../../../base/bytes/many.js';
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
import { readTensor } from '../../../storage/objects/stored/read-tensor.js';
import type { Readers } from '../../../storage/objects/stored/stored-file.js';
import type { StoredTensor } from '../../../storage/objects/stored/tensors.js';
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
  /** null where they are beyond the largest float64. */
  l1: number | null;
  l2: number | null;
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
  /** Sums are of values / 2^scale, but for least and most; 0 unless their squares are out of range. */
  scale: number;
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
    const sums = weights.finish();
    const bound = valueError(tensor.dtype, planes);
    const scale = scaleOf(sums);
    if (scale === 0) return { ...folded(sums, bound), scale };
    const { least, most, zeros } = sums;
    const scaled = (await widenedSums(readers, tensor, scale, signal)).finish();
    return { ...scaled, least, most, zeros, octaves: octavesOf(sums.bins), bound, scale };
  }
  return { ...folded((await widenedSums(readers, tensor, 0, signal)).finish(), 0), scale: 0 };
}

/** Values beyond 2^±230 have fourth powers that float64 cannot add up. */
const PLAIN_EXPONENT_MAX = 230;
/** 2^±1000 and its reciprocal are float64 numbers both. */
const SCALE_MAX = 1000;

/** The power of two by which values are divided before their squares are taken. */
function scaleOf({ least, most }: Pick<WeightSums, 'least' | 'most'>): number {
  const exponent = Math.floor(Math.log2(Math.max(Math.abs(least), Math.abs(most))));
  if (!Number.isFinite(exponent) || Math.abs(exponent) <= PLAIN_EXPONENT_MAX) return 0;
  return Math.max(-SCALE_MAX, Math.min(SCALE_MAX, exponent));
}

/** Reads all values as float64, divided by 2^scale. */
async function widenedSums(
  readers: Readers,
  tensor: StoredTensor,
  scale: number,
  signal: AbortSignal | undefined,
): Promise<TensorWeights> {
  const weights = new TensorWeights(driftKind('F64') as number);
  const factor = 2 ** -scale;
  for await (const bytes of readTensor(readers, tensor)) {
    throwIfAborted(signal);
    const values = widen(tensor.dtype, bytes) as Float64Array;
    if (scale !== 0)
      for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) * factor;
    const planes = Array.from({ length: 8 }, () => new Uint8Array(values.length));
    splitFast(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), planes);
    weights.add(planes);
  }
  return weights;
}

export function statisticsOf(sums: Sums, elements: number): WeightStatistics {
  const { sum, absolute, square, fourth, zeros, nans, infinities } = sums;
  const count = elements - nans - infinities;
  // Of values / 2^scale.
  const center = count > 0 ? sum / count : null;
  const second = count > 0 ? square / count : null;
  const told = (value: number): number | null => (Number.isFinite(value) ? value : null);
  const whole = (value: number | null): number | null =>
    value === null ? null : told(value * 2 ** sums.scale);
  return {
    elements,
    least: told(sums.least),
    most: told(sums.most),
    mean: whole(center),
    deviation:
      center === null || second === null
        ? null
        : whole(Math.sqrt(Math.max(0, second - center * center))),
    absoluteMean: whole(count > 0 ? absolute / count : null),
    l1: whole(absolute),
    l2: whole(Math.sqrt(square)),
    kurtosis: second === null || second === 0 ? null : told(fourth / count / (second * second)),
    zeros,
    nans,
    infinities,
    histogram: [...sums.octaves.values()].sort((a, b) => a.exponent - b.exponent),
    bound: sums.bound,
  };
}

function folded({ bins, ...sums }: WeightSums, bound: number): Omit<Sums, 'scale'> {
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
  const scales = [a, b].flatMap((one) => (one.absolute === 0 ? [] : one.scale));
  const scale = scales.length === 0 ? 0 : maxOf(scales);
  const power = (of: (one: Sums) => number, degree: number): number =>
    [a, b].reduce((sum, one) => {
      return of(one) === 0 ? sum : sum + of(one) * 2 ** (degree * (one.scale - scale));
    }, 0);
  return {
    scale,
    sum: power((one) => one.sum, 1),
    absolute: power((one) => one.absolute, 1),
    square: power((one) => one.square, 2),
    fourth: power((one) => one.fourth, 4),
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
