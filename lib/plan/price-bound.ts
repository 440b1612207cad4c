/**
 * The lower bound that scales: budgets priced into a minimum arborescence.
 *
 * A vertex stored by edge (u, v) costs at least D(u) + r to rebuild, D being the shortest path. So for
 * prices λ ≥ 0 on the budgets, every plan that meets them stores at least
 *   min arborescence of s(e) + price(v) · (D(u) + r(e)), minus Σ λ · budget,
 * over the edges that fit into the vertices' caps. For reusable groups only the members' own last
 * edges are charged, which their union always contains. λ is raised by subgradient steps.
 */
import { ArborescenceSolver } from './arborescence.js';
import { type Budgets, KIND_NONE, KIND_SUM } from './budgets.js';
import type { StorageGraph } from './graph.js';
import type { Steps } from './steps.js';

/** A bound with the prices that give it. */
export interface PricedBound {
  /** No plan within the budgets stores less. Infinity if there is no plan. */
  readonly bound: number;
  /** Per group; in storage per unit of recreation. */
  readonly prices: Float64Array;
  /** The relaxation's tree at the best prices: short of storage, perhaps over budget. */
  readonly parentEdge: Int32Array;
}

/** Rounds a bound up where storage is counted in whole units; takes off what rounding may have added. */
export function tightenBound(graph: StorageGraph, bound: number): number {
  if (bound === Infinity) return bound;
  const safe = bound - 1e-9 * Math.max(1, Math.abs(bound));
  return Math.max(0, graph.integralStorage ? Math.ceil(safe - 1e-6) : safe);
}

/**
 * Raises the prices towards the best bound.
 * @param forbidden  per edge, non-zero where no plan within the budgets can use it.
 * @param upper      storage of the best known plan, or a guess: sets the step length.
 */
export function findPricedBound(
  graph: StorageGraph,
  budgets: Budgets,
  distance: Float64Array,
  forbidden: Uint8Array,
  upper: number,
  rounds: number,
  steps: Steps,
): PricedBound {
  const solver = new ArborescenceSolver(graph);
  const cost = new Float64Array(graph.edgeCount);
  const prices = new Float64Array(graph.groups.length);
  const slope = new Float64Array(graph.groups.length);
  const scale = typicalCosts(graph, distance);
  let best = { bound: -Infinity, prices: prices.slice(), parentEdge: solver.parentEdge.slice() };
  let pace = 1;
  let idle = 0;
  for (let round = 0; round < rounds; round++) {
    if (!steps.spend(4 * graph.edgeCount) && round > 0) break;
    priceEdges(graph, budgets, distance, forbidden, prices, cost);
    let value = solver.solve(cost);
    if (value === Infinity) return { ...best, bound: Infinity };
    value -= priceOfBudgets(budgets, prices);
    if (value > best.bound) {
      best = { bound: value, prices: prices.slice(), parentEdge: solver.parentEdge.slice() };
      idle = 0;
    } else if (++idle >= 5) {
      pace /= 2;
      idle = 0;
    }
    const norm = slopeOf(graph, budgets, distance, solver.parentEdge, prices, scale, slope);
    if (norm === 0 || pace < 1e-3) break;
    const step = (pace * Math.max(upper - value, upper * 1e-6)) / norm;
    for (let group = 0; group < prices.length; group++) {
      prices[group] = Math.max(0, prices[group]! + (step * slope[group]!) / scale[group]!);
    }
  }
  return { ...best, bound: tightenBound(graph, best.bound) };
}

/** Price of one unit of each vertex's root path under prices per sum group. */
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

function priceOfBudgets(budgets: Budgets, prices: Float64Array): number {
  let total = 0;
  for (let group = 0; group < prices.length; group++) {
    if (prices[group]! > 0) total += prices[group]! * budgets.limit[group]!;
  }
  return total;
}

function priceEdges(
  graph: StorageGraph,
  budgets: Budgets,
  distance: Float64Array,
  forbidden: Uint8Array,
  prices: Float64Array,
  cost: Float64Array,
): void {
  const { inStart, inEdges, from, groupStart, groupsOf } = graph;
  for (let node = 1; node < graph.nodeCount; node++) {
    let perPath = 0;
    let perEdge = 0;
    for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
      const group = groupsOf[at]!;
      if (budgets.kind[group] === KIND_SUM) perPath += prices[group]!;
      else if (budgets.kind[group] !== KIND_NONE) perEdge += prices[group]!;
    }
    for (let at = inStart[node]!; at < inStart[node + 1]!; at++) {
      const edge = inEdges[at]!;
      const own = graph.recreation[edge]!;
      cost[edge] = forbidden[edge]
        ? Infinity
        : graph.storage[edge]! + perPath * (distance[from[edge]!]! + own) + perEdge * own;
    }
  }
}

/** Excess of each budget in the relaxation, in typical costs. @returns the squared length. */
function slopeOf(
  graph: StorageGraph,
  budgets: Budgets,
  distance: Float64Array,
  parentEdge: Int32Array,
  prices: Float64Array,
  scale: Float64Array,
  slope: Float64Array,
): number {
  let norm = 0;
  graph.groups.forEach((group, index) => {
    slope[index] = 0;
    const kind = budgets.kind[index]!;
    if (kind === KIND_NONE) return;
    let sum = 0;
    for (const member of group.members) {
      const edge = parentEdge[member]!;
      const base = kind === KIND_SUM ? distance[graph.from[edge]!]! : 0;
      sum += base + graph.recreation[edge]!;
    }
    const excess = (sum - budgets.limit[index]!) / scale[index]!;
    if (excess <= 0 && prices[index] === 0) return;
    slope[index] = excess;
    norm += excess * excess;
  });
  return norm;
}
