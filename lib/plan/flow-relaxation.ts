/**
 * The strong lower bound, for graphs of up to some hundred extents per family.
 *
 * Every vertex k asks for one unit of flow from the root along edges that the tree has. Relaxing
 * "flow of k on e only if e is in the tree" with multipliers u(k, e) ≥ 0 and the budgets with prices
 * leaves one shortest path per vertex, charged on the vertex's own last edge, and one minimum
 * arborescence. The best multipliers give the bound of the multi-commodity linear program (Wong 1984
 * for arborescences), here with budget rows. They are found by deflected subgradient steps.
 */
import { ArborescenceSolver } from './arborescence.js';
import { type Budgets, KIND_NONE, KIND_SUM, KIND_UNION } from './budgets.js';
import { ROOT, type StorageGraph } from './graph.js';
import { typicalCosts } from './price-bound.js';

/** Extents that deltas connect, renumbered 1..n with the root as 0, and the edges into them. */
interface Family {
  readonly nodes: Int32Array;
  /** Edges by tail: edges[start[t] .. start[t + 1]) leave local vertex t. */
  readonly start: Int32Array;
  readonly edges: Int32Array;
  readonly head: Int32Array;
  /** Where the multipliers of the family's first vertex begin; each has edges.length. */
  readonly offset: number;
}

/** A point of the dual: copied for each branch of the exact search. */
export interface Multipliers {
  readonly flow: Float64Array;
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
  multipliers: Multipliers;
  readonly #graph: StorageGraph;
  readonly #budgets: Budgets;
  #cap: Float64Array;
  #distance: Float64Array;
  /** Least path cost between extents of a family, by local numbers from local 1. */
  readonly #between: Float64Array[];
  readonly #families: Family[];
  readonly #solver: ArborescenceSolver;
  readonly #cost: Float64Array;
  readonly #scale: Float64Array;
  /** Per vertex its flow multipliers' place; last edges of the shortest paths per (vertex, local). */
  readonly #flowAt: Float64Array;
  readonly #lastEdge: Int32Array;
  readonly #lastAt: Float64Array;
  readonly #direction: Multipliers;
  readonly #slope: Multipliers;
  readonly #isOnPath: Uint8Array;
  readonly #isCharged: Uint8Array;
  readonly #value: Float64Array;
  readonly #isDone: Uint8Array;
  readonly #position: Int32Array;
  readonly #isMember: Uint8Array[];
  readonly #familyOf: Int32Array;
  readonly #membersIn = new Map<number, number>();

