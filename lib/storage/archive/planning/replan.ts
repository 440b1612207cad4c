/**
 * Plans how a repository is to be stored: measures candidate encodings, asks the planners, measures
 * what they chose, and asks again until every chosen cost is exact.
 *
 * Changes nothing on disk. Start at `planRepository`; measure-edges.ts measures,
 * reencode.ts carries a plan out.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import { BugError } from '../../../base/errors.js';
import type { Scheme, StorageGraph } from '../../../pure/plan/graph.js';
import {
  type BasicPlanner,
  preparePlanning,
  runPlanner,
} from '../../../pure/plan/planners/planners.js';
import { findShortestPaths } from '../../../pure/plan/planners/shortest-paths.js';
import { Steps } from '../../../pure/plan/steps.js';
import { planStorageWithin } from '../../../pure/plan/timed.js';
import { verifyPlan } from '../../../pure/plan/verify.js';
import type { ObjectAccess } from '../../objects/access.js';
import type { SurveyedExtent } from '../numbered-extents.js';
import type { Survey } from '../survey.js';
import { EdgeMeasurer, type MeasureOptions } from './measure-edges.js';
import { type ArchivePlan, type FamilyPlan, reportPlan } from './report-plan.js';
import {
  buildFamilyGraph,
  type CostUnit,
  type EncodingEdge,
  type Family,
  findFamilies,
  groupSnapshots,
  type SnapshotGroup,
} from './storage-graph.js';

/** Planners that a user can name; 'auto' takes the best of all. */
export type PlannerName = 'auto' | BasicPlanner;

export interface ReplanOptions extends MeasureOptions {
  readonly scheme: Scheme;
  readonly cost: CostUnit;
  readonly planner: PlannerName;
  /**
   * Upper bound on the recreation cost of a group.
   * @param least  what the group costs if every extent takes its cheapest path.
   * @param now    what it costs as stored now, if a single number can say that.
   */
  budgetOf(group: SnapshotGroup, least: number, now: number | undefined): number;
  /** Time for planning, without measuring, in milliseconds. */
  readonly timeLimitMs: number;
}

/** Quick plans over costs that are still partly sampled, to find out which to measure in full. */
const QUICK_ROUNDS_MAX = 4;
/** Steps of a quick plan for one extent. */
const QUICK_STEPS = 20_000;
/** Share of the time that one plan at full effort may take: there are at most two. */
const FULL_SHARE = 0.45;
/** @throws {CorruptError} {NotFoundError} if what is stored cannot be read. */
export async function planRepository(
  repo: ObjectAccess,
  survey: Survey,
  options: ReplanOptions,
): Promise<ArchivePlan> {
  return new Replanner(repo, survey, options).run();
}

/** A quick plan shows what to measure, a full one is carried out. */
type Effort = 'quick' | 'full';

class Replanner {
  readonly #survey: Survey;
  readonly #options: ReplanOptions;
  readonly #measurer: EdgeMeasurer;
  readonly #groups: SnapshotGroup[];
  #edges: EncodingEdge[] = [];
  #share = FULL_SHARE;
  #least = new Float64Array(0);
  readonly #now: (number | undefined)[] = [];
  #budgets = new Float64Array(0);

  constructor(repo: ObjectAccess, survey: Survey, options: ReplanOptions) {
    this.#survey = survey;
    this.#options = options;
    this.#measurer = new EdgeMeasurer(repo, survey, options);
    this.#groups = groupSnapshots(survey);
  }

  async run(): Promise<ArchivePlan> {
    this.#edges = await this.#measurer.offer();
    this.#setBudgets();
    const offered = this.#edges;
    const others = this.#edgesWithoutBases();
    if (others === undefined) return this.#search(1);
    const first = await this.#search(2);
    this.#edges = others;
    const second = await this.#search(2);
    const isBetter =
      first.isWithin === second.isWithin ? second.storage < first.storage : second.isWithin;
    if (isBetter) return { ...second, lowerBound: first.lowerBound, edges: offered.length };
    return first;
  }

  /**
   * Edges that use no extent that is kept only as a base of deltas, so that these extents can be dropped;
   * each of them gets one edge that costs nothing. Undefined if there are no such extents, or if a wanted
   * extent cannot be stored without one.
   */
  #edgesWithoutBases(): EncodingEdge[] | undefined {
    const isWanted = (vertex: number): boolean => vertex === 0 || this.#extent(vertex).isWanted;
    if (this.#survey.extents.every((extent) => extent.isWanted)) return undefined;
    const edges = this.#edges.filter(({ base, vertex }) => isWanted(base) && isWanted(vertex));
    const reached = new Set(edges.map(({ vertex }) => vertex));
    for (const index of this.#survey.extents.keys()) {
      const vertex = index + 1;
      if (isWanted(vertex) && !reached.has(vertex)) return undefined;
      if (!isWanted(vertex)) edges.push({ base: 0, vertex, how: 'live', bytes: 0, isExact: true });
    }
    return edges.sort((a, b) => a.vertex - b.vertex || a.base - b.base);
  }

  /** @param searches  that share the time for planning. */
  async #search(searches: number): Promise<ArchivePlan> {
    this.#share = FULL_SHARE / searches;
    const families = this.#families();
    let plans = await this.#planAll(families, 'quick');
    for (let round = 1; round < QUICK_ROUNDS_MAX; round++) {
      const changed = await this.#measureChosen(plans);
      if (changed.size === 0) break;
      plans = await this.#planAll(families, 'quick', plans, changed);
    }
    plans = await this.#planAll(families, 'full');
    if ((await this.#measureChosen(plans)).size === 0) return this.#report(families, plans);
    this.#edges = this.#edges.filter((edge) => edge.isExact);
    const exact = this.#families();
    return this.#report(exact, await this.#planAll(exact, 'full'));
  }

  #families(): Family[] {
    return findFamilies(this.#survey.extents.length, this.#edges, this.#groups);
  }

  /** Measures in full what plans chose by samples. @returns vertices whose edges changed. */
  async #measureChosen(plans: ReadonlyMap<Family, FamilyPlan>): Promise<Set<number>> {
    const edges = this.#chosen(plans).filter((edge) => !edge.isExact);
    if (edges.length > 0) await this.#measurer.measure(edges);
    return new Set(edges.map(({ vertex }) => vertex));
  }

