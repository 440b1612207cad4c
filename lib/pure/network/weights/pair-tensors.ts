/**
 * Which tensors of a checkpoint are the parameters of a network, and how that is known: exporters fold norms
 * into convolutions, transpose matrices and count names anew.
 */
import type { CountedTensor } from '../cost/parameter-counts.js';
import type { LayerView } from '../layers/layer-view.js';
import type { GraphNode, Parameter } from '../network.js';

/** How a pair was found, the surest first. */
export const EVIDENCE = ['name', 'layer', 'shape'] as const;
export type Evidence = (typeof EVIDENCE)[number];

/** A parameter of a network and the tensor of a checkpoint that it is made of. */
export interface TensorPair {
  /** Name of the parameter in the network. */
  parameter: string;
  /** Name of the tensor in the checkpoint. */
  tensor: string;
  /** 'name': they are called the same; 'layer': the tensor is that of the layer's name; 'shape': by shape and order. */
  evidence: Evidence;
  /** The network has the matrix the other way round. */
  transposed: boolean;
  /** Module of the norm that is folded into it, whose own parameters the network does not have; else null. */
  foldedNorm: string | null;
}

export interface Pairing {
  pairs: readonly TensorPair[];
  /** Parameters of the network for which nothing was found. */
  unpaired: readonly string[];
  /** Tensors of the checkpoint that are in no pair and in no folded norm. */
  unused: readonly string[];
}

interface Slot {
  parameter: Parameter;
  /** Name of the layer that uses it, and which of its inputs it is. */
  layer: string;
  input: number;
  isConv: boolean;
}

/** Pairs the weights of a network with the tensors of a checkpoint. O(n log n). */
export function pairTensors(view: LayerView, tensors: readonly CountedTensor[]): Pairing {
  const slots = slotsOf(view);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const taken = new Set<string>();
  const found = new Map<Slot, { tensor: CountedTensor; evidence: Evidence }>();
  const take = (slot: Slot, name: string, evidence: Evidence): void => {
    const tensor = byName.get(name);
    if (tensor === undefined || taken.has(name) || found.has(slot)) return;
    if (fitOf(slot.parameter.shape, tensor.shape) === null) return;
    taken.add(name);
    found.set(slot, { tensor, evidence });
  };
  for (const slot of slots) take(slot, slot.parameter.name, 'name');
  for (const slot of slots) {
    const part = slot.input === 1 ? 'weight' : 'bias';
    if (!found.has(slot)) take(slot, `${slot.layer}.${part}`, 'layer');
  }
  const left = slots.filter((slot) => !found.has(slot));
  const free = tensors.filter(({ name }) => !taken.has(name));
  for (const [slot, tensor] of byShape(left, free)) take(slot, tensor.name, 'shape');
  return withNorms(slots, found, tensors);
}

/** Adds the norms that are folded into convolutions: their shifts became biases. */
function withNorms(
  slots: readonly Slot[],
  found: ReadonlyMap<Slot, { tensor: CountedTensor; evidence: Evidence }>,
  tensors: readonly CountedTensor[],
): Pairing {
  const used = new Set([...found.values()].map(({ tensor }) => tensor.name));
  const normBehind = normsOf(tensors);
  /** Norm of each layer that has one folded in. */
  const norms = new Map<string, string>();
  const pairs: TensorPair[] = [];
  const unpaired: string[] = [];
  for (const slot of slots) {
    const { parameter, layer, input, isConv } = slot;
    const pair = found.get(slot);
    const shift = `${norms.get(layer)}.bias`;
    if (pair !== undefined) {
      const { tensor, evidence } = pair;
      const norm = isConv && input === 1 ? normBehind(tensor, used) : null;
      if (norm !== null) {
        norms.set(layer, norm.module);
        for (const name of norm.tensors) used.add(name);
      }
      const transposed = fitOf(parameter.shape, tensor.shape) === 'transposed';
      const foldedNorm = norm?.module ?? null;
      pairs.push({
        parameter: parameter.name,
        tensor: tensor.name,
        evidence,
        transposed,
        foldedNorm,
      });
    } else if (isConv && input === 2 && norms.has(layer)) {
      const foldedNorm = norms.get(layer) as string;
      const evidence = 'layer';
      pairs.push({
        parameter: parameter.name,
        tensor: shift,
        evidence,
        transposed: false,
        foldedNorm,
      });
    } else unpaired.push(parameter.name);
  }
  const unused = tensors.map(({ name }) => name).filter((name) => !used.has(name));
  return { pairs, unpaired, unused };
}

