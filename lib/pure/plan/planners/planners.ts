/**
 * The published planners under one signature, each as published and made to keep the budgets the way
 * its authors do: what `auto` starts from and what benchmarks compare it with.
 */

import { type Budgets, capPerNode, compileBudgets, KIND_NONE } from '../budgets.js';
import { Forest } from '../forest.js';
import { ROOT, type StorageGraph } from '../graph.js';
import { SeededRandom, type Steps } from '../steps.js';
import { findArborescence } from './arborescence.js';
import { planLast } from './last.js';
import { LocalSearch } from './local-search.js';
import { planModifiedPrim } from './modified-prim.js';
import { planPasPt } from './pas-pt.js';
import { findShortestPaths, type ShortestPaths } from './shortest-paths.js';
import { swapUntilWithin } from './swaps.js';
import { planOverTree } from './tree-dp.js';

/** Planners that build one plan each. */
export const BASIC_PLANNERS = [
  'mst',
  'spt',
  'last',
  'lmg-all',
  'modified-prim',
  'pas-mt',
  'pas-pt',
  'tree-dp',
] as const;
export type BasicPlanner = (typeof BASIC_PLANNERS)[number];

/** What every planner needs to know of a graph whose every extent can be stored. */
export interface PlanInput {
  readonly graph: StorageGraph;
  readonly budgets: Budgets;
  readonly shortest: ShortestPaths;
  /** Parent edges of the minimum arborescence, and its storage: a lower bound. */
  readonly light: Int32Array;
  readonly lightStorage: number;
  /** The most that each vertex may cost in any plan within the budgets. */
  readonly cap: Float64Array;
}

/** Solves the two problems that are easy. @returns undefined if some extent cannot be stored. */
export function preparePlanning(graph: StorageGraph): PlanInput | undefined {
  const light = findArborescence(graph);
  if (light === undefined) return undefined;
  const budgets = compileBudgets(graph);
  const shortest = findShortestPaths(graph);
  const cap = capPerNode(graph, budgets, shortest.distance);
  return { graph, budgets, shortest, light: light.parentEdge, lightStorage: light.storage, cap };
}

/**
 * Builds one plan. `mst` ignores budgets and `spt` storage; the others meet the budgets wherever the
 * shortest paths do, for independent and parallel groups.
 * @param alpha  for `last`: most stretch of a path; by default what the budgets allow everywhere.
 * @returns the parent edge per vertex.
 */
export function runPlanner(
  input: PlanInput,
  planner: BasicPlanner,
  steps: Steps,
  alpha = commonStretch(input),
): Int32Array {
  const { graph, shortest, light } = input;
  switch (planner) {
    case 'mst':
      return light;
    case 'spt':
      return shortest.parentEdge;
    case 'last':
      return planLast(graph, light, shortest, alpha);
    case 'lmg-all':
      return finish(input, light, 'all', steps);
    case 'modified-prim':
      return planModifiedPrim(graph, shortest, limitPerNode(input));
    case 'pas-mt':
      return finish(input, light, 'violated', steps);
    case 'pas-pt':
      return finishPasPt(input, steps);
    case 'tree-dp': {
      const free = new Float64Array(graph.nodeCount);
      const limit = limitPerNode(input);
      const found = planOverTree(graph, light, { limit, price: free, shortest }, steps);
      // Trees without a plan took shortest paths, perhaps through slower extents of other trees.
      const forest = new Forest(graph, input.budgets).load(found.parentEdge);
      if (forest.excess() > 0) fallBackToShortest(forest, shortest);
      return forest.parentEdge;
    }
  }
}

/** The stretch that keeps every budget if no path exceeds it: the least budget ÷ shortest cost. */
export function commonStretch(input: PlanInput): number {
  const { graph, shortest } = input;
  let stretch = Infinity;
  for (const group of graph.groups) {
    let least = 0;
    for (const member of group.members) {
      const own = shortest.distance[member]!;
      least = group.scheme === 'parallel' ? Math.max(least, own) : least + own;
    }
    if (least > 0) stretch = Math.min(stretch, group.budget / least);
  }
  return Math.max(1, stretch);
}

/** Splits sum budgets over their members in proportion to the shortest paths. */
export function limitPerNode(input: PlanInput): Float64Array {
  const { graph, budgets, shortest } = input;
  const limit = budgets.nodeLimit.slice();
  graph.groups.forEach((group, index) => {
    if (budgets.kind[index] === KIND_NONE) return;
    let least = 0;
    for (const member of group.members) least += shortest.distance[member]!;
    const stretch = least > 0 ? budgets.limit[index]! / least : Infinity;
    const share = budgets.limit[index]! / group.members.length;
    for (const member of group.members) {
      // Members that cost nothing at best have equal shares of the budget.
      const most = least > 0 ? shortest.distance[member]! * stretch : share;
      limit[member] = Math.min(limit[member]!, most);
    }
  });
  return limit;
}

/** Brings groups over budget back to shortest paths, whole groups at a time, until none is over. */
export function fallBackToShortest(forest: Forest, shortest: ShortestPaths): void {
  const { graph, budgets } = forest;
  const restore = (member: number): void => {
    const path: number[] = [];
    for (let walk = member; walk !== ROOT; walk = graph.from[shortest.parentEdge[walk]!]!) {
      path.push(walk);
    }
    while (path.length > 0) {
      const walk = path.pop()!;
      if (forest.recreation[walk]! <= shortest.distance[walk]!) continue;
      forest.apply(shortest.parentEdge[walk]!);
    }
  };
  graph.groups.forEach((group, index) => {
    const isOver = (): boolean => forest.groupCost[index]! > budgets.limit[index]!;
    for (const member of group.members) {
      const isSlow = forest.recreation[member]! > budgets.nodeLimit[member]!;
      if (isSlow || (budgets.kind[index] !== KIND_NONE && isOver())) restore(member);
    }
  });
}

function finish(
  input: PlanInput,
  start: Int32Array,
  whose: 'violated' | 'all',
  steps: Steps,
): Int32Array {
  const forest = new Forest(input.graph, input.budgets).load(start);
  if (!swapUntilWithin(forest, whose, steps)) fallBackToShortest(forest, input.shortest);
  return forest.parentEdge;
}

function finishPasPt(input: PlanInput, steps: Steps): Int32Array {
  const forest = new Forest(input.graph, input.budgets);
  forest.load(planPasPt(input.graph, input.shortest));
  const isSmall = input.graph.nodeCount <= 512;
  const search = new LocalSearch(forest, steps, new SeededRandom(0));
  const isWithin = isSmall ? search.repair() : swapUntilWithin(forest, 'violated', steps);
  if (!isWithin) fallBackToShortest(forest, input.shortest);
  return forest.parentEdge;
}
