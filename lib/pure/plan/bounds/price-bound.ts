/**
 * The lower bound that scales: budgets priced into a minimum arborescence.
 *
 * With prices on the budgets a vertex k pays w(k) per unit of its path. If it is stored by the delta
 * (p, k), then either p is materialised and the path has at least root(p) + r, or it is not and the
 * path has at least second(p) + r, where second(p) is the shortest path to p whose last edge is a
 * delta. "p is materialised" is itself relaxed with one multiplier u ≥ 0 per delta, given back on p's
 * materialisations. So every plan within the budgets stores at least the minimum arborescence under
 *   delta (p, k):         s + w(k) · r + min(w(k) · root(p) + u, w(k) · second(p))
 *   materialisation of p: s + w(p) · r − Σ u over the deltas out of p
 * minus the priced budgets. Paths beyond a vertex's cap are left out. For reusable groups only the
 * members' own last edges are charged, which their union always contains. Prices and multipliers
 * rise by subgradient steps; each round is one arborescence, O(m log n).
 */

import { type Budgets, KIND_NONE, KIND_SUM } from '../budgets.js';
import { ROOT, type StorageGraph } from '../graph.js';
import { ArborescenceSolver } from '../planners/arborescence.js';
import type { Steps } from '../steps.js';

/** Rounds without a better bound before the steps get shorter. */
const PATIENCE = 8;

/** A bound and the relaxation's tree. */
export interface PricedBound {
  /** No plan within the budgets stores less. Infinity if there is no plan. */
  readonly bound: number;
  /** The tree at the best prices: short of storage, perhaps over budget. */
  readonly parentEdge: Int32Array;
}

/** Rounds a bound up where storage is in whole units; takes off what rounding may have added. */
export function tightenBound(graph: StorageGraph, bound: number): number {
  if (bound === Infinity) return bound;
  const safe = bound - 1e-9 * Math.max(1, Math.abs(bound));
  return Math.max(0, graph.integralStorage ? Math.ceil(safe - 1e-6) : safe);
}

/** What the bound is taken over. */
export interface PricedBoundInput {
  readonly graph: StorageGraph;
  readonly budgets: Budgets;
  /** Shortest path per vertex. */
  readonly distance: Float64Array;
  /** Most path cost per vertex in a plan within the budgets. */
  readonly cap: Float64Array;
  /** Storage of the best known plan, or a guess: sets the length of steps. */
  readonly upper: number;
  readonly rounds: number;
  readonly steps: Steps;
}

/** Raises prices and multipliers towards the best bound. */
export function findPricedBound(input: PricedBoundInput): PricedBound {
  const relaxation = new PricedRelaxation(input);
  const { graph, upper, rounds, steps } = input;
  let bound = -Infinity;
  let parentEdge = relaxation.parentEdge;
  let pace = 1;
  let idle = 0;
  for (let round = 0; round < rounds; round++) {
    if (!steps.spend(6 * graph.edgeCount) && round > 0) break;
    const value = relaxation.evaluate();
    if (value === Infinity) return { bound: Infinity, parentEdge };
    if (value > bound) {
      bound = value;
      parentEdge = relaxation.parentEdge.slice();
      idle = 0;
    } else if (++idle >= PATIENCE) {
      pace *= 0.7;
      idle = 0;
    }
    if (pace < 1e-3 || !relaxation.ascend(pace * Math.max(upper - value, upper * 1e-6))) break;
  }
  return { bound: tightenBound(graph, bound), parentEdge };
}

/** Price of one unit of each vertex's root path under prices per group. */
export function pricePerNode(
  graph: StorageGraph,
  budgets: Budgets,
  prices: Float64Array,
): Float64Array {
  const price = new Float64Array(graph.nodeCount);
  graph.groups.forEach((group, index) => {
    if (budgets.kind[index] === KIND_NONE) return;
    for (const member of group.members) price[member]! += prices[index]!;
  });
  return price;
}

/** Recreation cost that counts as one step per group: the mean shortest path of its members. */
export function typicalCosts(graph: StorageGraph, distance: Float64Array): Float64Array {
  return Float64Array.from(graph.groups, (group) => {
    let sum = 0;
    for (const member of group.members) sum += distance[member]!;
    return sum > 0 && sum < Infinity ? sum / group.members.length : 1;
  });
}

