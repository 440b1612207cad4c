/**
 * `auto`: the best plan of all planners, with a valid lower bound and the gap between them.
 *
 * Runs the published planners, repairs each and takes storage back, searches by prices, improves the
 * best, and on small graphs proves the optimum. Deterministic given the graph, the steps and the seed;
 * a `shouldStop` that looks at a clock makes it depend on the machine, never wrong. The result has
 * passed the verifier.
 */
import { BugError } from '../../base/errors.js';
import { searchExactly } from './bounds/exact.js';
import { countFlowMultipliers } from './bounds/flow-relaxation.js';
import { findPricedBound } from './bounds/price-bound.js';
import { searchByPrices } from './bounds/price-search.js';
import { Forest } from './forest.js';
import type { StorageGraph } from './graph.js';
import {
  findUnmet,
  type PlanProgress,
  type PlanReport,
  reportUnreachable,
  type Trial,
} from './plan-report.js';
import { LocalSearch } from './planners/local-search.js';
import { PlanPool } from './planners/plan-pool.js';
import {
  BASIC_PLANNERS,
  fallBackToShortest,
  type PlanInput,
  preparePlanning,
  runPlanner,
} from './planners/planners.js';
import { swapUntilWithin } from './planners/swaps.js';
import { finish, SeededRandom, Steps } from './steps.js';
import { verifyPlan } from './verify.js';

/** Steps without a limit of the caller: about 10 s on one core, whatever the size of the graph. */
export const DEFAULT_STEPS = 300_000_000;
/** Steps of one second on one core, by and large: what a time limit is counted in. */
export const STEPS_PER_SECOND = 30_000_000;
/** The strong relaxation is tried up to this size: multipliers of one branch take 8 MB. */
const EXACT_NODES_MAX = 2048;
const EXACT_MULTIPLIERS_MAX = 1_000_000;
/** Up to here a plan is searched around as a whole. */
const SMALL_NODES_MAX = 512;

export interface AutoOptions {
  /** Steps that may be spent; the result is a function of them. */
  readonly maxSteps?: number;
  /** Asked now and then; true ends the search with the best plan so far. */
  readonly shouldStop?: () => boolean;
  /** False leaves the exact solver out. */
  readonly exact?: boolean;
  readonly seed?: number;
  /** Plans to start from beside the planners' own, such as the one in use. */
  readonly starts?: readonly Int32Array[];
}

/** Finds the plan of least storage within the budgets, as near as the steps allow. */
export function planStorage(graph: StorageGraph, options: AutoOptions = {}): PlanReport {
  return finish(planStepwise(graph, options));
}

/**
 * The same as a generator. It yields its progress every ten milliseconds or so; on graphs of 100,000
 * extents, every few seconds. The report does not depend on when or how often it is resumed.
 */
export function* planStepwise(
  graph: StorageGraph,
  options: AutoOptions = {},
): Generator<PlanProgress, PlanReport> {
  const input = preparePlanning(graph);
  if (input === undefined) return reportUnreachable(graph);
  const unmet = findUnmet(input);
  if (unmet.length > 0) {
    const plan = verifyPlan(graph, input.shortest.parentEdge);
    const base = { planner: 'spt', lowerBound: Infinity, gap: undefined, trials: [] };
    return { ...base, status: 'infeasible', plan, unmet, unreachable: [] };
  }
  return yield* new AutoPlanner(input, options).run();
}

class AutoPlanner {
  readonly #input: PlanInput;
  readonly #graph: StorageGraph;
  readonly #options: AutoOptions;
  readonly #steps: Steps;
  readonly #stepsMax: number;
  readonly #random: SeededRandom;
  readonly #forest: Forest;
  readonly #trials: Trial[] = [];
  readonly #pool: PlanPool;
  #bound = 0;
  #isProven = false;

