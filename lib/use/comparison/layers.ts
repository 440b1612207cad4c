/** Layers by how far their weights moved: the numbers of their tensors taken together. */
import { maxOf } from '../../base/bytes/many.js';
import { type CountedTensor, isBuffer } from '../../pure/network/cost/parameter-counts.js';
import type { LayerKind } from '../../pure/network/layers/kinds.js';
import { groupParameters } from '../../pure/network/weights/groups.js';
import { cosineBound, type TensorComparison } from '../history/diff/compare.js';
import type { SnapshotDiff, TensorDiff } from '../history/diff/snapshots.js';
import type { NetworkSide } from './network-sides.js';
import type { DriftCell, LayerDrift } from './result.js';

/** A layer that tensors of a file belong to. */
export interface Owner {
  name: string;
  kind: LayerKind;
  /** True for statistics and counters, which are kept there and not trained. */
  isBuffer: boolean;
}

/** Rows by key and layer, as they are collected. */
interface Row extends LayerDrift {
  cells: (DriftCell | null)[];
}

/**
 * One row for each layer of which some tensor was compared and differs. Equal layers have none.
 * @param ends       for each version its checkpoints against the baseline's; null for the baseline.
 * @param networks   of the baseline: they know which tensors make a layer.
 */
export function compareLayers(
  ends: readonly (readonly SnapshotDiff[] | null)[],
  networks: readonly NetworkSide[],
): LayerDrift[] {
  const rows = new Map<string, Row>();
  const owners = ownersIn(networks);
  for (const [at, snapshots] of ends.entries()) {
    for (const snapshot of snapshots ?? []) {
      const key = snapshot.keyBefore ?? snapshot.keyAfter ?? '';
      const ownerOf = owners.get(key) ?? ownersOfNames(snapshot.tensors);
      for (const [name, { kind, tensors }] of byLayer(snapshot.tensors, ownerOf)) {
        // Statistics and counters are no weights; of a layer that has nothing else they tell.
        const learned = tensors.filter((tensor) => {
          return !isBuffer(countedOf(tensor)) && ownerOf.get(nameOf(tensor))?.isBuffer !== true;
        });
        const own = learned.length > 0 ? learned : tensors;
        const cell = driftOf(own);
        if (cell === null) continue;
        const id = JSON.stringify([key, snapshot.role, name]);
        const row = rows.get(id) ?? {
          key: `${snapshot.role} ${key}`,
          name,
          kind,
          tensors: [],
          elements: 0,
          cells: ends.map(() => null),
        };
        row.tensors = [...new Set([...row.tensors, ...own.map(nameOf)])];
        row.elements = Math.max(row.elements, elementsOf(own));
        row.cells[at] = cell;
        rows.set(id, row);
      }
    }
  }
  return withoutTwins(weightsFirst([...rows.values()]), networks);
}

/** Rows of weights; those of optimizers and other states only where no weights differ. */
function weightsFirst(rows: readonly Row[]): Row[] {
  const ofWeights = rows.filter(({ key }) => /^(weights|ema) /.test(key));
  return ofWeights.length > 0 ? ofWeights : [...rows];
}

/**
 * One row for each layer of a network that several files hold the weights of, such as an ONNX file and the
 * checkpoint it was made from: those of the file that is in most versions.
 */
function withoutTwins(rows: readonly Row[], networks: readonly NetworkSide[]): Row[] {
  const left = new Set(rows);
  for (const { layers } of networks) {
    const paths = new Set(layers.flatMap(({ tensors }) => tensors.map(({ path }) => path)));
    if (paths.size < 2) continue;
    const byPath = [...paths].map((path) => rows.filter(({ key }) => key === `weights ${path}`));
    const cells = byPath.map((own) => own.flatMap((row) => row.cells.filter(Boolean)).length);
    const most = cells.indexOf(maxOf(cells));
    for (const [at, own] of byPath.entries()) {
      if (at !== most) for (const row of own) left.delete(row);
    }
  }
  return rows.filter((row) => left.has(row));
}

/** Layers of networks by the path of a file, then the name of a tensor. */
export function ownersIn(networks: readonly NetworkSide[]): Map<string, Map<string, Owner>> {
  const owners = new Map<string, Map<string, Owner>>();
  for (const { isGraph, layers } of networks) {
    for (const { name, kind, tensors } of isGraph ? layers : []) {
      for (const tensor of tensors) {
        const own = owners.get(tensor.path) ?? new Map<string, Owner>();
        if (!own.has(tensor.name)) own.set(tensor.name, { name, kind, isBuffer: tensor.isBuffer });
        owners.set(tensor.path, own);
      }
    }
  }
  return owners;
}