/** What there is one of for each group, vertex and delta. */
interface DualPoint<Edges> {
  readonly group: Float64Array;
  readonly node: Float64Array;
  readonly edge: Edges;
}

class PricedRelaxation {
  readonly parentEdge: Int32Array;
  readonly #graph: StorageGraph;
  readonly #budgets: Budgets;
  readonly #distance: Float64Array;
  readonly #cap: Float64Array;
  readonly #solver: ArborescenceSolver;
  readonly #scale: Float64Array;
  /** Least path cost of a vertex if it is materialised, and if it is not. */
  readonly #reach: { readonly direct: Float64Array; readonly second: Float64Array };
  readonly #cost: Float64Array;
  /** Path cost that the tail of a delta is charged with, and whether as materialised. */
  readonly #tailCost: Float64Array;
  readonly #isDirect: Uint8Array;
  /** Prices per group and vertex, and multipliers per delta. */
  readonly #price: DualPoint<Float64Array>;
  readonly #slope: DualPoint<Int8Array>;

  constructor({ graph, budgets, distance, cap }: PricedBoundInput) {
    const { nodeCount, edgeCount } = graph;
    this.#graph = graph;
    this.#budgets = budgets;
    this.#distance = distance;
    this.#cap = cap;
    this.#solver = new ArborescenceSolver(graph);
    this.parentEdge = this.#solver.parentEdge;
    this.#scale = typicalCosts(graph, distance);
    const direct = new Float64Array(nodeCount).fill(Infinity);
    const second = new Float64Array(nodeCount).fill(Infinity);
    this.#reach = { direct, second };
    for (let edge = 0; edge < edgeCount; edge++) {
      const tail = graph.from[edge]!;
      const reach = tail === ROOT ? direct : second;
      const head = graph.to[edge]!;
      reach[head] = Math.min(reach[head]!, distance[tail]! + graph.recreation[edge]!);
    }
    this.#cost = new Float64Array(edgeCount);
    this.#tailCost = new Float64Array(edgeCount);
    this.#isDirect = new Uint8Array(edgeCount);
    const zero = () => ({
      group: new Float64Array(graph.groups.length),
      node: new Float64Array(nodeCount),
    });
    this.#price = { ...zero(), edge: new Float64Array(edgeCount) };
    this.#slope = { ...zero(), edge: new Int8Array(edgeCount) };
  }

  /** The bound at the present prices, unrounded; Infinity if no plan is left. */
  evaluate(): number {
    const { nodeCount, inStart, inEdges, from } = this.#graph;
    const returned = new Float64Array(nodeCount);
    for (let edge = 0; edge < this.#price.edge.length; edge++) {
      returned[from[edge]!]! += this.#price.edge[edge]!;
    }
    for (let node = 1; node < nodeCount; node++) {
      const { perPath, perEdge } = this.#pricesOf(node);
      for (let at = inStart[node]!; at < inStart[node + 1]!; at++) {
        const edge = inEdges[at]!;
        if (from[edge] === ROOT) this.#priceRootEdge(edge, perPath + perEdge, returned[node]!);
        else this.#priceDelta(edge, perPath, perEdge);
      }
    }
    const value = this.#solver.solve(this.#cost);
    return value === Infinity ? value : value - this.#priceOfBudgets();
  }

