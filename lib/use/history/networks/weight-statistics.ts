/**
 * What the weights of a version look like: numbers and histograms of tensors and layers. Of large
 * checkpoints, leading planes are read: histograms are exact then, other numbers say what they are right to.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import {
  binRange,
  driftKind,
  hasPrefix,
  TensorWeights,
  valueError,
  type WeightSums,
} from '../../../pure/codec/drift.js';
import { splitFast } from '../../../pure/codec/planes.js';
import type { CountedTensor } from '../../../pure/network/cost/parameter-counts.js';
import type { LayerKind } from '../../../pure/network/layers/kinds.js';
import { groupParameters } from '../../../pure/network/weights/groups.js';
import { DTYPES, isNumeric, widen } from '../../../pure/tensor/dtype.js';
import type { Role } from '../../../pure/tensor/layout.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import type { Readers } from '../../../storage/objects/stored/stored-file.js';
import {
  readTensor,
  type StoredTensor,
  tensorBytes,
  tensorElements,
} from '../../../storage/objects/stored/tensors.js';
import { forEachPiece, hasLeadingPlanes } from '../../../storage/objects/tensor-planes.js';
import type { OpContext } from '../../context.js';
import type { DiffSide } from '../diff/sides.js';
import { uniqueNames } from '../find-tensors.js';

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

export interface TensorStatistics {
  name: string;
  dtype: string;
  shape: number[];
  /** null for a type that is no number. */
  statistics: WeightStatistics | null;
}

export interface LayerStatistics {
  name: string;
  kind: LayerKind;
  tensors: string[];
  statistics: WeightStatistics;
}

/** One checkpoint of a version. */
export interface CheckpointStatistics {
  key: string;
  role: Role;
  step: number | null;
  layers: LayerStatistics[];
  tensors: TensorStatistics[];
}

export interface StatisticsOptions {
  /** Reads all bytes, also of large checkpoints. */
  exact: boolean;
  /** Layers that tensors of a file belong to, where a network says so: name of the tensor → layer. */
  owners: ReadonlyMap<string, ReadonlyMap<string, { name: string; kind: LayerKind }>>;
}

/** Checkpoints of no more bytes are read whole. */
const EXACT_BYTES_MAX = 256 * 1024 * 1024;
/** Two planes of a float are enough for its histogram. */
const LEADING_PLANES = 2;
/** Tensors read at once. */
const LANES = 2;

/** Reads the statistics of the checkpoints of a side. @throws as `readTensor`. */
export async function weightStatistics(
  repo: ReadAccess,
  side: DiffSide,
  { exact, owners }: StatisticsOptions,
  context: OpContext,
): Promise<CheckpointStatistics[]> {
  const work: Row[] = [];
  const checkpoints: (() => CheckpointStatistics)[] = [];
  for (const { key, role, step, members } of side.snapshots) {
    const own: StoredTensor[] = [];
    for (const path of members) own.push(...((await side.files.get(path)?.tensors()) ?? []));
    const rows = uniqueNames(own.filter((tensor) => tensor.role === role)).map((one) => {
      const row: Row = { ...one, sums: null };
      work.push(row);
      return row;
    });
    checkpoints.push(() => ({
      key,
      role,
      step,
      layers: layersOf(rows, owners.get(key)),
      tensors: rows.map(({ name, tensor, sums }) => ({
        name,
        dtype: tensor.dtype,
        shape: tensor.shape,
        statistics: sums === null ? null : statisticsOf(sums, tensorElements(tensor)),
      })),
    }));
  }
  const bytes = work.reduce((sum, { tensor }) => sum + tensorBytes(tensor), 0);
  const known = exact || bytes <= EXACT_BYTES_MAX ? Number.POSITIVE_INFINITY : LEADING_PLANES;
  context.progress.start('reading weights', bytes);
  try {
    await forEachLimit(work, LANES, async (row) => {
      throwIfAborted(context.signal);
      row.sums = await sumsOf(repo, row.tensor, known, context.signal);
      context.progress.advance(tensorBytes(row.tensor));
    });
  } finally {
    context.progress.finish();
  }
  return checkpoints.map((checkpoint) => checkpoint());
}

/** Sums of a tensor or of several; the bins of the kernel would take 64 KiB of each. */
interface Sums extends Omit<WeightSums, 'bins'> {
  octaves: Map<number, Octave>;
  /** Relative error of each value at most. */
  bound: number;
}

interface Row {
  name: string;
  tensor: StoredTensor;
  sums: Sums | null;
}

function layersOf(
  rows: readonly Row[],
  owners: ReadonlyMap<string, { name: string; kind: LayerKind }> | undefined,
): LayerStatistics[] {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const counted = rows.map(({ name, tensor }): CountedTensor => {
    return { name, dtype: tensor.dtype, shape: tensor.shape };
  });
  const groups = new Map<string, { kind: LayerKind; rows: Row[] }>();
  for (const { name, kind, tensors } of groupParameters(counted)) {
    for (const tensor of tensors) {
      const owner = owners?.get(tensor.name) ?? { name, kind };
      const group = groups.get(owner.name) ?? { kind: owner.kind, rows: [] };
      group.rows.push(byName.get(tensor.name) as Row);
      groups.set(owner.name, group);
    }
  }
  return [...groups].flatMap(([name, { kind, rows: own }]): LayerStatistics[] => {
    const told = own.flatMap(({ sums }) => sums ?? []);
    const elements = own.reduce((sum, row) => {
      return sum + (row.sums === null ? 0 : tensorElements(row.tensor));
    }, 0);
    if (elements === 0) return [];
    const all = told.slice(1).reduce(together, told[0] as Sums);
    const tensors = own.map((row) => row.name);
    return [{ name, kind, tensors, statistics: statisticsOf(all, elements) }];
  });
}

/** The sums of one tensor; null if its values are no numbers. */
async function sumsOf(
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

function statisticsOf(sums: Sums, elements: number): WeightStatistics {
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
function together(a: Sums, b: Sums): Sums {
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
