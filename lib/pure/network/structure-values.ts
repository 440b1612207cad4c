/**
 * Which elements of small tensors belong to a network: those that say what it does. A shape, an axis or
 * the constant of an activation does; a bias of three numbers is learned, and a network that kept it would
 * differ from the next checkpoint of itself.
 */
import { SETTINGS } from './layers/kinds.js';
import { nameOfWeight } from './layers/names.js';
import type { Graph, GraphNode, Parameter } from './network.js';

/** Inputs whose elements say how an operator works, and those that only compute such; `-1`: all of them. */
const SAYS_HOW: Record<string, readonly number[]> = {
  ...SETTINGS,
  Gather: [1],
  GatherND: [1],
  GatherElements: [1],
  ScatterND: [1],
  ScatterElements: [1],
  NonMaxSuppression: [2, 3, 4],
  MaxUnpool: [2],
  CenterCropPad: [1],
  Col2Im: [1, 2],
  AffineGrid: [1],
  DFT: [1, 2],
  STFT: [1, 3],
  BlackmanWindow: [0],
  HannWindow: [0],
  HammingWindow: [0],
  Pow: [1],
  Mod: [1],
  BitShift: [1],
  Where: [-1],
  Equal: [-1],
  Greater: [-1],
  Less: [-1],
  GreaterOrEqual: [-1],
  LessOrEqual: [-1],
  And: [-1],
  Or: [-1],
  Not: [-1],
  Concat: [-1],
  Cast: [-1],
  Shape: [-1],
  Identity: [-1],
};
/** Arithmetic: a scalar says how (ε, √2, 1/√d), a longer list of floats may be learned. */
const ARITHMETIC = new Set(['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Sum', 'Mean']);

/** The graph, and its bodies, with elements kept where they say what it does, and `stated` where it helps. */
export function keepStructure(graph: Graph): Graph {
  const says = new Set<string>();
  collect(graph, says);
  return strip(graph, says);
}

function collect(graph: Graph, says: Set<string>): void {
  const isWhole = new Set<string>();
  for (const { name, dtype } of graph.parameters) {
    if (dtype === 'I64' || dtype === 'I32' || dtype === 'BOOL') isWhole.add(name);
  }
  const scalars = new Set(
    graph.parameters.filter(({ shape }) => shape.every((dim) => dim === 1)).map(({ name }) => name),
  );
  const makers = new Map<string, string>();
  for (const node of graph.nodes) for (const name of node.outputs) makers.set(name, node.op);
  for (const node of graph.nodes) {
    node.inputs.forEach((name, i) => {
      const places = SAYS_HOW[node.op];
      if (places?.includes(i)) says.add(name);
      else if (places?.[0] === -1) {
        // Weights kept as fp16 pass through a Cast, and initial states through Concat or Where.
        if (isWhole.has(name) || scalars.has(name)) says.add(name);
      } else if (ARITHMETIC.has(node.op)) {
        const isBias =
          node.op === 'Add' && node.inputs.some((other) => PRODUCTS.has(makers.get(other) ?? ''));
        const isLearned = isBias || nameOfWeight(name) !== null;
        if (isWhole.has(name) || (scalars.has(name) && !isLearned)) says.add(name);
      } else if (/^Reduce/.test(node.op) && i === 1) says.add(name);
    });
    for (const { graph: body } of node.bodies) collect(body, says);
  }
}

/** Operators whose result a bias is added to. */
const PRODUCTS = new Set(['MatMul', 'Conv', 'ConvTranspose', 'Gemm']);

function strip(graph: Graph, says: ReadonlySet<string>): Graph {
  const foreign = new Set<string>();
  for (const node of graph.nodes) {
    if (node.domain !== '') for (const name of node.outputs) foreign.add(name);
  }
  return {
    ...graph,
    parameters: graph.parameters.map((one) => (says.has(one.name) ? one : withoutValues(one))),
    nodes: graph.nodes.map((node) => withBodies(node, says)),
    stated: graph.stated.filter(({ name, shape }) => foreign.has(name) && shape !== null),
  };
}

function withoutValues(parameter: Parameter): Parameter {
  return parameter.values === null ? parameter : { ...parameter, values: null };
}

function withBodies(node: GraphNode, says: ReadonlySet<string>): GraphNode {
  if (node.bodies.length === 0) return node;
  const bodies = node.bodies.map(({ name, graph }) => ({ name, graph: strip(graph, says) }));
  return { ...node, bodies };
}
