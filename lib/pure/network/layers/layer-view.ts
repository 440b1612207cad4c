/**
 * The layers of a network, as people speak of them: operators folded into groups, with kinds, names and
 * the two relations between them. `succ` is the layer that comes next; `next` passes over activations,
 * norms, dropout and reshaping, so that conv1.next is the pooling behind its ReLU.
 *
 * What is named here is stored with a version and read from there later, so names last.
 */
import type { Graph, GraphNode, Network } from '../network.js';
import { GraphIndex } from './graph-index.js';
import {
  aliasWord,
  isSetting,
  type LayerKind,
  type LayerType,
  PASSED_KINDS,
  typeOfNode,
} from './kinds.js';
import type { Match } from './matching.js';
import { nameOfNode, nameOfWeight, UniqueNames } from './names.js';
import { PATTERNS } from './patterns.js';

/** One layer. */
export interface Layer extends LayerType {
  /** Unique in the network: 'layer1.0.conv1', 'if1.else/encoder.0.reparam_conv'. */
  name: string;
  /** Kind and place among layers of that kind in its graph: 'conv1', 'fc2'. */
  alias: string;
  /** Its nodes, by their place in the graph, in order. */
  nodes: readonly number[];
}

/** The layers of one graph, in an order in which they can run. */
export interface LayerGraph {
  graph: Graph;
  /** In front of names of its layers: '' for the main graph, else 'if1.else/'. */
  path: string;
  layers: readonly Layer[];
  /** Nodes of shape arithmetic and of constants, which no layer holds. */
  hidden: readonly number[];
}

/** Layers of the main graph, then of bodies. */
export type LayerView = readonly LayerGraph[];

/** Finds and names the layers of a network. O(nodes + uses). */
export function layerView(network: Network): LayerView {
  const views: LayerGraph[] = [];
  addGraph(network.graph, '', null, views);
  return views;
}

function addGraph(graph: Graph, path: string, outer: GraphIndex | null, views: LayerGraph[]): void {
  const index = new GraphIndex(graph, outer);
  const hidden = hiddenNodes(index);
  const groups = groupNodes(index, hidden);
  const layers = nameLayers(index, groups, path);
  views.push({ graph, path, layers, hidden: [...hidden].sort((a, b) => a - b) });
  for (const layer of layers) {
    for (const node of layer.nodes) {
      for (const body of graph.nodes[node]?.bodies ?? []) {
        const short = body.name.replace(/_branch$/, '');
        addGraph(body.graph, `${layer.alias}.${short}/`, index, views);
      }
    }
  }
}

/** Nodes that make only constants, or only what tells others how to work: shapes, axes, conditions. */
function hiddenNodes(index: GraphIndex): Set<number> {
  const hidden = new Set<number>();
  const { nodes } = index.graph;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i] as GraphNode;
    if (node.bodies.length > 0) continue;
    const made = node.outputs.filter((name) => name !== '');
    if (made.every((name) => index.isConstant(name))) {
      hidden.add(i);
      continue;
    }
    const uses = made.flatMap((name) => index.uses(name));
    if (uses.length === 0 || made.some((name) => index.isResult(name))) continue;
    const tells = uses.every(({ node: user, input }) => {
      return hidden.has(user) || (input >= 0 && isSetting(nodes[user] as GraphNode, input));
    });
    if (tells) hidden.add(i);
  }
  return hidden;
}

/** Every node that is not hidden, in a group of its own or with others; groups in order of their first. */
function groupNodes(index: GraphIndex, hidden: ReadonlySet<number>): Match[] {
  const taken = new Set(hidden);
  const groups: Match[] = [];
  const take = (match: Match): void => {
    for (const node of match.nodes) taken.add(node);
    groups.push(match);
  };
  const count = index.graph.nodes.length;
  for (const pattern of PATTERNS) {
    for (let i = 0; i < count; i++) {
      if (taken.has(i)) continue;
      const match = pattern(index, i);
      if (match?.nodes.every((node) => !taken.has(node))) take(match);
    }
  }
  for (let i = 0; i < count; i++) {
    if (taken.has(i)) continue;
    const type = typeOfNode(index, index.node(i));
    take({ ...type, nodes: [i, ...followers(index, i, type, taken)] });
  }
  // Norms are matched at a node in their middle: their order is that of the graph.
  const sorted = groups.map((group) => ({
    ...group,
    nodes: [...group.nodes].sort((a, b) => a - b),
  }));
  return sorted.sort((a, b) => (a.nodes[0] as number) - (b.nodes[0] as number));
}

