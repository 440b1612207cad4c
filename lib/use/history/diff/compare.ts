/**
 * What changed between two tensors, in numbers that do not depend on the machine (docs/cli.md, diff).
 *
 * Values are widened to float64; sums are compensated and in a fixed order, so the same tensors give the
 * same digits everywhere. Large tensors may be compared by leading planes: then each number says its bound.
 */
import {
  type DriftSums,
  driftKind,
  hasPrefix,
  PairDrift,
  valueError,
} from '../../../pure/codec/drift.js';
import { DTYPES, isNumeric } from '../../../pure/tensor/dtype.js';
import type { Readers } from '../../../storage/objects/stored/stored-file.js';
import {
  isContiguous,
  type StoredTensor,
  sameBytes,
  tensorElements,
} from '../../../storage/objects/stored/tensors.js';
import { forEachPair, hasLeadingPlanes } from '../../../storage/objects/tensor-planes.js';
import { type ChangeRank, RankCollector, rankWork } from './change-rank.js';
import { WidenedPair } from './widened-pair.js';

/** What leading planes leave open. Each number is right to ± its bound. */
export interface NumberBound {
  /** Planes that were read, of so many. */
  planes: number;
  of: number;
  /** True if the share of changed elements is exact all the same; else it is a lower bound. */
  changedIsExact: boolean;
  maxAbs: number;
  relativeL2: number;
  cosine: number;
  /** Of the norms: of ‖b − a‖ by itself, of ‖a‖ and ‖b‖ in relation to them. */
  change: number;
  norm: number;
}

/** Norms over pairs of finite values, from which layers are put together. */
export interface PairNorms {
  before: number;
  after: number;
  /** ‖b − a‖. */
  change: number;
  /** a·b. */
  dot: number;
}

/** Statistics of one pair of tensors. Numbers are null where they have no meaning. */
export interface TensorComparison {
  /** Elements of the new tensor (packed types: bytes that hold them). */
  elements: number;
  /** True if all bits are equal. */
  equal: boolean;
  /** Share of elements with different bits, 0…1; null for another count or dtype, and for 6-bit types. */
  changed: number | null;
  /** Largest |b − a| over pairs of finite values, of complex ones their distance. Exact for integers: decimal text above 2^53. */
  maxAbs: number | string | null;
  /** ‖b − a‖ / ‖a‖ over pairs of finite values; null if ‖a‖ is 0 or beyond float64. */
  relativeL2: number | null;
  /** a·b / (‖a‖ ‖b‖) over pairs of finite values; null if a norm is 0 or beyond float64. */
  cosine: number | null;
  /** Share of elements whose sign turned: from below 0 to above it, or back. */
  signFlips: number | null;
  /** Pairs in which a value is not finite, left out of the numbers above. */
  nonFinite: number;
  norms: PairNorms | null;
  /** Rank of the change, of a matrix for which that was worked out. */
  rank: ChangeRank | null;
  /** null: all bytes were read, or did not have to be, and the numbers are exact. */
  bound: NumberBound | null;
  /** Same count, other shape. */
  reshaped: boolean;
  dtypeChanged: boolean;
}

/** How two tensors are compared. */
export interface CompareOptions {
  signal?: AbortSignal | undefined;
  /** Leading planes that are enough, where both tensors are floats of one type; default: all. */
  planes?: number;
  /** Works out the rank of the change, where all bytes are read. */
  rank?: boolean;
  /** Elements that differ, where that is known without reading them. */
  changedElements?: number | null;
}

/**
 * Compares tensor `a` (old) with `b` (new). Tensors known to be equal are not read.
 * @throws {CorruptError} {LimitError} as `readTensor`; {AbortedError} between pieces.
 */
export async function compareTensors(
  readers: Readers,
  a: StoredTensor,
  b: StoredTensor,
  options: CompareOptions = {},
): Promise<TensorComparison> {
  const elements = tensorElements(b);
  const dtypeChanged = a.dtype !== b.dtype;
  const sameCount = tensorElements(a) === elements;
  const reshaped = sameCount && JSON.stringify(a.shape) !== JSON.stringify(b.shape);
  const result: TensorComparison = {
    elements,
    equal: false,
    changed: null,
    maxAbs: null,
    relativeL2: null,
    cosine: null,
    signFlips: null,
    nonFinite: 0,
    norms: null,
    rank: null,
    bound: null,
    reshaped,
    dtypeChanged,
  };
  if (!sameCount) return result;
  // Another shape leaves the order of the elements as it is only where they are in that order.
  const reshapes = isContiguous(a) && isContiguous(b);
  const plain = (tensor: StoredTensor) => ({ ...tensor, shape: [elements], strides: null });
  if (
    elements === 0 ||
    (!dtypeChanged && (sameBytes(a, b) || (reshapes && sameBytes(plain(a), plain(b)))))
  ) {
    return { ...result, equal: !dtypeChanged, ...identical(b) };
  }
  const numeric = isNumeric(a.dtype) && isNumeric(b.dtype);
  if (dtypeChanged && !numeric) return result;
  const kinds = [driftKind(a.dtype), driftKind(b.dtype)];
  const [x, y] = kinds;
  if (x === undefined || y === undefined) {
    const pair = new WidenedPair(a, b);
    await pair.read(readers, options.signal);
    return { ...result, ...finishWidened(pair, numeric) };
  }
  const known = dtypeChanged || !canLead(a, b) ? Number.POSITIVE_INFINITY : options.planes;
  const drift = new PairDrift([x, y]);
  const enough = known ?? Number.POSITIVE_INFINITY;
  const isWhole = enough >= DTYPES[b.dtype].width;
  // What is not read whole says about how far tensors are apart: the checksums of packs are enough for that.
  const how = { known: enough, isVerified: isWhole, signal: options.signal };
  const isRanked = options.rank && isWhole && rankWork(a) > 0 && rankWork(b) > 0;
  const rank = isRanked ? new RankCollector(a, b) : null;
  await forEachPair(readers, [a, b], how, (p, q) => {
    drift.add(p, q);
    rank?.add(p, q);
  });
  const sums = drift.finish();
  const read = Math.min(how.known, DTYPES[b.dtype].width);
  const changed = dtypeChanged ? null : sums.differ / elements;
  const all = { ...result, ...numbersOf(sums, elements), changed, equal: changed === 0 };
  if (isWhole) return all.equal || rank === null ? all : { ...all, rank: rank.finish() };
  const exact = options.changedElements ?? null;
  return {
    ...all,
    // Extents of other ids differ, whatever their leading planes are.
    equal: false,
    changed: exact === null ? changed : exact / elements,
    bound: boundOf(sums, all, { b, read, isExact: exact !== null }),
  };
}