  /**
   * @param distance  shortest path per vertex, or any lower bound on it.
   * @param cap       most that a vertex's path may cost in a plan within the budgets.
   */
  constructor(graph: StorageGraph, budgets: Budgets, distance: Float64Array, cap: Float64Array) {
    const { nodeCount, edgeCount } = graph;
    this.#graph = graph;
    this.#budgets = budgets;
    this.#distance = distance;
    this.#cap = cap;
    this.#families = splitFamilies(graph);
    this.#between = this.#families.map((family) => betweenAll(graph, family));
    this.#solver = new ArborescenceSolver(graph);
    this.parentEdge = this.#solver.parentEdge;
    this.share = new Float64Array(edgeCount);
    this.#cost = new Float64Array(edgeCount);
    this.#scale = typicalCosts(graph, distance);
    this.#flowAt = new Float64Array(nodeCount);
    this.#lastAt = new Float64Array(nodeCount);
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
    this.#isOnPath = new Uint8Array(edgeCount);
    this.#isCharged = new Uint8Array(edgeCount);
    this.#value = new Float64Array(nodeCount);
    this.#isDone = new Uint8Array(nodeCount);
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
    graph.groups.forEach((group, index) => {
      for (const member of group.members) {
        const key = index * this.#families.length + this.#familyOf[member]!;
        this.#membersIn.set(key, (this.#membersIn.get(key) ?? 0) + 1);
      }
    });
    this.#isMember = graph.groups.map((group, index) => {
      const isMember = new Uint8Array(budgets.kind[index] === KIND_UNION ? nodeCount : 0);
      if (isMember.length > 0) for (const member of group.members) isMember[member] = 1;
      return isMember;
    });
  }

  /** Tightens what is known of paths in a branch: shortest paths and caps per vertex. */
  limitPaths(distance: Float64Array, cap: Float64Array): void {
    this.#distance = distance;
    this.#cap = cap;
  }

  /** Steps that one evaluation costs. */
  get stepsPerRound(): number {
    return this.multipliers.flow.length + 10 * this.#graph.edgeCount;
  }

  /** A copy of the point, for a branch. */
  save(): Multipliers {
    const { flow, group, node } = this.multipliers;
    return { flow: flow.slice(), group: group.slice(), node: node.slice() };
  }

  /** Takes a point over; the object is changed from now on. */
  restore(multipliers: Multipliers): void {
    this.multipliers = multipliers;
    for (const part of [this.#direction.flow, this.#direction.group, this.#direction.node]) {
      part.fill(0);
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
    for (const family of this.#families) this.#chargeFamily(family, forbidden);
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
    const { flow, group, node } = this.#direction;
    const slope = this.#slope;
    let cross = 0;
    let length = 0;
    const parts: [Float64Array, Float64Array, Float64Array][] = [
      [flow, slope.flow, this.multipliers.flow],
      [group, slope.group, this.multipliers.group],
      [node, slope.node, this.multipliers.node],
    ];
    for (const [direction, gradient] of parts) {
      for (let at = 0; at < direction.length; at++) {
        cross += direction[at]! * gradient[at]!;
        length += direction[at]! * direction[at]!;
      }
    }
    // Deflection after Camerini, Fratta and Maffioli (1975): only where the directions disagree.
    const keep = cross < 0 && length > 0 ? Math.min(1, (-1.5 * cross) / length) : 0;
    let norm = 0;
    for (const [direction, gradient, point] of parts) {
      for (let at = 0; at < direction.length; at++) {
        let next = keep * direction[at]! + gradient[at]!;
        if (next < 0 && point[at] === 0) next = 0;
        direction[at] = next;
        norm += next * next;
      }
    }
    if (norm < 1e-18) return false;
    const step = rise / norm;
    for (let at = 0; at < flow.length; at++) {
      if (flow[at] !== 0) {
        this.multipliers.flow[at] = Math.max(0, this.multipliers.flow[at]! + step * flow[at]!);
      }
    }
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
  #chargeFamily(family: Family, forbidden: Uint8Array): void {
    const { flow } = this.multipliers;
    for (const node of family.nodes) {
      const base = this.#flowAt[node]!;
      for (let at = 0; at < family.edges.length; at++) {
        if (family.head[at] !== this.#position[node]) {
          this.#cost[family.edges[at]!]! -= flow[base + at]!;
        }
      }
      this.#findPaths(family, node, forbidden);
    }
  }

  #findPaths(family: Family, target: number, forbidden: Uint8Array): void {
    const count = family.nodes.length + 1;
    const base = this.#flowAt[target]!;
    const last = this.#lastAt[target]!;
    const { flow } = this.multipliers;
    const goal = this.#position[target]!;
    const between = this.#between[this.#familyOf[target]!]!;
    const value = this.#value.fill(Infinity, 0, count);
    const isDone = this.#isDone.fill(0, 0, count);
    const cap = this.#cap[target]!;
    const perPath = this.#pathPrice(target);
    const { hasUnion } = this.#budgets;
    value[0] = 0;
    isDone[goal] = 1;
    for (;;) {
      let tail = -1;
      let least = Infinity;
      for (let local = 0; local < count; local++) {
        if (!isDone[local] && value[local]! < least) {
          least = value[local]!;
          tail = local;
        }
      }
      if (tail < 0) return;
      isDone[tail] = 1;
      const tailDistance = tail === 0 ? 0 : this.#distance[family.nodes[tail - 1]!]!;
      for (let at = family.start[tail]!; at < family.start[tail + 1]!; at++) {
        const edge = family.edges[at]!;
        if (forbidden[edge]) continue;
        const own = this.#graph.recreation[edge]!;
        const head = family.head[at]!;
        const isLast = head === goal;
        if (isDone[head] && !isLast) continue;
        const rest = isLast ? 0 : between[(head - 1) * (count - 1) + goal - 1]!;
        if (tailDistance + own + rest > cap) continue;
        let charge = perPath * own;
        if (hasUnion) charge += this.#unionPrice(target, edge) * own;
        if (isLast) {
          this.#cost[edge]! += least + charge;
          this.#isCharged[edge] = 1;
          continue;
        }
        const reached = least + charge + flow[base + at]!;
        if (reached < value[head]!) {
          value[head] = reached;
          this.#lastEdge[last + head] = at;
        }
      }
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

  /** A member pays for its own last edge and a part of edges into vertices outside the group. */
  #unionPrice(node: number, edge: number): number {
    const { groupStart, groupsOf, to } = this.#graph;
    const head = to[edge]!;
    let price = 0;
    for (let at = groupStart[node]!; at < groupStart[node + 1]!; at++) {
      const group = groupsOf[at]!;
      if (this.#budgets.kind[group] !== KIND_UNION) continue;
      if (head === node) price += this.multipliers.group[group]!;
      else if (!this.#isMember[group]![head]) {
        price += this.multipliers.group[group]! / this.#companions(group, node);
      }
    }
    return price;
  }

  /** Members of the group in the vertex's family: who may share an edge with it. */
  #companions(group: number, node: number): number {
    return this.#membersIn.get(group * this.#families.length + this.#familyOf[node]!)!;
  }

  /** Fills the slope: what is relaxed and broken (positive) or slack (negative). */
  #findSlope(): void {
    const slope = this.#slope;
    slope.group.fill(0);
    slope.node.fill(0);
    this.#budgets.kind.forEach((kind, group) => {
      if (kind !== KIND_NONE) slope.group[group] = -this.#budgets.limit[group]!;
    });
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
    for (let at = 0; at < family.edges.length; at++) {
      const edge = family.edges[at]!;
      const isInTree = this.parentEdge[this.#graph.to[edge]!] === edge ? 1 : 0;
      const difference = this.#isOnPath[at]! - isInTree;
      const isIdle = difference < 0 && flow[base + at] === 0;
      slope.flow[base + at] = isIdle || family.head[at] === this.#position[node] ? 0 : difference;
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
      else if (!this.#isMember[group]![head]) {
        this.#slope.group[group]! += recreation[edge]! / this.#companions(group, node);
      }
    }
  }
}

