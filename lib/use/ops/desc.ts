/** `dlv desc`: what the networks of a version are, and what a pass through them costs. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { UsageError } from '../../base/errors.js';
import { type NetworkCost, networkCost } from '../../pure/network/cost/network-cost.js';
import { receptiveFields } from '../../pure/network/cost/receptive-field.js';
import type { StoredNetwork } from '../../pure/network/encode.js';
import type { LayerKind } from '../../pure/network/layers/kinds.js';
import { type LayerGraph, linkLayers } from '../../pure/network/layers/layer-view.js';
import type { Dim, GraphValue, Shape } from '../../pure/network/network.js';
import { batchSizes } from '../../pure/network/shapes/batch.js';
import {
  inferShapes,
  type NetworkShapes,
  type ShapeProblem,
} from '../../pure/network/shapes/infer-shapes.js';
import type { Architecture } from '../../pure/network/weights/architecture.js';
import { readKnowledge } from '../../storage/repo/version/knowledge.js';
import { shortId } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import { type Curve, readCurves } from '../history/curves.js';
import { resolveId } from '../history/lines/resolve.js';
import { networksOfVersion } from '../history/networks/networks.js';
import { type DescribedWeights, describeWeights } from '../history/networks/weights.js';
import { Describer, type VersionSummary } from '../history/versions.js';
import type { Repository } from '../repository.js';

export interface DescOptions {
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

export interface DescResult extends VersionSummary {
  files: number;
  logicalBytes: number;
  /** What config.json beside the weights says, or what their names look like; null if nothing does. */
  architecture: Architecture | null;
  networks: DescribedNetworkFile[];
  /** Checkpoints without a network: layers as their names and shapes tell. */
  weights: DescribedWeights[];
  /** Metrics over steps, in few points. */
  curves: Curve[];
}

/** Describes a version. @throws {NotFoundError} {AmbiguousError} {UsageError} for shapes of inputs that are not there. */
export async function desc(
  repo: Repository,
  revision: string,
  options: DescOptions,
  context: OpContext,
): Promise<DescResult> {
  const id = await resolveId(repo, revision);
  const version = await repo.version(id);
  const found = await networksOfVersion(repo, id, context);
  checkInputs(found, options);
  const { weights, architecture } = await describeWeights(repo, id, found, context.signal);
  const describer = new Describer(repo);
  const knowledge = readKnowledge(version.extensions, `version ${shortId(id)}`);
  const { metrics } = version;
  return {
    ...(await describer.describe(id)),
    files: version.tree.count,
    logicalBytes: version.tree.bytes,
    architecture,
    networks: found.map((one) => {
      throwIfAborted(context.signal);
      return describe(one, options);
    }),
    weights,
    curves: await readCurves(repo, id, { metrics, knowledge }, context.warn),
  };
}

function checkInputs(
  networks: readonly StoredNetwork[],
  { shapes = {}, batch }: DescOptions,
): void {
  if (batch !== undefined && !(Number.isSafeInteger(batch) && batch > 0)) {
    throw new UsageError(`the batch is ${batch}, not a whole number above 0`);
  }
  const names = networks.flatMap(({ network }) => network.graph.inputs.map(({ name }) => name));
  const unknown = Object.keys(shapes).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new UsageError(`no network of this version has an input '${unknown}'`, {
    hint:
      names.length === 0 ? 'it has no network' : `its inputs are ${names.slice(0, 8).join(', ')}`,
  });
}

function describe(
  { path, stored, network, view }: StoredNetwork & { path: string; stored: boolean },
  options: DescOptions,
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
