/**
 * Dynamic program on trees: the least storage plus priced recreation when deltas follow the edges of
 * a given forest, in either direction (DP-BMR of Guo et al. 2024, generalised).
 *
 * State (v, σ): v is rebuilt along the tree from the materialisation σ, so its path cost is known.
 * Generalised by one limit per vertex (parallel groups, exactly), by a price per unit of each
 * vertex's path cost (Lagrangian of sum budgets), and by materialisations at several levels.
 * Deviations: between two neighbours only the cheaper of parallel deltas is used, and trees above
 * COMPONENT_NODES_MAX are cut; where neither happens and the graph is such a forest, it is exact.
 */
import { ROOT, type StorageGraph } from '../graph.js';
import type { Steps } from '../steps.js';
import type { ShortestPaths } from './shortest-paths.js';

/** Trees are cut into pieces of at most this many vertices: two tables of 8 MB each. */
const COMPONENT_NODES_MAX = 1000;
const STATES_MAX = 1_000_000;

/** What the dynamic program found. */
export interface TreePlan {
  readonly parentEdge: Int32Array;
  /** Storage plus priced recreation of the optimum over the forest; Infinity if it has no plan. */
  readonly value: number;
  /** True if the forest holds every delta of the graph: then `value` is a bound for the graph. */
  readonly isExact: boolean;
}

interface Skeleton {
  /** Vertices of all trees, every parent before its children. */
  readonly order: Int32Array;
  /** Tree parent, 0 at the top of a tree. */
  readonly above: Int32Array;
  /** Delta from the tree parent and towards it, -1 for none. */
  readonly down: Int32Array;
  readonly up: Int32Array;
  /** Vertices at and below, in the order of `order` from the vertex on. */
  readonly size: Int32Array;
  readonly isExact: boolean;
}

/** What paths may cost, and what their cost is worth. */
export interface TreePrices {
  /** Most path cost of each vertex. */
  readonly limit: Float64Array;
  /** Worth of one unit of path cost at each vertex, in storage. */
  readonly price: Float64Array;
  /** Stand in for trees that have no plan within the limits. */
  readonly shortest: ShortestPaths;
}

/**
 * Solves over the forest of `light`'s deltas.
 * @param light  parent edges of a spanning tree of the graph; its deltas are the forest.
 */
export function planOverTree(
  graph: StorageGraph,
  light: Int32Array,
  { limit, price, shortest }: TreePrices,
  steps: Steps,
): TreePlan {
  const skeleton = buildSkeleton(graph, light, price);
  const parentEdge = shortest.parentEdge.slice();
  let value = 0;
  for (let start = 0; start < skeleton.order.length && !steps.isOver; ) {
    const size = skeleton.size[skeleton.order[start]!]!;
    const tree = new TreeTable(graph, skeleton, { start, size, limit, price, steps });
    value += tree.solve(parentEdge);
    start += size;
  }
  return { parentEdge, value: steps.isOver ? Infinity : value, isExact: skeleton.isExact };
}

/** Which tree of the skeleton, and what its paths may cost. */
interface TreeAndPrices extends Omit<TreePrices, 'shortest'> {
  /** Where its vertices begin in the skeleton's order, and how many there are. */
  readonly start: number;
  readonly size: number;
  readonly steps: Steps;
}

/** One tree and its table of states. */
class TreeTable {
  readonly #graph: StorageGraph;
  readonly #skeleton: Skeleton;
  readonly #tree: TreeAndPrices;
  /** Materialisations into the tree, and per one the position of its vertex in the tree. */
  readonly #sources: Int32Array;
  readonly #home: Int32Array;
  readonly #position: Map<number, number>;
  /** Per state (position · sources + source): edge into the vertex (-1: no state) and least value. */
  readonly #via: Int32Array;
  readonly #value: Float64Array;
  readonly #best: Float64Array;
  readonly #bestSource: Int32Array;

