/**
 * The view of a checkpoint without a network, as a version keeps it: its layers with their names, and the
 * architecture that its tensors look like, so that both last when the algorithm that infers them changes.
 *
 * @see docs/format/network.md
 */
import { Fields } from '../../../base/bytes/msgpack/fields.js';
import type { Packed } from '../../../base/bytes/msgpack/msgpack.js';
import { CorruptError } from '../../../base/errors.js';
import { RANK_MAX } from '../../../base/limits.js';
import { dtypeNamed } from '../../tensor/dtype.js';
import type { CountedTensor } from '../cost/parameter-counts.js';
import { LAYER_KINDS, type LayerKind } from '../layers/kinds.js';
import { type Architecture, INFERRED_SOURCE, inferArchitecture } from './architecture.js';
import { groupParameters, type ParameterGroup, parameterGroup } from './groups.js';

/** A layer: a name, and which tensors of the list are of it. */
export interface WeightsLayer {
  name: string;
  kind: LayerKind;
  type: string;
  tensors: readonly number[];
}

/** What a version keeps of one checkpoint. */
export interface StoredWeights {
  /** Path of its file, or of the index of its shards; null if it is the only one. */
  key: string | null;
  tensors: readonly CountedTensor[];
  layers: readonly WeightsLayer[];
  /** What its tensors look like; null if like nothing known. */
  inferred: Architecture | null;
}

/** Infers the view of a checkpoint. */
export function viewOfWeights(
  key: string | null,
  tensors: readonly CountedTensor[],
): StoredWeights {
  const places = new Map(tensors.map((tensor, place) => [tensor, place]));
  const layers = groupParameters(tensors).map(({ name, kind, type, tensors: own }) => {
    return { name, kind, type, tensors: own.map((one) => places.get(one) as number) };
  });
  return { key, tensors, layers, inferred: inferArchitecture(tensors) };
}

/** True if a view is of these tensors: names, types and shapes, in their order. */
export function isViewOf({ tensors }: StoredWeights, others: readonly CountedTensor[]): boolean {
  return (
    tensors.length === others.length &&
    tensors.every(({ name, dtype, shape }, i) => {
      const other = others[i] as CountedTensor;
      return (
        name === other.name &&
        dtype === other.dtype &&
        shape.length === other.shape.length &&
        shape.every((size, axis) => size === other.shape[axis])
      );
    })
  );
}

/** Its layers with their tensors and counts. */
export function groupsOf({ layers, tensors }: StoredWeights): ParameterGroup[] {
  return layers.map(({ name, kind, type, tensors: own }) => {
    return parameterGroup(
      { name, kind, type },
      own.flatMap((place) => tensors[place] ?? []),
    );
  });
}

export function packWeights({ key, tensors, layers, inferred }: StoredWeights): Packed {
  return [
    key,
    tensors.map(({ name, dtype, shape }): Packed => [name, dtype, [...shape]]),
    layers.map(({ name, kind, type, tensors: own }): Packed => [name, kind, type, [...own]]),
    inferred === null ? null : [inferred.name, Object.entries(inferred.sizes)],
  ];
}

/** The mirror of packWeights. @throws {CorruptError} */
export function unpackWeights(packed: Packed, file: string): StoredWeights {
  const corrupt = (what: string): CorruptError =>
    new CorruptError(`'${file}' does not describe weights: ${what}`, { file });
  const counts = (value: Packed, end: number): number[] => {
    const isList =
      Array.isArray(value) &&
      value.every((one) => typeof one === 'number' && Number.isSafeInteger(one) && one >= 0);
    if (!isList || value.some((one) => (one as number) >= end)) throw corrupt('a list of numbers');
    return value as number[];
  };
  const f = new Fields(packed, file, 4);
  const key = f.optionalString('path');
  const tensors = f.array('tensors').map((row): CountedTensor => {
    const tensor = new Fields(row, file, 3);
    const [name, dtype] = [tensor.string('name'), tensor.optionalString('type')];
    if (dtype !== null && dtypeNamed(dtype) === null) throw corrupt(`the type '${dtype}'`);
    const shape = counts(tensor.any('shape'), Number.POSITIVE_INFINITY);
    if (shape.length > RANK_MAX) throw corrupt('a shape of too many dimensions');
    return { name, dtype, shape };
  });
  const layers = f.array('layers').map((row): WeightsLayer => {
    const layer = new Fields(row, file, 4);
    const name = layer.string('name');
    const kind = layer.string('kind') as LayerKind;
    if (!LAYER_KINDS.includes(kind)) throw corrupt(`a layer of kind '${kind}'`);
    const type = layer.string('type');
    return { name, kind, type, tensors: counts(layer.any('tensors'), tensors.length) };
  });
  const inferred = f.any('architecture');
  f.end();
  return { key, tensors, layers, inferred: unpackInferred(inferred, file) };
}

function unpackInferred(packed: Packed, file: string): Architecture | null {
  if (packed === null) return null;
  const f = new Fields(packed, file, 2);
  const name = f.string('architecture');
  const sizes = f.array('sizes').map((row): [string, number] => {
    const size = new Fields(row, file, 2);
    return [size.string('size'), size.number('value')];
  });
  return { name, source: INFERRED_SOURCE, isInferred: true, sizes: Object.fromEntries(sizes) };
}
