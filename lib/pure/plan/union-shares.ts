/**
 * Who pays for an edge that several members of a reusable group share: any split that sums to at most
 * one per edge keeps the relaxation a lower bound. The split follows the members whose relaxed paths
 * really use the edge's head, so an edge that one member needs is charged to that member in full.
 */
import { type Budgets, KIND_UNION } from './budgets.js';
import type { StorageGraph } from './graph.js';

/** Rounds between two changes of the split, and what a member without use keeps. */
const ROUNDS_PER_CHANGE = 5;
const LEAST_USE = 0.01;

interface Split {
  readonly members: Int32Array;
  readonly row: Map<number, number>;
  /** Smoothed use, uses since the last change and the sum of uses, by row · nodeCount + head. */
  readonly use: Float32Array;
  readonly recent: Float32Array;
  readonly total: Float64Array;
}

/** Splits of every reusable group that has a budget. */
export class UnionShares {
  readonly #nodeCount: number;
  readonly #splits: (Split | undefined)[];
  #rounds = 0;

  /** @param familyOf  family per vertex: members pay within their own only. */
  constructor(graph: StorageGraph, budgets: Budgets, familyOf: Int32Array) {
    const { nodeCount } = graph;
    this.#nodeCount = nodeCount;
    this.#splits = graph.groups.map(({ members }, group) => {
      if (budgets.kind[group] !== KIND_UNION) return undefined;
      const use = new Float32Array(members.length * nodeCount);
      const row = new Map<number, number>();
      members.forEach((member, index) => {
        row.set(member, index);
        for (let head = 1; head < nodeCount; head++) {
          if (familyOf[head] === familyOf[member]) use[index * nodeCount + head] = 1;
        }
      });
      const recent = new Float32Array(use.length);
      return sumUp({ members, row, use, recent, total: new Float64Array(nodeCount) }, nodeCount);
    });
  }

  isMember(group: number, node: number): boolean {
    return this.#splits[group]!.row.has(node);
  }

  /** The member's share of edges into a vertex outside the group. */
  shareOf(group: number, member: number, head: number): number {
    const split = this.#splits[group]!;
    const total = split.total[head]!;
    return total > 0 ? split.use[split.row.get(member)! * this.#nodeCount + head]! / total : 0;
  }

  /** Notes that a member's relaxed path enters the vertex. */
  note(group: number, member: number, head: number): void {
    const split = this.#splits[group]!;
    split.recent[split.row.get(member)! * this.#nodeCount + head]!++;
  }

  /** Ends a round; now and then the splits move towards what was noted. */
  advance(): void {
    if (++this.#rounds % ROUNDS_PER_CHANGE !== 0) return;
    for (const split of this.#splits) {
      if (split === undefined) continue;
      const { use, recent } = split;
      for (let at = 0; at < use.length; at++) {
        if (use[at] === 0) continue;
        use[at] = Math.max(LEAST_USE, 0.8 * use[at]! + (0.2 * recent[at]!) / ROUNDS_PER_CHANGE);
      }
      recent.fill(0);
      sumUp(split, this.#nodeCount);
    }
  }
}

function sumUp(split: Split, nodeCount: number): Split {
  split.total.fill(0);
  for (let row = 0; row < split.members.length; row++) {
    for (let head = 1; head < nodeCount; head++) {
      split.total[head]! += split.use[row * nodeCount + head]!;
    }
  }
  return split;
}
