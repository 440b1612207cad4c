/**
 * `dlv archive`: the smallest repository in which every snapshot comes back within its budget.
 *
 * Surveys what is stored, measures what else could be, plans, encodes anew what the plan stores
 * otherwise, and measures how each snapshot comes back.
 */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, isDamage, NotFoundError } from '../../base/errors.js';
import { type Level, parseLevel } from '../../pure/codec/segment.js';
import type { Budget } from '../../pure/plan/budget-text.js';
import type { Scheme } from '../../pure/plan/graph.js';
import type { Role } from '../../pure/tensor/layout.js';
import { BudgetTable } from '../../storage/archive/budget-table.js';
import { calibrate } from '../../storage/archive/calibrate.js';
import { measureRecreation, recreationBytes } from '../../storage/archive/measure-recreation.js';
import {
  finiteOrNull,
  frozenVertices,
  groupBudget,
  keptPromises,
  placeOf,
  promisesOf,
  type RunSettings,
  settleRun,
} from '../../storage/archive/promises.js';
import { reencode } from '../../storage/archive/reencode.js';
import {
  type ArchivePlan,
  type PlannerName,
  planRepository,
} from '../../storage/archive/replan.js';
import type {
  CostUnit,
  RecreationUnit,
  SnapshotGroup,
} from '../../storage/archive/storage-graph.js';
import {
  joinBySketch,
  type Survey,
  type SurveyedExtent,
  type SurveyedSnapshot,
  surveyRepository,
} from '../../storage/archive/survey.js';
import { totalBytes } from '../../storage/objects/planes/read-counts.js';
import { readBudgets, writeBudgets } from '../../storage/repo/budgets.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { countReads } from '../../storage/repo/reads.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/lines/resolve.js';
import { Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';

const DEFAULT_TIME_LIMIT_MS = 60_000;
const ATTEMPTS = 3;

export interface ArchiveOptions {
  /** Versions whose snapshots are planned anew; default: every one that has no promise yet. */
  revisions?: string[];
  /** A number is a factor for all. Default: the budgets of the last run, else 2. */
  budgets?: readonly (Budget | number)[];
  /** Default: that of the last run, else 'independent'. */
  scheme?: Scheme;
  /** Default: that of the budgets or of the last run, else 'bytes'. */
  unit?: RecreationUnit;
  /** Default 'auto'. */
  planner?: PlannerName;
  /** Encoder effort of what is encoded anew; default: 'default'. */
  level?: Level;
  /** Offers differences that are exact only when read whole. */
  noPrefix?: boolean;
  /** Plans what was promised before anew as well. */
  all?: boolean;
  /** Plans and changes nothing. */
  dryRun?: boolean;
  /** Seconds for planning, without measuring. */
  timeLimit?: number;
  /** Tightens the factors of versions that are checked out often and loosens those of the others. */
  weighReads?: boolean;
  /** How often each snapshot is rebuilt afterwards to measure it; default 1, 0: not at all. */
  measure?: number;
}

/** A snapshot beside its promise. Costs are in the unit of the result. */
export interface ArchivedSnapshot {
  version: Id;
  model: string;
  number: number;
  key: string;
  role: Role;
  step: number | null;
  extents: number;
  /** The least that any plan can make of it. */
  least: number;
  /** What it cost before; null if chains crossed so that no single number stands for it. */
  before: number | null;
  /** null: no limit. */
  budget: number | null;
  planned: number;
  /**
   * What rebuilding it took: bytes read from packs (`parallel`: for the extent that reads most), median
   * time of all of it; null unless it was measured.
   */
  measured: { bytes: number; ms: number } | null;
}

export interface ArchiveResult {
  dryRun: boolean;
  scheme: Scheme;
  unit: RecreationUnit;
  /** As asked for. */
  budgets: string[];
  /** Who found the plan. */
  planners: string[];
  /** Bytes of all extents before and by the plan, and what no plan can go below. */
  storedBytesBefore: number;
  storedBytes: number;
  lowerBound: number;
  /** (storedBytes − lowerBound) ÷ storedBytes. */
  gap: number;
  optimal: boolean;
  /** False if a budget cannot be kept: nothing was changed then. */
  within: boolean;
  extents: number;
  /** Extents that are deltas by the plan. */
  deltas: number;
  /** Encodings that were weighed, and extents that were (or would be) encoded anew. */
  candidates: number;
  encodedExtents: number;
  newSets: number;
  retiredSets: number;
  snapshots: ArchivedSnapshot[];
  seconds: number;
}

/** @throws {UsageError} {NotFoundError} {ConflictError} {CorruptError} */
export async function archive(
  repo: Repository,
  options: ArchiveOptions,
  context: OpContext,
): Promise<ArchiveResult> {
  const started = performance.now();
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await new ArchiveRun(repo, options, context).run();
        return { ...result, seconds: (performance.now() - started) / 1000 };
      } catch (error) {
        if (!(error instanceof ConflictError) || attempt === ATTEMPTS) throw error;
        await repo.store.reload();
      }
    }
  } finally {
    await reader.close();
  }
}