/** Operators that are taken into a layer when their other operands are constant. */
const FOLLOWS: Record<string, readonly string[]> = {
  conv: ['Add', 'Mul', 'BatchNormalization'],
  deconv: ['Add', 'Mul', 'BatchNormalization'],
  full: ['Add'],
  scale: ['Add', 'Sub', 'Mul', 'Div'],
};

/** Bias, norm, scale and shift behind a convolution or product: constants, used by nothing else. */
function followers(
  index: GraphIndex,
  main: number,
  { kind, type }: LayerType,
  taken: ReadonlySet<number>,
): number[] {
  const found: number[] = [];
  const allowed = type === 'SCALE' ? FOLLOWS.scale : FOLLOWS[kind];
  if (allowed === undefined) return found;
  for (let at = main; ; ) {
    const [output = ''] = index.node(at).outputs;
    const next = index.onlyUser(output);
    if (next < 0 || taken.has(next)) return found;
    const node = index.node(next);
    if (!allowed.includes(node.op)) return found;
    const others = node.inputs.filter((name) => name !== output);
    if (others.length === 0 || !others.every((name) => index.isConstant(name))) return found;
    found.push(next);
    at = next;
  }
}

function nameLayers(index: GraphIndex, groups: readonly Match[], path: string): Layer[] {
  const counts = new Map<string, number>();
  const aliases = groups.map((group) => {
    const word = aliasWord(group);
    const count = (counts.get(word) ?? 0) + 1;
    counts.set(word, count);
    return `${word}${count}`;
  });
  const given = groups.map((group) => givenName(index, group));
  const containers = containersOf(given.map(({ name }) => name));
  const owners = ownersOf(given);
  const layerOf = new Map<number, number>();
  groups.forEach(({ nodes }, i) => {
    for (const node of nodes) layerOf.set(node, i);
  });
  const names = new UniqueNames();
  /** What layers behind are called after. */
  const bases: string[] = [];
  return groups.map((group, i): Layer => {
    const { kind, type, nodes } = group;
    const alias = aliases[i] as string;
    const { name: said, hasWeights } = given[i] as Given;
    const owns = said !== null && (hasWeights || (!containers.has(said) && owners.get(said) === i));
    let name = owns ? said : null;
    bases[i] = name ?? alias;
    if (name === null && !hasWeights) {
      const before = producerOf(index, nodes, layerOf, i);
      const base = said ?? (before === null ? undefined : bases[before]);
      if (base !== undefined) {
        bases[i] = base;
        name = `${base}.${placeWord(group)}`;
      }
    }
    return { kind, type, nodes, name: path + names.add(name ?? alias), alias: path + alias };
  });
}

/** The layer that a name belongs to: the first with weights, else the first. */
function ownersOf(given: readonly Given[]): Map<string, number> {
  const owners = new Map<string, number>();
  for (const wants of [true, false]) {
    given.forEach(({ name, hasWeights }, i) => {
      if (name !== null && hasWeights === wants && !owners.has(name)) owners.set(name, i);
    });
  }
  return owners;
}

/** What a layer without a name of its own is called behind the name of its place. */
function placeWord(type: LayerType): string {
  if (type.kind === 'pool') {
    return type.type.startsWith('GLOBAL') ? 'globalpool' : `${type.type.toLowerCase()}pool`;
  }
  return type.kind === 'reshape' ? type.type.toLowerCase() : aliasWord(type);
}

interface Given {
  name: string | null;
  hasWeights: boolean;
}

/** Kinds whose constants are what they learned. */
const WITH_WEIGHTS: ReadonlySet<LayerKind> = new Set<LayerKind>([
  ...(['conv', 'deconv', 'full', 'norm', 'act', 'embed', 'attn', 'rnn'] as const),
]);

