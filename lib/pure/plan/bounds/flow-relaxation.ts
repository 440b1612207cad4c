/**
 * The strong lower bound, for graphs of up to some hundred extents per family.
 *
 * Every vertex k asks for one unit of flow from the root along edges that the tree has. Relaxing
 * "flow of k on e only if e is in the tree" with multipliers u(k, e) ≥ 0 and the budgets with prices
 * leaves one shortest path per vertex, charged on the vertex's own last edge, and one minimum
 * arborescence. The best multipliers give the bound of the multi-commodity linear program (Wong 1984
 * for arborescences), here with budget rows. They are found by deflected subgradient steps.
 */

import { type Budgets, KIND_NONE, KIND_SUM, KIND_UNION } from '../budgets.js';
import { type Family, splitFamilies } from '../families.js';
import { ROOT, type StorageGraph } from '../graph.js';
import { IndexedHeap } from '../heap.js';
import { ArborescenceSolver } from '../planners/arborescence.js';
import { UnionShares } from '../union-shares.js';
import { PathReach } from './path-reach.js';
import { typicalCosts } from './price-bound.js';

/** A point of the dual. */
interface Multipliers {
  readonly flow: Float64Array;
  readonly group: Float64Array;
  readonly node: Float64Array;
}

/** A point kept for later: its flow multipliers that are not zero, by place. */
export interface SavedPoint {
  readonly place: Int32Array;
  readonly flow: Float32Array;
  readonly group: Float64Array;
  readonly node: Float64Array;
}

/** Number of flow multipliers that a graph needs: vertices times edges, summed over families. */
export function countFlowMultipliers(graph: StorageGraph): number {
  return splitFamilies(graph).reduce(
    (sum, { nodes, edges }) => sum + nodes.length * edges.length,
    0,
  );
}

/** Evaluates the relaxation at a point and moves the point uphill. */
export class FlowRelaxation {
  /** The tree of the last `evaluate`, and the smoothed share of each edge in recent trees. */
  readonly parentEdge: Int32Array;
  readonly share: Float64Array;
  readonly multipliers: Multipliers;
  readonly #graph: StorageGraph;
  readonly #budgets: Budgets;
  #distance: Float64Array;
  readonly #families: Family[];
  readonly #solver: ArborescenceSolver;
  readonly #cost: Float64Array;
  readonly #scale: Float64Array;
  /** Per vertex its flow multipliers' place; last edges of the shortest paths per (vertex, local). */
  readonly #flowAt: Int32Array;
  readonly #lastEdge: Int32Array;
  readonly #lastAt: Int32Array;
  readonly #reach: PathReach;
  readonly #direction: Multipliers;
  readonly #slope: Multipliers;
  readonly #isOnPath: Uint8Array;
  readonly #isInTree: Uint8Array;
  readonly #isCharged: Uint8Array;
  readonly #value: Float64Array;
  readonly #heap: IndexedHeap;
  /** What the edges into each local vertex cost the path at hand per unit, for union groups. */
  readonly #headPrice: Float64Array;
  readonly #position: Int32Array;
  readonly #unions: UnionShares;
  readonly #familyOf: Int32Array;

