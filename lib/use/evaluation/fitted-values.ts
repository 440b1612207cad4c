/** The values that a weight of a network gets of a checkpoint: axes in its order, norms folded in, in float64. */
import { LimitError, UsageError } from '../../base/errors.js';
import type { LayerView } from '../../pure/network/layers/layer-view.js';
import type { FoldedPlace } from '../../pure/network/weights/fold-norms.js';
import type { FittedPair } from '../../pure/network/weights/pair-tensors.js';
import type { Axes } from '../../pure/network/weights/tensor-fit.js';
import type { Part } from '../../pure/network/weights/tensor-part.js';
import { widen } from '../../pure/tensor/dtype.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { readTensor } from '../../storage/objects/stored/read-tensor.js';
import { type StoredTensor, tensorBytes } from '../../storage/objects/stored/tensors.js';
import type { NamedTensor } from '../history/find-tensors.js';

/** A network whose file was placed. */
export interface PlacedFile {
  path: string;
  /** How errors call it. */
  label: string;
  view: LayerView;
}

/** Tensors of a checkpoint. */
export interface Checkpoint {
  /** How errors call where they are from. */
  checkpoint: string;
  tensors: readonly NamedTensor[];
  /** Checkpoints that the network may have been exported of. */
  origins: () => Promise<readonly (readonly NamedTensor[])[]>;
}

/** Largest tensor that is fitted; it is held as float64. */
const FITTED_BYTES_MAX = 512 * 1024 * 1024;
/** Integers that stand for other numbers, by scales beside them. */
const QUANTISED: ReadonlySet<string> = new Set(['I8', 'U8', 'I4', 'U4']);

/** The values of a checkpoint's tensors by name. */
export class CheckpointValues {
  readonly #repo: ReadAccess;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #checkpoint: string;

  constructor(repo: ReadAccess, tensors: ReadonlyMap<string, StoredTensor>, checkpoint: string) {
    this.#repo = repo;
    this.#tensors = tensors;
    this.#checkpoint = checkpoint;
  }

  shape(name: string): readonly number[] {
    return this.#tensors.get(name)?.shape ?? [];
  }

  async values(name: string): Promise<Float64Array> {
    const tensor = this.#tensors.get(name);
    const bytes = tensor === undefined ? 0 : tensorBytes(tensor);
    if (bytes > FITTED_BYTES_MAX) {
      throw new LimitError(`'${name}' of '${this.#checkpoint}' has ${bytes} bytes`, {
        limit: 'FITTED_BYTES_MAX',
        value: bytes,
        max: FITTED_BYTES_MAX,
      });
    }
    if (tensor !== undefined && QUANTISED.has(tensor.dtype)) {
      throw new UsageError(`'${name}' of '${this.#checkpoint}' holds quantised ${tensor.dtype}`, {
        file: this.#checkpoint,
        hint: 'evaluate weights in floating point, or export the quantised model as a network',
      });
    }
    const parts: Uint8Array[] = [];
    if (tensor !== undefined) {
      for await (const piece of readTensor(this.#repo, tensor)) parts.push(piece.slice());
    }
    const values = tensor === undefined ? null : widen(tensor.dtype, Buffer.concat(parts));
    if (values !== null) return values;
    throw new UsageError(`'${this.#checkpoint}' has no numbers '${name}'`, {
      file: this.#checkpoint,
    });
  }
}

/** What a parameter of the network becomes, row-major, with ε in the folded norms. */
export async function fittedValues(
  { tensor, axes, fold, parameter }: FittedPair,
  bias: string | null,
  {
    source,
    shape,
    epsilon,
  }: { source: CheckpointValues; shape: readonly number[]; epsilon: number },
): Promise<Float64Array> {
  if (fold === null) return turned(await source.values(tensor), source.shape(tensor), axes);
  const part = async (which: Part): Promise<Float64Array | null> => {
    const named = fold.norm.parts.get(which);
    return named === undefined ? null : source.values(named.tensor.name);
  };
  const [mean, variance, gamma] = [
    await part('mean'),
    await part('variance'),
    await part('weight'),
  ];
  if (mean === null || variance === null) throw new UsageError(`'${parameter}' has no statistics`);
  const factors = variance.map((value, i) => (gamma?.[i] ?? 1) / Math.sqrt(value + epsilon));
  if (fold.part === 'weight') {
    const values = turned(await source.values(tensor), source.shape(tensor), axes);
    const channel = channelOf(shape, fold);
    return values.map((value, i) => value * (factors[channel(i)] as number));
  }
  // (b − μ)·γ/√(σ² + ε) + β, where b is 0 if the layer has no bias of its own.
  const beta = await part('bias');
  const own = bias === null ? null : await source.values(bias);
  return mean.map((value, i) => {
    return ((own?.[i] ?? 0) - value) * (factors[i] as number) + (beta?.[i] ?? 0);
  });
}

/** The output that an element of a weight counts for. */
function channelOf(
  shape: readonly number[],
  { axis, groups }: FoldedPlace,
): (element: number) => number {
  const [first = 1, second = 1, ...window] = shape;
  const inner = window.reduce((product, one) => product * one, 1);
  if (axis === 0) return (i) => Math.floor(i / (second * inner));
  const rows = first / groups;
  return (i) => {
    const row = Math.floor(i / (second * inner));
    return (Math.floor(i / inner) % second) + second * Math.floor(row / rows);
  };
}

/** The values with their axes in another order. */
export function turned(values: Float64Array, shape: readonly number[], axes: Axes): Float64Array {
  if (axes === null) return values;
  const strides = shape.map((_, axis) => {
    return shape.slice(axis + 1).reduce((product, one) => product * one, 1);
  });
  const sizes = axes.map((axis) => shape[axis] ?? 1);
  const steps = axes.map((axis) => strides[axis] ?? 1);
  const place = sizes.map(() => 0);
  const out = new Float64Array(values.length);
  let at = 0;
  for (let i = 0; i < out.length; i += 1) {
    out[i] = values[at] as number;
    for (let axis = sizes.length - 1; axis >= 0; axis -= 1) {
      const next = (place[axis] as number) + 1;
      at += steps[axis] as number;
      if (next < (sizes[axis] as number)) {
        place[axis] = next;
        break;
      }
      at -= next * (steps[axis] as number);
      place[axis] = 0;
    }
  }
  return out;
}
