/**
 * Local search on plans: `repair` swaps until the budgets are met, `reclaim` swaps storage away while
 * they stay met, `improve` makes one swap that either breaks a budget or costs storage, lets repair
 * and reclaim answer it, and keeps the outcome if it is smaller.
 *
 * PAS-MT never takes storage back after it overshot (reference: ModelHub, IV-C); this does. All
 * choices are deterministic given the seed and the steps.
 */
import type { Forest } from '../forest.js';
import { ROOT } from '../graph.js';
import { finish, type SeededRandom, type Steps } from '../steps.js';

/** Below this share of the storage a change is rounding, not progress. */
const RELATIVE_EPSILON = 1e-12;
/** Swaps that are tried before a search yields. */
const EDGES_PER_TURN = 256;

/** Searches around one forest, which it changes in place. */
export class LocalSearch {
  readonly #forest: Forest;
  readonly #steps: Steps;
  readonly #random: SeededRandom;
  /** Vertices whose parent may not be changed now. */
  readonly #isLocked: Uint8Array;
  readonly #stamp: Int32Array;
  #stampNow = 0;

  constructor(forest: Forest, steps: Steps, random: SeededRandom) {
    this.#forest = forest;
    this.#steps = steps;
    this.#random = random;
    this.#isLocked = new Uint8Array(forest.graph.nodeCount);
    this.#stamp = new Int32Array(forest.graph.nodeCount);
  }

  /**
   * Swaps until every budget is met, by most excess removed per storage added.
   * @param storageMax  stops as soon as the plan stores no more than this.
   * @returns true if every budget is met.
   */
  repair(storageMax = Infinity): boolean {
    const forest = this.#forest;
    let excess = forest.excess();
    while (excess > 0) {
      const edge = this.#bestRepair();
      if (edge < 0) return false;
      forest.apply(edge);
      excess = forest.excess();
      if (forest.storage >= storageMax) return false;
    }
    return true;
  }

