/**
 * One archive run: survey what is stored, plan under the budgets, re-encode what the plan changes,
 * write the promises, and measure how each snapshot is rebuilt.
 *
 * Start at `runArchive`. Each step is a function below; they share an `ArchiveJob`.
 */
import type { Id } from '../../base/bytes/hash.js';
import { isDamage, NotFoundError } from '../../base/errors.js';
import { type Level, parseLevel } from '../../pure/codec/segment.js';
import type { PackAccess, ReadAccess } from '../objects/access.js';
import { totalBytes } from '../objects/planes/read-counts.js';
import { readBudgets, writeBudgets } from '../repo/budgets.js';
import { countReads } from '../repo/reads.js';
import { BudgetTable } from './budget-table.js';
import { calibrate } from './calibrate.js';
import { joinBySketch } from './join-by-sketch.js';
import { measureRecreation, recreationBytes } from './measure-recreation.js';
import type { SurveyedExtent } from './numbered-extents.js';
import { type PlannerName, planRepository } from './planning/replan.js';
import type { ArchivePlan, PlannedGroup } from './planning/report-plan.js';
import type { CostUnit } from './planning/storage-graph.js';
import {
  type AskedRun,
  type BudgetRule,
  frozenVertices,
  groupBudget,
  keptPromises,
  promisesOf,
  type RunSettings,
  settleRun,
  snapshotKey,
} from './promises.js';
import { reencode } from './reencode.js';
import { type Survey, type SurveyedSnapshot, surveyRepository } from './survey.js';

/** What a run needs of an open repository. */
export interface ArchiveAccess extends PackAccess, ReadAccess {}

/** What a run is asked for. */
export interface RunRequest extends Omit<AskedRun, 'isNamed'> {
  /** Versions whose snapshots are planned again; none: all that have no promise. */
  readonly revisions: readonly string[];
  /** Default 'auto'. */
  readonly planner?: PlannerName;
  readonly level: Level;
  readonly noPrefix: boolean;
  readonly weighReads: boolean;
  /** Plans and changes nothing. */
  readonly dryRun: boolean;
  /** Time for planning, without measuring. */
  readonly timeLimitMs: number;
  /** How often each snapshot is rebuilt afterwards; 0: not at all. */
  readonly measure: number;
}

/** The caller of a run: what it provides, and how it learns of the progress. */
export interface RunHost {
  /** Finds the version that a revision names. @throws {NotFoundError} */
  resolve(revision: string): Promise<Id>;
  /** Begins a piece of work of this many bytes of tensors, 0 if unknown. */
  start(label: string, bytes: number): void;
  advance(bytes: number): void;
  warn(message: string): void;
  /** Asked before a plan is carried out that keeps the budgets; false: nothing is changed. Default: yes. */
  agrees?(plan: ArchivePlan, settings: RunSettings): Promise<boolean>;
  readonly signal?: AbortSignal;
}

/** What rebuilding the snapshots of a group took: bytes read, and the median time in milliseconds. */
export interface MeasuredCost {
  readonly bytes: number;
  readonly ms: number;
}

export interface RunResult {
  readonly settings: RunSettings;
  readonly plan: ArchivePlan;
  /** False for a dry run, a plan beyond a budget, and one that was not agreed to. */
  readonly done: boolean;
  readonly newSets: number;
  readonly retiredSets: number;
  readonly retiredBytes: number;
  /** Empty if nothing was carried out. */
  readonly measured: ReadonlyMap<PlannedGroup, MeasuredCost>;
}

/** What the steps of a run share. */
interface ArchiveJob {
  readonly repo: ArchiveAccess;
  readonly request: RunRequest;
  readonly host: RunHost;
  readonly settings: RunSettings;
  readonly survey: Survey;
  /** Versions that are named; none: all. */
  readonly wanted: ReadonlySet<Id>;
}

/**
 * Runs once. Nothing is changed by a dry run, nor if a budget cannot be kept.
 * @throws {ConflictError} if another command changed the packs meanwhile: run again;
 *   {NotFoundError} for a version without tensors; {UsageError} {CorruptError}
 */
export async function runArchive(
  repo: ArchiveAccess,
  request: RunRequest,
  host: RunHost,
): Promise<RunResult> {
  const settings = await settingsOf(repo, request, host);
  host.start(LABELS.survey, 0);
  const survey = await surveyRepository(repo, signalOf(host));
  const wanted = await wantedVersions(survey, request, host);
  const job: ArchiveJob = { repo, request, host, settings, survey, wanted };
  const rule = await budgetRule(job);
  const plan = await makePlan(job, rule);
  const isAgreed =
    plan.isWithin && !request.dryRun && ((await host.agrees?.(plan, settings)) ?? true);
  if (!isAgreed) {
    const nothing = { newSets: 0, retiredSets: 0, retiredBytes: 0, measured: new Map() };
    return { settings, plan, done: false, ...nothing };
  }
  const { newSets, retiredSets, retiredBytes } = await carryOut(job, plan, rule);
  const sets = { newSets, retiredSets, retiredBytes };
  return { settings, plan, done: true, ...sets, measured: await measure(job, plan) };
}

/** What the caller asks for, completed by what the last run was asked for. */
async function settingsOf(
  repo: ArchiveAccess,
  request: RunRequest,
  host: RunHost,
): Promise<RunSettings> {
  const before = await readBudgets(repo.layout).catch((error: unknown) => {
    if (!isDamage(error)) throw error;
    host.warn(`${(error as Error).message}; everything is planned again`);
    return null;
  });
  return settleRun({ ...request, isNamed: request.revisions.length > 0 }, before);
}