/** Least recreation cost from each extent of a family to each other (Floyd and Warshall). */
function betweenAll(graph: StorageGraph, family: Family): Float64Array {
  const count = family.nodes.length;
  const least = new Float64Array(count * count).fill(Infinity);
  for (let node = 0; node < count; node++) least[node * count + node] = 0;
  for (let tail = 1; tail <= count; tail++) {
    for (let at = family.start[tail]!; at < family.start[tail + 1]!; at++) {
      const slot = (tail - 1) * count + family.head[at]! - 1;
      least[slot] = Math.min(least[slot]!, graph.recreation[family.edges[at]!]!);
    }
  }
  for (let middle = 0; middle < count; middle++) {
    for (let tail = 0; tail < count; tail++) {
      const first = least[tail * count + middle]!;
      if (first === Infinity) continue;
      for (let head = 0; head < count; head++) {
        const through = first + least[middle * count + head]!;
        if (through < least[tail * count + head]!) least[tail * count + head] = through;
      }
    }
  }
  return least;
}

/** Splits the extents into the sets that deltas connect. */
function splitFamilies(graph: StorageGraph): Family[] {
  const { nodeCount, from, to, edgeCount, inStart, inEdges } = graph;
  const above = Int32Array.from({ length: nodeCount }, (_, node) => node);
  const find = (node: number): number => {
    let top = node;
    while (above[top] !== top) top = above[top] = above[above[top]!]!;
    return top;
  };
  for (let edge = 0; edge < edgeCount; edge++) {
    if (from[edge] !== ROOT) above[find(from[edge]!)] = find(to[edge]!);
  }
  const members = new Map<number, number[]>();
  for (let node = 1; node < nodeCount; node++) {
    const top = find(node);
    const known = members.get(top);
    if (known === undefined) members.set(top, [node]);
    else known.push(node);
  }
  const local = new Int32Array(nodeCount);
  let offset = 0;
  return [...members.values()].map((nodes): Family => {
    nodes.forEach((node, index) => {
      local[node] = index + 1;
    });
    const edges: number[] = [];
    for (const node of nodes) {
      for (let at = inStart[node]!; at < inStart[node + 1]!; at++) edges.push(inEdges[at]!);
    }
    edges.sort((left, right) => local[from[left]!]! - local[from[right]!]! || left - right);
    const start = new Int32Array(nodes.length + 2);
    for (const edge of edges) start[local[from[edge]!]! + 1]!++;
    for (let tail = 0; tail <= nodes.length; tail++) start[tail + 1]! += start[tail]!;
    const head = Int32Array.from(edges, (edge) => local[to[edge]!]!);
    const family = { nodes: Int32Array.from(nodes), start, edges: Int32Array.from(edges), head };
    const place = offset;
    offset += nodes.length * edges.length;
    return { ...family, offset: place };
  });
}
