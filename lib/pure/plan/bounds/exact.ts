/**
 * The exact solver for small graphs: branch and bound over the edges.
 *
 * Bound: the flow relaxation (flow-relaxation.ts), kept warm along each branch. Edges whose reduced
 * cost lifts the bound to the best plan, and edges that leave some group no way to meet its budget,
 * are struck out. Branches keep the edges of short or of long paths into one vertex. The branch of least
 * bound comes first, so that the bound rises as long as there are steps; while too many are open, the
 * latest comes first, so that memory stays small. What is left open still gives a valid bound.
 */
import { type Budgets, capPerNode } from '../budgets.js';
import { Forest } from '../forest.js';
import type { StorageGraph } from '../graph.js';
import { LocalSearch } from '../planners/local-search.js';
import { findShortestPaths } from '../planners/shortest-paths.js';
import { finish, SeededRandom, type Steps } from '../steps.js';
import type { SavedPoint } from './flow-ascent.js';
import { FlowRelaxation } from './flow-relaxation.js';
import { type Branch, OpenBranches } from './open-branches.js';
import { onlyTree, rankSplits, type Split } from './path-splits.js';
import { tightenBound } from './price-bound.js';

const ROOT_ROUNDS = 1000;
const BRANCH_ROUNDS = 20;
/** Rounds per side of a split that is probed. */
const PROBE_ROUNDS = 3;
const REPAIR_STEPS = 20_000;
/** How far branch and bound goes. */
export interface ExactOptions {
  /** A plan within the budgets to beat, if one is known. */
  readonly start?: Int32Array | undefined;
  /** Most branches looked at; 1 for the bound and the plans of the relaxation alone. */
  readonly branchesMax?: number;
  /**
   * Looks for plans of less storage than this only: proves quickly that there is none. Where the
   * search ends, the optimum is found or the bound is at least this.
   */
  readonly cutoff?: number;
}

/** What branch and bound ended with. */
export interface ExactResult {
  /** The best plan known, or undefined if none is. */
  readonly parentEdge: Int32Array | undefined;
  /** Its storage; Infinity if there is none. */
  readonly storage: number;
  /** No plan within the budgets stores less. */
  readonly bound: number;
  /** True if the search ended: the plan is an optimum, or there is none below the cutoff. */
  readonly isProven: boolean;
  readonly branches: number;
}

/**
 * Searches for the plan of least storage within the budgets.
 */
export function solveExactly(
  graph: StorageGraph,
  budgets: Budgets,
  steps: Steps,
  options: ExactOptions = {},
): ExactResult {
  return finish(searchExactly(graph, budgets, steps, options));
}

/** The same, giving way now and then. */
export function searchExactly(
  graph: StorageGraph,
  budgets: Budgets,
  steps: Steps,
  options: ExactOptions = {},
): Generator<void, ExactResult> {
  return new BranchAndBound(graph, budgets, steps, options).run();
}

class BranchAndBound {
  readonly #graph: StorageGraph;
  readonly #budgets: Budgets;
  readonly #steps: Steps;
  readonly #forest: Forest;
  readonly #random = new SeededRandom(1);
  readonly #relaxation: FlowRelaxation;
  readonly #branchesMax: number;
  readonly #cutoff: number;
  #best: Int32Array | undefined;
  #storage = Infinity;
  #branches = 0;
  /** Shortest paths in the present branch. */
  #distance: Float64Array;