/** @throws {NotFoundError} if there is nothing of a named version to plan. */
async function wantedVersions(
  survey: Survey,
  { revisions }: RunRequest,
  host: RunHost,
): Promise<Set<Id>> {
  const wanted = new Set<Id>();
  for (const revision of revisions) {
    const id = await host.resolve(revision);
    if (!survey.snapshots.some(({ version }) => version === id)) {
      throw new NotFoundError(`'${revision}' has no tensors that can be planned`, {
        kind: 'snapshot',
        name: revision,
        hint: 'name versions that have tensors of 4 KiB or more and that a branch, a tag or HEAD reaches',
      });
    }
    wanted.add(id);
  }
  return wanted;
}

/** What each group may cost: earlier promises that hold, and what this run is asked for. */
async function budgetRule({ repo, request, host, ...job }: ArchiveJob): Promise<BudgetRule> {
  const { survey, settings, wanted } = job;
  const models = new Set(survey.snapshots.map(({ model }) => model));
  const reads = request.weighReads ? await countReads(repo.layout) : null;
  const resolve = (revision: string): Promise<Id> => host.resolve(revision);
  const table = await BudgetTable.resolve(resolve, settings.budgets, models, reads);
  return {
    promised: keptPromises(survey, settings, wanted),
    isAsked: ({ version }) => wanted.size === 0 || wanted.has(version),
    asked: (group, least) => table.budgetOf(group, least),
  };
}

async function makePlan(job: ArchiveJob, rule: BudgetRule): Promise<ArchivePlan> {
  const { repo, request, host, settings, survey, wanted } = job;
  const frozen = frozenVertices(survey, rule.promised, wanted);
  const open = [...survey.extents.keys()].map((i) => i + 1).filter((v) => !frozen.has(v));
  if (open.length === 0 && survey.extents.length > 0 && asksForMore(request)) {
    host.warn(
      'all snapshots were planned in an earlier run and are kept as they are; --all plans them again',
    );
  }
  await joinBySketch(repo, survey, open, host.signal);
  const cost: CostUnit =
    settings.unit === 'ms' ? { unit: 'ms', time: await calibrate(repo) } : { unit: 'bytes' };
  return planRepository(repo, survey, {
    ...signalOf(host),
    scheme: settings.scheme,
    cost,
    planner: request.planner ?? 'auto',
    level: parseLevel(request.level),
    noPrefix: request.noPrefix,
    frozen,
    budgetOf: (group, least, now) => groupBudget(group, { least, now }, rule),
    timeLimitMs: request.timeLimitMs,
    onStart: (what, bytes) => host.start(LABELS[what], bytes),
    onBytes: (bytes) => host.advance(bytes),
  });
}

/** True for what has no effect unless something is planned. */
function asksForMore({ level, planner, noPrefix, weighReads }: RunRequest): boolean {
  return level !== 'default' || planner !== undefined || noPrefix || weighReads;
}

/** Stores everything as planned, then writes down what is promised. */
async function carryOut(
  { repo, host, settings }: ArchiveJob,
  plan: ArchivePlan,
  { promised, isAsked }: BudgetRule,
): Promise<Pick<RunResult, 'newSets' | 'retiredSets' | 'retiredBytes'>> {
  const done = await reencode(repo, plan, {
    ...signalOf(host),
    onStart: (what, bytes) => host.start(LABELS[what], bytes),
    onBytes: (bytes) => host.advance(bytes),
  });
  const { scheme, unit, kept } = settings;
  const isPromised = (snapshot: SurveyedSnapshot): boolean =>
    isAsked(snapshot) || promised.has(snapshotKey(snapshot));
  const snapshots = promisesOf(plan.groups, isPromised);
  await repo.locked((lock) => writeBudgets(lock, { scheme, unit, asked: [...kept], snapshots }));
  return done;
}

/** Rebuilds every group. */
async function measure(
  { repo, request, host, settings, survey }: ArchiveJob,
  plan: ArchivePlan,
): Promise<Map<PlannedGroup, MeasuredCost>> {
  const measured = new Map<PlannedGroup, MeasuredCost>();
  const { scheme } = settings;
  const repeat = request.measure;
  if (repeat === 0) return measured;
  const extentsOf = ({ members }: PlannedGroup): SurveyedExtent[] =>
    members.map((vertex) => survey.extents[vertex - 1] as SurveyedExtent);
  const sizeOf = (group: PlannedGroup): number =>
    extentsOf(group).reduce((sum, { width, count }) => sum + width * count, 0);
  host.start(
    LABELS.recreate,
    plan.groups.reduce((sum, group) => sum + sizeOf(group), 0),
  );
  for (const group of plan.groups) {
    const extents = extentsOf(group);
    const { bytesRead, ms } = await measureRecreation(repo, extents, {
      scheme,
      repeat,
      ...signalOf(host),
    });
    const bytes = scheme === 'parallel' ? await mostBytes(repo, extents) : bytesRead;
    measured.set(group, { bytes, ms });
    host.advance(sizeOf(group));
  }
  return measured;
}

/** Bytes of the extent that reads most: what counts if all are rebuilt at the same time. */
async function mostBytes(repo: ArchiveAccess, extents: readonly SurveyedExtent[]): Promise<number> {
  let most = 0;
  for (const extent of extents) {
    most = Math.max(most, totalBytes(await recreationBytes(repo.store, [extent])));
  }
  return most;
}

function signalOf({ signal }: RunHost): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

const LABELS = {
  survey: 'looking at what is stored',
  measure: 'measuring encodings',
  plan: 'planning',
  check: 'measuring what was chosen',
  encode: 'encoding',
  rebuild: 'rebuilding what was encoded',
  retire: 'replacing packs',
  recreate: 'measuring recreation',
} as const;