/** True if leading planes of both can be read, and say something. */
export function canLead(a: StoredTensor, b: StoredTensor): boolean {
  const isFloat = a.dtype === b.dtype && hasPrefix(b.dtype);
  return isFloat && hasLeadingPlanes(a) && hasLeadingPlanes(b);
}

/** The numbers of a tensor compared with itself: nothing changed, so no value has to be read. */
function identical(tensor: StoredTensor): Partial<TensorComparison> {
  if (!isNumeric(tensor.dtype)) return { changed: 0 };
  const isComplex = DTYPES[tensor.dtype].kind === 'complex';
  return { changed: 0, maxAbs: 0, relativeL2: 0, cosine: 1, signFlips: isComplex ? null : 0 };
}

/** The numbers of types that the kernel does not know. */
function finishWidened(pair: WidenedPair, numeric: boolean): Partial<TensorComparison> {
  const changed = pair.changedShare();
  const told = { changed, equal: pair.isEqual };
  if (!numeric) return told;
  const numbers = numbersOf(pair.sums(), pair.components);
  if (numbers.maxAbs === null) return { ...numbers, ...told };
  // Complex numbers have no sign.
  const signs = pair.isComplex ? { signFlips: null } : {};
  return { ...numbers, ...told, ...signs, maxAbs: pair.exactMax() ?? numbers.maxAbs };
}

/** What sums say. @param components  pairs of numbers: of complex types two for each element. */
function numbersOf(
  sums: DriftSums,
  components: number,
): Pick<
  TensorComparison,
  'nonFinite' | 'maxAbs' | 'relativeL2' | 'cosine' | 'signFlips' | 'norms'
> {
  const { odd, dot } = sums;
  const before = Math.sqrt(sums.before);
  const after = Math.sqrt(sums.after);
  const change = Math.sqrt(sums.change);
  const cosine = before > 0 && after > 0 ? dot / (before * after) : null;
  const isKnown = [before, after, change, dot].every(Number.isFinite);
  return {
    nonFinite: odd,
    maxAbs: odd === components ? null : sums.maxAbs,
    relativeL2: before > 0 ? finiteOrNull(change / before) : null,
    // Rounding of the three sums may carry a hair beyond the bound that the quotient has.
    cosine: cosine === null ? null : finiteOrNull(Math.max(-1, Math.min(1, cosine))),
    signFlips: sums.signFlips / components,
    norms: isKnown ? { before, after, change, dot } : null,
  };
}

/** What the planes that were not read can change at most. */
function boundOf(
  sums: DriftSums,
  { relativeL2, maxAbs, cosine, norms }: TensorComparison,
  { b, read, isExact }: { b: StoredTensor; read: number; isExact: boolean },
): NumberBound {
  const norm = valueError(b.dtype, read);
  const { before = 0, after = 0 } = norms ?? {};
  const change = norm * (before + after);
  const largest = Number(maxAbs ?? 0);
  const [least, most] = [
    Math.max(0, Math.sqrt(sums.change) - change) / (before * (1 + norm)),
    (Math.sqrt(sums.change) + change) / (before * (1 - norm)),
  ];
  return {
    planes: read,
    of: DTYPES[b.dtype].width,
    changedIsExact: isExact,
    maxAbs: Math.max(sums.maxAbsMost - largest, largest - sums.maxAbsLeast),
    relativeL2: relativeL2 === null ? 0 : Math.max(most - relativeL2, relativeL2 - least),
    cosine: cosineBound(cosine, norm),
    change,
    norm,
  };
}

/** How far off the cosine of two vectors may be. @param norm  the relative error of each vector, below 1. */
export function cosineBound(cosine: number | null, norm: number): number {
  // Each vector may turn by the angle whose sine is its relative error.
  const angle = Math.acos(cosine ?? 1);
  const turn = 2 * Math.asin(norm);
  const own = Math.cos(angle);
  const lowest = Math.cos(Math.min(Math.PI, angle + turn));
  const highest = Math.cos(Math.max(0, angle - turn));
  return Math.max(own - lowest, highest - own);
}

/** Squares of float64 values beyond 1e154 overflow: the quotient of such sums says nothing. */
function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
