/** A network of a version as it is shown: what it takes and gives, what a pass costs, its layers. */
import { type NetworkCost, networkCost } from '../../../pure/network/cost/network-cost.js';
import { receptiveFields } from '../../../pure/network/cost/receptive-field.js';
import type { LayerKind } from '../../../pure/network/layers/kinds.js';
import { type LayerGraph, linkLayers } from '../../../pure/network/layers/layer-view.js';
import type { Dim, GraphValue, Shape } from '../../../pure/network/network.js';
import { batchSizes } from '../../../pure/network/shapes/batch.js';
import {
  inferShapes,
  type NetworkShapes,
  type ShapeProblem,
} from '../../../pure/network/shapes/infer-shapes.js';
import type { VersionNetwork } from './networks.js';

/** For which shapes a network is described. */
export interface NetworkOptions {
  /** Shapes of inputs by name, instead of what the file says: {image: [1, 3, 224, 224]}. */
  shapes?: Readonly<Record<string, readonly number[]>>;
  /** Size of the batch; default 1. Open dimensions of another name stay open. */
  batch?: number;
  /** Adds the operators of each layer. */
  nodes?: boolean;
}

/** An input or output. A dimension that is open is an expression, null where not even the rank is known. */
export interface DescribedValue {
  name: string;
  dtype: string | null;
  shape: Shape | null;
}

/** An operator. */
export interface DescribedNode {
  name: string;
  op: string;
  inputs: readonly string[];
  outputs: DescribedValue[];
}

/** One layer. Numbers that depend on open dimensions are expressions. */
export interface DescribedLayer {
  name: string;
  alias: string;
  kind: LayerKind;
  type: string;
  /** Shape of its first output. */
  shape: Shape | null;
  parameters: number;
  buffers: number;
  macs: Dim;
  /** 2·MACs and other operations. */
  flops: Dim;
  /** Inputs that one output depends on, along each spatial dimension; 'all'; null where it is not known. */
  receptiveField: readonly number[] | 'all' | null;
  /** Aliases of the structural layers behind it: activations, norms, dropout and reshaping are passed over. */
  next: string[];
  /** Aliases of the layers right behind it. */
  succ: string[];
  /** Where its graph is: '' in the main one, 'if1.then/' in a branch. */
  graph: string;
  /** Inputs of its graph that it reads, and outputs that it gives. */
  inputs: string[];
  outputs: string[];
  nodes?: DescribedNode[];
}

/** One network of a version. */
export interface DescribedNetworkFile {
  /** Path of the file that defines it. */
  path: string;
  /** True if layers and names are those stored with the version, false if they were found now. */
  stored: boolean;
  producer: string;
  opsets: Record<string, number>;
  inputs: DescribedValue[];
  outputs: DescribedValue[];
  nodes: number;
  /** Trainable-looking floats; `buffers` are statistics, masks and tables; `storedElements` is everything. */
  parameters: number;
  buffers: number;
  storedElements: number;
  macs: Dim;
  flops: Dim;
  /** Special functions (exp, tanh, …), counted apart from flops. */
  special: Dim;
  /** Bytes of all activations, and of those needed at once; null where shapes are not known. */
  activationBytes: Dim | null;
  peakActivationBytes: number | null;
  /** Operators that are not counted, with how many there are. */
  uncounted: Record<string, number>;
  layers: DescribedLayer[];
  /** Nodes whose shapes are not known or contradict each other. */
  problems: ShapeProblem[];
}

/** Describes a network for the shapes that are asked for. */
export function describeNetwork(
  { path, stored, network, view }: VersionNetwork,
  options: NetworkOptions,
): DescribedNetworkFile {
  const { graph } = network;
  const sizes = batchSizes(graph, options.batch ?? 1);
  const inputs = new Map(Object.entries(options.shapes ?? {}));
  const shapes = inferShapes(network, { sizes, inputs });
  const cost = networkCost(network, view, shapes);
  const value = ({ name }: { name: string }): DescribedValue => {
    const { dtype, shape } = shapes.of(graph, name);
    return { name, dtype, shape };
  };
  return {
    path,
    stored,
    producer: network.producer,
    opsets: Object.fromEntries(
      [...network.opsets].map(([domain, at]) => [domain || 'ai.onnx', at]),
    ),
    inputs: graph.inputs.map(value),
    outputs: graph.outputs.map(value),
    nodes: view.reduce((sum, one) => sum + one.graph.nodes.length, 0),
    parameters: cost.parameters,
    buffers: cost.buffers,
    storedElements: cost.stored,
    macs: cost.macs,
    flops: cost.flops,
    special: cost.special,
    activationBytes: cost.activationBytes,
    peakActivationBytes: cost.peakBytes,
    uncounted: Object.fromEntries(cost.uncounted),
    layers: view.flatMap((part, i) =>
      describeLayers(part, {
        costs: cost.layers[i] ?? [],
        shapes,
        withNodes: options.nodes === true,
      }),
    ),
    problems: [...shapes.problems],
  };
}

/** Those of the values of a graph that are among some names, in their order. */
function given(names: readonly string[], values: readonly GraphValue[]): string[] {
  const used = new Set(names);
  return values.flatMap(({ name }) => (used.has(name) ? [name] : []));
}

function describeLayers(
  part: LayerGraph,
  {
    costs,
    shapes,
    withNodes,
  }: { costs: NetworkCost['layers'][number]; shapes: NetworkShapes; withNodes: boolean },
): DescribedLayer[] {
  const { graph, layers, path } = part;
  const { next, succ } = linkLayers(part);
  const fields = receptiveFields(graph, shapes);
  const { dims } = shapes;
  return layers.map(({ name, alias, kind, type, nodes }, i): DescribedLayer => {
    const cost = costs[i];
    const last = graph.nodes[nodes.at(-1) ?? 0];
    const output = last?.outputs[0] ?? '';
    const field = fields.get(output) ?? null;
    const operators = nodes.flatMap((node) => graph.nodes[node] ?? []);
    return {
      name,
      alias,
      kind,
      type,
      shape: shapes.of(graph, output).shape,
      parameters: cost?.parameters ?? 0,
      buffers: cost?.buffers ?? 0,
      macs: cost?.macs ?? 0,
      flops: dims.add(dims.mul(cost?.macs ?? 0, 2), cost?.other ?? 0),
      receptiveField: field === null || field === 'all' ? field : field.map(({ size }) => size),
      next: (next[i] ?? []).map((to) => layers[to]?.alias ?? ''),
      succ: (succ[i] ?? []).map((to) => layers[to]?.alias ?? ''),
      graph: path,
      inputs: given(
        operators.flatMap((node) => node.inputs),
        graph.inputs,
      ),
      outputs: given(
        operators.flatMap((node) => node.outputs),
        graph.outputs,
      ),
      ...(withNodes
        ? {
            nodes: operators.map((node) => ({
              name: node.name,
              op: node.op,
              inputs: node.inputs,
              outputs: node.outputs.map((one) => {
                const { dtype, shape } = shapes.of(graph, one);
                return { name: one, dtype, shape };
              }),
            })),
          }
        : {}),
    };
  });
}
