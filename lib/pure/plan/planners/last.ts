/**
 * LAST: a tree that is light and whose every path is at most `alpha` times the shortest
 * (Khuller, Raghavachari, Young 1995), as ModelHub uses it for a baseline.
 *
 * Deviation: the original is for undirected graphs with one metric, where the light tree is a minimum
 * spanning tree and its weight is bounded by 1 + 2/(alpha - 1). Here edges are directed and storage
 * and recreation differ, so the light tree is the minimum arborescence and only the bound on paths
 * holds. Relaxing on the way back up uses the reverse edge where the graph has one.
 */
import { ROOT, type StorageGraph } from '../graph.js';
import type { ShortestPaths } from './shortest-paths.js';

/**
 * Walks the light tree depth first and splices in the shortest path wherever a path is too long.
 * @param light  parent edges of the minimum arborescence.
 * @param alpha  at least 1; the most that a path may exceed the shortest, per vertex.
 * @returns the parent edge per vertex.
 */
export function planLast(
  graph: StorageGraph,
  light: Int32Array,
  shortest: ShortestPaths,
  alpha: number,
): Int32Array {
  const { nodeCount, from } = graph;
  const parentEdge = new Int32Array(nodeCount).fill(-1);
  const distance = new Float64Array(nodeCount).fill(Infinity);
  distance[ROOT] = 0;
  const relax = (edge: number): void => {
    const reached = distance[from[edge]!]! + graph.recreation[edge]!;
    const head = graph.to[edge]!;
    if (reached < distance[head]!) {
      distance[head] = reached;
      parentEdge[head] = edge;
    }
  };
  const splice = (node: number): void => {
    const path: number[] = [];
    for (let walk = node; walk !== ROOT; walk = from[shortest.parentEdge[walk]!]!) path.push(walk);
    while (path.length > 0) {
      const walk = path.pop()!;
      if (distance[walk]! > shortest.distance[walk]!) relax(shortest.parentEdge[walk]!);
    }
  };
  const children: number[][] = Array.from({ length: nodeCount }, () => []);
  for (let node = nodeCount - 1; node > ROOT; node--) children[from[light[node]!]!]!.push(node);
  const stack = [...children[ROOT]!];
  const isEntered = new Uint8Array(nodeCount);
  while (stack.length > 0) {
    const node = stack.at(-1)!;
    if (isEntered[node]) {
      stack.pop();
      const back = cheapestEdge(graph, node, from[light[node]!]!);
      if (back >= 0) relax(back);
      continue;
    }
    isEntered[node] = 1;
    relax(light[node]!);
    const least = shortest.distance[node]!;
    // What costs nothing stays so; Infinity times 0 would be no number.
    const most = least === 0 ? 0 : alpha * least * (1 + 1e-12);
    if (distance[node]! > most) splice(node);
    stack.push(...children[node]!);
  }
  return parentEdge;
}

/** The edge of least recreation cost from one vertex to another, or -1. */
function cheapestEdge(graph: StorageGraph, tail: number, head: number): number {
  let best = -1;
  if (head === ROOT) return best;
  for (let at = graph.inStart[head]!; at < graph.inStart[head + 1]!; at++) {
    const edge = graph.inEdges[at]!;
    if (graph.from[edge] !== tail) continue;
    if (best < 0 || graph.recreation[edge]! < graph.recreation[best]!) best = edge;
  }
  return best;
}
