/** Where a search branches: a vertex whose edges are cut in two by the length of the path through them. Pure. */
import { type Budgets, KIND_NONE, KIND_SUM } from '../budgets.js';
import { ROOT, type StorageGraph } from '../graph.js';

/** Splits that are worth a look. */
const SPLITS_MAX = 4;

export /** Edges into one vertex, by the length of the shortest path through them. */
interface Split {
  readonly short: number[];
  readonly long: number[];
  /** Share of the short ones in recent relaxed trees. */
  readonly shortShare: number;
  readonly score: number;
}

/** What is known in the present branch. */
export interface Branching {
  /** 1 for edges that no plan may use. */
  readonly forbidden: Uint8Array;
  /** Length of the shortest path to each vertex. */
  readonly distance: Float64Array;
  /** Share of each edge in recent relaxed trees. */
  readonly share: ArrayLike<number>;
}

/**
 * Vertices to branch on, with their edges cut in two by path length: first where the relaxation is
 * least sure on which side it is, and most is at stake. Empty if one choice of edges is left.
 */
export function rankSplits(
  graph: StorageGraph,
  budgets: Budgets,
  { forbidden, distance, share }: Branching,
): Split[] {
  const found: Split[] = [];
  for (let node = 1; node < graph.nodeCount; node++) {
    const edges: number[] = [];
    for (let at = graph.inStart[node]!; at < graph.inStart[node + 1]!; at++) {
      if (!forbidden[graph.inEdges[at]!]) edges.push(graph.inEdges[at]!);
    }
    if (edges.length < 2) continue;
    const pathOf = (edge: number): number => distance[graph.from[edge]!]! + graph.recreation[edge]!;
    edges.sort((left, right) => pathOf(left) - pathOf(right) || left - right);
    const total = edges.reduce((sum, edge) => sum + share[edge]!, 1e-9);
    const costs = edges.map((edge) => graph.storage[edge]!);
    const stake = 1 + Math.max(...costs) - Math.min(...costs) + weightOf(graph, budgets, node);
    let below = 0;
    let best: Split | undefined;
    for (let cut = 1; cut < edges.length; cut++) {
      below += share[edges[cut - 1]!]! / total;
      const score = (0.01 + Math.min(below, 1 - below)) * stake;
      if (best !== undefined && score <= best.score) continue;
      best = { short: edges.slice(0, cut), long: edges.slice(cut), shortShare: below, score };
    }
    found.push(best!);
  }
  found.sort((left, right) => right.score - left.score);
  return found.slice(0, SPLITS_MAX);
}

/** A little more for members of tight groups, so that ties are broken where budgets bind. */
function weightOf({ groupStart, groupsOf }: StorageGraph, budgets: Budgets, node: number): number {
  let weight = 0;
  for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
    const kind = budgets.kind[groupsOf[at]!]!;
    if (kind !== KIND_NONE) weight += kind === KIND_SUM ? 1e-3 : 2e-3;
  }
  return node === ROOT ? 0 : weight;
}

/** The one choice of edges that is left, if it is a tree. */
export function onlyTree(
  { nodeCount, from, to }: StorageGraph,
  forbidden: Uint8Array,
): Int32Array | undefined {
  const parentEdge = new Int32Array(nodeCount).fill(-1);
  for (let edge = 0; edge < forbidden.length; edge++) {
    if (!forbidden[edge]) parentEdge[to[edge]!] = edge;
  }
  for (let node = 1; node < nodeCount; node++) {
    let walk = node;
    for (let rise = 0; walk !== ROOT && rise < nodeCount; rise++) {
      if (parentEdge[walk] === -1) return undefined;
      walk = from[parentEdge[walk]!]!;
    }
    if (walk !== ROOT) return undefined;
  }
  return parentEdge;
}