  /**
   * @param distance  shortest path per vertex, or any lower bound on it.
   * @param cap       most that a vertex's path may cost in a plan within the budgets.
   */
  constructor(graph: StorageGraph, budgets: Budgets, distance: Float64Array, cap: Float64Array) {
    const { nodeCount, edgeCount } = graph;
    this.#graph = graph;
    this.#budgets = budgets;
    this.#distance = distance;
    this.#families = splitFamilies(graph);
    this.#solver = new ArborescenceSolver(graph);
    this.parentEdge = this.#solver.parentEdge;
    this.share = new Float64Array(edgeCount);
    this.#cost = new Float64Array(edgeCount);
    this.#scale = typicalCosts(graph, distance);
    this.#flowAt = new Int32Array(nodeCount);
    this.#lastAt = new Int32Array(nodeCount);
    this.#position = new Int32Array(nodeCount);
    let lastCount = 0;
    let flowCount = 0;
    for (const family of this.#families) {
      family.nodes.forEach((node, index) => {
        this.#flowAt[node] = family.offset + index * family.edges.length;
        this.#lastAt[node] = lastCount;
        this.#position[node] = index + 1;
        lastCount += family.nodes.length + 1;
      });
      flowCount += family.nodes.length * family.edges.length;
    }
    this.#lastEdge = new Int32Array(lastCount);
    this.#reach = new PathReach(graph, this.#families, this.#flowAt);
    this.#isOnPath = new Uint8Array(edgeCount);
    this.#isInTree = new Uint8Array(edgeCount);
    this.#isCharged = new Uint8Array(edgeCount);
    this.#value = new Float64Array(nodeCount);
    this.#heap = new IndexedHeap(nodeCount);
    this.#headPrice = new Float64Array(nodeCount);
    const zero = (): Multipliers => ({
      flow: new Float64Array(flowCount),
      group: new Float64Array(graph.groups.length),
      node: new Float64Array(nodeCount),
    });
    this.multipliers = zero();
    this.#direction = zero();
    this.#slope = zero();
    this.#familyOf = new Int32Array(nodeCount);
    this.#families.forEach((family, index) => {
      for (const node of family.nodes) this.#familyOf[node] = index;
    });
    this.#unions = new UnionShares(graph, budgets, this.#familyOf);
    this.limitPaths(distance, cap, new Uint8Array(edgeCount));
  }

  /**
   * Tightens what is known of paths in a branch: shortest paths and caps per vertex, and edges that no
   * path uses. A point must be restored after it.
   */
  limitPaths(distance: Float64Array, cap: Float64Array, forbidden: Uint8Array): void {
    this.#distance = distance;
    this.#reach.rebuild({ distance, cap, forbidden });
  }

  /** Steps that one evaluation costs. */
  get stepsPerRound(): number {
    return 3 * this.#reach.count + 8 * this.#graph.edgeCount;
  }

  /** A copy of the point, for a branch; rounded, so the bound there may differ a little. */
  save(): SavedPoint {
    const { flow, group, node } = this.multipliers;
    let count = 0;
    this.#forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        if (flow[base + this.#reach.places[slot]!] !== 0) count++;
      }
    });
    const saved = { place: new Int32Array(count), flow: new Float32Array(count) };
    let fill = 0;
    this.#forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        const at = base + this.#reach.places[slot]!;
        if (flow[at] === 0) continue;
        saved.place[fill] = at;
        saved.flow[fill++] = flow[at]!;
      }
    });
    return { ...saved, group: group.slice(), node: node.slice() };
  }

  /** Goes to a saved point; multipliers of edges out of reach become zero. */
  restore({ place, flow, group, node }: SavedPoint): void {
    this.multipliers.group.set(group);
    this.multipliers.node.set(node);
    const own = this.multipliers.flow.fill(0);
    const all = this.#direction.flow.fill(0);
    for (let at = 0; at < place.length; at++) all[place[at]!] = flow[at]!;
    this.#forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        const at = base + this.#reach.places[slot]!;
        own[at] = all[at]!;
      }
    });
    for (const part of [this.#direction, this.#slope]) {
      part.flow.fill(0);
      part.group.fill(0);
      part.node.fill(0);
    }
  }

  /** Calls `visit` with each vertex's place of multipliers and its slots of edges in reach. */
  #forEachReach(visit: (base: number, start: number, end: number) => void): void {
    for (const family of this.#families) {
      for (const node of family.nodes) {
        const end = this.#reach.endOf(node);
        visit(this.#flowAt[node]!, this.#flowAt[node]!, end);
      }
    }
  }

  /**
   * Solves the relaxation without the forbidden edges.
   * @returns a lower bound on every plan within the budgets that uses none of them.
   */
  evaluate(forbidden: Uint8Array): number {
    const { edgeCount, storage } = this.#graph;
    for (let edge = 0; edge < edgeCount; edge++) {
      this.#cost[edge] = forbidden[edge] ? Infinity : storage[edge]!;
    }
    this.#isCharged.fill(0);
    if (this.#budgets.hasUnion) this.#unions.advance();
    for (const family of this.#families) this.#chargeFamily(family);
    for (let edge = 0; edge < edgeCount; edge++) {
      if (!this.#isCharged[edge]) this.#cost[edge] = Infinity;
    }
    const value = this.#solver.solve(this.#cost);
    if (value === Infinity) return value;
    for (let edge = 0; edge < edgeCount; edge++) this.share[edge]! *= 0.9;
    for (let node = 1; node < this.parentEdge.length; node++) {
      this.share[this.parentEdge[node]!]! += 0.1;
    }
    return value - this.#priceOfBudgets();
  }

  /** By how much at least the last value rises if the edge must be in the tree. */
  reducedCost(edge: number): number {
    return this.#solver.reducedCost(edge, this.#cost[edge]!);
  }

  /**
   * Moves the multipliers uphill from the last evaluation.
   * @param rise  by how much the value should rise, by the linear model.
   * @returns false if the last tree already meets all that is relaxed.
   */
  ascend(rise: number): boolean {
    this.#findSlope();
    const { group, node } = this.#direction;
    const norm = this.#deflect();
    if (norm < 1e-18) return false;
    const step = rise / norm;
    this.#moveFlow(step);
    for (let at = 0; at < group.length; at++) {
      const change = (step * group[at]!) / this.#scale[at]!;
      this.multipliers.group[at] = Math.max(0, this.multipliers.group[at]! + change);
    }
    for (let at = 1; at < node.length; at++) {
      const change = (step * node[at]!) / this.#nodeScale(at);
      this.multipliers.node[at] = Math.max(0, this.multipliers.node[at]! + change);
    }
    return true;
  }

  /** Turns the direction towards the slope. @returns its squared length. */
  #deflect(): number {
    const slope = this.#slope;
    const direction = this.#direction;
    const point = this.multipliers;
    const reach = this.#reach.places;
    let cross = 0;
    let length = 0;
    const measure = (old: Float64Array, now: Float64Array, at: number): void => {
      cross += old[at]! * now[at]!;
      length += old[at]! * old[at]!;
    };
    this.#forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        measure(direction.flow, slope.flow, base + reach[slot]!);
      }
    });
    for (let at = 0; at < slope.group.length; at++) measure(direction.group, slope.group, at);
    for (let at = 1; at < slope.node.length; at++) measure(direction.node, slope.node, at);
    // Deflection after Camerini, Fratta and Maffioli (1975): only where the directions disagree.
    const keep = cross < 0 && length > 0 ? Math.min(1, (-1.5 * cross) / length) : 0;
    let norm = 0;
    const turn = (old: Float64Array, now: Float64Array, where: Float64Array, at: number): void => {
      let next = keep * old[at]! + now[at]!;
      if (next < 0 && where[at] === 0) next = 0;
      old[at] = next;
      norm += next * next;
    };
    this.#forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        turn(direction.flow, slope.flow, point.flow, base + reach[slot]!);
      }
    });
    for (let at = 0; at < slope.group.length; at++) {
      turn(direction.group, slope.group, point.group, at);
    }
    for (let at = 1; at < slope.node.length; at++) turn(direction.node, slope.node, point.node, at);
    return norm;
  }

  #moveFlow(step: number): void {
    const { flow } = this.multipliers;
    const direction = this.#direction.flow;
    this.#forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        const at = base + this.#reach.places[slot]!;
        if (direction[at] !== 0) flow[at] = Math.max(0, flow[at]! + step * direction[at]!);
      }
    });
  }

  #nodeScale(node: number): number {
    return Math.max(this.#distance[node]!, 1e-9);
  }

  #priceOfBudgets(): number {
    const { group, node } = this.multipliers;
    let total = 0;
    for (let at = 0; at < group.length; at++) {
      if (group[at]! > 0) total += group[at]! * this.#budgets.limit[at]!;
    }
    for (let at = 1; at < node.length; at++) {
      if (node[at]! > 0) total += node[at]! * this.#budgets.nodeLimit[at]!;
    }
    return total;
  }

  /** Charges each vertex's shortest path on its last edges, and takes the multipliers off the tree. */
  #chargeFamily(family: Family): void {
    const { flow } = this.multipliers;
    const { edges } = family;
    const cost = this.#cost;
    for (const node of family.nodes) {
      const base = this.#flowAt[node]!;
      const end = this.#reach.endOf(node);
      for (let slot = base; slot < end; slot++) {
        const at = this.#reach.places[slot]!;
        cost[edges[at]!]! -= flow[base + at]!;
      }
      this.#findPaths(family, node);
    }
  }

  /** Dijkstra from the root over the edges in the target's reach. */
  #findPaths(family: Family, target: number): void {
    const { edges, head } = family;
    const { recreation } = this.#graph;
    const base = this.#flowAt[target]!;
    const last = this.#lastAt[target]!;
    const { flow } = this.multipliers;
    const { places, starts } = this.#reach;
    const first = this.#reach.startOf(target);
    const goal = this.#position[target]!;
    const heap = this.#heap;
    const headPrice = this.#headPrice;
    const value = this.#value.fill(Infinity, 0, family.nodes.length + 1);
    this.#priceHeads(family, target);
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
          this.#cost[edge]! += reached;
          this.#isCharged[edge] = 1;
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
  #priceHeads(family: Family, target: number): void {
    const price = this.#headPrice;
    const count = family.nodes.length;
    price.fill(this.#pathPrice(target), 0, count + 1);
    if (!this.#budgets.hasUnion) return;
    const { groupStart, groupsOf } = this.#graph;
    for (let at = groupStart[target]!; at < groupStart[target + 1]!; at++) {
      const group = groupsOf[at]!;
      if (this.#budgets.kind[group] !== KIND_UNION) continue;
      const own = this.multipliers.group[group]!;
      if (own === 0) continue;
      // A member pays for its own last edge and its share of edges into vertices outside the group.
      for (let local = 1; local <= count; local++) {
        const node = family.nodes[local - 1]!;
        if (!this.#unions.isMember(group, node))
          price[local]! += own * this.#unions.shareOf(group, target, node);
      }
      price[this.#position[target]!]! += own;
    }
  }

  #pathPrice(node: number): number {
    const { groupStart, groupsOf } = this.#graph;
    let price = this.multipliers.node[node]!;
    for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
      const group = groupsOf[at]!;
      if (this.#budgets.kind[group] === KIND_SUM) price += this.multipliers.group[group]!;
    }
    return price;
  }

  /** Fills the slope: what is relaxed and broken (positive) or slack (negative). */
  #findSlope(): void {
    const slope = this.#slope;
    slope.group.fill(0);
    slope.node.fill(0);
    this.#budgets.kind.forEach((kind, group) => {
      if (kind !== KIND_NONE) slope.group[group] = -this.#budgets.limit[group]!;
    });
    for (let edge = 0; edge < this.#isInTree.length; edge++) {
      this.#isInTree[edge] = this.parentEdge[this.#graph.to[edge]!] === edge ? 1 : 0;
    }
    for (const family of this.#families) {
      for (const node of family.nodes) this.#addSlopeOf(family, node);
    }
    const { nodeLimit } = this.#budgets;
    for (let group = 0; group < slope.group.length; group++) {
      slope.group[group]! /= this.#scale[group]!;
    }
    for (let node = 1; node < slope.node.length; node++) {
      slope.node[node] =
        nodeLimit[node] === Infinity
          ? 0
          : (slope.node[node]! - nodeLimit[node]!) / this.#nodeScale(node);
    }
  }

  #addSlopeOf(family: Family, node: number): void {
    const { recreation, groupStart, groupsOf } = this.#graph;
    const { flow } = this.multipliers;
    const slope = this.#slope;
    const base = this.#flowAt[node]!;
    const last = this.#lastAt[node]!;
    const own = this.parentEdge[node]!;
    let path = recreation[own]!;
    this.#chargeUnions(node, own);
    const onPath: number[] = [];
    let local = this.#graph.from[own]! === ROOT ? 0 : this.#position[this.#graph.from[own]!]!;
    while (local !== 0) {
      const at = this.#lastEdge[last + local]!;
      const edge = family.edges[at]!;
      onPath.push(at);
      this.#isOnPath[at] = 1;
      path += recreation[edge]!;
      this.#chargeUnions(node, edge);
      const tail = this.#graph.from[edge]!;
      local = tail === ROOT ? 0 : this.#position[tail]!;
    }
    const { edges, head } = family;
    const goal = this.#position[node]!;
    const end = this.#reach.endOf(node);
    for (let slot = base; slot < end; slot++) {
      const at = this.#reach.places[slot]!;
      const difference = this.#isOnPath[at]! - this.#isInTree[edges[at]!]!;
      const isIdle = difference < 0 && flow[base + at] === 0;
      slope.flow[base + at] = isIdle || head[at] === goal ? 0 : difference;
    }
    for (const at of onPath) this.#isOnPath[at] = 0;
    slope.node[node] = path;
    for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
      if (this.#budgets.kind[groupsOf[at]!] === KIND_SUM) slope.group[groupsOf[at]!]! += path;
    }
  }

  #chargeUnions(node: number, edge: number): void {
    if (!this.#budgets.hasUnion) return;
    const { groupStart, groupsOf, to, recreation } = this.#graph;
    for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
      const group = groupsOf[at]!;
      if (this.#budgets.kind[group] !== KIND_UNION) continue;
      const head = to[edge]!;
      if (head === node) this.#slope.group[group]! += recreation[edge]!;
      else if (!this.#unions.isMember(group, head)) {
        const share = this.#unions.shareOf(group, node, head);
        this.#slope.group[group]! += recreation[edge]! * share;
        this.#unions.note(group, node, head);
      }
    }
  }
}