  constructor(
    graph: StorageGraph,
    budgets: Budgets,
    steps: Steps,
    { start, branchesMax = Infinity, cutoff = Infinity }: ExactOptions,
  ) {
    this.#graph = graph;
    this.#budgets = budgets;
    this.#steps = steps;
    this.#branchesMax = branchesMax;
    this.#cutoff = cutoff;
    this.#forest = new Forest(graph, budgets);
    const { distance } = findShortestPaths(graph);
    this.#distance = distance;
    this.#relaxation = new FlowRelaxation(
      graph,
      budgets,
      distance,
      capPerNode(graph, budgets, distance),
    );
    if (start !== undefined) this.#offer(start);
  }

  *run(): Generator<void, ExactResult> {
    const open = new OpenBranches({
      forbidden: new Uint8Array(this.#graph.edgeCount),
      multipliers: this.#relaxation.save(),
      bound: 0,
    });
    let unfinished = Infinity;
    while (!open.isEmpty && !this.#steps.isOver && this.#branches < this.#branchesMax) {
      const branch = open.take();
      if (this.#isBeaten(branch.bound)) continue;
      this.#branches++;
      const children = yield* this.#explore(branch);
      if (children === undefined) unfinished = Math.min(unfinished, branch.bound);
      else open.add(children);
    }
    const left = Math.min(unfinished, open.bound);
    const isProven = this.#isBeaten(left);
    const most = Math.min(this.#storage, this.#cutoff);
    return {
      parentEdge: this.#best,
      storage: this.#storage,
      bound: isProven ? most : Math.min(most, tightenBound(this.#graph, left)),
      isProven,
      branches: this.#branches,
    };
  }

  /** True if nothing below a branch of this bound can be smaller than the best plan or the cutoff. */
  #isBeaten(bound: number): boolean {
    if (bound === Infinity) return true;
    const margin = this.#graph.integralStorage ? 1 - 1e-6 : 1e-9 * Math.max(1, this.#storage);
    if (bound > this.#storage - margin) return true;
    return this.#cutoff < Infinity && tightenBound(this.#graph, bound) >= this.#cutoff;
  }

  #offer(parentEdge: Int32Array): void {
    this.#forest.load(parentEdge);
    this.#offerForest();
  }

  #offerForest(): void {
    const forest = this.#forest;
    if (forest.excess() > 0 || !(forest.storage < this.#storage)) return;
    this.#storage = forest.storage;
    this.#best = forest.parentEdge.slice();
  }

  /** @returns the branches below, none if closed, or undefined if the steps ran out. */
  *#explore(branch: Branch): Generator<void, Branch[] | undefined> {
    const { forbidden } = branch;
    const relaxation = this.#relaxation;
    if (!this.#strike(forbidden)) return [];
    relaxation.restore(branch.multipliers);
    const rounds = this.#branches === 1 ? ROOT_ROUNDS : BRANCH_ROUNDS;
    let bound = branch.bound;
    let best = branch.multipliers;
    let pace = this.#branches === 1 ? 1.5 : 0.7;
    const patience = this.#branches === 1 ? 12 : 6;
    let idle = 0;
    let mark = -Infinity;
    for (let round = 0; round < rounds; round++) {
      if (!this.#steps.spend(relaxation.stepsPerRound)) return undefined;
      const value = relaxation.evaluate(forbidden);
      if (this.#isBeaten(value)) return [];
      this.#strikeByCost(forbidden, value);
      if (value > bound) {
        bound = value;
        best = relaxation.save();
        idle = 0;
      } else if (++idle >= patience) {
        pace *= 0.7;
        idle = 0;
      }
      if (round % 8 === 0) {
        this.#tryTree();
        yield;
      }
      if (this.#isBeaten(bound)) return [];
      if (round % 25 === 24) {
        const target = this.#target(bound);
        if (bound - mark < 0.01 * (target - bound) && pace < 0.1) break;
        mark = bound;
      }
      if (!relaxation.ascend(pace * Math.max(this.#target(bound) - value, 1e-9))) break;
    }
    if (!this.#strike(forbidden)) return [];
    const split = this.#probe(forbidden, best, bound, this.#rankSplits(forbidden));
    if (split === undefined) {
      const tree = onlyTree(this.#graph, forbidden);
      if (tree !== undefined) this.#offer(tree);
      return [];
    }
    return this.#branch(forbidden, best, bound, split);
  }

  /** What the bound should reach: the best plan, or a guess while there is none. */
  #target(bound: number): number {
    const least = Math.min(this.#storage, this.#cutoff);
    return least < Infinity ? least : bound * 1.1 + 1;
  }

  /** One branch keeps the vertex's edges of short paths, the other those of long ones. */
  #branch(forbidden: Uint8Array, point: SavedPoint, bound: number, split: Split): Branch[] {
    const other = forbidden.slice();
    for (const edge of split.long) forbidden[edge] = 1;
    for (const edge of split.short) other[edge] = 1;
    const short = { forbidden, multipliers: point, bound };
    const long = { forbidden: other, multipliers: point, bound };
    return split.shortShare >= 0.5 ? [long, short] : [short, long];
  }

  /** Strikes edges that no plan within the budgets can use. @returns false if no plan is left. */
  #strike(forbidden: Uint8Array): boolean {
    const graph = this.#graph;
    const { distance } = findShortestPaths(graph, forbidden);
    this.#steps.spend(2 * graph.edgeCount);
    const cap = capPerNode(graph, this.#budgets, distance);
    this.#distance = distance;
    for (let node = 1; node < graph.nodeCount; node++) {
      if (!(distance[node]! <= cap[node]!) || distance[node] === Infinity) return false;
    }
    for (let edge = 0; edge < graph.edgeCount; edge++) {
      if (forbidden[edge]) continue;
      const reached = distance[graph.from[edge]!]! + graph.recreation[edge]!;
      if (reached > cap[graph.to[edge]!]!) forbidden[edge] = 1;
    }
    this.#relaxation.limitPaths(distance, cap, forbidden);
    return true;
  }

  #strikeByCost(forbidden: Uint8Array, value: number): void {
    for (let edge = 0; edge < forbidden.length; edge++) {
      if (!forbidden[edge] && this.#isBeaten(value + this.#relaxation.reducedCost(edge))) {
        forbidden[edge] = 1;
      }
    }
  }

  #rankSplits(forbidden: Uint8Array): Split[] {
    const { share } = this.#relaxation;
    return rankSplits(this.#graph, this.#budgets, { forbidden, distance: this.#distance, share });
  }

  /** Makes a plan of the relaxation's tree: as it is, or repaired and reclaimed. */
  #tryTree(): void {
    const forest = this.#forest.load(this.#relaxation.parentEdge);
    const search = new LocalSearch(forest, this.#steps.part(REPAIR_STEPS), this.#random);
    if (!search.repair()) return;
    search.reclaim();
    this.#offerForest();
  }

  /**
   * Looks a few rounds into both sides of the most promising splits and takes the one whose lesser
   * rise and greater rise multiply to most (strong branching). Undefined if there is none.
   */
  #probe(
    forbidden: Uint8Array,
    point: SavedPoint,
    bound: number,
    splits: readonly Split[],
  ): Split | undefined {
    if (splits.length < 2) return splits[0];
    let best: Split | undefined;
    let bestScore = -1;
    for (const split of splits) {
      const short = this.#riseWithout(forbidden, split.long, point, bound);
      const long = this.#riseWithout(forbidden, split.short, point, bound);
      const least = 1e-6 * Math.max(1, bound);
      const score = Math.max(short, least) * Math.max(long, least);
      if (score > bestScore) {
        bestScore = score;
        best = split;
      }
      if (this.#steps.isOver) break;
    }
    return best;
  }

  /** By how much a few rounds lift the bound once some edges are gone; at most up to the best plan. */
  #riseWithout(
    forbidden: Uint8Array,
    edges: readonly number[],
    point: SavedPoint,
    bound: number,
  ): number {
    const most = this.#target(bound) - bound;
    const without = forbidden.slice();
    for (const edge of edges) without[edge] = 1;
    if (!this.#strike(without)) return most;
    const relaxation = this.#relaxation;
    relaxation.restore(point);
    let rise = 0;
    for (let round = 0; round < PROBE_ROUNDS; round++) {
      if (!this.#steps.spend(relaxation.stepsPerRound)) return rise;
      const value = relaxation.evaluate(without);
      if (this.#isBeaten(value)) return most;
      rise = Math.max(rise, value - bound);
      if (!relaxation.ascend(0.5 * Math.max(this.#target(bound) - value, 1e-9))) break;
    }
    return Math.min(rise, most);
  }
}
