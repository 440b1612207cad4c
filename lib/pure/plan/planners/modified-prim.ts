/**
 * Modified Prim (MP): grows a tree by least storage under a limit on every vertex's path
 * (Bhattacherjee et al., VLDB 2015, "minimum storage, maximum recreation"), generalised to a limit per
 * vertex, which makes it the exact counterpart of parallel groups.
 */

import { ROOT, type StorageGraph } from '../graph.js';
import { IndexedHeap } from '../heap.js';
import type { ShortestPaths } from './shortest-paths.js';

/**
 * Grows the tree; vertices that no path within the limits reaches keep their shortest path.
 * @param limit  most path cost per vertex.
 * @returns the parent edge per vertex; paths are within the limits wherever those allow the shortest.
 */
export function planModifiedPrim(
  graph: StorageGraph,
  shortest: ShortestPaths,
  limit: Float64Array,
): Int32Array {
  const { nodeCount, from, to, outStart, outEdges } = graph;
  const parentEdge = new Int32Array(nodeCount).fill(-1);
  const distance = new Float64Array(nodeCount).fill(Infinity);
  const isInTree = new Uint8Array(nodeCount);
  const heap = new IndexedHeap(nodeCount);
  distance[ROOT] = 0;
  heap.set(ROOT, 0);
  const visit = (node: number): void => {
    isInTree[node] = 1;
    for (let at = outStart[node]!; at < outStart[node + 1]!; at++) {
      const edge = outEdges[at]!;
      const head = to[edge]!;
      const reached = distance[node]! + graph.recreation[edge]!;
      const stored = parentEdge[head]! < 0 ? Infinity : graph.storage[parentEdge[head]!]!;
      if (graph.storage[edge]! > stored || head === ROOT) continue;
      if (isInTree[head]) {
        if (reached <= distance[head]! && !isAncestor(graph, parentEdge, head, node)) {
          parentEdge[head] = edge;
          distance[head] = reached;
        }
      } else if (reached <= limit[head]!) {
        if (graph.storage[edge]! === stored && reached >= distance[head]!) continue;
        parentEdge[head] = edge;
        distance[head] = reached;
        heap.set(head, graph.storage[edge]!);
      }
    }
  };
  while (heap.size > 0) visit(heap.pop());
  for (let node = 1; node < nodeCount; node++) {
    if (isInTree[node]) continue;
    // The whole path, not just its new part: what is in the tree may be reached too late.
    for (let walk = node; walk !== ROOT; walk = from[parentEdge[walk]!]!) {
      parentEdge[walk] = shortest.parentEdge[walk]!;
    }
  }
  return parentEdge;
}

function isAncestor(
  graph: StorageGraph,
  parentEdge: Int32Array,
  ancestor: number,
  node: number,
): boolean {
  let walk = node;
  while (walk !== ROOT && walk !== ancestor) walk = graph.from[parentEdge[walk]!]!;
  return walk === ancestor;
}
