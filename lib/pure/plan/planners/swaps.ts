/**
 * Greedy swaps from a tree of little storage towards the budgets: the loop that PAS-MT (ModelHub,
 * IV-C, Eq. 1 and 2) and LMG-All (Guo et al. 2024) share. Each takes the swap with the most recreation
 * saved per storage added; they differ in whose recreation counts.
 *
 * Scores live in a heap. A swap can only raise the scores of edges out of the moved subtree, into the
 * moved vertex and into its new ancestors: those are entered afresh; all others only fall and are
 * corrected when they come up. So the choice is exactly the greedy one at O(log m) each.
 */
import type { Forest } from '../forest.js';
import { ROOT } from '../graph.js';
import { IndexedHeap } from '../heap.js';
import type { Steps } from '../steps.js';

/** `violated`: members of groups over budget, once per group (PAS-MT). `all`: every vertex (LMG-All). */
export type Beneficiaries = 'violated' | 'all';

/** Swaps until every budget is met or no swap helps. @returns true if every budget is met. */
export function swapUntilWithin(forest: Forest, whose: Beneficiaries, steps: Steps): boolean {
  return new GreedySwaps(forest, whose, steps).run();
}

class GreedySwaps {
  readonly #forest: Forest;
  readonly #whose: Beneficiaries;
  readonly #steps: Steps;
  readonly #heap: IndexedHeap;
  /** What one unit of a vertex's path is worth, and the sum over its subtree. */
  readonly #worth: Float64Array;
  readonly #worthBelow: Float64Array;
  readonly #isOver: Uint8Array;
  readonly #isBanned: Uint8Array;

  constructor(forest: Forest, whose: Beneficiaries, steps: Steps) {
    const { graph } = forest;
    this.#forest = forest;
    this.#whose = whose;
    this.#steps = steps;
    this.#heap = new IndexedHeap(graph.edgeCount);
    this.#worth = new Float64Array(graph.nodeCount);
    this.#worthBelow = new Float64Array(graph.nodeCount);
    this.#isOver = new Uint8Array(graph.groups.length);
    this.#isBanned = new Uint8Array(graph.edgeCount);
  }

  run(): boolean {
    const forest = this.#forest;
    let excess = forest.excess();
    if (excess <= 0) return true;
    this.#sumWorth();
    for (let edge = 0; edge < forest.graph.edgeCount; edge++) this.#enter(edge);
    while (this.#heap.size > 0) {
      if (!this.#steps.spend(1)) return false;
      const edge = this.#heap.peek();
      const key = this.#key(edge);
      if (key > this.#heap.keyOf(edge)) {
        this.#enter(edge);
        continue;
      }
      const before = forest.parentEdge[forest.graph.to[edge]!]!;
      forest.apply(edge);
      const after = forest.excess();
      if (after > excess && this.#forest.budgets.hasUnion) {
        // Shorter paths may share less; such a swap is taken back and not tried again.
        forest.apply(before);
        this.#isBanned[edge] = 1;
        this.#heap.remove(edge);
        continue;
      }
      excess = after;
      if (excess <= 0) return true;
      this.#update(before, edge);
    }
    return false;
  }

  /** The negated score of an edge: lower is better; 0 or more is not a swap. */
  #key(edge: number): number {
    const { graph, recreation, parentEdge } = this.#forest;
    if (this.#isBanned[edge]) return 0;
    const head = graph.to[edge]!;
    const saved = recreation[head]! - recreation[graph.from[edge]!]! - graph.recreation[edge]!;
    // A base below the head never saves anything, so no cycle can be entered here.
    if (!(saved > 0)) return 0;
    const gain = saved * this.#worthBelow[head]!;
    if (!(gain > 0)) return 0;
    const added = graph.storage[edge]! - graph.storage[parentEdge[head]!]!;
    return added <= 0 ? -1e200 * (1 + gain) : -gain / added;
  }

  #enter(edge: number): void {
    const key = this.#key(edge);
    if (key < 0) this.#heap.set(edge, key);
    else this.#heap.remove(edge);
  }

