/**
 * A plan that is being changed: a spanning tree with its path costs, group costs and subtrees, which
 * swaps one vertex's parent at a time (ModelHub's Lemma 3). Every search of this room works on it.
 *
 * Use: `scan(v)` looks at v's subtree once, then `weigh(edge)` prices any edge into v, then
 * `apply(edge)` swaps. Path costs are summed afresh from the root down at each swap, so they do not
 * drift.
 */
import { assert } from '../../base/errors.js';
import { type Budgets, KIND_SUM, KIND_UNION } from './budgets.js';
import { ChildLists } from './child-lists.js';
import { ROOT, type StorageGraph } from './graph.js';
import { Subtree } from './subtree.js';

const NONE = -1;

/** A mutable spanning tree over one graph. */
export class Forest {
  readonly graph: StorageGraph;
  readonly budgets: Budgets;
  /** The edge that stores each vertex; read only for callers. */
  readonly parentEdge: Int32Array;
  /** Path cost from the root. */
  readonly recreation: Float64Array;
  readonly depth: Int32Array;
  /** Cost of each sum or union group; 0 for others. */
  readonly groupCost: Float64Array;
  storage = 0;

  /** What `scan` looked at last; read only for callers. */
  readonly scanned: Subtree;

  /** After `weigh`: change of storage and of the scanned vertex's path cost. */
  storageChange = 0;
  recreationChange = 0;

  readonly #children: ChildLists;
  /** Members of a union group at or below a vertex, by group · nodeCount + vertex. */
  readonly #uses = new Map<number, number>();
  #journal: number[] | undefined;

  constructor(graph: StorageGraph, budgets: Budgets) {
    const { nodeCount } = graph;
    this.graph = graph;
    this.budgets = budgets;
    this.parentEdge = new Int32Array(nodeCount).fill(NONE);
    this.recreation = new Float64Array(nodeCount);
    this.depth = new Int32Array(nodeCount);
    this.groupCost = new Float64Array(graph.groups.length);
    this.scanned = new Subtree(graph);
    this.#children = new ChildLists(nodeCount);
  }

  /** Takes over a spanning tree; the array is copied. */
  load(parentEdge: Int32Array): this {
    const { graph } = this;
    this.parentEdge.set(parentEdge);
    this.parentEdge[ROOT] = NONE;
    this.#children.clear();
    this.#journal = undefined;
    this.scanned.top = NONE;
    this.storage = 0;
    for (let node = graph.nodeCount - 1; node > ROOT; node--) {
      this.#children.add(node, graph.from[parentEdge[node]!]!);
      this.storage += graph.storage[parentEdge[node]!]!;
    }
    this.recreation[ROOT] = 0;
    this.depth[ROOT] = 0;
    this.scanned.collect(ROOT, this.#children);
    assert(this.scanned.size === graph.nodeCount, 'a loaded plan spans the graph');
    this.#sumPaths(1);
    this.#sumGroups();
    return this;
  }

  parentOf(node: number): number {
    return this.graph.from[this.parentEdge[node]!]!;
  }

  /** True if `node` is `top` or hangs below it. */
  isAtOrBelow(node: number, top: number): boolean {
    let walk = node;
    for (let rise = this.depth[node]! - this.depth[top]!; rise > 0; rise--) {
      walk = this.parentOf(walk);
    }
    return walk === top;
  }

  /** Looks at the subtree of `node`, for `weigh` and what follows it. */
  scan(node: number): void {
    const { scanned } = this;
    if (scanned.top === node) return;
    scanned.collect(node, this.#children);
    scanned.top = node;
    scanned.measure(this.graph, this.budgets, this.recreation);
  }

  /**
   * Prices `edge` as the new way to store the scanned vertex: sets storageChange and
   * recreationChange. @returns false if it would close a cycle or is in use.
   */
  weigh(edge: number): boolean {
    const { graph } = this;
    const { top } = this.scanned;
    const current = this.parentEdge[top]!;
    const tail = graph.from[edge]!;
    if (edge === current || this.isAtOrBelow(tail, top)) return false;
    this.storageChange = graph.storage[edge]! - graph.storage[current]!;
    this.recreationChange =
      this.recreation[tail]! + graph.recreation[edge]! - this.recreation[top]!;
    return true;
  }

  /** True if the weighed edge breaks no budget, nor makes a broken one worse. */
  fits(edge: number): boolean {
    const rise = this.recreationChange;
    if (rise > this.scanned.slack && rise > 0) return false;
    const { limit } = this.budgets;
    for (let slot = 0; slot < this.scanned.groupCount; slot++) {
      const group = this.scanned.groups[slot]!;
      const change = this.#groupChange(slot, edge);
      if (change > 0 && this.groupCost[group]! + change > limit[group]!) return false;
    }
    return true;
  }

  /** How much the total excess over all budgets changes by the weighed edge. */
  excessChange(edge: number): number {
    const rise = this.recreationChange;
    const { limit, nodeLimit, hasNodeLimit } = this.budgets;
    let total = 0;
    for (let slot = 0; slot < this.scanned.groupCount; slot++) {
      const group = this.scanned.groups[slot]!;
      const change = this.#groupChange(slot, edge);
      const over = this.groupCost[group]! - limit[group]!;
      total += Math.max(0, over + change) - Math.max(0, over);
    }
    if (hasNodeLimit && (rise > this.scanned.slack || this.scanned.slack < 0)) {
      for (let position = 0; position < this.scanned.size; position++) {
        const node = this.scanned.nodes[position]!;
        const over = this.recreation[node]! - nodeLimit[node]!;
        total += Math.max(0, over + rise) - Math.max(0, over);
      }
    }
    return total;
  }

  /** Share of the free budgets that the weighed edge would use up; at most 0 if it frees some. */
  slackUse(edge: number): number {
    const rise = this.recreationChange;
    const { limit } = this.budgets;
    let use = 0;
    if (this.scanned.slack < Infinity) use += rise / Math.max(this.scanned.slack, 1e-9);
    for (let slot = 0; slot < this.scanned.groupCount; slot++) {
      const group = this.scanned.groups[slot]!;
      const change = this.#groupChange(slot, edge);
      use += change / Math.max(limit[group]! - this.groupCost[group]!, 1e-9);
    }
    return use;
  }

  /** Swaps the parent of the edge's head to this edge, which must close no cycle. */
  apply(edge: number): void {
    const { graph } = this;
    const node = graph.to[edge]!;
    const current = this.parentEdge[node]!;
    if (edge === current) return;
    this.scan(node);
    this.#moveUses(edge);
    const before = this.recreation[node]!;
    this.#journal?.push(current);
    this.#children.remove(node, graph.from[current]!);
    this.parentEdge[node] = edge;
    this.#children.add(node, graph.from[edge]!);
    this.storage += graph.storage[edge]! - graph.storage[current]!;
    this.#sumPaths(0);
    const rise = this.recreation[node]! - before;
    for (let slot = 0; slot < this.scanned.groupCount; slot++) {
      const group = this.scanned.groups[slot]!;
      if (this.budgets.kind[group] !== KIND_SUM) continue;
      this.groupCost[group]! += rise * this.scanned.members[slot]!;
    }
    this.scanned.top = NONE;
  }

  /** Total excess over all budgets; 0 if the plan meets every one. */
  excess(): number {
    const { kind, limit, nodeLimit, hasNodeLimit } = this.budgets;
    let total = 0;
    for (let group = 0; group < kind.length; group++) {
      if (kind[group] !== 0) total += Math.max(0, this.groupCost[group]! - limit[group]!);
    }
    if (!hasNodeLimit) return total;
    for (let node = 1; node < nodeLimit.length; node++) {
      total += Math.max(0, this.recreation[node]! - nodeLimit[node]!);
    }
    return total;
  }

  /** Starts to remember swaps, so that `rollback` can undo them. */
  mark(): void {
    this.#journal = [];
  }

  /** Undoes every swap since `mark`; later swaps are remembered too. */
  rollback(): void {
    const journal = this.#journal!;
    this.#journal = undefined;
    while (journal.length > 0) this.apply(journal.pop()!);
    this.#journal = journal;
  }

  /** Swaps since `mark`, as the edges that were replaced, oldest first. */
  get replaced(): readonly number[] {
    return this.#journal ?? [];
  }

  #sumPaths(start: number): void {
    const { from, recreation } = this.graph;
    for (let position = start; position < this.scanned.size; position++) {
      const node = this.scanned.nodes[position]!;
      const edge = this.parentEdge[node]!;
      const parent = from[edge]!;
      this.recreation[node] = this.recreation[parent]! + recreation[edge]!;
      this.depth[node] = this.depth[parent]! + 1;
    }
  }

  #sumGroups(): void {
    const { kind } = this.budgets;
    this.#uses.clear();
    this.graph.groups.forEach((group, index) => {
      let cost = 0;
      if (kind[index] === KIND_SUM) {
        for (const member of group.members) cost += this.recreation[member]!;
      } else if (kind[index] === KIND_UNION) {
        for (const member of group.members) cost += this.#addUses(index, member, 1);
      }
      this.groupCost[index] = cost;
    });
  }

