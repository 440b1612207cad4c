/**
 * The one verifier: takes a plan as bare parent edges, trusts nothing that a planner says about it,
 * and recomputes every cost. Every plan that leaves this room has passed it.
 */
import { CorruptError } from '../../base/errors.js';
import { budgetTolerance, ROOT, type StorageGraph } from './graph.js';

/** What one group costs under a plan, beside its promise. */
export interface GroupCost {
  readonly cost: number;
  readonly budget: number;
  readonly isWithin: boolean;
}

/** A checked plan with its recomputed costs. */
export interface VerifiedPlan {
  /** The edge that stores each vertex, -1 at the root. */
  readonly parentEdge: Int32Array;
  /** Sum of the storage costs. */
  readonly storage: number;
  /** Cost of the path from the root per vertex. */
  readonly recreation: Float64Array;
  /** Edges between the root and each vertex. */
  readonly depth: Int32Array;
  /** Per group, in the graph's order. */
  readonly groups: readonly GroupCost[];
  /** True if every group is within its budget. */
  readonly isWithin: boolean;
}

/**
 * Checks that the parent edges are a spanning tree out of the root and recomputes every cost.
 * Budgets that are not met do not throw; see `isWithin`.
 * @throws {CorruptError} DLV_CORRUPT if they are not a spanning tree of this graph.
 */
export function verifyPlan(graph: StorageGraph, parentEdge: Int32Array): VerifiedPlan {
  const order = orderFromRoot(graph, parentEdge);
  const recreation = new Float64Array(graph.nodeCount);
  const depth = new Int32Array(graph.nodeCount);
  let storage = 0;
  for (const node of order) {
    const edge = parentEdge[node]!;
    const parent = graph.from[edge]!;
    recreation[node] = recreation[parent]! + graph.recreation[edge]!;
    depth[node] = depth[parent]! + 1;
  }
  for (let node = 1; node < graph.nodeCount; node++) storage += graph.storage[parentEdge[node]!]!;
  const groups = graph.groups.map((group): GroupCost => {
    const cost = recreationCost(graph, parentEdge, recreation, group);
    const isWithin = cost <= group.budget + budgetTolerance(graph, group.budget);
    return { cost, budget: group.budget, isWithin };
  });
  const isWithin = groups.every((group) => group.isWithin);
  return { parentEdge, storage, recreation, depth, groups, isWithin };
}

function recreationCost(
  graph: StorageGraph,
  parentEdge: Int32Array,
  recreation: Float64Array,
  { scheme, members }: { scheme: string; members: Int32Array },
): number {
  let cost = 0;
  if (scheme === 'independent') {
    for (const member of members) cost += recreation[member]!;
  } else if (scheme === 'parallel') {
    for (const member of members) cost = Math.max(cost, recreation[member]!);
  } else {
    const seen = new Set<number>();
    for (const member of members) {
      for (let node = member; node !== ROOT && !seen.has(node); ) {
        seen.add(node);
        const edge = parentEdge[node]!;
        cost += graph.recreation[edge]!;
        node = graph.from[edge]!;
      }
    }
  }
  return cost;
}

/** The vertices but the root, each after its parent. */
function orderFromRoot(graph: StorageGraph, parentEdge: Int32Array): Int32Array {
  const { nodeCount, edgeCount, from, to } = graph;
  if (parentEdge.length !== nodeCount || parentEdge[ROOT] !== -1) {
    throw new CorruptError(`a plan of ${nodeCount} vertices needs one parent edge per vertex`);
  }
  const order = new Int32Array(nodeCount - 1);
  const isReached = new Uint8Array(nodeCount);
  const climbed: number[] = [];
  isReached[ROOT] = 1;
  let count = 0;
  for (let start = 1; start < nodeCount; start++) {
    for (let node = start; isReached[node] !== 1; ) {
      const edge = parentEdge[node]!;
      if (isReached[node] === 2) throw new CorruptError(`the plan has a cycle at vertex ${node}`);
      if (!(edge >= 0 && edge < edgeCount) || to[edge] !== node) {
        throw new CorruptError(`the plan stores vertex ${node} by an edge that does not enter it`);
      }
      isReached[node] = 2;
      climbed.push(node);
      node = from[edge]!;
    }
    while (climbed.length > 0) {
      const node = climbed.pop()!;
      isReached[node] = 1;
      order[count++] = node;
    }
  }
  return order;
}
