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
import { ROOT, type StorageGraph } from './graph.js';

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

  /** After `scan`: the vertex, its subtree (itself first, parents before children). */
  scanned: number = NONE;
  readonly subtree: Int32Array;
  subtreeSize = 0;
  /** After `scan`: groups with members in the subtree, and how many. */
  readonly touched: Int32Array;
  readonly touchedCount: Int32Array;
  touchedSize = 0;
  /** After `scan`: how much the subtree's paths may grow by the limits per vertex. */
  nodeSlack = Infinity;

  /** After `weigh`: change of storage and of the scanned vertex's path cost. */
  storageChange = 0;
  recreationChange = 0;

  readonly #first: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #isTouched: Int32Array;
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
    this.subtree = new Int32Array(nodeCount);
    this.touched = new Int32Array(graph.groups.length);
    this.touchedCount = new Int32Array(graph.groups.length);
    this.#first = new Int32Array(nodeCount);
    this.#next = new Int32Array(nodeCount);
    this.#previous = new Int32Array(nodeCount);
    this.#isTouched = new Int32Array(graph.groups.length).fill(NONE);
  }

  /** Takes over a spanning tree; the array is copied. */
  load(parentEdge: Int32Array): this {
    const { graph } = this;
    this.parentEdge.set(parentEdge);
    this.parentEdge[ROOT] = NONE;
    this.#first.fill(NONE);
    this.#journal = undefined;
    this.scanned = NONE;
    this.storage = 0;
    for (let node = graph.nodeCount - 1; node > ROOT; node--) {
      this.#link(node, graph.from[parentEdge[node]!]!);
      this.storage += graph.storage[parentEdge[node]!]!;
    }
    this.recreation[ROOT] = 0;
    this.depth[ROOT] = 0;
    this.#collect(ROOT);
    assert(this.subtreeSize === graph.nodeCount, 'a loaded plan spans the graph');
    this.#sumPaths(1);
    this.#sumGroups();
    return this;
  }

  /** Loads a copy of another forest's tree. */
  copyFrom(other: Forest): this {
    return this.load(other.parentEdge);
  }

  parentOf(node: number): number {
    return this.graph.from[this.parentEdge[node]!]!;
  }

  firstChild(node: number): number {
    return this.#first[node]!;
  }

  nextSibling(node: number): number {
    return this.#next[node]!;
  }

  /** True if `node` is `top` or hangs below it. */
  isAtOrBelow(node: number, top: number): boolean {
    let walk = node;
    for (let rise = this.depth[node]! - this.depth[top]!; rise > 0; rise--) {
      walk = this.parentOf(walk);
    }
    return walk === top;
  }

  /** Looks at the subtree of `node`: fills subtree, touched groups and nodeSlack. */
  scan(node: number): void {
    if (this.scanned === node) return;
    this.#collect(node);
    this.scanned = node;
    this.touchedSize = 0;
    this.nodeSlack = Infinity;
    const { groupStart, groupsOf } = this.graph;
    const { kind, nodeLimit } = this.budgets;
    for (let position = 0; position < this.subtreeSize; position++) {
      const below = this.subtree[position]!;
      const slack = nodeLimit[below]! - this.recreation[below]!;
      if (slack < this.nodeSlack) this.nodeSlack = slack;
      for (let at = groupStart[below]!; at < groupStart[below + 1]!; at++) {
        const group = groupsOf[at]!;
        if (kind[group] === 0) continue;
        let slot = this.#isTouched[group]!;
        if (slot === NONE) {
          slot = this.touchedSize++;
          this.#isTouched[group] = slot;
          this.touched[slot] = group;
          this.touchedCount[slot] = 0;
        }
        this.touchedCount[slot]!++;
      }
    }
    for (let slot = 0; slot < this.touchedSize; slot++) this.#isTouched[this.touched[slot]!] = NONE;
  }

  /**
   * Prices `edge` as the new way to store the scanned vertex: sets storageChange and
   * recreationChange. @returns false if it would close a cycle or is in use.
   */
  weigh(edge: number): boolean {
    const { graph, scanned } = this;
    const current = this.parentEdge[scanned]!;
    const tail = graph.from[edge]!;
    if (edge === current || this.isAtOrBelow(tail, scanned)) return false;
    this.storageChange = graph.storage[edge]! - graph.storage[current]!;
    this.recreationChange =
      this.recreation[tail]! + graph.recreation[edge]! - this.recreation[scanned]!;
    return true;
  }

  /** True if the weighed edge breaks no budget, nor makes a broken one worse. */
  fits(edge: number): boolean {
    const rise = this.recreationChange;
    if (rise > this.nodeSlack && rise > 0) return false;
    const { kind, limit } = this.budgets;
    for (let slot = 0; slot < this.touchedSize; slot++) {
      const group = this.touched[slot]!;
      const change =
        kind[group] === KIND_SUM
          ? rise * this.touchedCount[slot]!
          : this.#unionChange(group, this.touchedCount[slot]!, edge);
      if (change > 0 && this.groupCost[group]! + change > limit[group]!) return false;
    }
    return true;
  }

  /** How much the total excess over all budgets changes by the weighed edge. */
  excessChange(edge: number): number {
    const rise = this.recreationChange;
    const { kind, limit, nodeLimit, hasNodeLimit } = this.budgets;
    let total = 0;
    for (let slot = 0; slot < this.touchedSize; slot++) {
      const group = this.touched[slot]!;
      const change =
        kind[group] === KIND_SUM
          ? rise * this.touchedCount[slot]!
          : this.#unionChange(group, this.touchedCount[slot]!, edge);
      const over = this.groupCost[group]! - limit[group]!;
      total += Math.max(0, over + change) - Math.max(0, over);
    }
    if (hasNodeLimit && (rise > this.nodeSlack || this.nodeSlack < 0)) {
      for (let position = 0; position < this.subtreeSize; position++) {
        const node = this.subtree[position]!;
        const over = this.recreation[node]! - nodeLimit[node]!;
        total += Math.max(0, over + rise) - Math.max(0, over);
      }
    }
    return total;
  }

  /** Share of the free budgets that the weighed edge would use up; at most 0 if it frees some. */
  slackUse(edge: number): number {
    const rise = this.recreationChange;
    const { kind, limit } = this.budgets;
    let use = 0;
    if (this.nodeSlack < Infinity) use += rise / Math.max(this.nodeSlack, 1e-9);
    for (let slot = 0; slot < this.touchedSize; slot++) {
      const group = this.touched[slot]!;
      const change =
        kind[group] === KIND_SUM
          ? rise * this.touchedCount[slot]!
          : this.#unionChange(group, this.touchedCount[slot]!, edge);
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
    this.#unlink(node);
    this.parentEdge[node] = edge;
    this.#link(node, graph.from[edge]!);
    this.storage += graph.storage[edge]! - graph.storage[current]!;
    this.#sumPaths(0);
    const rise = this.recreation[node]! - before;
    for (let slot = 0; slot < this.touchedSize; slot++) {
      const group = this.touched[slot]!;
      if (this.budgets.kind[group] !== KIND_SUM) continue;
      this.groupCost[group]! += rise * this.touchedCount[slot]!;
    }
    this.scanned = NONE;
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

  /** Undoes every swap since `mark` and goes on remembering. */
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

  #link(node: number, parent: number): void {
    const first = this.#first[parent]!;
    this.#next[node] = first;
    this.#previous[node] = NONE;
    if (first !== NONE) this.#previous[first] = node;
    this.#first[parent] = node;
  }

  #unlink(node: number): void {
    const next = this.#next[node]!;
    const previous = this.#previous[node]!;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else this.#first[this.parentOf(node)] = next;
  }

  /** Fills `subtree` in breadth-first order. */
  #collect(top: number): void {
    const { subtree } = this;
    let size = 1;
    subtree[0] = top;
    for (let position = 0; position < size; position++) {
      let child = this.#first[subtree[position]!]!;
      for (; child !== NONE; child = this.#next[child]!) subtree[size++] = child;
    }
    this.subtreeSize = size;
  }

  #sumPaths(start: number): void {
    const { from, recreation } = this.graph;
    for (let position = start; position < this.subtreeSize; position++) {
      const node = this.subtree[position]!;
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
    const current = this.parentEdge[this.scanned]!;
    for (let slot = 0; slot < this.touchedSize; slot++) {
      const group = this.touched[slot]!;
      if (this.budgets.kind[group] !== KIND_UNION) continue;
      const count = this.touchedCount[slot]!;
      this.groupCost[group]! += this.#unionChange(group, count, edge);
      this.#addUses(group, this.graph.from[current]!, -count);
      this.#addUses(group, this.graph.from[edge]!, count);
    }
  }

  /** How much the union of a group's paths changes if `edge` replaces the scanned vertex's edge. */
  #unionChange(group: number, count: number, edge: number): number {
    const { from, recreation, nodeCount } = this.graph;
    const base = group * nodeCount;
    const current = this.parentEdge[this.scanned]!;
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