  #extent(vertex: number): SurveyedExtent {
    return this.#survey.extents[vertex - 1] as SurveyedExtent;
  }

  // --- budgets and plans -------------------------------------------------------------------------

  /** Budgets rest on measured costs alone, so that a plan over them always exists. */
  #setBudgets(): void {
    const exact = this.#edges.filter((edge) => edge.isExact);
    this.#least = new Float64Array(this.#groups.length);
    this.#budgets = new Float64Array(this.#groups.length).fill(Infinity);
    const families = findFamilies(this.#survey.extents.length, exact, this.#groups);
    for (const family of families) {
      if (family.groups.length === 0) continue;
      const graph = this.#graph(family, exact);
      const { parentEdge } = findShortestPaths(graph);
      const { groups } = verifyPlan(graph, parentEdge);
      const live = livePlan(family, exact);
      const now = live && verifyPlan(graph, live).groups;
      family.groups.forEach((number, index) => {
        const least = groups[index]?.cost ?? 0;
        const group = this.#groups[number] as SnapshotGroup;
        this.#least[number] = least;
        this.#now[number] = now?.[index]?.cost;
        this.#budgets[number] = this.#options.budgetOf(group, least, now?.[index]?.cost);
      });
    }
  }

  #graph(family: Family, edges: readonly EncodingEdge[] = this.#edges): StorageGraph {
    const { scheme, cost } = this.#options;
    const options = { ...cost, scheme, budgets: this.#budgets };
    return buildFamilyGraph({ survey: this.#survey, edges, groups: this.#groups }, family, options);
  }

  /** Plans every family; those without a changed vertex keep their plans. */
  async #planAll(
    families: readonly Family[],
    effort: Effort,
    before?: ReadonlyMap<Family, FamilyPlan>,
    changed?: ReadonlySet<number>,
  ): Promise<Map<Family, FamilyPlan>> {
    const plans = new Map<Family, FamilyPlan>();
    const all = this.#survey.extents.length;
    this.#options.onStart?.('plan', 0);
    for (const family of families) {
      throwIfAborted(this.#options.signal);
      const known = before?.get(family);
      const isSame = changed !== undefined && !family.vertices.some((v) => changed.has(v));
      const share = family.vertices.length / all;
      plans.set(family, known && isSame ? known : await this.#plan(family, effort, share));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return plans;
  }

  async #plan(family: Family, effort: Effort, share: number): Promise<FamilyPlan> {
    const graph = this.#graph(family);
    const { planner, timeLimitMs, signal } = this.#options;
    const until = performance.now() + Math.max(50, timeLimitMs * this.#share * share);
    const shouldStop = (): boolean => signal?.aborted === true || performance.now() > until;
    if (planner === 'auto') {
      const live = livePlan(family, this.#edges);
      const maxSteps = QUICK_STEPS * family.vertices.length;
      const found = await planStorageWithin(graph, {
        shouldStop,
        ...(signal ? { signal } : {}),
        ...(effort === 'quick' ? { maxSteps, exact: false } : {}),
        ...(live ? { starts: [live] } : {}),
      });
      if (found.plan !== undefined) {
        const { parentEdge } = found.plan;
        return { parentEdge, lowerBound: found.lowerBound, planner: found.planner };
      }
    }
    const input = preparePlanning(graph);
    if (input === undefined) throw new BugError('an extent has no way to be stored');
    const steps = new Steps(Number.POSITIVE_INFINITY, shouldStop);
    const parentEdge = runPlanner(input, planner === 'auto' ? 'spt' : planner, steps);
    return { parentEdge, lowerBound: input.lightStorage, planner };
  }

  #report(families: readonly Family[], plans: ReadonlyMap<Family, FamilyPlan>): ArchivePlan {
    const parts = {
      survey: this.#survey,
      edges: this.#edges,
      options: this.#options,
      groupOf: (number: number) => ({
        group: this.#groups[number] as SnapshotGroup,
        budget: this.#budgets[number] as number,
        least: this.#least[number] as number,
        now: this.#now[number],
      }),
      graphOf: (family: Family) => this.#graph(family),
    };
    return reportPlan(parts, families, plans);
  }

  #chosen(plans: ReadonlyMap<Family, FamilyPlan>): EncodingEdge[] {
    const chosen: EncodingEdge[] = [];
    for (const [family, { parentEdge }] of plans) {
      for (const edge of parentEdge.subarray(1)) {
        chosen.push(this.#edges[family.edges[edge] as number] as EncodingEdge);
      }
    }
    return chosen;
  }
}

/** How a family is stored now, as a plan; undefined if edges cannot say it. */
function livePlan(family: Family, edges: readonly EncodingEdge[]): Int32Array | undefined {
  const place = new Map(family.vertices.map((vertex, index) => [vertex, index + 1]));
  const parentEdge = new Int32Array(family.vertices.length + 1).fill(-1);
  family.edges.forEach((number, index) => {
    const edge = edges[number] as EncodingEdge;
    if (edge.how === 'live') parentEdge[place.get(edge.vertex) as number] = index;
  });
  return parentEdge.indexOf(-1, 1) === -1 ? parentEdge : undefined;
}
