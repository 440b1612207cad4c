/**
 * Whether the examples of a batch are apart: what a network makes of one is then the same whatever the others are,
 * and in whatever batch it stands. Only then is there one answer for an example, which bounds can be about.
 *
 * Shapes for a batch of one and of several show on which axis the examples lie in each value; a rule for each
 * operator says whether elements along that axis act on each other. An operator without a rule may do anything.
 */
import { type GraphNode, type Parameter, usedNames } from '../../network/network.js';
import type { Shaped } from '../../network/shapes/node-shapes.js';
import type { NodeAt, Place } from './rules.js';
import { APART } from './table.js';

/** A network for two sizes of the batch. */
export interface TwoBatches {
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly string[];
  /** The value that decides. */
  readonly target: string;
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly opset: number;
  /** What is known of a value for one example. */
  one(name: string): Shaped;
  /** … and for `size` examples. */
  some(name: string): Shaped;
  readonly size: number;
}

/** What a value is for a batch: where its examples lie; or the same for all, a number of its size, or not apart. */
type State = Place | 'same' | 'size' | 'joined';

const DOMAINS: ReadonlySet<string> = new Set(['', 'com.microsoft']);

/** @returns the node that takes several examples together, or might, on the way to the target; null if none does. */
export function joiningNode(network: TwoBatches): GraphNode | null {
  const states = new Map<string, State>();
  const culprits = new Map<string, GraphNode>();
  for (const name of network.inputs) states.set(name, placeIn(network, name) ?? 'same');
  for (const node of network.nodes) {
    const used = usedNames(node);
    const joined = used.find((name) => states.get(name) === 'joined');
    const stateOf = (name: string): State => states.get(name) ?? 'same';
    for (const [k, name] of node.outputs.entries()) {
      if (name === '') continue;
      const state =
        joined === undefined ? outputState(network, node, { name, k, used, stateOf }) : 'joined';
      states.set(name, state);
      if (state === 'joined') culprits.set(name, culprits.get(joined ?? '') ?? node);
    }
  }
  return culprits.get(network.target) ?? null;
}

interface Output {
  name: string;
  k: number;
  used: readonly string[];
  stateOf(name: string): State;
}

function outputState(network: TwoBatches, node: GraphNode, output: Output): State {
  const { name, k, used, stateOf } = output;
  const found = used.map(stateOf);
  const isShape = node.domain === '' && (node.op === 'Shape' || node.op === 'Size');
  if (!isShape && found.some((state) => typeof state === 'object')) {
    // Where a maximum was is told by its place in the whole batch.
    if (node.op === 'MaxPool' && k > 0) return 'joined';
    return ofExamples(network, node, output);
  }
  if (!isShape && found.every((state) => state === 'same')) return 'same';
  return ofSizes(network, node, name);
}

/** What is made of shapes alone: it may repeat rows for a batch, or count it. */
function ofSizes(network: TwoBatches, node: GraphNode, name: string): State {
  const [one, some] = [network.one(name), network.some(name)];
  const [before, after] = [one.elements, some.elements];
  const areKnown = before !== null && after !== null;
  if (areKnown && before.length === after.length && before.every((x, i) => x === after[i])) {
    return 'same';
  }
  const place = placeIn(network, name);
  const isRepeated = node.op === 'Expand' || node.op === 'ConstantOfShape';
  if (place !== null) return isRepeated ? place : 'joined';
  return one.shape !== null && one.shape.join() === some.shape?.join() ? 'size' : 'joined';
}

function ofExamples(network: TwoBatches, node: GraphNode, output: Output): State {
  const place = placeIn(network, output.name);
  const rule = DOMAINS.has(node.domain) ? APART.get(node.op) : undefined;
  if (place === null || rule === undefined || node.bodies.length > 0) return 'joined';
  const states = node.inputs.map(output.stateOf);
  // Where shapes are given a batch may count, not among numbers.
  if (states.some((state, i) => state === 'size' && !isSetting(node, i))) return 'joined';
  const at: NodeAt = {
    node,
    opset: network.opset,
    inputs: states.map((state) => (typeof state === 'object' ? state : null)),
    output: place,
    shape: (index) => numbers(network.one(node.inputs[index] ?? '').shape),
    list: (index, attribute) => listOf(network, node, index, attribute),
  };
  return rule(at) ? place : 'joined';
}

/** Inputs that say how, by operator. */
const SETTINGS: Readonly<Record<string, readonly number[]>> = {
  Expand: [1],
  Reshape: [1],
  Resize: [1, 2, 3],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Tile: [1],
  Upsample: [1],
};

function isSetting(node: GraphNode, index: number): boolean {
  return SETTINGS[node.op]?.includes(index) === true;
}

/** The first node that draws random numbers, in bodies as well: its network has another answer each time. */
export function randomNode(
  nodes: readonly GraphNode[],
  wholeOf: (name: string) => readonly number[] | null,
): GraphNode | null {
  for (const node of nodes) {
    const inside = node.bodies.some(({ graph }) => randomNode(graph.nodes, wholeOf) !== null);
    if (inside || isRandom(node) || isTraining(node, wholeOf)) return node;
  }
  return null;
}

function isRandom({ op }: GraphNode): boolean {
  return op.startsWith('Random') || op === 'Bernoulli' || op === 'Multinomial';
}

/** True for a Dropout that may drop. */
function isTraining(
  { op, inputs }: GraphNode,
  wholeOf: (name: string) => readonly number[] | null,
): boolean {
  const mode = inputs[2] ?? '';
  return op === 'Dropout' && mode !== '' && wholeOf(mode)?.[0] !== 0;
}

function listOf(
  network: TwoBatches,
  node: GraphNode,
  index: number,
  attribute: string,
): readonly number[] | null {
  const name = node.inputs[index] ?? '';
  if (name === '') {
    const found = node.attributes.find((one) => one.name === attribute);
    return found?.kind === 'ints' || found?.kind === 'floats' ? found.value : null;
  }
  const [one, some] = [network.one(name).elements, network.some(name).elements];
  const isSame = one !== null && some !== null && one.every((x, i) => x === some[i]);
  return isSame ? numbers(one) : (network.parameters.get(name)?.values ?? null);
}

/** Where the examples lie in a value; null: on no one axis, or its shape is not known. */
function placeIn({ one, some, size }: TwoBatches, name: string): Place | null {
  const [before, after] = [numbers(one(name).shape), numbers(some(name).shape)];
  if (before === null || after === null || before.length !== after.length) return null;
  const axes = before.flatMap((dim, i) => (dim === after[i] ? [] : [i]));
  const [axis] = axes;
  if (axis === undefined || axes.length > 1) return null;
  const times = before[axis] as number;
  if (after[axis] !== times * size) return null;
  const count = before.slice(0, axis).reduce((product, dim) => product * dim, 1);
  return { axis, times, rank: before.length, before: count };
}

function numbers(list: readonly (number | string | null)[] | null): readonly number[] | null {
  return list?.every((one) => typeof one === 'number') ? (list as readonly number[]) : null;
}