/** Weights of a network in the order in which its layers use them, each once. */
function slotsOf(view: LayerView): Slot[] {
  const slots: Slot[] = [];
  const seen = new Set<string>();
  for (const { graph, layers } of view) {
    const parameters = new Map(graph.parameters.map((one) => [one.name, one]));
    for (const { name: layer, kind, nodes } of layers) {
      for (const place of nodes) {
        const node = graph.nodes[place] as GraphNode;
        for (const [input, name] of node.inputs.entries()) {
          const parameter = parameters.get(name);
          if (parameter === undefined || parameter.values !== null || seen.has(name)) continue;
          seen.add(name);
          // A bias that is added behind a product is its second parameter.
          const at = node.op === 'Add' ? 2 : input;
          slots.push({ parameter, layer, input: at, isConv: kind === 'conv' || kind === 'deconv' });
        }
      }
    }
  }
  return slots;
}

/** How a tensor fits a parameter; null if it does not. */
function fitOf(wanted: readonly number[], shape: readonly number[]): 'same' | 'transposed' | null {
  const drop = (dims: readonly number[]): string => dims.filter((dim) => dim !== 1).join();
  if (drop(wanted) === drop(shape)) return 'same';
  if (wanted.length !== 2 || shape.length !== 2) return null;
  return wanted[0] === shape[1] && wanted[1] === shape[0] ? 'transposed' : null;
}

/** Slots and tensors of one shape, in their order, where there are as many of both. */
function* byShape(
  slots: readonly Slot[],
  tensors: readonly CountedTensor[],
): Generator<[Slot, CountedTensor]> {
  const key = (shape: readonly number[]): string => {
    const dims = shape.filter((dim) => dim !== 1);
    return (dims.length === 2 ? [...dims].sort((a, b) => a - b) : dims).join();
  };
  const groups = groupBy(tensors, ({ shape }) => key(shape));
  for (const [shape, own] of groupBy(slots, ({ parameter }) => key(parameter.shape))) {
    const others = groups.get(shape) ?? [];
    if (others.length !== own.length) continue;
    for (const [i, slot] of own.entries()) yield [slot, others[i] as CountedTensor];
  }
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [item]);
    else known.push(item);
  }
  return groups;
}

/** The first batch norm behind a convolution's weight in the order of the checkpoint, if it fits. */
type NormBehind = (
  weight: CountedTensor,
  used: ReadonlySet<string>,
) => { module: string; tensors: string[] } | null;

function normsOf(tensors: readonly CountedTensor[]): NormBehind {
  const places = new Map(tensors.map(({ name }, i) => [name, i]));
  const means = tensors.filter(({ name }) => name.endsWith(MEAN));
  return (weight, used) => {
    const at = places.get(weight.name) ?? 0;
    const mean = means.find(({ name }) => (places.get(name) ?? 0) > at);
    if (mean === undefined || mean.shape[0] !== weight.shape[0]) return null;
    const between = tensors.slice(at + 1, places.get(mean.name));
    if (between.some(({ shape }) => shape.length > 1)) return null;
    const module = mean.name.slice(0, -MEAN.length);
    const own = tensors.filter(({ name }) => name.startsWith(`${module}.`)).map(({ name }) => name);
    return own.some((name) => used.has(name)) ? null : { module, tensors: own };
  };
}

/** What the running mean of a batch norm is called. */
const MEAN = '.running_mean';

/**
 * Checks that a convolution has a norm folded into it: W′ = W·γ/√(σ² + ε), for some of its channels.
 *
 * @param weight  the channel's values in the checkpoint; `folded`: the same in the network. Equal lengths.
 * @returns the largest |W′ − expected| in relation to the largest |W′|.
 */
export function foldError(channels: readonly FoldedChannel[], epsilon = 1e-5): number {
  let [error, largest] = [0, 0];
  for (const { weight, folded, gamma, variance } of channels) {
    const factor = gamma / Math.sqrt(variance + epsilon);
    for (let i = 0; i < folded.length; i++) {
      largest = Math.max(largest, Math.abs(folded[i] as number));
      error = Math.max(error, Math.abs((folded[i] as number) - (weight[i] as number) * factor));
    }
  }
  return largest === 0 ? error : error / largest;
}

export interface FoldedChannel {
  weight: ArrayLike<number>;
  folded: ArrayLike<number>;
  gamma: number;
  variance: number;
}
