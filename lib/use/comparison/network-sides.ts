/** A network, or the layers of a checkpoint without one, as a side of a comparison. */
import { networkCost, statisticsOf } from '../../pure/network/cost/network-cost.js';
import { type CountedTensor, isBuffer } from '../../pure/network/cost/parameter-counts.js';
import {
  type LayerGraph,
  type LayerView,
  linkLayers,
} from '../../pure/network/layers/layer-view.js';
import type { Attribute, Dim, GraphNode } from '../../pure/network/network.js';
import { batchSizes } from '../../pure/network/shapes/batch.js';
import { inferShapes } from '../../pure/network/shapes/infer-shapes.js';
import { groupParameters, type ParameterGroup } from '../../pure/network/weights/groups.js';
import { pairTensors } from '../../pure/network/weights/pair-tensors.js';
import type { VersionNetwork } from '../history/networks/networks.js';
import type { NetworkCell } from './result.js';

/** A layer as it is compared. */
export interface SideLayer extends Omit<NetworkCell, 'changes' | 'match' | 'drift'> {
  weights: string;
  /** True where the tensors' names say the layer's. */
  isNamed?: boolean;
  /** Attributes of its operators, and what they are. */
  settings: ReadonlyMap<string, string>;
  /** Names of its parameters in the network. */
  values: string[];
  /** Its tensors, in the file of the network and in checkpoints that go with it. */
  tensors: { path: string; name: string; isBuffer: boolean }[];
}

/** A network, or the layers of a checkpoint without one. */
export interface NetworkSide {
  path: string;
  isGraph: boolean;
  layers: SideLayer[];
  edges: [number, number][];
  totals: { layers: number; parameters: number; macs: Dim };
}

/** A network as it is compared, at a batch of 1. */
export function networkSide({
  path,
  network,
  view,
}: Pick<VersionNetwork, 'path' | 'network' | 'view'>): NetworkSide {
  const shapes = inferShapes(network, { sizes: batchSizes(network.graph, 1) });
  const cost = networkCost(network, view, shapes);
  const layers: SideLayer[] = [];
  const edges: [number, number][] = [];
  for (const [i, part] of view.entries()) {
    const from = layers.length;
    for (const [at, next] of linkLayers(part).succ.entries()) {
      for (const to of next) edges.push([from + at, from + to]);
    }
    for (const [at, layer] of part.layers.entries()) {
      const own = cost.layers[i]?.[at];
      const last = part.graph.nodes[layer.nodes.at(-1) ?? 0];
      const { name, alias, kind, type } = layer;
      layers.push({
        name,
        alias,
        kind,
        type,
        shape: shapes.of(part.graph, last?.outputs[0] ?? '').shape,
        parameters: own?.parameters ?? 0,
        macs: own?.macs ?? 0,
        ...parametersOf(part, layer.nodes, path),
        settings: settingsOf(layer.nodes.flatMap((node) => part.graph.nodes[node] ?? [])),
      });
    }
  }
  const { parameters, macs } = cost;
  return {
    path,
    isGraph: true,
    layers,
    edges,
    totals: { layers: layers.length, parameters, macs },
  };
}

/** The parameters that the nodes of a layer use: their shapes, and their names in the file. */
function parametersOf(
  { graph }: LayerGraph,
  nodes: readonly number[],
  path: string,
): Pick<SideLayer, 'weights' | 'values' | 'tensors'> {
  const operators = nodes.flatMap((node) => graph.nodes[node] ?? []);
  const names = operators.flatMap((node) => node.inputs);
  const statistics = new Set(operators.flatMap(statisticsOf));
  const own = new Set(names);
  const used = graph.parameters.filter(({ name, values }) => values === null && own.has(name));
  used.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  return {
    weights: used.map(({ dtype, shape }) => `${dtype}[${shape.join(', ')}]`).join(' '),
    values: used.map(({ name }) => name),
    tensors: used.map((parameter) => ({
      path,
      name: parameter.tensor,
      isBuffer: statistics.has(parameter.name) || isBuffer(parameter),
    })),
  };
}

function settingsOf(nodes: readonly GraphNode[]): Map<string, string> {
  const settings = new Map<string, string>();
  if (nodes.length > 1) settings.set('operators', nodes.map(({ op }) => op).join(' '));
  for (const { op, attributes } of nodes) {
    for (const attribute of attributes) {
      const text = textOf(attribute);
      const name = nodes.length > 1 ? `${op}.${attribute.name}` : attribute.name;
      if (text !== null && !settings.has(name)) settings.set(name, text);
    }
  }
  return settings;
}

/** Longer values of attributes are compared and not shown whole. */
const VALUE_CHARS_MAX = 200;

function textOf({ kind, value }: Attribute): string | null {
  if (kind === 'other') return null;
  const text = kind === 'tensor' ? JSON.stringify(value.values) : JSON.stringify(value);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
}

/** The layers of a checkpoint as the names of its tensors tell. */
export function weightsSide(path: string, tensors: readonly CountedTensor[]): NetworkSide {
  const groups = groupParameters(tensors);
  const counts = new Map<string, number>();
  const layers = groups.map((group): SideLayer => {
    const { name, kind, type, parameters } = group;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return {
      name,
      alias: `${kind}${count}`,
      isNamed: true,
      kind,
      type,
      shape: null,
      parameters,
      macs: 0,
      weights: shapesOf(group),
      settings: new Map([['parameters', shapesOf(group)]]),
      values: [],
      tensors: group.tensors.map((tensor) => {
        return { path, name: tensor.name, isBuffer: isBuffer(tensor) };
      }),
    };
  });
  const parameters = groups.reduce((sum, group) => sum + group.parameters, 0);
  const totals = { layers: layers.length, parameters, macs: 0 };
  return { path, isGraph: false, layers, edges: [], totals };
}

/** In the order of names: files of two formats list the same tensors in two orders. */
function shapesOf({ tensors }: ParameterGroup): string {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.map(({ dtype, shape }) => `${dtype}[${shape.join(', ')}]`).join(' ');
}

/**
 * Adds to the layers of a network the tensors of a checkpoint that go with it, those of norms that are folded
 * into them included. @returns false if less than half of the parameters find a tensor.
 */
export function joinCheckpoint(
  side: NetworkSide,
  view: LayerView,
  path: string,
  tensors: readonly CountedTensor[],
): boolean {
  const { pairs, unpaired } = pairTensors(view, tensors);
  if (pairs.length <= unpaired.length) return false;
  const byParameter = new Map(pairs.map((pair) => [pair.parameter, pair]));
  for (const layer of side.layers) {
    const found = layer.values.flatMap((name) => byParameter.get(name) ?? []);
    const norms = found.flatMap(({ fold }) => [...(fold?.norm.parts.values() ?? [])]);
    const names = new Set([
      ...found.map(({ tensor }) => tensor),
      ...norms.map(({ tensor }) => tensor.name),
      // What counts the batches of a norm goes with it.
      ...norms.map(({ tensor }) => tensor.name.replace(/[^./]+$/, 'num_batches_tracked')),
    ]);
    const kept = new Set(
      found
        .filter(({ parameter }) => layer.tensors[layer.values.indexOf(parameter)]?.isBuffer)
        .map(({ tensor }) => tensor),
    );
    for (const tensor of tensors) {
      const { name } = tensor;
      if (!names.has(name)) continue;
      layer.tensors.push({ path, name, isBuffer: kept.has(name) || isBuffer(tensor) });
    }
  }
  return true;
}
