/**
 * Minimum arborescence: the cheapest spanning tree out of the root, ignoring budgets. Its cost is a
 * lower bound on every plan.
 *
 * Edmonds' algorithm as refined by Tarjan (1977, corrected by Camerini et al. 1979) and Gabow et al.
 * (1986): grow one path backwards over cheapest in-edges, contract each cycle, keep the in-edges of
 * each contraction in a mergeable heap with lazy additions (skew-heaps.ts).
 * O(m log n) time, O(m + n) space, no recursion. Also gives the dual solution, hence reduced costs.
 */
import { ROOT, type StorageGraph } from '../graph.js';
import { SkewHeaps } from './skew-heaps.js';

const NONE = -1;

/** Reusable work space for one graph; `solve` may be called with many cost vectors. */
export class ArborescenceSolver {
  /** Cheapest in-edge per vertex after `solve`, -1 at the root. Owned by the solver. */
  readonly parentEdge: Int32Array;
  readonly #graph: StorageGraph;
  readonly #heaps: SkewHeaps;
  // Super-vertices: the first nodeCount are the vertices themselves.
  readonly #top: Int32Array;
  readonly #chosen: Int32Array;
  readonly #parent: Int32Array;
  readonly #sets: Int32Array;
  readonly #dual: Float64Array;
  readonly #dualAbove: Float64Array;
  readonly #depth: Int32Array;
  readonly #state: Uint8Array;
  readonly #path: Int32Array;
  #superCount = 0;

  constructor(graph: StorageGraph) {
    const { nodeCount, edgeCount } = graph;
    this.#graph = graph;
    this.parentEdge = new Int32Array(nodeCount).fill(NONE);
    this.#heaps = new SkewHeaps(edgeCount);
    const supers = 2 * nodeCount;
    this.#top = new Int32Array(supers);
    this.#chosen = new Int32Array(supers);
    this.#parent = new Int32Array(supers);
    this.#sets = new Int32Array(supers);
    this.#dual = new Float64Array(supers);
    this.#dualAbove = new Float64Array(supers);
    this.#depth = new Int32Array(supers);
    this.#state = new Uint8Array(supers);
    this.#path = new Int32Array(supers);
  }

