/** What bounds of a network need to know of it: shapes, which values depend on examples, and what decides. */
import {
  type Graph,
  type GraphNode,
  type Network,
  numberOf,
  type Parameter,
  usedNames,
} from '../network/network.js';
import { batchSizes } from '../network/shapes/batch.js';
import { inferShapes } from '../network/shapes/infer-shapes.js';
import { joiningNode, randomNode } from './apart/apart.js';
import { simplify } from './simplify.js';

/** A network that is about to be bounded. */
export interface Analysis {
  readonly graph: Graph;
  readonly opset: number;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Nodes that depend on the input, in order, up to the output that decides. */
  readonly nodes: readonly GraphNode[];
  /** Values that are known exactly: the network's input, or what its first part gives. */
  readonly given: readonly string[];
  /** The part that is run as it is; null: none. */
  readonly prefix: Prefix | null;
  /** The value whose order decides: the output, or what stands before a final softmax. */
  readonly scores: string;
  /** True if a softmax follows `scores`. */
  readonly hasSoftmax: boolean;
  /** Shapes of values for one example. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Elements of values that are computed of shapes and constants. */
  readonly elements: ReadonlyMap<string, readonly number[]>;
  /** Values of float32. */
  readonly floats: ReadonlySet<string>;
  /** Values of float16. */
  readonly halves: ReadonlySet<string>;
  /** True if the first axis of every value is the batch, so that several examples can be bounded at once. */
  readonly isBatched: boolean;
}

/** The first part of a network, which is run with whole weights. */
export interface Prefix {
  /** Values that it gives. */
  readonly outputs: readonly string[];
  /** Parameters that it does not need: their planes are read as bounds ask for them. */
  readonly spared: ReadonlySet<string>;
  /** Why it has no bounds. */
  readonly why: string;
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
/** Types of which float32 holds every value. */
const NARROW: ReadonlySet<string> = new Set(['F16', 'BF16', 'F32']);

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
 * @throws {NoBounds} if it has no input, takes several examples at a time, draws random numbers, or
 *   where one example may change the answer of another.
 */
export function analyse(
  network: Network,
  { output, example, isRanked = true }: AnalysisOptions = {},
): Analysis {
  const { graph } = network;
  const [input] = graph.inputs;
  if (input === undefined) throw new NoBounds('the network has no input');
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
  const opset = network.opsets.get('') ?? 13;
  const parameters = new Map(graph.parameters.map((one) => [one.name, one]));
  const wanted = ancestorsOf(target, makers);
  const wholeOf = (name: string): readonly number[] | null => {
    const found = parameters.get(name)?.values ?? one.of(graph, name).elements;
    return found?.every((value) => typeof value === 'number') ? (found as number[]) : null;
  };
  const random = randomNode(
    graph.nodes.filter((node) => wanted.has(node)),
    wholeOf,
  );
  if (random !== null) throw new NoBounds(`${titleOf(random)} draws random numbers`, random.op);
  const joining =
    typeof fixed === 'number'
      ? null
      : joiningNode({
          nodes: graph.nodes,
          inputs: graph.inputs.map(({ name }) => name),
          target,
          opset,
          parameters,
          one: (name) => one.of(graph, name),
          some: (name) => some.of(graph, name),
          size: SAMPLE,
        });
  if (joining !== null) {
    throw new NoBounds(`${titleOf(joining)} may take examples of a batch together`, joining.op);
  }
  const depends = new Set(graph.inputs.map(({ name }) => name));
  const shapes = new Map<string, readonly number[]>();
  const elements = new Map<string, readonly number[]>();
  const halves = new Set<string>();
  const floats = new Set<string>();
  let isBatched = typeof fixed !== 'number';
  const note = (name: string): void => {
    const { shape, dtype, elements: known } = one.of(graph, name);
    if (known?.every((value) => typeof value === 'number')) elements.set(name, known as number[]);
    if (dtype === 'F16') halves.add(name);
    if (dtype === 'F32') floats.add(name);
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
  const isFixed = (name: string): boolean =>
    one.of(graph, name).shape?.join() === some.of(graph, name).shape?.join();
  for (const { name } of graph.inputs) note(name);
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes) {
    for (const name of node.outputs) if (name !== '') note(name);
    if (!wanted.has(node)) continue;
    // What follows from shapes alone does not depend on the numbers of an example.
    if (node.outputs.every((name) => name === '' || elements.has(name))) continue;
    nodes.push(node);
    if (!node.inputs.some((name) => depends.has(name))) {
      // Made of parameters: of one shape whatever the batch is, or the batch is not the first axis of all.
      if (node.outputs.some((name) => name !== '' && !isFixed(name))) isBatched = false;
      continue;
    }
    for (const name of node.outputs) {
      if (name === '') continue;
      depends.add(name);
      note(name);
    }
  }
  const { scores, hasSoftmax } = isRanked
    ? scoresOf(target, makers, { opset, shapes })
    : { scores: target, hasSoftmax: false };
  if (!depends.has(scores)) throw new NoBounds('the output does not depend on the input');
  const kept = ancestorsOf(scores, makers);
  const simple = simplify(
    nodes.filter((node) => kept.has(node)),
    {
      shapeOf: (name) => shapes.get(name) ?? parameters.get(name)?.shape,
      elementsOf: (name) => elements.get(name) ?? parameters.get(name)?.values ?? undefined,
      isNarrow: (name) => NARROW.has(parameters.get(name)?.dtype ?? ''),
    },
  );
  // What a step inside of an operator gives may be rounded as its output is.
  for (const name of simple.shapes.keys()) {
    if (halves.has(name.slice(0, name.lastIndexOf('#')))) halves.add(name);
  }
  return {
    graph,
    opset,
    parameters,
    nodes: simple.nodes,
    given: graph.inputs.map(({ name }) => name),
    prefix: null,
    scores,
    hasSoftmax,
    shapes: new Map([...shapes, ...simple.shapes]),
    elements,
    floats,
    halves,
    isBatched,
  };
}

/** What people call a node. */
function titleOf({ op, name, outputs }: GraphNode): string {
  return `${op} '${name || outputs[0]}'`;
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
    for (const used of usedNames(node)) stack.push(used);
  }
  return found;
}

/** Passes over what does not change the order of scores: a softmax only where it is over all scores of an example. */
function scoresOf(
  target: string,
  makers: Makers,
  { opset, shapes }: { opset: number; shapes: ReadonlyMap<string, readonly number[]> },
): { scores: string; hasSoftmax: boolean } {
  let hasSoftmax = false;
  let scores = target;
  for (let node = makers.get(scores); node !== undefined; node = makers.get(scores)) {
    const isSoftmax = node.op === 'Softmax' || node.op === 'LogSoftmax';
    if (!(isSoftmax || node.op === 'Identity' || node.op === 'Dropout')) break;
    if (isSoftmax && !isOverAll(node, opset, shapes.get(scores))) break;
    hasSoftmax ||= isSoftmax;
    scores = node.inputs[0] as string;
  }
  return { scores, hasSoftmax };
}

/** True if a softmax is over all elements of an example. */
function isOverAll(node: GraphNode, opset: number, shape: readonly number[] | undefined): boolean {
  if (shape === undefined) return false;
  const isOld = opset < 13;
  const given = numberOf(node, 'axis') ?? (isOld ? 1 : -1);
  const axis = given < 0 ? given + shape.length : given;
  // Before version 13 a softmax flattened all axes from its own on.
  const rest = shape.filter((_, i) => (isOld ? i < axis : i !== axis));
  return axis > 0 && rest.every((size) => size === 1);
}