  /**
   * Swaps to edges of less storage (or equal storage and shorter paths) as long as budgets allow,
   * those first that use the least of the free budgets per storage saved.
   * @param nodes  vertices to look at; all by default.
   */
  reclaim(nodes?: ArrayLike<number>): void {
    const forest = this.#forest;
    const { graph } = forest;
    for (;;) {
      const found: { edge: number; score: number }[] = [];
      const count = nodes?.length ?? graph.nodeCount - 1;
      for (let index = 0; index < count; index++) {
        const node = nodes === undefined ? index + 1 : nodes[index]!;
        if (this.#isLocked[node]) continue;
        const best = this.#bestReclaim(node);
        if (best !== undefined) found.push(best);
        if (this.#steps.isOver) return;
      }
      if (found.length === 0) return;
      found.sort((left, right) => right.score - left.score || left.edge - right.edge);
      for (const { edge } of found) {
        forest.scan(graph.to[edge]!);
        if (!forest.weigh(edge) || !this.#isReclaim() || !forest.fits(edge)) continue;
        forest.apply(edge);
      }
    }
  }

  /** Answers single swaps until a whole round brings nothing or the steps are used up. */
  improve(): void {
    finish(this.improving());
  }

  /** The same, giving way now and then. */
  *improving(): Generator<void, void> {
    const { graph } = this.#forest;
    const edges = new Int32Array(graph.edgeCount);
    for (let edge = 0; edge < edges.length; edge++) edges[edge] = edge;
    let isBetter = true;
    while (isBetter && !this.#steps.isOver) {
      isBetter = false;
      this.#shuffle(edges);
      for (const [index, edge] of edges.entries()) {
        if (index % EDGES_PER_TURN === EDGES_PER_TURN - 1) yield;
        const isRoot = graph.from[edge] === ROOT;
        if (this.#tryEdge(edge) || (isRoot && this.#tryReroot(edge))) isBetter = true;
        if (this.#steps.isOver) return;
      }
    }
  }

  /**
   * Kicks the plan by a few random swaps and improves it again, until the steps are used up or
   * `rounds` kicks in a row brought nothing; the best plan stays. Yields now and then.
   */
  *kicking(rounds: number): Generator<void, void> {
    const forest = this.#forest;
    let best = forest.parentEdge.slice();
    let bestStorage = forest.storage;
    for (let idle = 0; idle < rounds && !this.#steps.isOver; idle++) {
      const strength = 2 + this.#random.below(3);
      for (let count = 0; count < strength; count++) this.#swapAtRandom();
      const isWithin = this.repair();
      this.#isLocked.fill(0);
      if (isWithin) {
        this.reclaim();
        yield* this.improving();
      }
      yield;
      if (isWithin && forest.storage < bestStorage - this.#epsilon()) {
        best = forest.parentEdge.slice();
        bestStorage = forest.storage;
        idle = -1;
      } else if (!isWithin || forest.storage > bestStorage * 1.02) {
        forest.load(best);
      }
    }
    forest.load(best);
  }

  #epsilon(): number {
    return RELATIVE_EPSILON * Math.max(1, this.#forest.storage);
  }

  #isReclaim(): boolean {
    const forest = this.#forest;
    if (forest.storageChange < -this.#epsilon()) return true;
    return (
      forest.storageChange <= 0 &&
      forest.recreationChange < -1e-9 * forest.recreation[forest.scanned.top]!
    );
  }

  #bestReclaim(node: number): { edge: number; score: number } | undefined {
    const forest = this.#forest;
    const { inStart, inEdges } = forest.graph;
    let best: { edge: number; score: number } | undefined;
    let isScanned = false;
    const current = forest.graph.storage[forest.parentEdge[node]!]!;
    for (let at = inStart[node]!; at < inStart[node + 1]!; at++) {
      const edge = inEdges[at]!;
      if (forest.graph.storage[edge]! > current) continue;
      if (!isScanned) {
        forest.scan(node);
        this.#steps.spend(forest.scanned.size);
        isScanned = true;
      }
      if (!forest.weigh(edge) || !this.#isReclaim() || !forest.fits(edge)) continue;
      const use = forest.slackUse(edge);
      const score = use <= 0 ? 1e100 - forest.storageChange : -forest.storageChange / use;
      if (best === undefined || score > best.score) best = { edge, score };
    }
    this.#steps.spend(inStart[node + 1]! - inStart[node]!);
    return best;
  }

  #bestRepair(): number {
    const forest = this.#forest;
    const { inStart, inEdges } = forest.graph;
    let bestEdge = -1;
    let bestScore = 0;
    for (const node of this.#overNodes()) {
      if (this.#isLocked[node]) continue;
      forest.scan(node);
      if (!this.#steps.spend(forest.scanned.size + inStart[node + 1]! - inStart[node]!)) return -1;
      for (let at = inStart[node]!; at < inStart[node + 1]!; at++) {
        const edge = inEdges[at]!;
        if (!forest.weigh(edge)) continue;
        if (!forest.budgets.hasUnion && forest.recreationChange >= 0) continue;
        const decrease = -forest.excessChange(edge);
        if (!(decrease > 1e-12)) continue;
        const added = forest.storageChange;
        const score = added <= 0 ? 1e100 * (1 + decrease) : decrease / added;
        if (score > bestScore) {
          bestScore = score;
          bestEdge = edge;
        }
      }
    }
    return bestEdge;
  }

  /** Vertices whose swap can lower an excess: members of groups over budget and their ancestors. */
  #overNodes(): number[] {
    const forest = this.#forest;
    const { kind, limit, nodeLimit, hasNodeLimit } = forest.budgets;
    const nodes: number[] = [];
    const stamp = ++this.#stampNow;
    const climb = (start: number): void => {
      for (let node = start; node !== ROOT && this.#stamp[node] !== stamp; ) {
        this.#stamp[node] = stamp;
        nodes.push(node);
        node = forest.parentOf(node);
      }
    };
    forest.graph.groups.forEach((group, index) => {
      if (kind[index] === 0 || forest.groupCost[index]! <= limit[index]!) return;
      for (const member of group.members) climb(member);
    });
    if (hasNodeLimit) {
      for (let node = 1; node < nodeLimit.length; node++) {
        if (forest.recreation[node]! > nodeLimit[node]!) climb(node);
      }
    }
    return nodes;
  }

  /** One swap answered by repair and reclaim. @returns true if the plan got smaller. */
  #tryEdge(edge: number): boolean {
    const forest = this.#forest;
    const { graph } = forest;
    const node = graph.to[edge]!;
    const change = graph.storage[edge]! - graph.storage[forest.parentEdge[node]!]!;
    this.#steps.spend(1);
    if (change === 0) return false;
    forest.scan(node);
    this.#steps.spend(forest.scanned.size);
    if (!forest.weigh(edge)) return false;
    const isInvestment = forest.storageChange > 0;
    if (isInvestment && forest.recreationChange >= 0 && !forest.budgets.hasUnion) return false;
    const before = forest.storage;
    const goal = before - this.#epsilon();
    const near = this.#neighbourhood();
    forest.mark();
    this.#isLocked[node] = 1;
    forest.apply(edge);
    let isBetter = isInvestment || this.repair(goal);
    if (isBetter) {
      this.reclaim(near);
      isBetter = forest.storage < goal;
    }
    this.#isLocked[node] = 0;
    if (!isBetter) forest.rollback();
    return isBetter;
  }

  /**
   * Materialises a vertex in place of the one it hangs from, turning the deltas between them round,
   * answered by repair and reclaim. @returns true if the plan got smaller.
   */
  #tryReroot(edge: number): boolean {
    const forest = this.#forest;
    const { graph } = forest;
    const node = graph.to[edge]!;
    const turned: number[] = [];
    let walk = node;
    for (let above = forest.parentOf(walk); above !== ROOT; above = forest.parentOf(walk)) {
      const back = this.#lightestEdge(walk, above);
      if (back < 0) return false;
      turned.push(back);
      walk = above;
    }
    if (turned.length === 0) return false;
    const goal = forest.storage - this.#epsilon();
    forest.scan(walk);
    this.#steps.spend(forest.scanned.size);
    const near = this.#neighbourhood();
    forest.mark();
    forest.apply(edge);
    for (const back of turned) forest.apply(back);
    let isBetter = this.repair();
    if (isBetter) {
      this.reclaim(near);
      isBetter = forest.storage < goal;
    }
    if (!isBetter) forest.rollback();
    return isBetter;
  }

  #lightestEdge(tail: number, head: number): number {
    const { inStart, inEdges, from, storage } = this.#forest.graph;
    let best = -1;
    for (let at = inStart[head]!; at < inStart[head + 1]!; at++) {
      const edge = inEdges[at]!;
      if (from[edge] !== tail) continue;
      if (best < 0 || storage[edge]! < storage[best]!) best = edge;
    }
    return best;
  }

  /** Vertices that share a budget with the scanned subtree: where freed slack can be spent. */
  #neighbourhood(): Int32Array | undefined {
    const forest = this.#forest;
    if (forest.graph.nodeCount <= 128) return undefined;
    const stamp = ++this.#stampNow;
    const nodes: number[] = [];
    const add = (node: number): void => {
      if (this.#stamp[node] === stamp || nodes.length >= 512) return;
      this.#stamp[node] = stamp;
      nodes.push(node);
    };
    for (let at = 0; at < Math.min(forest.scanned.size, 128); at++) add(forest.scanned.nodes[at]!);
    for (let slot = 0; slot < forest.scanned.groupCount; slot++) {
      for (const member of forest.graph.groups[forest.scanned.groups[slot]!]!.members) add(member);
    }
    const { outStart, outEdges, to } = forest.graph;
    const near = nodes.length;
    for (let index = 0; index < near; index++) {
      const node = nodes[index]!;
      for (let at = outStart[node]!; at < outStart[node + 1]!; at++) add(to[outEdges[at]!]!);
    }
    return Int32Array.from(nodes);
  }

  #swapAtRandom(): void {
    const forest = this.#forest;
    const { graph } = forest;
    for (let attempt = 0; attempt < 20; attempt++) {
      const edge = this.#random.below(graph.edgeCount);
      const node = graph.to[edge]!;
      if (this.#isLocked[node]) continue;
      forest.scan(node);
      if (!forest.weigh(edge)) continue;
      this.#isLocked[node] = 1;
      forest.apply(edge);
      return;
    }
  }

  #shuffle(items: Int32Array): void {
    for (let index = items.length - 1; index > 0; index--) {
      const other = this.#random.below(index + 1);
      [items[index], items[other]] = [items[other]!, items[index]!];
    }
  }
}