  /** Counts members in or out along a root path. @returns the recreation cost newly used. */
  #addUses(group: number, start: number, count: number): number {
    const base = group * this.graph.nodeCount;
    let cost = 0;
    for (let node = start; node !== ROOT; node = this.parentOf(node)) {
      const now = (this.#uses.get(base + node) ?? 0) + count;
      if (now === 0) this.#uses.delete(base + node);
      else this.#uses.set(base + node, now);
      if (now === count) cost += this.graph.recreation[this.parentEdge[node]!]!;
    }
    return cost;
  }

  #moveUses(edge: number): void {
    if (!this.budgets.hasUnion) return;
    const current = this.parentEdge[this.scanned.top]!;
    for (let slot = 0; slot < this.scanned.groupCount; slot++) {
      const group = this.scanned.groups[slot]!;
      if (this.budgets.kind[group] !== KIND_UNION) continue;
      const count = this.scanned.members[slot]!;
      this.groupCost[group]! += this.#unionChange(group, count, edge);
      this.#addUses(group, this.graph.from[current]!, -count);
      this.#addUses(group, this.graph.from[edge]!, count);
    }
  }

  /** How much the weighed edge changes the cost of the group at `slot` of the subtree. */
  #groupChange(slot: number, edge: number): number {
    const group = this.scanned.groups[slot]!;
    const members = this.scanned.members[slot]!;
    if (this.budgets.kind[group] === KIND_SUM) return this.recreationChange * members;
    return this.#unionChange(group, members, edge);
  }

  /** How much the union of a group's paths changes if `edge` replaces the scanned vertex's edge. */
  #unionChange(group: number, count: number, edge: number): number {
    const { from, recreation, nodeCount } = this.graph;
    const base = group * nodeCount;
    const current = this.parentEdge[this.scanned.top]!;
    let change = recreation[edge]! - recreation[current]!;
    let joined = from[edge]!;
    while (joined !== ROOT && !this.#uses.has(base + joined)) {
      change += recreation[this.parentEdge[joined]!]!;
      joined = this.parentOf(joined);
    }
    let left = from[current]!;
    while (left !== ROOT && left !== joined && this.#uses.get(base + left) === count) {
      change -= recreation[this.parentEdge[left]!]!;
      left = this.parentOf(left);
    }
    return change;
  }
}
