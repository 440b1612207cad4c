/**
 * Shortest paths from the root by recreation cost (Dijkstra): the plan that rebuilds every extent
 * fastest (SPT), and the least recreation cost that any plan can give.
 */

import { ROOT, type StorageGraph } from '../graph.js';
import { IndexedHeap } from '../heap.js';

/** Least recreation cost of every vertex and the edge by which it is reached. */
export interface ShortestPaths {
  /** Per vertex; Infinity where the root does not reach it. */
  readonly distance: Float64Array;
  /** Per vertex the last edge, -1 at the root and where unreachable. */
  readonly parentEdge: Int32Array;
}

/**
 * Finds the shortest path tree; among equal paths the one of less storage on its last edge.
 * Runs in O(m log n).
 * @param forbidden  per edge, non-zero to leave it out.
 */
export function findShortestPaths(graph: StorageGraph, forbidden?: Uint8Array): ShortestPaths {
  const { nodeCount, to, storage, recreation, outStart, outEdges } = graph;
  const distance = new Float64Array(nodeCount).fill(Infinity);
  const parentEdge = new Int32Array(nodeCount).fill(-1);
  const isDone = new Uint8Array(nodeCount);
  const heap = new IndexedHeap(nodeCount);
  distance[ROOT] = 0;
  heap.set(ROOT, 0);
  while (heap.size > 0) {
    const node = heap.pop();
    isDone[node] = 1;
    const end = outStart[node + 1]!;
    for (let position = outStart[node]!; position < end; position++) {
      const edge = outEdges[position]!;
      if (forbidden?.[edge]) continue;
      const head = to[edge]!;
      if (isDone[head]) continue;
      const reached = distance[node]! + recreation[edge]!;
      const known = distance[head]!;
      if (reached > known) continue;
      if (reached === known && storage[edge]! >= storage[parentEdge[head]!]!) continue;
      distance[head] = reached;
      parentEdge[head] = edge;
      heap.set(head, reached);
    }
  }
  return { distance, parentEdge };
}
