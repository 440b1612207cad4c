/**
 * Budgets in the form that planners test in inner loops. A `parallel` group bounds each member's root
 * path by itself, so such groups become one limit per vertex; `independent` groups stay sums;
 * `reusable` groups stay unions. Groups without a finite budget bind nothing and are dropped.
 */
import { budgetTolerance, type StorageGraph } from './graph.js';

/** Limits with the tolerance of inexact sums already added. */
export interface Budgets {
  /** Most recreation cost per vertex by its parallel groups; Infinity for none. */
  readonly nodeLimit: Float64Array;
  readonly hasNodeLimit: boolean;
  /** Per group: 1 bounds the sum of root paths, 2 the union of their edges, 0 neither. */
  readonly kind: Uint8Array;
  readonly hasSum: boolean;
  readonly hasUnion: boolean;
  /** Per group, Infinity for none. */
  readonly limit: Float64Array;
}

export const KIND_NONE = 0;
export const KIND_SUM = 1;
export const KIND_UNION = 2;

/** Compiles the graph's groups. */
export function compileBudgets(graph: StorageGraph): Budgets {
  const nodeLimit = new Float64Array(graph.nodeCount).fill(Infinity);
  const kind = new Uint8Array(graph.groups.length);
  const limit = new Float64Array(graph.groups.length).fill(Infinity);
  graph.groups.forEach((group, index) => {
    if (group.budget === Infinity || group.members.length === 0) return;
    const most = group.budget + budgetTolerance(graph, group.budget) / 2;
    limit[index] = most;
    if (group.scheme === 'parallel') {
      for (const member of group.members) nodeLimit[member] = Math.min(nodeLimit[member]!, most);
    } else {
      kind[index] = group.scheme === 'independent' ? KIND_SUM : KIND_UNION;
    }
  });
  return {
    nodeLimit,
    hasNodeLimit: nodeLimit.some((most) => most < Infinity),
    kind,
    hasSum: kind.includes(KIND_SUM),
    hasUnion: kind.includes(KIND_UNION),
    limit,
  };
}

/**
 * The most that each vertex may cost in any plan that meets every budget: its own limit, and what its
 * groups leave when all other members are rebuilt as fast as can be.
 * @param distance  least recreation cost per vertex.
 */
export function capPerNode(
  graph: StorageGraph,
  budgets: Budgets,
  distance: Float64Array,
): Float64Array {
  const cap = budgets.nodeLimit.slice();
  graph.groups.forEach((group, index) => {
    const most = budgets.limit[index]!;
    if (budgets.kind[index] === KIND_NONE || most === Infinity) return;
    let others = 0;
    if (budgets.kind[index] === KIND_SUM) {
      for (const member of group.members) others += distance[member]!;
    }
    for (const member of group.members) {
      const share = budgets.kind[index] === KIND_SUM ? others - distance[member]! : 0;
      cap[member] = Math.min(cap[member]!, most - share);
    }
  });
  return cap;
}