  constructor(input: PlanInput, options: AutoOptions) {
    this.#input = input;
    this.#graph = input.graph;
    this.#options = options;
    this.#stepsMax = options.maxSteps ?? DEFAULT_STEPS;
    this.#steps = new Steps(this.#stepsMax, options.shouldStop);
    this.#random = new SeededRandom(options.seed ?? 1);
    this.#forest = new Forest(input.graph, input.budgets);
    this.#pool = new PlanPool(input.shortest.parentEdge);
  }

  *run(): Generator<PlanProgress, PlanReport> {
    const { light, lightStorage } = this.#input;
    this.#bound = lightStorage;
    this.#offer('mst', light, false);
    if (this.#pool.best !== undefined) this.#isProven = true;
    else yield* this.#search();
    return this.#report();
  }

  *#search(): Generator<PlanProgress, void> {
    this.#offer('spt', this.#input.shortest.parentEdge, true);
    for (const start of this.#options.starts ?? []) this.#offer('start', start, true);
    for (const planner of BASIC_PLANNERS) {
      if (planner === 'mst' || planner === 'spt') continue;
      yield this.#progress(planner);
      const steps = this.#steps.part(this.#steps.left * 0.1);
      this.#offer(planner, runPlanner(this.#input, planner, steps), true);
    }
    yield this.#progress('bound');
    const relaxed = this.#boundByPrices();
    if (this.#isDone()) return;
    yield* this.#tell('prices', this.#searchByPrices(relaxed));
    if (this.#isDone()) return;
    const isSmall = this.#graph.nodeCount <= SMALL_NODES_MAX;
    const isExact = this.#options.exact !== false && this.#fitsExact();
    yield* this.#tell('local-search', this.#improveBest(isSmall ? 4 : 2, isExact ? 0.1 : 0.5));
    if (this.#isDone()) return;
    if (this.#fitsExact()) yield* this.#tell('relaxation', this.#relax());
    if (this.#isDone()) return;
    if (isExact) yield* this.#tell('exact', this.#prove());
    if (!this.#isDone()) yield* this.#tell('local-search', this.#kickBest(isSmall ? 40 : 4));
  }

  #progress(stage: string): PlanProgress {
    const stepsMax = this.#stepsMax;
    const stepsSpent = stepsMax - this.#steps.left;
    return { stage, stepsSpent, stepsMax, storage: this.#upper, lowerBound: this.#bound };
  }

  /** Runs a part of the search and yields the progress whenever that part yields. */
  *#tell(stage: string, part: Generator<void, void>): Generator<PlanProgress, void> {
    for (const _ of part) yield this.#progress(stage);
  }

  #isDone(): boolean {
    const best = this.#pool.best;
    if (best !== undefined && best.storage <= this.#bound * (1 + 1e-12)) this.#isProven = true;
    return this.#isProven || this.#steps.isOver;
  }

  /** Records a plan as it is and, if asked, what repair and reclaim make of it. */
  #offer(planner: string, parentEdge: Int32Array, isPolished: boolean): void {
    const forest = this.#forest.load(parentEdge);
    const isWithin = this.#keep(planner);
    this.#trials.push({ planner, storage: forest.storage, isWithin });
    if (isPolished) this.#polish(planner);
  }

  /** Repairs and reclaims what the forest holds. */
  #polish(planner: string): void {
    const forest = this.#forest;
    const steps = this.#steps.part(this.#steps.left * 0.05);
    const search = new LocalSearch(forest, steps, this.#random);
    const isSmall = this.#graph.nodeCount <= SMALL_NODES_MAX;
    if (!isSmall) swapUntilWithin(forest, 'violated', steps);
    if (!search.repair()) fallBackToShortest(forest, this.#input.shortest);
    if (forest.excess() > 0 && this.#input.budgets.hasUnion) search.repair();
    if (forest.excess() <= 0) search.reclaim();
    this.#keep(planner);
  }

  #keep(planner: string): boolean {
    return this.#pool.keep(planner, this.#forest);
  }

  get #upper(): number {
    return this.#pool.best?.storage ?? Infinity;
  }

  #boundByPrices(): Int32Array {
    const { graph, budgets, shortest, cap, lightStorage } = this.#input;
    const upper = this.#upper < Infinity ? this.#upper : lightStorage * 1.5;
    const steps = this.#steps.part(this.#steps.left * 0.15);
    const { distance } = shortest;
    const found = findPricedBound({ graph, budgets, distance, cap, upper, rounds: 300, steps });
    this.#bound = Math.max(this.#bound, found.bound);
    this.#offer('priced-mst', found.parentEdge, true);
    return found.parentEdge;
  }

  *#searchByPrices(relaxed: Int32Array): Generator<void, void> {
    const { graph, budgets, shortest, cap, light } = this.#input;
    const bound = yield* searchByPrices({
      graph,
      budgets,
      shortest,
      cap,
      skeletons: [light, relaxed],
      rounds: 40,
      forest: this.#forest,
      steps: this.#steps.part(this.#steps.left * 0.25),
      offer: (parentEdge) => {
        this.#forest.load(parentEdge);
        this.#polish('lagrangian');
        return this.#upper;
      },
    });
    this.#trials.push({ planner: 'lagrangian', storage: this.#upper, isWithin: true });
    this.#bound = Math.max(this.#bound, bound);
  }

  *#improveBest(count: number, share: number): Generator<void, void> {
    const starts = this.#pool.first(count);
    for (const { planner, parentEdge } of starts) {
      const steps = this.#steps.part((this.#steps.left * share) / starts.length);
      this.#forest.load(parentEdge);
      yield* new LocalSearch(this.#forest, steps, this.#random).improving();
      this.#keep(`${planner}+local-search`);
    }
  }

  *#kickBest(rounds: number): Generator<void, void> {
    const best = this.#pool.best;
    if (best === undefined) return;
    this.#forest.load(best.parentEdge);
    yield* new LocalSearch(this.#forest, this.#steps, this.#random).kicking(rounds);
    this.#keep('local-search');
  }

  #fitsExact(): boolean {
    if (this.#graph.nodeCount > EXACT_NODES_MAX) return false;
    return countFlowMultipliers(this.#graph) <= EXACT_MULTIPLIERS_MAX;
  }

  /** The strong bound and the plans made of its trees, then a search around the best. */
  *#relax(): Generator<void, void> {
    const before = this.#upper;
    yield* this.#runExact('relaxation', this.#steps.part(this.#steps.left * 0.3), 1);
    if (!this.#isDone() && this.#upper < before) yield* this.#improveBest(1, 0.2);
  }

  #prove(): Generator<void, void> {
    return this.#runExact('exact', this.#steps.part(this.#steps.left * 0.8), Infinity);
  }

  *#runExact(planner: string, steps: Steps, branchesMax: number): Generator<void, void> {
    const start = this.#pool.best?.parentEdge;
    const { budgets } = this.#input;
    const options = { branchesMax };
    const found = yield* searchExactly(this.#graph, budgets, steps, { ...options, start });
    this.#bound = Math.max(this.#bound, found.bound);
    if (found.parentEdge !== undefined) {
      this.#forest.load(found.parentEdge);
      this.#keep(planner);
    }
    this.#isProven = found.isProven;
    this.#trials.push({
      planner,
      storage: found.storage,
      isWithin: found.parentEdge !== undefined,
    });
  }

  #report(): PlanReport {
    const best = this.#pool.best;
    const plan = verifyPlan(this.#graph, best?.parentEdge ?? this.#pool.nearest);
    const rest = { plan, trials: this.#trials, unmet: [], unreachable: [] };
    if (best === undefined) {
      const status = this.#isProven ? 'infeasible' : 'over';
      return { ...rest, status, planner: 'none', lowerBound: this.#bound, gap: undefined };
    }
    if (!plan.isWithin) throw new BugError('a plan within the budgets did not pass the verifier');
    const lowerBound = this.#isProven ? plan.storage : Math.min(this.#bound, plan.storage);
    const gap = plan.storage > 0 ? (plan.storage - lowerBound) / plan.storage : 0;
    const status = this.#isProven ? 'optimal' : 'within';
    return { ...rest, status, planner: best.planner, lowerBound, gap };
  }
}
