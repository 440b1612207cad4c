/**
 * Families: the extents that deltas connect. No delta crosses from one to another, only budgets do, so
 * bounds keep one table per family instead of one for the graph.
 */
import { ROOT, type StorageGraph } from './graph.js';
import { UnionFind } from './union-find.js';

/** Extents that deltas connect, renumbered 1..n with the root as 0, and the edges into them. */
export interface Family {
  readonly nodes: Int32Array;
  /** Edges by tail: edges[start[t] .. start[t + 1]) leave local vertex t. */
  readonly start: Int32Array;
  readonly edges: Int32Array;
  readonly head: Int32Array;
  /** Where the multipliers of the family's first vertex begin; each has edges.length. */
  readonly offset: number;
}

/** Least recreation cost from each extent of a family to each other (Floyd and Warshall). */
export function betweenAll(graph: StorageGraph, family: Family): Float64Array {
  const count = family.nodes.length;
  const least = new Float64Array(count * count).fill(Infinity);
  for (let node = 0; node < count; node++) least[node * count + node] = 0;
  for (let tail = 1; tail <= count; tail++) {
    for (let at = family.start[tail]!; at < family.start[tail + 1]!; at++) {
      const slot = (tail - 1) * count + family.head[at]! - 1;
      least[slot] = Math.min(least[slot]!, graph.recreation[family.edges[at]!]!);
    }
  }
  for (let middle = 0; middle < count; middle++) {
    for (let tail = 0; tail < count; tail++) {
      const first = least[tail * count + middle]!;
      if (first === Infinity) continue;
      for (let head = 0; head < count; head++) {
        const through = first + least[middle * count + head]!;
        if (through < least[tail * count + head]!) least[tail * count + head] = through;
      }
    }
  }
  return least;
}

/** Splits the extents into the sets that deltas connect. */
export function splitFamilies(graph: StorageGraph): Family[] {
  const { nodeCount, from, to, edgeCount, inStart, inEdges } = graph;
  const joined = new UnionFind(nodeCount);
  for (let edge = 0; edge < edgeCount; edge++) {
    if (from[edge] !== ROOT) joined.join(from[edge]!, to[edge]!);
  }
  const local = new Int32Array(nodeCount);
  let offset = 0;
  return joined.sets(1).map((nodes): Family => {
    nodes.forEach((node, index) => {
      local[node] = index + 1;
    });
    const edges: number[] = [];
    for (const node of nodes) {
      for (let at = inStart[node]!; at < inStart[node + 1]!; at++) edges.push(inEdges[at]!);
    }
    edges.sort((left, right) => local[from[left]!]! - local[from[right]!]! || left - right);
    const start = new Int32Array(nodes.length + 2);
    for (const edge of edges) start[local[from[edge]!]! + 1]!++;
    for (let tail = 0; tail <= nodes.length; tail++) start[tail + 1]! += start[tail]!;
    const head = Int32Array.from(edges, (edge) => local[to[edge]!]!);
    const family = { nodes: Int32Array.from(nodes), start, edges: Int32Array.from(edges), head };
    const place = offset;
    offset += nodes.length * edges.length;
    return { ...family, offset: place };
  });
}
