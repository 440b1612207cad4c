/**
 * Storage graphs for tests: the paper's toy graph, arbitrary small graphs for fast-check, and an
 * oracle that tries every spanning tree.
 */
import fc from 'fast-check';
import { GraphBuilder, ROOT, type Scheme, type StorageGraph } from '../../lib/pure/plan/graph.js';
import { verifyPlan } from '../../lib/pure/plan/verify.js';

/** The graph of the paper's Fig 5 with budgets (3, 6); its optimum stores 24. */
export function toyGraph(budgets: readonly [number, number] = [3, 6]): StorageGraph {
  const builder = new GraphBuilder(5);
  for (const [node, storage, recreation] of [
    [1, 2, 1],
    [2, 8, 2],
    [3, 2, 1],
    [4, 8, 2],
    [5, 8, 2],
  ] as const) {
    builder.materialize(node, storage, recreation);
  }
  for (const [left, right, storage, recreation] of [
    [1, 3, 1, 0.5],
    [2, 4, 4, 1],
    [2, 5, 4, 1],
    [4, 5, 4, 1],
  ] as const) {
    builder.delta(left, right, storage, recreation);
    builder.delta(right, left, storage, recreation);
  }
  builder.group('s1', 'independent', [1, 2], budgets[0]);
  builder.group('s2', 'independent', [3, 4, 5], budgets[1]);
  return builder.build();
}

/** Calls `visit` with every spanning tree of the graph; the array is reused. */
export function forEachTree(graph: StorageGraph, visit: (parentEdge: Int32Array) => void): void {
  const parentEdge = new Int32Array(graph.nodeCount).fill(-1);
  const isTree = (): boolean => {
    for (let node = 1; node < graph.nodeCount; node++) {
      let walk = node;
      for (let rise = 0; walk !== ROOT; rise++) {
        if (rise === graph.nodeCount) return false;
        walk = graph.from[parentEdge[walk]!]!;
      }
    }
    return true;
  };
  const choose = (node: number): void => {
    if (node === graph.nodeCount) {
      if (isTree()) visit(parentEdge);
      return;
    }
    for (let at = graph.inStart[node]!; at < graph.inStart[node + 1]!; at++) {
      parentEdge[node] = graph.inEdges[at]!;
      choose(node + 1);
    }
  };
  choose(1);
}

/** Least storage of a tree within the budgets, by trying all; Infinity if there is none. */
export function leastStorage(graph: StorageGraph): number {
  let least = Infinity;
  forEachTree(graph, (parentEdge) => {
    const plan = verifyPlan(graph, parentEdge);
    if (plan.isWithin) least = Math.min(least, plan.storage);
  });
  return least;
}

/** Arbitrary graphs of up to `extents` extents, with parallel edges and overlapping groups. */
export function arbitraryGraph(
  extents: number,
  schemes: readonly Scheme[] = ['independent', 'parallel', 'reusable'],
): fc.Arbitrary<StorageGraph> {
  const cost = fc.integer({ min: 0, max: 30 });
  return fc.integer({ min: 1, max: extents }).chain((count) => {
    const node = fc.integer({ min: 1, max: count });
    const edge = fc.tuple(fc.integer({ min: 0, max: count }), node, cost, cost);
    const group = fc.tuple(
      fc.constantFrom(...schemes),
      fc.array(node, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 10, max: 110 }),
    );
    const base = fc.array(fc.tuple(cost, cost), { minLength: count, maxLength: count });
    const extra = fc.array(edge, { maxLength: 2 * count });
    return fc
      .tuple(base, extra, fc.array(group, { maxLength: 4 }))
      .map(([roots, edges, groups]) => buildGraph(count, roots, edges, groups));
  });
}

function buildGraph(
  extents: number,
  roots: readonly (readonly [number, number])[],
  edges: readonly (readonly [number, number, number, number])[],
  groups: readonly (readonly [Scheme, number[], number])[],
): StorageGraph {
  const builder = new GraphBuilder(extents);
  roots.forEach(([storage, recreation], index) => {
    builder.materialize(index + 1, storage + 10, recreation);
  });
  for (const [tail, head, storage, recreation] of edges) {
    if (tail === head) continue;
    if (tail === ROOT) builder.materialize(head, storage + 5, recreation);
    else builder.delta(tail, head, storage, recreation);
  }
  groups.forEach(([scheme, members, budget], index) => {
    builder.group(`g${index}`, scheme, members, budget);
  });
  return builder.build();
}
