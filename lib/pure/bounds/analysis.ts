/** What bounds of a network need to know of it: shapes, which values depend on examples, and what decides. */
import {
  type Graph,
  type GraphNode,
  type Network,
  numberOf,
  type Parameter,
} from '../network/network.js';
import { batchSizes } from '../network/shapes/batch.js';
import { inferShapes } from '../network/shapes/infer-shapes.js';

/** A network that is about to be bounded. */
export interface Analysis {
  readonly graph: Graph;
  readonly opset: number;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Nodes that depend on the input, in order, up to the output that decides. */
  readonly nodes: readonly GraphNode[];
  /** Name of the network's input, and of its shape for one example. */
  readonly input: string;
  /** The value whose order decides: the output, or what stands before a final softmax. */
  readonly scores: string;
  /** True if a softmax follows `scores`. */
  readonly hasSoftmax: boolean;
  /** Shapes of values for one example. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Elements of values that are computed of shapes and constants. */
  readonly elements: ReadonlyMap<string, readonly number[]>;
  /** Values of float16. */
  readonly halves: ReadonlySet<string>;
  /** True if the first axis of every value is the batch, so that several examples can be bounded at once. */
  readonly isBatched: boolean;
}

/** Why a network has no bounds. */
export class NoBounds extends Error {
  /** The operator, or '' if it is not one. */
  readonly op: string;

  constructor(what: string, op = '') {
    super(what);
    this.op = op;
  }
}

const SAMPLE = 5;
export interface AnalysisOptions {
  /** Name of the output; default the first. */
  output?: string | undefined;
  /** Shape of one example, where the network leaves dimensions open. */
  example?: readonly number[];
  /** False: values of scores count and not only their order, so that a softmax at the end is bounded as well. */
  isRanked?: boolean;
}

/**
 * Looks through a network.
 * @throws {NoBounds} if it has several inputs, graphs in nodes, or shapes that are not known.
 */
export function analyse(
  network: Network,
  { output, example, isRanked = true }: AnalysisOptions = {},
): Analysis {
  const { graph } = network;
  const [input, more] = graph.inputs;
  if (input === undefined || more !== undefined) {
    throw new NoBounds(`the network has ${graph.inputs.length} inputs, not one`);
  }
  const target = output ?? graph.outputs[0]?.name ?? '';
  const makers = makersOf(graph.nodes);
  const fixed = input.shape?.[0];
  const first = typeof fixed === 'number' ? fixed : 1;
  if (first !== 1) throw new NoBounds(`the network takes ${first} examples at a time`);
  const of = (batch: number) =>
    inferShapes(network, {
      sizes: batchSizes(graph, batch),
      ...(example === undefined ? {} : { inputs: new Map([[input.name, [batch, ...example]]]) }),
    });
  const [one, some] = [of(first), of(SAMPLE)];
  const depends = new Set([input.name]);
  const shapes = new Map<string, readonly number[]>();
  const elements = new Map<string, readonly number[]>();
  const halves = new Set<string>();
  let isBatched = typeof fixed !== 'number';
  const note = (name: string): void => {
    const { shape, dtype, elements: known } = one.of(graph, name);
    if (known?.every((value) => typeof value === 'number')) elements.set(name, known as number[]);
    if (dtype === 'F16') halves.add(name);
    if (shape?.every((dim) => typeof dim === 'number')) shapes.set(name, shape as number[]);
    if (!depends.has(name)) return;
    const larger = some.of(graph, name).shape;
    const fits =
      shape !== null &&
      larger !== null &&
      shape[0] === 1 &&
      larger[0] === SAMPLE &&
      larger.slice(1).every((dim, i) => dim === shape[i + 1]);
    if (!fits) isBatched = false;
  };
  note(input.name);
  const wanted = ancestorsOf(target, makers);
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes) {
    for (const name of node.outputs) if (name !== '') note(name);
    if (!wanted.has(node)) continue;
    if (node.bodies.length > 0) throw new NoBounds(`'${node.op}' runs graphs of its own`, node.op);
    // What follows from shapes alone does not depend on the numbers of an example.
    const isShape = node.outputs.every((name) => elements.has(name));
    if (isShape || !node.inputs.some((name) => depends.has(name))) continue;
    for (const name of node.outputs) {
      depends.add(name);
      note(name);
    }
    nodes.push(node);
  }
  for (const name of [input.name, ...nodes.flatMap((node) => node.outputs.slice(0, 1))]) {
    if (!shapes.has(name)) throw new NoBounds(`the shape of '${name}' is not known`);
  }
  const { scores, hasSoftmax } = isRanked
    ? scoresOf(target, makers)
    : { scores: target, hasSoftmax: false };
  if (!depends.has(scores)) throw new NoBounds('the output does not depend on the input');
  const kept = ancestorsOf(scores, makers);
  return {
    graph,
    opset: network.opsets.get('') ?? 13,
    parameters: new Map(graph.parameters.map((one) => [one.name, one])),
    nodes: nodes.filter((node) => kept.has(node)),
    input: input.name,
    scores,
    hasSoftmax,
    shapes,
    elements,
    halves,
    isBatched,
  };
}

/** The node that makes each value, by the value's name. */
export type Makers = ReadonlyMap<string, GraphNode>;

export function makersOf(nodes: readonly GraphNode[]): Makers {
  return new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
}

/** Every node on the way to a value. */
export function ancestorsOf(value: string, makers: Makers): Set<GraphNode> {
  const found = new Set<GraphNode>();
  const stack = [value];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const node = makers.get(name);
    if (node === undefined || found.has(node)) continue;
    found.add(node);
    stack.push(...node.inputs);
  }
  return found;
}

/** Passes over what does not change the order of scores. */
function scoresOf(target: string, makers: Makers): { scores: string; hasSoftmax: boolean } {
  let hasSoftmax = false;
  let scores = target;
  for (let node = makers.get(scores); node !== undefined; node = makers.get(scores)) {
    const isSoftmax = node.op === 'Softmax' || node.op === 'LogSoftmax';
    if (!(isSoftmax || node.op === 'Identity' || node.op === 'Dropout')) break;
    if (isSoftmax && (numberOf(node, 'axis') ?? -1) !== -1 && numberOf(node, 'axis') !== 1) break;
    hasSoftmax ||= isSoftmax;
    scores = node.inputs[0] as string;
  }
  return { scores, hasSoftmax };
}