  /**
   * Finds a cheapest arborescence under `cost`.
   * @param cost  per edge; may be negative; Infinity leaves the edge out.
   * @returns its cost, or Infinity if the root does not reach every vertex.
   */
  solve(cost: Float64Array): number {
    this.#fillHeaps(cost);
    const state = this.#state;
    state[ROOT] = 2;
    for (let start = 1; start < this.#graph.nodeCount; start++) {
      if (!this.#growFrom(this.#find(start))) return Infinity;
    }
    this.#expand();
    let total = 0;
    for (let node = 1; node < this.#graph.nodeCount; node++) total += cost[this.parentEdge[node]!]!;
    return total;
  }

  /**
   * After `solve`: by how much at least the cost rises if `edge` must be in the tree. Exact sums of
   * duals, so zero for edges of a cheapest arborescence up to rounding.
   */
  reducedCost(edge: number, cost: number): number {
    const parent = this.#parent;
    const depth = this.#depth;
    let tail = this.#graph.from[edge]!;
    let head = this.#graph.to[edge]!;
    const start = head;
    while (depth[tail]! > depth[head]!) tail = parent[tail]!;
    while (depth[head]! > depth[tail]!) head = parent[head]!;
    while (tail !== head) {
      tail = parent[tail]!;
      head = parent[head]!;
      if (tail === NONE || head === NONE) {
        head = NONE;
        break;
      }
    }
    const shared = head === NONE ? 0 : this.#dualAbove[head]!;
    return cost - (this.#dualAbove[start]! - shared);
  }

  #fillHeaps(cost: Float64Array): void {
    const { nodeCount, inStart, inEdges } = this.#graph;
    this.#superCount = nodeCount;
    for (let node = 0; node < nodeCount; node++) {
      this.#resetSuper(node);
      let top = NONE;
      for (let position = inStart[node]!; position < inStart[node + 1]!; position++) {
        const edge = inEdges[position]!;
        if (cost[edge] === Infinity) continue;
        top = this.#heaps.meld(top, this.#heaps.single(edge, cost[edge]!));
      }
      this.#top[node] = top;
    }
  }

  #resetSuper(node: number): void {
    this.#chosen[node] = NONE;
    this.#parent[node] = NONE;
    this.#sets[node] = node;
    this.#dual[node] = 0;
    this.#state[node] = 0;
  }

  /** Extends the path backwards until it meets a finished vertex. False if a vertex has no way in. */
  #growFrom(start: number): boolean {
    const state = this.#state;
    const from = this.#graph.from;
    let length = 0;
    let current = start;
    while (state[current] !== 2) {
      const edge = this.#popOutside(current);
      if (edge === NONE) return false;
      this.#chosen[current] = edge;
      this.#dual[current] = this.#heaps.keyOf(edge);
      state[current] = 1;
      this.#path[length++] = current;
      const tail = this.#find(from[edge]!);
      if (state[tail] !== 1) {
        current = tail;
        continue;
      }
      const merged = this.#superCount++;
      this.#resetSuper(merged);
      let top = NONE;
      let member: number;
      do {
        member = this.#path[--length]!;
        const heap = this.#heaps.addTo(this.#top[member]!, -this.#dual[member]!);
        top = this.#heaps.meld(top, heap);
        this.#parent[member] = merged;
        this.#sets[member] = merged;
      } while (member !== tail);
      this.#top[merged] = top;
      current = merged;
    }
    while (length > 0) state[this.#path[--length]!] = 2;
    return true;
  }

  /** Takes the cheapest edge that comes from outside the super-vertex off its heap. */
  #popOutside(node: number): number {
    const from = this.#graph.from;
    for (;;) {
      const edge = this.#top[node]!;
      if (edge === NONE) return NONE;
      this.#top[node] = this.#heaps.withoutTop(edge);
      if (this.#find(from[edge]!) !== node) return edge;
    }
  }

  #find(node: number): number {
    const sets = this.#sets;
    let top = node;
    while (sets[top] !== top) top = sets[top]!;
    let walk = node;
    while (sets[walk] !== top) {
      const next = sets[walk]!;
      sets[walk] = top;
      walk = next;
    }
    return top;
  }

  /** Undoes the contractions from the outermost in, and sums the duals from the outermost in. */
  #expand(): void {
    const to = this.#graph.to;
    const state = this.#state;
    for (let node = this.#superCount - 1; node > ROOT; node--) {
      const parent = this.#parent[node]!;
      this.#depth[node] = parent === NONE ? 0 : this.#depth[parent]! + 1;
      this.#dualAbove[node] = this.#dual[node]! + (parent === NONE ? 0 : this.#dualAbove[parent]!);
      if (state[node] === 3) continue;
      const edge = this.#chosen[node]!;
      for (let walk = to[edge]!; walk !== node; walk = this.#parent[walk]!) {
        this.#chosen[walk] = edge;
        state[walk] = 3;
      }
    }
    this.#depth[ROOT] = 0;
    this.#dualAbove[ROOT] = 0;
    for (let node = 1; node < this.#graph.nodeCount; node++) {
      this.parentEdge[node] = this.#chosen[node]!;
    }
  }
}

/**
 * Finds the arborescence of least storage.
 * @returns the parent edge per vertex (-1 at the root) and the total storage, or undefined if the
 *   root does not reach every vertex.
 */
export function findArborescence(
  graph: StorageGraph,
): { parentEdge: Int32Array; storage: number } | undefined {
  const solver = new ArborescenceSolver(graph);
  const storage = solver.solve(graph.storage);
  if (storage === Infinity) return undefined;
  return { parentEdge: solver.parentEdge.slice(), storage };
}
