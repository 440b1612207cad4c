/**
 * PAS-PT: grows a tree from nothing by least storage, admitting an edge only if every group of its
 * head could still meet its budget (ModelHub, IV-C; modified Prim with group tests).
 *
 * A group's members outside the tree are estimated at their direct materialisation, or where there is
 * none at their shortest path. Discarded edges are not reconsidered, as published. Deviation: vertices
 * that stay out at the end join by their cheapest-to-read materialisation, or where there is none by
 * their shortest path; the caller repairs budgets broken by that.
 */

import { type Group, ROOT, type StorageGraph } from '../graph.js';
import { IndexedHeap } from '../heap.js';
import type { ShortestPaths } from './shortest-paths.js';

/** Grows the tree. @returns the parent edge per vertex; budgets may be broken by late joiners. */
export function planPasPt(graph: StorageGraph, shortest: ShortestPaths): Int32Array {
  return new PrioritizedTree(graph, shortest).grow();
}

class PrioritizedTree {
  readonly #graph: StorageGraph;
  readonly #shortest: ShortestPaths;
  readonly #parentEdge: Int32Array;
  readonly #distance: Float64Array;
  readonly #children: Set<number>[];
  readonly #isInTree: Uint8Array;
  readonly #direct: Float64Array;
  readonly #directEdge: Int32Array;
  readonly #heap: IndexedHeap;
  /** Estimated cost of sum groups, kept up to date. */
  readonly #estimate: Float64Array;

  constructor(graph: StorageGraph, shortest: ShortestPaths) {
    const { nodeCount } = graph;
    this.#graph = graph;
    this.#shortest = shortest;
    this.#parentEdge = new Int32Array(nodeCount).fill(-1);
    this.#distance = new Float64Array(nodeCount);
    this.#children = Array.from({ length: nodeCount }, () => new Set<number>());
    this.#isInTree = new Uint8Array(nodeCount);
    this.#direct = shortest.distance.slice();
    this.#directEdge = new Int32Array(nodeCount).fill(-1);
    this.#heap = new IndexedHeap(graph.edgeCount);
    this.#findDirect();
    this.#estimate = Float64Array.from(graph.groups, (group) =>
      group.members.reduce((sum, member) => sum + this.#direct[member]!, 0),
    );
  }

  grow(): Int32Array {
    const g = this.#graph;
    this.#enter(ROOT);
    while (this.#heap.size > 0) {
      const edge = this.#heap.pop();
      const head = g.to[edge]!;
      if (this.#isInTree[head]) continue;
      const reached = this.#distance[g.from[edge]!]! + g.recreation[edge]!;
      if (!this.#isAdmissible(head, reached)) continue;
      this.#admit(edge, reached);
    }
    for (let node = 1; node < g.nodeCount; node++) {
      if (!this.#isInTree[node]) this.#joinLate(node);
    }
    return this.#parentEdge;
  }

  #findDirect(): void {
    const { outStart, outEdges, to, recreation } = this.#graph;
    for (let at = outStart[ROOT]!; at < outStart[ROOT + 1]!; at++) {
      const edge = outEdges[at]!;
      const node = to[edge]!;
      const known = this.#directEdge[node]!;
      if (known >= 0 && recreation[known]! <= recreation[edge]!) continue;
      this.#directEdge[node] = edge;
      this.#direct[node] = recreation[edge]!;
    }
  }

  #enter(node: number): void {
    const { outStart, outEdges, to, storage } = this.#graph;
    this.#isInTree[node] = 1;
    for (let at = outStart[node]!; at < outStart[node + 1]!; at++) {
      const edge = outEdges[at]!;
      if (!this.#isInTree[to[edge]!]) this.#heap.set(edge, storage[edge]!);
    }
  }

  #isAdmissible(node: number, reached: number): boolean {
    const { groups, groupStart, groupsOf } = this.#graph;
    for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
      const group = groups[groupsOf[at]!]!;
      if (group.budget === Infinity) continue;
      const budget = group.budget * (1 + 1e-12);
      if (group.scheme === 'independent') {
        const cost = this.#estimate[groupsOf[at]!]! - this.#direct[node]! + reached;
        if (cost > budget) return false;
      } else if (group.scheme === 'parallel') {
        if (reached > budget) return false;
      } else if (this.#unionWith(group, node, reached) > budget) return false;
    }
    return true;
  }

  /** Union of the paths of a group if `node` came in at `reached`; outsiders at their direct cost. */
  #unionWith(group: Group, node: number, reached: number): number {
    const { from, recreation } = this.#graph;
    const seen = new Set<number>();
    let cost = reached;
    for (const member of group.members) {
      if (member === node) continue;
      if (!this.#isInTree[member]) cost += this.#direct[member]!;
      for (let walk = member; this.#parentEdge[walk]! >= 0 && !seen.has(walk); ) {
        seen.add(walk);
        cost += recreation[this.#parentEdge[walk]!]!;
        walk = from[this.#parentEdge[walk]!]!;
      }
    }
    return cost;
  }

  #admit(edge: number, reached: number): void {
    const { from, to, storage, recreation, outStart, outEdges } = this.#graph;
    const node = to[edge]!;
    this.#attach(node, edge);
    this.#addToEstimates(node, reached - this.#direct[node]!);
    this.#distance[node] = reached;
    this.#enter(node);
    for (let at = outStart[node]!; at < outStart[node + 1]!; at++) {
      const other = outEdges[at]!;
      const head = to[other]!;
      const current = this.#parentEdge[head]!;
      if (current < 0 || !(storage[current]! > storage[other]!)) continue;
      if (reached + recreation[other]! > this.#distance[head]!) continue;
      if (this.#isAncestor(head, node)) continue;
      this.#children[from[current]!]!.delete(head);
      this.#attach(head, other);
      this.#shorten(head, this.#distance[head]! - reached - recreation[other]!);
    }
  }

  #attach(node: number, edge: number): void {
    this.#parentEdge[node] = edge;
    this.#children[this.#graph.from[edge]!]!.add(node);
  }

  #isAncestor(ancestor: number, node: number): boolean {
    let walk = node;
    while (walk !== ROOT && walk !== ancestor) walk = this.#graph.from[this.#parentEdge[walk]!]!;
    return walk === ancestor;
  }

  #shorten(top: number, amount: number): void {
    if (amount === 0) return;
    const stack = [top];
    while (stack.length > 0) {
      const node = stack.pop()!;
      this.#distance[node]! -= amount;
      this.#addToEstimates(node, -amount);
      stack.push(...this.#children[node]!);
    }
  }

  #addToEstimates(node: number, change: number): void {
    const { groupStart, groupsOf } = this.#graph;
    for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
      this.#estimate[groupsOf[at]!]! += change;
    }
  }

  #joinLate(node: number): void {
    const { from, recreation } = this.#graph;
    const path: number[] = [];
    for (let walk = node; !this.#isInTree[walk]; walk = from[path.at(-1)!]!) {
      const direct = this.#directEdge[walk]!;
      path.push(direct >= 0 ? direct : this.#shortest.parentEdge[walk]!);
    }
    while (path.length > 0) {
      const edge = path.pop()!;
      const head = this.#graph.to[edge]!;
      this.#attach(head, edge);
      this.#distance[head] = this.#distance[from[edge]!]! + recreation[edge]!;
      this.#isInTree[head] = 1;
    }
  }
}
