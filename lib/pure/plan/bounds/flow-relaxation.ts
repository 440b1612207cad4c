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
import type { StorageGraph } from '../graph.js';
import { ArborescenceSolver } from '../planners/arborescence.js';
import { FlowAscent, type SavedPoint } from './flow-ascent.js';
import { type EdgeCharges, FlowPaths } from './flow-paths.js';
import { typicalCosts } from './price-bound.js';

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
  readonly #graph: StorageGraph;
  readonly #budgets: Budgets;
  readonly #solver: ArborescenceSolver;
  readonly #charges: EdgeCharges;
  readonly #paths: FlowPaths;
  readonly #ascent: FlowAscent;
  /** Recreation cost that counts as one step, per group and per vertex. */
  readonly #scale: { readonly group: Float64Array; readonly node: Float64Array };
  readonly #isInTree: Uint8Array;
  /** 1 for places in a family's list of edges that are on the present path. */
  readonly #isOnPath: Uint8Array;

  /**
   * @param distance  shortest path per vertex, or any lower bound on it.
   * @param cap       most that a vertex's path may cost in a plan within the budgets.
   */
  constructor(graph: StorageGraph, budgets: Budgets, distance: Float64Array, cap: Float64Array) {
    const { nodeCount, edgeCount } = graph;
    this.#graph = graph;
    this.#budgets = budgets;
    this.#solver = new ArborescenceSolver(graph);
    this.parentEdge = this.#solver.parentEdge;
    this.share = new Float64Array(edgeCount);
    this.#charges = { cost: new Float64Array(edgeCount), isCharged: new Uint8Array(edgeCount) };
    this.#paths = new FlowPaths(graph, budgets);
    this.#ascent = new FlowAscent(this.#paths, {
      flow: countFlowMultipliers(graph),
      group: graph.groups.length,
      node: nodeCount,
    });
    this.#scale = { group: typicalCosts(graph, distance), node: new Float64Array(nodeCount) };
    this.#isInTree = new Uint8Array(edgeCount);
    this.#isOnPath = new Uint8Array(edgeCount);
    this.limitPaths(distance, cap, new Uint8Array(edgeCount));
  }

  /**
   * Tightens what is known of paths in a branch: shortest paths and caps per vertex, and edges that no
   * path uses. A point must be restored after it.
   */
  limitPaths(distance: Float64Array, cap: Float64Array, forbidden: Uint8Array): void {
    for (let node = 0; node < distance.length; node++) {
      this.#scale.node[node] = Math.max(distance[node]!, 1e-9);
    }
    this.#paths.reach.rebuild({ distance, cap, forbidden });
  }

  /** Steps that one evaluation costs. */
  get stepsPerRound(): number {
    return 3 * this.#paths.reach.count + 8 * this.#graph.edgeCount;
  }

  /** A copy of the point, for a branch; rounded, so the bound there may differ a little. */
  save(): SavedPoint {
    return this.#ascent.save();
  }

  /** Goes to a saved point; multipliers of edges out of reach become zero. */
  restore(point: SavedPoint): void {
    this.#ascent.restore(point);
  }

  /**
   * Solves the relaxation without the forbidden edges.
   * @returns a lower bound on every plan within the budgets that uses none of them.
   */
  evaluate(forbidden: Uint8Array): number {
    const { edgeCount, storage } = this.#graph;
    const { cost, isCharged } = this.#charges;
    for (let edge = 0; edge < edgeCount; edge++) {
      cost[edge] = forbidden[edge] ? Infinity : storage[edge]!;
    }
    isCharged.fill(0);
    if (this.#budgets.hasUnion) this.#paths.unions.advance();
    this.#paths.charge(this.#ascent.point, this.#charges);
    for (let edge = 0; edge < edgeCount; edge++) {
      if (!isCharged[edge]) cost[edge] = Infinity;
    }
    const value = this.#solver.solve(cost);
    if (value === Infinity) return value;
    for (let edge = 0; edge < edgeCount; edge++) this.share[edge]! *= 0.9;
    for (let node = 1; node < this.parentEdge.length; node++) {
      this.share[this.parentEdge[node]!]! += 0.1;
    }
    return value - this.#priceOfBudgets();
  }

  /** By how much at least the last value rises if the edge must be in the tree. */
  reducedCost(edge: number): number {
    return this.#solver.reducedCost(edge, this.#charges.cost[edge]!);
  }

  /**
   * Moves the multipliers uphill from the last evaluation.
   * @param rise  by how much the value should rise, by the linear model.
   * @returns false if the last tree already meets all that is relaxed.
   */
  ascend(rise: number): boolean {
    this.#findSlope();
    return this.#ascent.step(rise, this.#scale);
  }

  #priceOfBudgets(): number {
    const { group, node } = this.#ascent.point;
    let total = 0;
    for (let at = 0; at < group.length; at++) {
      if (group[at]! > 0) total += group[at]! * this.#budgets.limit[at]!;
    }
    for (let at = 1; at < node.length; at++) {
      if (node[at]! > 0) total += node[at]! * this.#budgets.nodeLimit[at]!;
    }
    return total;
  }

  /** Fills the slope: what is relaxed and broken (positive) or slack (negative). */
  #findSlope(): void {
    const { slope } = this.#ascent;
    slope.group.fill(0);
    slope.node.fill(0);
    this.#budgets.kind.forEach((kind, group) => {
      if (kind !== KIND_NONE) slope.group[group] = -this.#budgets.limit[group]!;
    });
    for (let edge = 0; edge < this.#isInTree.length; edge++) {
      this.#isInTree[edge] = this.parentEdge[this.#graph.to[edge]!] === edge ? 1 : 0;
    }
    for (const family of this.#paths.families) {
      for (const node of family.nodes) this.#addSlopeOf(family, node);
    }
    const { nodeLimit } = this.#budgets;
    for (let group = 0; group < slope.group.length; group++) {
      slope.group[group]! /= this.#scale.group[group]!;
    }
    for (let node = 1; node < slope.node.length; node++) {
      slope.node[node] =
        nodeLimit[node] === Infinity
          ? 0
          : (slope.node[node]! - nodeLimit[node]!) / this.#scale.node[node]!;
    }
  }

  #addSlopeOf(family: Family, node: number): void {
    const { recreation, groupStart, groupsOf } = this.#graph;
    const { slope, point } = this.#ascent;
    const base = this.#paths.flowAt(node);
    const own = this.parentEdge[node]!;
    let path = recreation[own]!;
    this.#chargeUnions(node, own);
    const onPath = this.#paths.pathAbove(family, node, own);
    for (const at of onPath) {
      const edge = family.edges[at]!;
      this.#isOnPath[at] = 1;
      path += recreation[edge]!;
      this.#chargeUnions(node, edge);
    }
    const { edges, head } = family;
    const goal = this.#paths.positionOf(node);
    const { reach } = this.#paths;
    const end = reach.endOf(node);
    for (let slot = base; slot < end; slot++) {
      const at = reach.places[slot]!;
      const difference = this.#isOnPath[at]! - this.#isInTree[edges[at]!]!;
      const isIdle = difference < 0 && point.flow[base + at] === 0;
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
      if (head === node) this.#ascent.slope.group[group]! += recreation[edge]!;
      else if (!this.#paths.unions.isMember(group, head)) {
        const share = this.#paths.unions.shareOf(group, node, head);
        this.#ascent.slope.group[group]! += recreation[edge]! * share;
        this.#paths.unions.note(group, node, head);
      }
    }
  }
}
