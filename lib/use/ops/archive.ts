/**
 * `dlv archive`: finds the smallest storage in which every snapshot is within its budget. The run
 * itself is in lib/storage/archive/archive-run.ts.
 */

import { ConflictError } from '../../base/errors.js';
import type { Level } from '../../pure/codec/segment.js';
import type { Budget } from '../../pure/plan/budget-text.js';
import type { Scheme } from '../../pure/plan/graph.js';
import type { Role } from '../../pure/tensor/layout.js';
import { type RunRequest, type RunResult, runArchive } from '../../storage/archive/archive-run.js';
import type { PlannerName } from '../../storage/archive/planning/replan.js';
import type { ArchivePlan, PlannedGroup } from '../../storage/archive/planning/report-plan.js';
import type { RecreationUnit } from '../../storage/archive/planning/storage-graph.js';
import { finiteOrNull } from '../../storage/archive/promises.js';
import { growsMuch, type PlanWorth, worthOf } from '../../storage/archive/worth.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/lines/resolve.js';
import { type CalledVersion, Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';

const DEFAULT_TIME_LIMIT_MS = 60_000;
const ATTEMPTS = 3;

export interface ArchiveOptions {
  /** Versions whose snapshots are planned again; default: every one that has no promise yet. */
  revisions?: string[];
  /** A number is a factor for all. Default: the budgets of the last run, else 2. */
  budgets?: readonly (Budget | number)[];
  /** Default: that of the last run, else 'independent'. */
  scheme?: Scheme;
  /** Default: that of the budgets; without new ones for all, that of the last run; else 'bytes'. */
  unit?: RecreationUnit;
  /** Default 'auto'. */
  planner?: PlannerName;
  /** Encoder effort of what is re-encoded; default: 'default'. */
  level?: Level;
  /** Offers differences that are exact only when read whole. */
  noPrefix?: boolean;
  /** Plans what was promised before again. */
  all?: boolean;
  /** Plans and changes nothing. */
  dryRun?: boolean;
  /** Seconds for planning, without measuring. */
  timeLimit?: number;
  /** Tightens the factors of versions that are checked out often and loosens those of the others. */
  weighReads?: boolean;
  /**
   * Asked before a plan is carried out that makes the repository grow by more than 1 %; false leaves all as it is.
   * Default: it is carried out.
   */
  confirmGrowth?: (plan: PlanWorth) => Promise<boolean>;
  /** How often each snapshot is rebuilt afterwards to measure it; default 1, 0: not at all. */
  measure?: number;
}

export type { PlanWorth } from '../../storage/archive/worth.js';

/** A snapshot beside its promise. Costs are in the unit of the result. */
export interface ArchivedSnapshot extends CalledVersion {
  key: string;
  role: Role;
  step: number | null;
  extents: number;
  /** Snapshots of one number have the same files: what is said of one holds for all. */
  group: number;
  /** The least that any plan over the encodings that were weighed can make of it. */
  least: number;
  /** True if an earlier promise was left as it is: how it is stored was the only encoding weighed. */
  kept: boolean;
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

/** The version of a model that costs most to read by the plan. */
export interface ArchivedModel {
  model: string;
  versions: number;
  /** Its name, as 'net@3'. */
  slowest: string;
  /** As of that snapshot. */
  least: number;
  kept: boolean;
  budget: number | null;
  before: number | null;
  planned: number;
}

export interface ArchiveResult extends PlanWorth {
  dryRun: boolean;
  /** True if the plan was carried out. Without any budget a plan that is not worth it is not. */
  done: boolean;
  /** True if nobody gave a budget, now or before: it is the default then. */
  isDefaultBudget: boolean;
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
  /** Snapshots whose budget is below the least that any plan can make of them. */
  impossible: number;
  extents: number;
  /** Extents that are deltas by the plan. */
  deltas: number;
  /** Encodings that were weighed, and extents that were (or would be) re-encoded. */
  candidates: number;
  encodedExtents: number;
  newSets: number;
  retiredSets: number;
  /** Bytes that replaced files take in trash, and for how many days before gc deletes them. */
  retiredBytes: number;
  trashDays: number;
  /** By model, what reads most. */
  models: ArchivedModel[];
  snapshots: ArchivedSnapshot[];
  seconds: number;
}

/** @throws {UsageError} {NotFoundError} {ConflictError} {CorruptError} */
export async function archive(
  repo: Repository,
  options: ArchiveOptions,
  context: OpContext,
): Promise<ArchiveResult> {
  repo.requireWhole('an archive run');
  const started = performance.now();
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        const run = await runOnce(repo, options, context);
        const result = await describe(repo, run, options.dryRun === true);
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

/** One attempt of an archive run. */
function runOnce(
  repo: Repository,
  options: ArchiveOptions,
  context: OpContext,
): Promise<RunResult> {
  const { progress, signal } = context;
  const { budgets, scheme, unit, planner, timeLimit } = options;
  const request: RunRequest = {
    revisions: options.revisions ?? [],
    all: options.all === true,
    level: options.level ?? 'default',
    noPrefix: options.noPrefix === true,
    weighReads: options.weighReads === true,
    dryRun: options.dryRun === true,
    timeLimitMs: timeLimit === undefined ? DEFAULT_TIME_LIMIT_MS : timeLimit * 1000,
    measure: options.measure ?? 1,
    ...(budgets ? { budgets } : {}),
    ...(scheme ? { scheme } : {}),
    ...(unit ? { unit } : {}),
    ...(planner ? { planner } : {}),
  };
  return runArchive(repo, request, {
    resolve: (revision) => resolveId(repo, revision),
    start: (label, bytes) => progress.start(label, bytes),
    advance: (bytes) => progress.advance(bytes),
    warn: (message) => context.warn(message),
    agrees: async (plan, settings) => {
      const worth = worthOf(plan);
      // If nothing in particular was asked for, only a plan that is worth it is carried out.
      const isOpen = settings.isDefault && !asksForSomething(options);
      if (isOpen && worth.verdict !== 'worth' && worth.verdict !== 'nothing') return false;
      if (!growsMuch(worth) || options.confirmGrowth === undefined) return true;
      return options.confirmGrowth(worth);
    },
    ...(signal ? { signal } : {}),
  });
}

function asksForSomething({
  scheme,
  unit,
  planner,
  level,
  all,
  noPrefix,
}: ArchiveOptions): boolean {
  return all === true || noPrefix === true || [scheme, unit, planner, level].some(Boolean);
}

async function describe(
  repo: Repository,
  { settings, plan, done, measured, newSets, retiredSets, retiredBytes }: RunResult,
  dryRun: boolean,
): Promise<Omit<ArchiveResult, 'seconds'>> {
  const { storage, lowerBound } = plan;
  const snapshots = await describeSnapshots(repo, plan, measured);
  return {
    ...worthOf(plan),
    dryRun,
    done,
    isDefaultBudget: settings.isDefault,
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
    impossible: snapshots.filter(({ budget, least }) => budget !== null && budget < least).length,
    extents: plan.chosen.length,
    deltas: plan.chosen.filter(({ base }) => base !== 0).length,
    candidates: plan.edges,
    encodedExtents: plan.chosen.filter(({ how }) => how !== 'live').length,
    newSets,
    retiredSets,
    retiredBytes,
    trashDays: repo.config.get('gc.graceDays'),
    models: describeModels(snapshots),
    snapshots,
  };
}

function describeModels(snapshots: readonly ArchivedSnapshot[]): ArchivedModel[] {
  const models = new Map<string, ArchivedSnapshot[]>();
  for (const row of snapshots) models.set(row.model, [...(models.get(row.model) ?? []), row]);
  return [...models].map(([model, rows]) => {
    const most = rows.reduce((a, b) => (b.planned > a.planned ? b : a));
    const { name, least, kept, before, budget, planned } = most;
    const versions = new Set(rows.map(({ version }) => version)).size;
    return { model, versions, slowest: name, least, kept, before, budget, planned };
  });
}

async function describeSnapshots(
  repo: Repository,
  plan: ArchivePlan,
  measured: RunResult['measured'],
): Promise<ArchivedSnapshot[]> {
  const describer = new Describer(repo);
  const groupOf = new Map(
    plan.groups.flatMap((group) => group.snapshots.map((snapshot) => [snapshot, group] as const)),
  );
  const numbers = new Map<PlannedGroup, number>();
  const rows: ArchivedSnapshot[] = [];
  for (const snapshot of plan.survey.snapshots) {
    const group = groupOf.get(snapshot) as PlannedGroup;
    if (!numbers.has(group)) numbers.set(group, numbers.size);
    const { version, key, role, step } = snapshot;
    rows.push({
      ...(await describer.called(version)),
      key,
      role,
      step,
      extents: group.members.length,
      group: numbers.get(group) as number,
      least: group.least,
      kept: group.isKept,
      before: group.now ?? null,
      budget: finiteOrNull(group.budget),
      planned: group.planned,
      measured: measured.get(group) ?? null,
    });
  }
  return rows;
}