class ArchiveRun {
  readonly #repo: Repository;
  readonly #options: ArchiveOptions;
  readonly #context: OpContext;

  constructor(repo: Repository, options: ArchiveOptions, context: OpContext) {
    this.#repo = repo;
    this.#options = options;
    this.#context = context;
  }

  async run(): Promise<Omit<ArchiveResult, 'seconds'>> {
    const { signal, progress } = this.#context;
    const withSignal = signal ? { signal } : {};
    const settings = await this.#settings();
    progress.start('looking at what is stored', 0);
    const survey = await surveyRepository(this.#repo, withSignal);
    const wanted = await this.#wanted(survey);
    const promised = keptPromises(survey, settings, wanted);
    const frozen = frozenVertices(survey, promised, wanted);
    const open = [...survey.extents.keys()].map((i) => i + 1).filter((v) => !frozen.has(v));
    if (open.length === 0 && survey.extents.length > 0 && this.#isAskedForMore()) {
      this.#context.warn('everything was promised before and is left as it is: see --all');
    }
    await joinBySketch(this.#repo, survey, open, signal);
    const cost: CostUnit =
      settings.unit === 'ms'
        ? { unit: 'ms', time: await calibrate(this.#repo) }
        : { unit: 'bytes' };
    const models = new Set(survey.snapshots.map(({ model }) => model));
    const reads = this.#options.weighReads ? await countReads(this.#repo.layout) : null;
    const resolve = (revision: string): Promise<Id> => resolveId(this.#repo, revision);
    const table = await BudgetTable.resolve(resolve, settings.budgets, models, reads);
    const isAsked = ({ version }: SurveyedSnapshot): boolean =>
      wanted.size === 0 || wanted.has(version);
    const asked = (group: SnapshotGroup, least: number): number => table.budgetOf(group, least);
    const rule = { promised, isAsked, asked };
    const plan = await planRepository(this.#repo, survey, {
      ...withSignal,
      scheme: settings.scheme,
      cost,
      planner: this.#options.planner ?? 'auto',
      level: parseLevel(this.#options.level ?? 'default'),
      noPrefix: this.#options.noPrefix === true,
      frozen,
      budgetOf: (group, least, now) => groupBudget(group, { least, now }, rule),
      timeLimitMs: (this.#options.timeLimit ?? DEFAULT_TIME_LIMIT_MS / 1000) * 1000,
      onStart: (what, bytes) => progress.start(LABELS[what], bytes),
      onBytes: (bytes) => progress.advance(bytes),
    });
    const isDone = plan.isWithin && this.#options.dryRun !== true;
    const isPromised = (snapshot: SurveyedSnapshot): boolean =>
      isAsked(snapshot) || promised.has(placeOf(snapshot));
    const done = isDone
      ? await this.#carryOut(plan, settings, isPromised)
      : { newSets: 0, retiredSets: 0 };
    const measured = isDone ? await this.#measure(plan, settings.scheme) : new Map();
    return this.#result(plan, settings, done, measured);
  }

  /** True for what has no effect unless something is planned. */
  #isAskedForMore(): boolean {
    const { level = 'default', planner, noPrefix, weighReads } = this.#options;
    return level !== 'default' || planner !== undefined || noPrefix === true || weighReads === true;
  }

  /** Rebuilds every group. */
  async #measure(plan: ArchivePlan, scheme: Scheme): Promise<Measured> {
    const { signal, progress } = this.#context;
    const measured: Measured = new Map();
    const repeat = this.#options.measure ?? 1;
    if (repeat === 0) return measured;
    const sizeOf = (members: readonly number[]): number =>
      members.reduce((sum, vertex) => sum + tensorBytes(plan.survey, vertex), 0);
    const total = plan.groups.reduce((sum, { members }) => sum + sizeOf(members), 0);
    progress.start('measuring recreation', total);
    for (const group of plan.groups) {
      const extents = group.members.map(
        (vertex) => plan.survey.extents[vertex - 1] as SurveyedExtent,
      );
      const options = { scheme, repeat, ...(signal ? { signal } : {}) };
      const { bytesRead, ms } = await measureRecreation(this.#repo, extents, options);
      const bytes = scheme === 'parallel' ? await this.#mostBytes(extents) : bytesRead;
      measured.set(group, { bytes, ms });
      progress.advance(sizeOf(group.members));
    }
    return measured;
  }

  /** Bytes of the extent that reads most: what counts if all are rebuilt at the same time. */
  async #mostBytes(extents: readonly SurveyedExtent[]): Promise<number> {
    let most = 0;
    for (const extent of extents) {
      const bytes = totalBytes(await recreationBytes(this.#repo.store, [extent]));
      most = Math.max(most, bytes);
    }
    return most;
  }

  async #carryOut(
    plan: ArchivePlan,
    settings: RunSettings,
    isPromised: (snapshot: SurveyedSnapshot) => boolean,
  ): Promise<{ newSets: number; retiredSets: number }> {
    const { signal, progress } = this.#context;
    const done = await reencode(this.#repo, plan, {
      ...(signal ? { signal } : {}),
      onStart: (what, bytes) => progress.start(LABELS[what], bytes),
      onBytes: (bytes) => progress.advance(bytes),
    });
    const { scheme, unit, kept } = settings;
    const snapshots = promisesOf(plan.groups, isPromised);
    await this.#repo.locked((lock) =>
      writeBudgets(lock, { scheme, unit, asked: [...kept], snapshots }),
    );
    return done;
  }

  /** What the user asks for, completed by what the last run was asked for. */
  async #settings(): Promise<RunSettings> {
    const { budgets, scheme, unit, revisions = [], all = false } = this.#options;
    const before = await readBudgets(this.#repo.layout).catch((error: unknown) => {
      if (!isDamage(error)) throw error;
      this.#context.warn(`${(error as Error).message}; everything is planned again`);
      return null;
    });
    const asked = { isNamed: revisions.length > 0, all };
    return settleRun(
      {
        ...asked,
        ...(budgets ? { budgets } : {}),
        ...(scheme ? { scheme } : {}),
        ...(unit ? { unit } : {}),
      },
      before,
    );
  }

  /** Versions that were named; none: all. @throws {NotFoundError} if there is nothing of one to plan. */
  async #wanted(survey: Survey): Promise<Set<Id>> {
    const wanted = new Set<Id>();
    for (const revision of this.#options.revisions ?? []) {
      const id = await resolveId(this.#repo, revision);
      if (!survey.snapshots.some(({ version }) => version === id)) {
        throw new NotFoundError(`'${revision}' has no tensors that can be planned`, {
          kind: 'snapshot',
          name: revision,
          hint: 'name versions with tensors of 16 KiB or more that a branch, a tag or HEAD leads to',
        });
      }
      wanted.add(id);
    }
    return wanted;
  }

  async #result(
    plan: ArchivePlan,
    settings: RunSettings,
    done: { newSets: number; retiredSets: number },
    measured: Measured,
  ): Promise<Omit<ArchiveResult, 'seconds'>> {
    const describer = new Describer(this.#repo);
    const snapshots: ArchivedSnapshot[] = [];
    const costs = new Map<SurveyedSnapshot, ArchivePlan['groups'][0]>();
    for (const group of plan.groups) {
      for (const snapshot of group.snapshots) costs.set(snapshot, group);
    }
    for (const snapshot of plan.survey.snapshots) {
      const group = costs.get(snapshot) as ArchivePlan['groups'][0];
      const { version, model, key, role, step } = snapshot;
      snapshots.push({
        version,
        model,
        number: await describer.number(version),
        key,
        role,
        step,
        extents: group.members.length,
        least: group.least,
        before: group.now ?? null,
        budget: finiteOrNull(group.budget),
        planned: group.planned,
        measured: measured.get(group) ?? null,
      });
    }
    const { storage, lowerBound } = plan;
    return {
      dryRun: this.#options.dryRun === true,
      scheme: settings.scheme,
      unit: settings.unit,
      budgets: [...settings.asked],
      planners: [...plan.planners],
      storedBytesBefore: plan.storageNow,
      storedBytes: storage,
      lowerBound: Math.ceil(lowerBound),
      gap: storage > 0 ? Math.max(0, (storage - lowerBound) / storage) : 0,
      optimal: plan.isOptimal,
      within: plan.isWithin,
      extents: plan.chosen.length,
      deltas: plan.chosen.filter(({ base }) => base !== 0).length,
      candidates: plan.edges,
      encodedExtents: plan.chosen.filter(({ how }) => how !== 'live').length,
      newSets: done.newSets,
      retiredSets: done.retiredSets,
      snapshots,
    };
  }
}

type Measured = Map<ArchivePlan['groups'][0], { bytes: number; ms: number }>;

function tensorBytes({ extents }: Survey, vertex: number): number {
  const { width, count } = extents[vertex - 1] as SurveyedExtent;
  return width * count;
}

const LABELS = {
  measure: 'measuring encodings',
  plan: 'planning',
  check: 'measuring what was chosen',
  encode: 'encoding',
  rebuild: 'rebuilding what was encoded',
  retire: 'replacing packs',
} as const;