  constructor(graph: StorageGraph, skeleton: Skeleton, options: TreeAndPrices) {
    this.#graph = graph;
    this.#skeleton = skeleton;
    this.#tree = options;
    const { start, size } = options;
    this.#position = new Map();
    const sources: number[] = [];
    const home: number[] = [];
    for (let position = 0; position < size; position++) {
      const node = skeleton.order[start + position]!;
      this.#position.set(node, position);
      for (let at = graph.inStart[node]!; at < graph.inStart[node + 1]!; at++) {
        const edge = graph.inEdges[at]!;
        if (graph.from[edge] !== ROOT) continue;
        sources.push(edge);
        home.push(position);
      }
    }
    this.#sources = Int32Array.from(sources);
    this.#home = Int32Array.from(home);
    this.#via = new Int32Array(size * sources.length).fill(-1);
    this.#value = new Float64Array(size * sources.length).fill(Infinity);
    this.#best = new Float64Array(size).fill(Infinity);
    this.#bestSource = new Int32Array(size).fill(-1);
  }

  /** Writes the optimum's edges into `parentEdge`. @returns its value. */
  solve(parentEdge: Int32Array): number {
    for (let source = 0; source < this.#sources.length; source++) this.#reach(source);
    for (let position = this.#tree.size - 1; position >= 0; position--) this.#fill(position);
    if (this.#best[0] === Infinity) return Infinity;
    this.#choose(parentEdge);
    return this.#best[0]!;
  }

  /** Follows one materialisation as far as the limits allow; sets `via` and the own value. */
  #reach(source: number): void {
    const { storage, recreation } = this.#graph;
    const { order, above, down, up, size } = this.#skeleton;
    const width = this.#sources.length;
    const stack: [position: number, edge: number, cost: number][] = [
      [this.#home[source]!, this.#sources[source]!, recreation[this.#sources[source]!]!],
    ];
    while (stack.length > 0) {
      const [position, edge, cost] = stack.pop()!;
      const node = order[this.#tree.start + position]!;
      const state = position * width + source;
      if (this.#via[state] !== -1 || cost > this.#tree.limit[node]!) continue;
      this.#via[state] = edge;
      this.#value[state] = storage[edge]! + this.#tree.price[node]! * cost;
      this.#tree.steps.spend(1);
      if (position > 0 && up[node]! >= 0) {
        stack.push([this.#position.get(above[node]!)!, up[node]!, cost + recreation[up[node]!]!]);
      }
      const end = position + size[node]!;
      for (let child = position + 1; child < end; ) {
        const below = order[this.#tree.start + child]!;
        const edgeDown = down[below]!;
        if (edgeDown >= 0) stack.push([child, edgeDown, cost + recreation[edgeDown]!]);
        child += size[below]!;
      }
    }
  }

  /** Adds the children's values to every state of one vertex, all below being done. */
  #fill(position: number): void {
    const { order, size } = this.#skeleton;
    const width = this.#sources.length;
    const node = order[this.#tree.start + position]!;
    const end = position + size[node]!;
    for (let child = position + 1; child < end; ) {
      const childEnd = child + size[order[this.#tree.start + child]!]!;
      this.#tree.steps.spend(width);
      for (let source = 0; source < width; source++) {
        const state = position * width + source;
        if (this.#via[state] === -1) continue;
        const below = this.#value[child * width + source]!;
        const home = this.#home[source]!;
        const isBelow = home >= child && home < childEnd;
        this.#value[state]! += isBelow ? below : Math.min(below, this.#best[child]!);
      }
      child = childEnd;
    }
    for (let source = 0; source < width; source++) {
      const home = this.#home[source]!;
      if (home < position || home >= end) continue;
      const value = this.#value[position * width + source]!;
      if (value < this.#best[position]!) {
        this.#best[position] = value;
        this.#bestSource[position] = source;
      }
    }
  }

  #choose(parentEdge: Int32Array): void {
    const { order, size } = this.#skeleton;
    const width = this.#sources.length;
    const stack: [position: number, source: number][] = [[0, this.#bestSource[0]!]];
    while (stack.length > 0) {
      const [position, source] = stack.pop()!;
      const node = order[this.#tree.start + position]!;
      parentEdge[node] = this.#via[position * width + source]!;
      const end = position + size[node]!;
      for (let child = position + 1; child < end; ) {
        const childEnd = child + size[order[this.#tree.start + child]!]!;
        const home = this.#home[source]!;
        const isBelow = home >= child && home < childEnd;
        const isShared = isBelow || this.#value[child * width + source]! <= this.#best[child]!;
        stack.push([child, isShared ? source : this.#bestSource[child]!]);
        child = childEnd;
      }
    }
  }
}

/** Turns the deltas of a spanning tree into rooted trees of bounded size with both directions. */
function buildSkeleton(graph: StorageGraph, light: Int32Array, price: Float64Array): Skeleton {
  const { nodeCount, from, to, inStart, inEdges } = graph;
  const above = new Int32Array(nodeCount);
  const children: number[][] = Array.from({ length: nodeCount }, () => []);
  for (let node = nodeCount - 1; node > ROOT; node--) {
    above[node] = from[light[node]!]!;
    children[above[node]!]!.push(node);
  }
  const isCut = cutLargeTrees(graph, children, above);
  const order = new Int32Array(nodeCount - 1);
  const size = new Int32Array(nodeCount).fill(1);
  const stack: number[] = [];
  let count = 0;
  for (let node = nodeCount - 1; node > ROOT; node--) if (above[node] === ROOT) stack.push(node);
  while (stack.length > 0) {
    const node = stack.pop()!;
    order[count++] = node;
    for (const child of children[node]!) if (above[child] === node) stack.push(child);
  }
  for (let index = count - 1; index >= 0; index--) {
    const node = order[index]!;
    if (above[node] !== ROOT) size[above[node]!]! += size[node]!;
  }
  const down = new Int32Array(nodeCount).fill(-1);
  const up = new Int32Array(nodeCount).fill(-1);
  const cost = (edge: number): number =>
    graph.storage[edge]! + price[to[edge]!]! * graph.recreation[edge]!;
  let deltas = 0;
  let used = 0;
  for (let head = 1; head < nodeCount; head++) {
    for (let at = inStart[head]!; at < inStart[head + 1]!; at++) {
      const edge = inEdges[at]!;
      const tail = from[edge]!;
      if (tail === ROOT) continue;
      deltas++;
      const isDown = above[head] === tail;
      if (!isDown && above[tail] !== head) continue;
      const slot = isDown ? down : up;
      const child = isDown ? head : tail;
      if (slot[child] === -1) used++;
      if (slot[child] === -1 || cost(edge) < cost(slot[child]!)) slot[child] = edge;
    }
  }
  return { order, above, down, up, size, isExact: !isCut && used === deltas };
}

/** Cuts subtrees off where a tree would grow too large. @returns true if any was cut. */
function cutLargeTrees(graph: StorageGraph, children: number[][], above: Int32Array): boolean {
  const { nodeCount, from, inStart, inEdges } = graph;
  const order: number[] = [...children[ROOT]!];
  for (let index = 0; index < order.length; index++) order.push(...children[order[index]!]!);
  const size = new Float64Array(nodeCount);
  const sources = new Float64Array(nodeCount);
  let isCut = false;
  for (let index = order.length - 1; index >= 0; index--) {
    const node = order[index]!;
    size[node]! += 1;
    for (let at = inStart[node]!; at < inStart[node + 1]!; at++) {
      if (from[inEdges[at]!] === ROOT) sources[node]!++;
    }
    const parent = above[node]!;
    if (parent === ROOT) continue;
    const joined = size[parent]! + size[node]!;
    const states = joined * (sources[parent]! + sources[node]!);
    if (joined >= COMPONENT_NODES_MAX || states > STATES_MAX) {
      above[node] = ROOT;
      isCut = true;
    } else {
      size[parent] = joined;
      sources[parent]! += sources[node]!;
    }
  }
  return isCut;
}