  /** Moves uphill from the last evaluation. @returns false if nothing relaxed is broken. */
  ascend(rise: number): boolean {
    const norm = this.#findSlope();
    if (norm === 0) return false;
    const step = rise / norm;
    for (let edge = 0; edge < this.#slope.edge.length; edge++) {
      if (this.#slope.edge[edge] === 0) continue;
      this.#price.edge[edge] = Math.max(
        0,
        this.#price.edge[edge]! + step * this.#slope.edge[edge]!,
      );
    }
    for (let group = 0; group < this.#price.group.length; group++) {
      const change = (step * this.#slope.group[group]!) / this.#scale[group]!;
      this.#price.group[group] = Math.max(0, this.#price.group[group]! + change);
    }
    for (let node = 1; node < this.#price.node.length; node++) {
      if (this.#slope.node[node] === 0) continue;
      const change = (step * this.#slope.node[node]!) / this.#nodeScale(node);
      this.#price.node[node] = Math.max(0, this.#price.node[node]! + change);
    }
    return true;
  }

  #nodeScale(node: number): number {
    return Math.max(this.#distance[node]!, 1e-9);
  }

  #pricesOf(node: number): { perPath: number; perEdge: number } {
    const { groupStart, groupsOf } = this.#graph;
    let perPath = this.#price.node[node]!;
    let perEdge = 0;
    for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
      const group = groupsOf[at]!;
      if (this.#budgets.kind[group] === KIND_SUM) perPath += this.#price.group[group]!;
      else if (this.#budgets.kind[group] !== KIND_NONE) perEdge += this.#price.group[group]!;
    }
    return { perPath, perEdge };
  }

  #priceRootEdge(edge: number, price: number, returned: number): void {
    const { storage, recreation, to } = this.#graph;
    const isFit = recreation[edge]! <= this.#cap[to[edge]!]!;
    this.#tailCost[edge] = 0;
    this.#cost[edge] = isFit ? storage[edge]! + price * recreation[edge]! - returned : Infinity;
  }

  #priceDelta(edge: number, perPath: number, perEdge: number): void {
    const { storage, recreation, from, to } = this.#graph;
    const own = recreation[edge]!;
    const tail = from[edge]!;
    const most = this.#cap[to[edge]!]! - own;
    const direct = this.#reach.direct[tail]!;
    const second = this.#reach.second[tail]!;
    const hasDirect = direct <= most && direct < Infinity;
    const hasSecond = second <= most && second < Infinity;
    const ifDirect = hasDirect ? perPath * direct + this.#price.edge[edge]! : Infinity;
    const ifSecond = hasSecond ? perPath * second : Infinity;
    const isDirect = ifDirect <= ifSecond;
    this.#isDirect[edge] = isDirect ? 1 : 0;
    this.#tailCost[edge] = isDirect ? direct : second;
    const charge = (perPath + perEdge) * own + Math.min(ifDirect, ifSecond);
    this.#cost[edge] = charge < Infinity ? storage[edge]! + charge : Infinity;
  }

  #priceOfBudgets(): number {
    const { limit, nodeLimit } = this.#budgets;
    let total = 0;
    for (let group = 0; group < limit.length; group++) {
      if (this.#price.group[group]! > 0) total += this.#price.group[group]! * limit[group]!;
    }
    for (let node = 1; node < nodeLimit.length; node++) {
      if (this.#price.node[node]! > 0) total += this.#price.node[node]! * nodeLimit[node]!;
    }
    return total;
  }

  /** What is relaxed and broken (positive) or slack at a price (negative). @returns squared length. */
  #findSlope(): number {
    const { from, to, recreation, groups } = this.#graph;
    const { kind, limit, nodeLimit } = this.#budgets;
    const pathOf = (node: number): number => {
      const edge = this.parentEdge[node]!;
      return this.#tailCost[edge]! + recreation[edge]!;
    };
    let norm = 0;
    for (let edge = 0; edge < this.#slope.edge.length; edge++) {
      const tail = from[edge]!;
      this.#slope.edge[edge] = 0;
      if (tail === ROOT) continue;
      const isUsed = this.parentEdge[to[edge]!] === edge && this.#isDirect[edge] === 1;
      const isMaterialized = from[this.parentEdge[tail]!] === ROOT;
      if (isUsed && !isMaterialized) this.#slope.edge[edge] = 1;
      else if (!isUsed && isMaterialized && this.#price.edge[edge]! > 0)
        this.#slope.edge[edge] = -1;
      if (this.#slope.edge[edge] !== 0) norm++;
    }
    groups.forEach((group, index) => {
      this.#slope.group[index] = 0;
      if (kind[index] === KIND_NONE) return;
      let sum = 0;
      for (const member of group.members) {
        const isSum = kind[index] === KIND_SUM;
        sum += isSum ? pathOf(member) : recreation[this.parentEdge[member]!]!;
      }
      const excess = (sum - limit[index]!) / this.#scale[index]!;
      if (excess <= 0 && this.#price.group[index] === 0) return;
      this.#slope.group[index] = excess;
      norm += excess * excess;
    });
    for (let node = 1; node < nodeLimit.length; node++) {
      this.#slope.node[node] = 0;
      if (nodeLimit[node] === Infinity) continue;
      const excess = (pathOf(node) - nodeLimit[node]!) / this.#nodeScale(node);
      if (excess <= 0 && this.#price.node[node] === 0) continue;
      this.#slope.node[node] = excess;
      norm += excess * excess;
    }
    return norm;
  }
}