function ownersOfNames(tensors: readonly TensorDiff[]): Map<string, Owner> {
  const groups = groupParameters(tensors.map(countedOf));
  return new Map(
    groups.flatMap(({ name, kind, tensors: own }) =>
      own.map((one) => [one.name, { name, kind, isBuffer: isBuffer(one) }]),
    ),
  );
}

function countedOf(tensor: TensorDiff): CountedTensor {
  const { dtype = null, shape = [] } = tensor.before ?? tensor.after ?? {};
  return { name: nameOf(tensor), dtype, shape };
}

function nameOf({ name, nameBefore }: TensorDiff): string {
  return nameBefore ?? name;
}

function byLayer(
  tensors: readonly TensorDiff[],
  owners: ReadonlyMap<string, Owner>,
): Map<string, { kind: LayerKind; tensors: TensorDiff[] }> {
  const layers = new Map<string, { kind: LayerKind; tensors: TensorDiff[] }>();
  for (const tensor of tensors) {
    const { name, kind } = owners.get(nameOf(tensor)) ?? { name: nameOf(tensor), kind: 'other' };
    const layer = layers.get(name) ?? { kind, tensors: [] };
    layer.tensors.push(tensor);
    layers.set(name, layer);
  }
  return layers;
}

function elementsOf(tensors: readonly TensorDiff[]): number {
  return tensors.reduce((sum, { numbers }) => sum + (numbers?.elements ?? 0), 0);
}

/** The numbers of several tensors as if they were one; null if nothing was compared, or nothing differs. */
export function driftOf(tensors: readonly Pick<TensorDiff, 'numbers'>[]): DriftCell | null {
  const all = tensors.flatMap(({ numbers }) => (numbers === null ? [] : [numbers]));
  const numbers = all.filter(({ relativeL2, norms }) => relativeL2 !== null || norms !== null);
  if (numbers.length === 0 || all.every(({ equal }) => equal)) return null;
  const known = numbers.flatMap(({ norms }) => (norms === null ? [] : [norms]));
  const square = (of: (norms: NonNullable<TensorComparison['norms']>) => number): number =>
    known.reduce((sum, norms) => sum + of(norms) ** 2, 0);
  const [before, after, change] = [
    square(({ before }) => before),
    square((norms) => norms.after),
    square((norms) => norms.change),
  ];
  const dot = known.reduce((sum, norms) => sum + norms.dot, 0);
  const share = (of: (one: TensorComparison) => number | null): number | null => {
    const told = numbers.filter((one) => of(one) !== null);
    const elements = told.reduce((sum, one) => sum + one.elements, 0);
    if (elements === 0) return null;
    return told.reduce((sum, one) => sum + (of(one) as number) * one.elements, 0) / elements;
  };
  const greatest = (of: (one: TensorComparison) => number): number =>
    numbers.reduce((most, one) => Math.max(most, of(one)), 0);
  const maxAbs = greatest((one) => Number(one.maxAbs ?? 0));
  // The largest difference lies between the largest that is certain and the largest that is possible.
  const certain = greatest((one) => Number(one.maxAbs ?? 0) - (one.bound?.maxAbs ?? 0));
  const possible = greatest((one) => Number(one.maxAbs ?? 0) + (one.bound?.maxAbs ?? 0));
  // Errors of the norms of parts add up as the parts do.
  const error = Math.sqrt(numbers.reduce((sum, { bound }) => sum + (bound?.change ?? 0) ** 2, 0));
  const norm = greatest(({ bound }) => bound?.norm ?? 0);
  const size = Math.sqrt(before);
  const ratio = Math.sqrt(change) / size;
  const [least, most] = [
    Math.max(0, Math.sqrt(change) - error) / (size * (1 + norm)),
    (Math.sqrt(change) + error) / (size * (1 - norm)),
  ];
  const cosine = before > 0 && after > 0 ? dot / Math.sqrt(before * after) : null;
  return {
    relativeL2: before > 0 ? ratio : null,
    cosine: cosine === null ? null : Math.max(-1, Math.min(1, cosine)),
    maxAbs,
    changed: share(({ changed }) => changed),
    signFlips: share(({ signFlips }) => signFlips),
    bound: before > 0 ? Math.max(most - ratio, ratio - least) : 0,
    maxAbsBound: Math.max(maxAbs - certain, possible - maxAbs),
    cosineBound: cosineBound(cosine, norm),
  };
}

/** Sorts layers by how far they moved, those that moved most first: the farthest over all versions counts. */
export function sortByDrift(layers: readonly LayerDrift[]): LayerDrift[] {
  const most = ({ cells }: LayerDrift): number =>
    cells.reduce((far, cell) => Math.max(far, cell?.relativeL2 ?? -1), -1);
  return [...layers].sort((a, b) => most(b) - most(a));
}
