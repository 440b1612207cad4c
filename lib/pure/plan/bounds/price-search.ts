/**
 * Plans by prices: the tree program under prices on sum budgets, the prices moved by what its plan
 * really costs (Lagrangian relaxation, subgradient steps). Where the graph's deltas are a forest the
 * values are lower bounds on every plan; everywhere each plan is a start for repair and reclaim.
 */
import type { Budgets } from '../budgets.js';
import type { Forest } from '../forest.js';
import type { StorageGraph } from '../graph.js';
import type { ShortestPaths } from '../planners/shortest-paths.js';
import { planOverTree } from '../planners/tree-dp.js';
import type { Steps } from '../steps.js';
import { pricePerNode, tightenBound, typicalCosts } from './price-bound.js';

/** What the search works on and reports to. */
export interface PriceSearchInput {
  readonly graph: StorageGraph;
  readonly budgets: Budgets;
  readonly shortest: ShortestPaths;
  /** Most path cost per vertex in a plan within the budgets. */
  readonly cap: Float64Array;
  /** Spanning trees whose deltas serve as forests, in turn. */
  readonly skeletons: readonly Int32Array[];
  readonly rounds: number;
  /** Work space; loaded with each plan. */
  readonly forest: Forest;
  readonly steps: Steps;
  /** Takes a plan, perhaps over budget. @returns the storage of the best plan within, so far. */
  readonly offer: (parentEdge: Int32Array) => number;
}

/** Runs the search, giving way after each plan. @returns the best valid lower bound found, 0 if none. */
export function* searchByPrices(input: PriceSearchInput): Generator<void, number> {
  let bound = 0;
  for (const skeleton of input.skeletons) {
    bound = Math.max(bound, yield* searchOverSkeleton(input, skeleton));
  }
  return bound;
}

function* searchOverSkeleton(
  input: PriceSearchInput,
  skeleton: Int32Array,
): Generator<void, number> {
  const { graph, budgets, shortest, cap, forest, steps } = input;
  const prices = new Float64Array(graph.groups.length);
  const scale = typicalCosts(graph, shortest.distance);
  const slope = new Float64Array(prices.length);
  let bound = 0;
  let highest = -Infinity;
  let pace = 1;
  let idle = 0;
  for (let round = 0; round < input.rounds && !steps.isOver; round++) {
    yield;
    const price = pricePerNode(graph, budgets, prices);
    const found = planOverTree(graph, skeleton, { limit: cap, price, shortest }, steps);
    const upper = input.offer(found.parentEdge);
    if (!budgets.hasSum && !budgets.hasUnion) {
      return found.isExact ? tightenBound(graph, found.value) : 0;
    }
    if (found.value === Infinity) return bound;
    let value = found.value;
    for (let group = 0; group < prices.length; group++) {
      if (prices[group]! > 0) value -= prices[group]! * budgets.limit[group]!;
    }
    if (value > highest) {
      highest = value;
      idle = 0;
      if (found.isExact && !budgets.hasUnion) bound = tightenBound(graph, value);
    } else if (++idle >= 4) {
      pace /= 2;
      idle = 0;
    }
    forest.load(found.parentEdge);
    let norm = 0;
    for (let group = 0; group < prices.length; group++) {
      slope[group] = 0;
      if (budgets.kind[group] === 0) continue;
      const excess = (forest.groupCost[group]! - budgets.limit[group]!) / scale[group]!;
      if (excess <= 0 && prices[group] === 0) continue;
      slope[group] = excess;
      norm += excess * excess;
    }
    if (norm === 0 || pace < 1e-3) break;
    const goal = upper < Infinity ? upper : highest * 1.2 + 1;
    const step = (pace * Math.max(goal - value, goal * 1e-3)) / norm;
    for (let group = 0; group < prices.length; group++) {
      prices[group] = Math.max(0, prices[group]! + (step * slope[group]!) / scale[group]!);
    }
  }
  return bound;
}