/** What the file calls a group: by its modules, by its first node, by its weights. */
function givenName(index: GraphIndex, { kind, nodes }: Match): Given {
  const weights = nodes.flatMap((node) => {
    return index.node(node).inputs.flatMap((name) => index.constant(name) ?? []);
  });
  const own = weights.filter((name) => index.parameter(name)?.values === null);
  const hasWeights = own.length > 0 && WITH_WEIGHTS.has(kind);
  const main = index.node(mainOf(index, nodes));
  const { name } = nameOfNode(main);
  if (name !== null) return { name, hasWeights };
  for (const weight of own) {
    const found = nameOfWeight(weight);
    if (found !== null) return { name: found, hasWeights };
  }
  return { name: null, hasWeights };
}

/** The node of a group that has weights, else its first. */
function mainOf(index: GraphIndex, nodes: readonly number[]): number {
  const weighty = nodes.find((node) => {
    const { op, inputs } = index.node(node);
    return /Conv|Gemm|MatMul|Norm/.test(op) && inputs.some((name) => index.isConstant(name));
  });
  return weighty ?? (nodes[0] as number);
}

/** Names that are a place around others: 'layer1' where there is 'layer1.conv'. */
function containersOf(names: readonly (string | null)[]): Set<string> {
  const found = new Set<string>();
  const all = new Set(names);
  for (const name of all) {
    if (name === null) continue;
    let at = name.lastIndexOf('.');
    for (let depth = 0; at > 0 && depth < CONTAINERS_MAX; depth++) {
      found.add(name.slice(0, at));
      at = name.lastIndexOf('.', at - 1);
    }
  }
  return found;
}

/** The layer that makes the first input of a group; null if that is an input of the graph. */
function producerOf(
  index: GraphIndex,
  nodes: readonly number[],
  layerOf: ReadonlyMap<number, number>,
  self: number,
): number | null {
  for (const node of nodes) {
    for (const name of index.node(node).inputs) {
      const layer = layerOf.get(index.maker(name));
      if (layer !== undefined && layer < self) return layer;
    }
  }
  return null;
}

/** Successors of a layer that are kept: dense networks have some dozen. */
const NEXT_MAX = 128;
/** Modules around a layer that are told from layers. */
const CONTAINERS_MAX = 32;

/** The relations of the layers of a graph: for each the places of others, ascending. */
export interface LayerLinks {
  /** Immediate successors. */
  succ: readonly (readonly number[])[];
  /** Structural successors: activations, norms, dropout and reshaping are passed over. */
  next: readonly (readonly number[])[];
}

/** Works out the relations between the layers of a graph. O(layers + uses), `next` by walks over what it passes. */
export function linkLayers({ graph, layers }: Pick<LayerGraph, 'graph' | 'layers'>): LayerLinks {
  const index = new GraphIndex(graph);
  const layerOf = new Map<number, number>();
  layers.forEach(({ nodes }, i) => {
    for (const node of nodes) layerOf.set(node, i);
  });
  const succ = layers.map(({ nodes }, i) => {
    const found = new Set<number>();
    for (const node of nodes) {
      for (const output of index.node(node).outputs) {
        for (const { node: user } of index.uses(output)) {
          const layer = layerOf.get(user);
          if (layer !== undefined && layer !== i) found.add(layer);
        }
      }
    }
    return [...found].sort((a, b) => a - b);
  });
  const passes = layers.map(({ kind }) => PASSED_KINDS.has(kind));
  /** What a passed layer leads to; layers are in order, so those behind are known first. */
  const beyond: (readonly number[])[] = [];
  const reach = (from: readonly number[]): number[] => {
    const found = from.flatMap((to) => (passes[to] ? (beyond[to] ?? []) : [to]));
    return [...new Set(found)].sort((a, b) => a - b).slice(0, NEXT_MAX);
  };
  for (let i = layers.length - 1; i >= 0; i--) beyond[i] = passes[i] ? reach(succ[i] ?? []) : [];
  return { succ, next: succ.map(reach) };
}