  #sumWorth(): void {
    const { graph, recreation, budgets } = this.#forest;
    for (let group = 0; group < this.#isOver.length; group++) {
      this.#isOver[group] = this.#isGroupOver(group) ? 1 : 0;
    }
    for (let node = 1; node < graph.nodeCount; node++) {
      if (this.#whose === 'all') {
        this.#worth[node] = 1;
        continue;
      }
      let worth = recreation[node]! > budgets.nodeLimit[node]! ? 1 : 0;
      for (let at = graph.groupStart[node]!; at < graph.groupStart[node + 1]!; at++) {
        worth += this.#isOver[graph.groupsOf[at]!]!;
      }
      this.#worth[node] = worth;
    }
    this.#worthBelow.set(this.#worth);
    this.#forest.scanned.top = -1;
    this.#forest.scan(ROOT);
    for (let position = this.#forest.scanned.size - 1; position > 0; position--) {
      const node = this.#forest.scanned.nodes[position]!;
      this.#worthBelow[this.#forest.parentOf(node)]! += this.#worthBelow[node]!;
    }
  }

  #isGroupOver(group: number): boolean {
    const { kind, limit } = this.#forest.budgets;
    return kind[group] !== 0 && this.#forest.groupCost[group]! > limit[group]!;
  }

  #update(before: number, edge: number): void {
    const forest = this.#forest;
    const { graph } = forest;
    const moved = graph.to[edge]!;
    const worth = this.#worthBelow[moved]!;
    for (let node = graph.from[before]!; node !== ROOT; node = forest.parentOf(node)) {
      this.#worthBelow[node]! -= worth;
    }
    for (let node = graph.from[edge]!; node !== ROOT; node = forest.parentOf(node)) {
      this.#worthBelow[node]! += worth;
      this.#enterInto(node);
    }
    if (this.#whose === 'violated') this.#dropSatisfied(moved);
    this.#enterInto(moved);
    forest.scan(moved);
    for (let position = 0; position < forest.scanned.size; position++) {
      const node = forest.scanned.nodes[position]!;
      const end = graph.outStart[node + 1]!;
      for (let at = graph.outStart[node]!; at < end; at++) this.#enter(graph.outEdges[at]!);
      this.#steps.spend(end - graph.outStart[node]!);
    }
  }

  #enterInto(node: number): void {
    const { inStart, inEdges } = this.#forest.graph;
    for (let at = inStart[node]!; at < inStart[node + 1]!; at++) this.#enter(inEdges[at]!);
    this.#steps.spend(inStart[node + 1]! - inStart[node]!);
  }

  #dropSatisfied(moved: number): void {
    const forest = this.#forest;
    const { nodeLimit, hasNodeLimit } = forest.budgets;
    forest.scan(moved);
    if (hasNodeLimit) {
      const paths = forest.scanned.nodes.slice(0, forest.scanned.size);
      for (const node of paths) {
        if (nodeLimit[node] === Infinity || forest.recreation[node]! > nodeLimit[node]!) continue;
        let groups = 0;
        const { groupStart, groupsOf } = forest.graph;
        for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
          groups += this.#isOver[groupsOf[at]!]!;
        }
        this.#lower(node, this.#worth[node]! - groups);
      }
    }
    for (let slot = 0; slot < forest.scanned.groupCount; slot++) {
      const group = forest.scanned.groups[slot]!;
      if (!this.#isOver[group] || this.#isGroupOver(group)) continue;
      this.#isOver[group] = 0;
      for (const member of forest.graph.groups[group]!.members) this.#lower(member, 1);
    }
  }

  #lower(start: number, amount: number): void {
    if (amount === 0) return;
    this.#worth[start]! -= amount;
    for (let node = start; node !== ROOT; node = this.#forest.parentOf(node)) {
      this.#worthBelow[node]! -= amount;
    }
  }
}
