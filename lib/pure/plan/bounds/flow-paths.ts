/**
 * Shortest paths of the flow relaxation: of one vertex after another, along the edges in its reach, at
 * the present multipliers. Also where a vertex's flow multipliers stand.
 */
import { type Budgets, KIND_SUM, KIND_UNION } from '../budgets.js';
import { type Family, splitFamilies } from '../families.js';
import { ROOT, type StorageGraph } from '../graph.js';
import { IndexedHeap } from '../heap.js';
import { UnionShares } from '../union-shares.js';
import { PathReach } from './path-reach.js';

/** A point of the dual, or a direction in it. */
export interface Multipliers {
  readonly flow: Float64Array;
  readonly group: Float64Array;
  readonly node: Float64Array;
}

/** What a vertex's path costs is added to its last edge. */
export interface EdgeCharges {
  readonly cost: Float64Array;
  /** 1 for each edge that is the last of some path. */
  readonly isCharged: Uint8Array;
}

export class FlowPaths {
  readonly families: readonly Family[];
  readonly reach: PathReach;
  readonly unions: UnionShares;
  readonly #graph: StorageGraph;
  readonly #budgets: Budgets;
  /** Per vertex the place of its flow multipliers. */
  readonly #flowAt: Int32Array;
  /** Last edges of the shortest paths, by local number from a vertex's `#lastAt` on. */
  readonly #lastAt: Int32Array;
  readonly #lastEdge: Int32Array;
  /** Local number of each vertex in its family. */
  readonly #position: Int32Array;
  readonly #value: Float64Array;
  readonly #heap: IndexedHeap;
  /** What edges into each local vertex cost the present path per unit, for union groups. */
  readonly #headPrice: Float64Array;

  constructor(graph: StorageGraph, budgets: Budgets) {
    const { nodeCount } = graph;
    this.#graph = graph;
    this.#budgets = budgets;
    this.families = splitFamilies(graph);
    this.#flowAt = new Int32Array(nodeCount);
    this.#lastAt = new Int32Array(nodeCount);
    this.#position = new Int32Array(nodeCount);
    const familyOf = new Int32Array(nodeCount);
    let lastCount = 0;
    for (const [number, family] of this.families.entries()) {
      family.nodes.forEach((node, index) => {
        this.#flowAt[node] = family.offset + index * family.edges.length;
        this.#lastAt[node] = lastCount;
        this.#position[node] = index + 1;
        familyOf[node] = number;
        lastCount += family.nodes.length + 1;
      });
    }
    this.#lastEdge = new Int32Array(lastCount);
    this.reach = new PathReach(graph, this.families, this.#flowAt);
    this.unions = new UnionShares(graph, budgets, familyOf);
    this.#value = new Float64Array(nodeCount);
    this.#heap = new IndexedHeap(nodeCount);
    this.#headPrice = new Float64Array(nodeCount);
  }

  flowAt(node: number): number {
    return this.#flowAt[node]!;
  }

  positionOf(node: number): number {
    return this.#position[node]!;
  }

  /** Calls `visit` with each vertex's place of multipliers and its slots of edges in reach. */
  forEachReach(visit: (base: number, start: number, end: number) => void): void {
    for (const family of this.families) {
      for (const node of family.nodes) {
        const base = this.#flowAt[node]!;
        visit(base, base, this.reach.endOf(node));
      }
    }
  }

  /** Charges each vertex's shortest path on its last edges, and takes the multipliers off the tree. */
  charge(point: Multipliers, charges: EdgeCharges): void {
    for (const family of this.families) {
      for (const node of family.nodes) {
        const base = this.#flowAt[node]!;
        const end = this.reach.endOf(node);
        for (let slot = base; slot < end; slot++) {
          const at = this.reach.places[slot]!;
          charges.cost[family.edges[at]!]! -= point.flow[base + at]!;
        }
        this.#findPaths(family, node, point, charges);
      }
    }
  }

  /** Places of the edges on a vertex's path above its own edge, from below upwards. */
  pathAbove(family: Family, node: number, own: number): number[] {
    const { from } = this.#graph;
    const last = this.#lastAt[node]!;
    const places: number[] = [];
    for (let tail = from[own]!; tail !== ROOT; ) {
      const at = this.#lastEdge[last + this.#position[tail]!]!;
      places.push(at);
      tail = from[family.edges[at]!]!;
    }
    return places;
  }

  /** Dijkstra from the root over the edges in the target's reach. */
  #findPaths(
    family: Family,
    target: number,
    point: Multipliers,
    { cost, isCharged }: EdgeCharges,
  ): void {
    const { edges, head } = family;
    const { recreation } = this.#graph;
    const base = this.#flowAt[target]!;
    const last = this.#lastAt[target]!;
    const { flow } = point;
    const { places, starts } = this.reach;
    const first = this.reach.startOf(target);
    const goal = this.#position[target]!;
    const heap = this.#heap;
    const headPrice = this.#headPrice;
    const value = this.#value.fill(Infinity, 0, family.nodes.length + 1);
    this.#priceHeads(family, target, point);
    value[0] = 0;
    for (let tail = 0; tail >= 0; tail = heap.size > 0 ? heap.pop() : -1) {
      const least = value[tail]!;
      const end = starts[first + tail + 1]!;
      for (let slot = starts[first + tail]!; slot < end; slot++) {
        const at = places[slot]!;
        const edge = edges[at]!;
        const next = head[at]!;
        const reached = least + headPrice[next]! * recreation[edge]!;
        if (next === goal) {
          cost[edge]! += reached;
          isCharged[edge] = 1;
          continue;
        }
        const through = reached + flow[base + at]!;
        if (through < value[next]!) {
          value[next] = through;
          this.#lastEdge[last + next] = at;
          heap.set(next, through);
        }
      }
    }
  }

  /** Sets what one unit of the target's path costs on edges into each vertex of its family. */
  #priceHeads(family: Family, target: number, point: Multipliers): void {
    const price = this.#headPrice;
    const count = family.nodes.length;
    price.fill(this.#pathPrice(target, point), 0, count + 1);
    if (!this.#budgets.hasUnion) return;
    const { groupStart, groupsOf } = this.#graph;
    for (let at = groupStart[target]!; at < groupStart[target + 1]!; at++) {
      const group = groupsOf[at]!;
      if (this.#budgets.kind[group] !== KIND_UNION) continue;
      const own = point.group[group]!;
      if (own === 0) continue;
      // A member pays for its own last edge and its share of edges into vertices outside the group.
      for (let local = 1; local <= count; local++) {
        const node = family.nodes[local - 1]!;
        if (!this.unions.isMember(group, node))
          price[local]! += own * this.unions.shareOf(group, target, node);
      }
      price[this.#position[target]!]! += own;
    }
  }

  #pathPrice(node: number, point: Multipliers): number {
    const { groupStart, groupsOf } = this.#graph;
    let price = point.node[node]!;
    for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
      const group = groupsOf[at]!;
      if (this.#budgets.kind[group] === KIND_SUM) price += point.group[group]!;
    }
    return price;
  }
}
