/**
 * What one pass through a network costs: by layer and in all, for the shapes it is given.
 *
 * MACs count convolutions and products alone; FLOPs are 2·MACs and all other operations; special
 * functions (exp, tanh, …) are counted apart. Of the branches of If that the inputs fit the dearest counts; a loop counts its
 * trips, or one where their number is open. Operators that are not counted are named.
 */

import type { LayerView } from '../layers/layer-view.js';
import type { Body, Dim, Graph, GraphNode, Network, Parameter } from '../network.js';
import { graphsOf } from '../network.js';
import type { NetworkShapes } from '../shapes/infer-shapes.js';
import { activationMemory } from './memory.js';
import { NO_OPERATIONS, nodeOperations, type Operations } from './node-cost.js';
import { countParameters, NO_PARAMETERS, type ParameterCounts } from './parameter-counts.js';

/** What one layer costs. */
export interface LayerCost extends Operations, ParameterCounts {}

export interface NetworkCost extends Operations, ParameterCounts {
  /** 2·MACs and other operations, without special functions. */
  flops: Dim;
  /** MACs of integer products. */
  int8Macs: Dim;
  /** Bytes of all activations; null if some shape is not known. */
  activationBytes: Dim | null;
  /** Bytes of activations that are needed at once; null if that depends on open dimensions. */
  peakBytes: number | null;
  /** Operators that are not counted, and those whose shapes are not known, with how many there are. */
  uncounted: ReadonlyMap<string, number>;
  /** Loops whose number of trips is open: one trip is counted. */
  openLoops: number;
  /** By graph of the layer view, then layer. */
  layers: readonly (readonly LayerCost[])[];
}

const INTEGER_OPS = /^(QLinear|ConvInteger|MatMulInteger)/;

/** Works out the cost of a network. O(nodes). */
export function networkCost(network: Network, view: LayerView, shapes: NetworkShapes): NetworkCost {
  const counter = new Counter(view, shapes);
  const all = counter.graph(network.graph);
  const parameters = [...graphsOf(network.graph)].flatMap(({ graph }) => graph.parameters);
  const { dims } = shapes;
  const memory = activationMemory(network.graph, shapes, (graph, node) =>
    counter.isHidden(graph, node),
  );
  return {
    ...all,
    ...countParameters(parameters, counter.statistics),
    flops: dims.add(dims.mul(all.macs, 2), all.other),
    int8Macs: counter.int8Macs,
    activationBytes: memory.total,
    peakBytes: memory.peak,
    uncounted: counter.uncounted,
    openLoops: counter.openLoops,
    layers: counter.layers(),
  };
}

/** Names of the mean and the variance of a batch norm; none of other operators. */
export function statisticsOf({ op, inputs }: Pick<GraphNode, 'op' | 'inputs'>): string[] {
  return op === 'BatchNormalization' ? inputs.slice(3, 5) : [];
}

class Counter {
  readonly uncounted = new Map<string, number>();
  /** Names of means and variances of batch norms. */
  readonly statistics = new Set<string>();
  int8Macs: Dim = 0;
  openLoops = 0;
  readonly #view: LayerView;
  readonly #shapes: NetworkShapes;
  readonly #hidden = new Map<Graph, Set<number>>();
  readonly #operations = new Map<GraphNode, Operations>();

  constructor(view: LayerView, shapes: NetworkShapes) {
    this.#view = view;
    this.#shapes = shapes;
    for (const { graph, hidden } of view) this.#hidden.set(graph, new Set(hidden));
    for (const { graph } of view) {
      for (const name of graph.nodes.flatMap(statisticsOf)) this.statistics.add(name);
    }
  }

  isHidden(graph: Graph, node: number): boolean {
    return this.#hidden.get(graph)?.has(node) ?? false;
  }

