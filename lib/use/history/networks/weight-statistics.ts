/**
 * What the weights of a version look like: numbers and histograms of tensors and layers. Of large
 * checkpoints, leading planes are read: histograms are exact then, other numbers say what they are right to.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { pushAll } from '../../../base/bytes/many.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import { type CountedTensor, isBuffer } from '../../../pure/network/cost/parameter-counts.js';
import type { LayerKind } from '../../../pure/network/layers/kinds.js';
import { groupParameters } from '../../../pure/network/weights/groups.js';
import { DTYPES, type DType } from '../../../pure/tensor/dtype.js';
import type { Role } from '../../../pure/tensor/layout.js';
import {
  bringTensors,
  leadingHere,
  type SuppliedReader,
} from '../../../storage/objects/stored/bring.js';
import {
  type StoredTensor,
  tensorBytes,
  tensorElements,
} from '../../../storage/objects/stored/tensors.js';
import type { OpContext } from '../../context.js';
import type { DiffSide } from '../diff/sides.js';
import { uniqueNames } from '../find-tensors.js';
import { type Sums, statisticsOf, sumsOf, together, type WeightStatistics } from './weight-sums.js';

export interface TensorStatistics {
  name: string;
  dtype: string;
  shape: number[];
  /** null for a type that is no number. */
  statistics: WeightStatistics | null;
}

/** What a layer learned. Whole numbers, which stand for weights by a scale, have a row of their own. */
export interface LayerStatistics {
  name: string;
  kind: LayerKind;
  tensors: string[];
  /** Their types, in the order in which they first appear. */
  dtypes: string[];
  statistics: WeightStatistics;
}

/** One checkpoint of a version. */
export interface CheckpointStatistics {
  key: string;
  role: Role;
  step: number | null;
  layers: LayerStatistics[];
  /** Running statistics, counters and masks: they are in no layer, only in `tensors`. */
  buffers: { tensors: number; elements: number };
  tensors: TensorStatistics[];
}

/** The layer that a tensor belongs to, and whether it is kept there and not trained. */
export interface TensorOwner {
  name: string;
  kind: LayerKind;
  isBuffer: boolean;
}

export interface StatisticsOptions {
  /** Reads all bytes, also of large checkpoints. */
  exact: boolean;
  /** Layers that tensors of a file belong to, where a network says so: name of the tensor → layer. */
  owners: ReadonlyMap<string, ReadonlyMap<string, TensorOwner>>;
}

/** Checkpoints of no more bytes are read whole. */
const EXACT_BYTES_MAX = 256 * 1024 * 1024;
/** Two planes of a float are enough for its histogram. */
const LEADING_PLANES = 2;
/** Tensors read at once. */
const TENSORS_AT_ONCE = 2;

/** Reads the statistics of the checkpoints of a side. @throws as `readTensor`. */
export async function weightStatistics(
  repo: SuppliedReader,
  side: DiffSide,
  { exact, owners }: StatisticsOptions,
  context: OpContext,
): Promise<CheckpointStatistics[]> {
  const work: Row[] = [];
  const checkpoints: (() => CheckpointStatistics)[] = [];
  for (const { key, role, step, members } of side.snapshots) {
    const own: StoredTensor[] = [];
    for (const path of members) pushAll(own, (await side.files.get(path)?.tensors()) ?? []);
    const rows = uniqueNames(own.filter((tensor) => tensor.role === role)).map((one) => {
      const row: Row = { ...one, sums: null };
      work.push(row);
      return row;
    });
    const isState = role === 'optimizer';
    const kept = new Set(
      rows.filter((row) =>
        isState ? isCounter(row) : isKept(row, owners.get(key)?.get(row.name)),
      ),
    );
    const learned = rows.filter((row) => !kept.has(row));
    checkpoints.push(() => ({
      key,
      role,
      step,
      layers: layersOf(learned, isState ? eachApart(learned) : owners.get(key)),
      buffers: {
        tensors: kept.size,
        elements: [...kept].reduce((sum, { tensor }) => sum + tensorElements(tensor), 0),
      },
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
  const wanted = work.map(({ tensor }) => tensor);
  await bringTensors(repo, wanted, exact ? WIDTH_MAX : (repo.promises?.planes ?? WIDTH_MAX));
  context.progress.start('reading weights', bytes);
  try {
    await forEachLimit(work, TENSORS_AT_ONCE, async (row) => {
      throwIfAborted(context.signal);
      // A clone without low planes says what it knows, and how far off that may be.
      const few = exact ? null : await leadingHere(repo, row.tensor);
      row.sums = await sumsOf(repo, row.tensor, few ?? known, context.signal);
      context.progress.advance(tensorBytes(row.tensor));
    });
  } finally {
    context.progress.finish();
  }
  return checkpoints.map((checkpoint) => checkpoint());
}

interface Row {
  name: string;
  tensor: StoredTensor;
  sums: Sums | null;
}

/** True for what is kept with the weights and not trained. */
function isKept({ name, tensor }: Row, owner: TensorOwner | undefined): boolean {
  return owner?.isBuffer === true || isBuffer(countedOf({ name, tensor }));
}

/** True for what an optimizer counts, such as its steps. */
function isCounter({ tensor }: Row): boolean {
  return tensorElements(tensor) === 1;
}

/** Moments of an optimizer are of different sizes: together their numbers would say nothing. */
function eachApart(rows: readonly Row[]): ReadonlyMap<string, TensorOwner> {
  return new Map(rows.map(({ name }) => [name, { name, kind: 'other', isBuffer: false }]));
}

function countedOf({ name, tensor }: Pick<Row, 'name' | 'tensor'>): CountedTensor {
  return { name, dtype: tensor.dtype, shape: tensor.shape };
}

/** Layers in the order of the network where there is one, others behind it as they first appear. */
function layersOf(
  rows: readonly Row[],
  owners: ReadonlyMap<string, TensorOwner> | undefined,
): LayerStatistics[] {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const groups = new Map<string, { name: string; kind: LayerKind; rows: Row[] }>();
  const order = new Map([...(owners?.values() ?? [])].map(({ name }) => [name, [] as string[]]));
  for (const group of groupParameters(rows.map(countedOf))) {
    for (const tensor of group.tensors) {
      const { name, kind } = owners?.get(tensor.name) ?? group;
      const row = byName.get(tensor.name) as Row;
      const isWhole = !isFloat(row.tensor.dtype);
      const key = JSON.stringify([name, isWhole]);
      const own = groups.get(key) ?? { name, kind, rows: [] };
      own.rows.push(row);
      groups.set(key, own);
      const keys = order.get(name) ?? [];
      if (own.rows.length === 1) keys.push(key);
      order.set(name, keys);
    }
  }
  return [...order.values()].flat().flatMap((key): LayerStatistics[] => {
    const {
      name,
      kind,
      rows: own,
    } = groups.get(key) as { name: string; kind: LayerKind; rows: Row[] };
    const told = own.filter(({ sums }) => sums !== null);
    const elements = told.reduce((sum, { tensor }) => sum + tensorElements(tensor), 0);
    if (elements === 0) return [];
    const all = told
      .slice(1)
      .reduce((sum, { sums }) => together(sum, sums as Sums), told[0]?.sums as Sums);
    const tensors = own.map((row) => row.name);
    const dtypes = [...new Set(own.map(({ tensor }) => tensor.dtype))];
    return [{ name, kind, tensors, dtypes, statistics: statisticsOf(all, elements) }];
  });
}

function isFloat(dtype: DType): boolean {
  return DTYPES[dtype].kind === 'float';
}