  #add(a: Operations, b: Operations): Operations {
    const { dims } = this.#shapes;
    return {
      macs: dims.add(a.macs, b.macs),
      other: dims.add(a.other, b.other),
      special: dims.add(a.special, b.special),
    };
  }

  /**
   * Operations of a graph, those of bodies included.
   * @param isTaken  false inside a branch that the inputs do not fit: what is not counted there is not missed.
   */
  graph(graph: Graph, isTaken = true): Operations {
    let sum = NO_OPERATIONS;
    graph.nodes.forEach((node, i) => {
      if (this.isHidden(graph, i)) return;
      const own =
        node.bodies.length > 0
          ? this.#bodies(graph, node, isTaken)
          : this.#node(graph, node, isTaken);
      this.#operations.set(node, own);
      sum = this.#add(sum, own);
    });
    return sum;
  }

  #node(graph: Graph, node: GraphNode, isTaken: boolean): Operations {
    const { dims } = this.#shapes;
    const value = (name: string) => this.#shapes.of(graph, name);
    const found = nodeOperations({
      node,
      inputs: node.inputs.map((name) => (name === '' ? undefined : value(name))),
      outputs: node.outputs.map(value),
      dims,
    });
    if (!found) {
      if (!isTaken) return NO_OPERATIONS;
      const name = node.domain === '' ? node.op : `${node.domain}.${node.op}`;
      this.uncounted.set(name, (this.uncounted.get(name) ?? 0) + 1);
      return NO_OPERATIONS;
    }
    if (INTEGER_OPS.test(node.op)) this.int8Macs = dims.add(this.int8Macs, found.macs);
    return found;
  }

  #bodies(graph: Graph, node: GraphNode, isTaken: boolean): Operations {
    const fits = ({ graph: inner }: Body): boolean => this.#shapes.isTaken(inner);
    const found = node.bodies.map((body) => this.graph(body.graph, isTaken && fits(body)));
    const bodies = found.filter((_, i) => fits(node.bodies[i] as Body));
    if (node.op === 'If') return bodies.reduce((a, b) => (isDearer(b, a) ? b : a), NO_OPERATIONS);
    const trips = this.#trips(graph, node);
    if (trips === null) this.openLoops++;
    const { dims } = this.#shapes;
    return bodies.reduce(
      (sum, { macs, other, special }) =>
        this.#add(sum, {
          macs: dims.mul(macs, trips ?? 1),
          other: dims.mul(other, trips ?? 1),
          special: dims.mul(special, trips ?? 1),
        }),
      NO_OPERATIONS,
    );
  }

  #trips(graph: Graph, node: GraphNode): Dim | null {
    if (node.op === 'Loop')
      return this.#shapes.of(graph, node.inputs[0] ?? '').elements?.[0] ?? null;
    const last = node.inputs.at(-1) ?? '';
    return node.op === 'Scan' ? (this.#shapes.of(graph, last).shape?.[0] ?? null) : null;
  }

  /** The cost of each layer. A parameter that several use counts in the first. */
  layers(): LayerCost[][] {
    const counted = new Set<string>();
    const known = new Map<string, Parameter>();
    for (const { graph } of this.#view)
      for (const one of graph.parameters) known.set(one.name, one);
    return this.#view.map(({ graph, layers, hidden }) => {
      const behind = parametersBehind(graph, hidden, known);
      return layers.map(({ nodes }) => {
        let sum = NO_OPERATIONS;
        const own: Parameter[] = [];
        for (const i of nodes) {
          const node = graph.nodes[i] as GraphNode;
          sum = this.#add(sum, this.#operations.get(node) ?? NO_OPERATIONS);
          for (const name of node.inputs) {
            for (const parameter of behind(name)) {
              if (counted.has(parameter.name)) continue;
              counted.add(parameter.name);
              own.push(parameter);
            }
          }
        }
        return {
          ...sum,
          ...(own.length === 0 ? NO_PARAMETERS : countParameters(own, this.statistics)),
        };
      });
    });
  }
}

/** The parameters that a value is, or is computed of by nodes that no layer holds. */
function parametersBehind(
  graph: Graph,
  hidden: readonly number[],
  known: ReadonlyMap<string, Parameter>,
): (name: string) => readonly Parameter[] {
  const made = new Map<string, readonly Parameter[]>();
  const behind = (name: string): readonly Parameter[] => {
    const parameter = known.get(name);
    return parameter === undefined ? (made.get(name) ?? []) : [parameter];
  };
  for (const i of hidden) {
    const node = graph.nodes[i] as GraphNode;
    const all = [...new Set(node.inputs.flatMap(behind))].slice(0, 64);
    for (const name of node.outputs) made.set(name, all);
  }
  return behind;
}

function isDearer(a: Operations, b: Operations): boolean {
  const size = (dim: Dim): number => (typeof dim === 'number' ? dim : Number.MAX_SAFE_INTEGER);
  return size(a.macs) > size(b.macs) || (a.macs === b.macs && size(a.other) > size(b.other));
}
