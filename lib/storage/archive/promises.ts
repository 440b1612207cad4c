/**
 * What an archive run promises for each snapshot, and which promises of the previous run stay
 * valid.
 *
 * No I/O: the caller reads the previous promises and writes the new ones. A promise is kept until
 * its version is planned again, or until the present storage breaks it.
 */

import type { Id } from '../../base/bytes/hash.js';
import { minOf } from '../../base/bytes/many.js';
import { asBudget, type Budget, formatBudget, parseBudget } from '../../pure/plan/budget-text.js';
import type { Scheme } from '../../pure/plan/graph.js';
import type { Budgets, SnapshotPromise } from '../repo/budgets.js';
import { unitOf } from './budget-table.js';
import type { PlannedGroup } from './planning/report-plan.js';
import {
  liveRecreation,
  type RecreationUnit,
  type SnapshotGroup,
} from './planning/storage-graph.js';
import type { Survey, SurveyedSnapshot } from './survey.js';

/** What is asked for if neither the caller nor an earlier run says: twice the cost of no deltas. */
const DEFAULT_BUDGET = 2;
/** Records are in sets with longer headers after a merge: no reason to plan again. */
const KEPT_SHARE = 1.01;

/** What a run is asked for. */
export interface AskedRun {
  readonly budgets?: readonly (Budget | number)[];
  readonly scheme?: Scheme;
  readonly unit?: RecreationUnit;
  /** True if versions are named: their snapshots alone are planned again. */
  readonly isNamed: boolean;
  /** True if what was promised before is planned again as well. */
  readonly all: boolean;
}

/** What a run is about, once the run before was looked at. */
export interface RunSettings {
  readonly scheme: Scheme;
  readonly unit: RecreationUnit;
  /** Budgets of this run, and in the words of `--budget`. */
  readonly budgets: readonly Budget[];
  readonly asked: readonly string[];
  /** True if nobody gave a budget, now or before. */
  readonly isDefault: boolean;
  /** Default budgets for later runs. */
  readonly kept: readonly string[];
  /** Promises of the last run that hold under these settings. */
  readonly promises: readonly SnapshotPromise[];
}

/**
 * What is asked for, completed by what the last run was asked for.
 * @throws {UsageError} for budgets in two units.
 */
export function settleRun(asked: AskedRun, before: Budgets | null): RunSettings {
  const earlier = before?.asked.map(parseBudget);
  const budgets = (asked.budgets ?? earlier ?? [DEFAULT_BUDGET]).map(asBudget);
  const words = budgets.map(formatBudget);
  const scheme = asked.scheme ?? before?.scheme ?? 'independent';
  // New budgets say their unit; those of the last run, and those that stand beside them, keep its.
  const known = asked.budgets === undefined || asked.isNamed ? before?.unit : undefined;
  const unit = unitOf(budgets, asked.unit ?? null) ?? known ?? 'bytes';
  const isDefault = asked.budgets === undefined && before === null;
  const settings = { scheme, unit, budgets, asked: words, isDefault };
  const isLike = before !== null && before.scheme === scheme && before.unit === unit;
  if (!isLike) return { ...settings, kept: words, promises: [] };
  const isSame = earlier?.map(formatBudget).join('\0') === words.join('\0') && !asked.all;
  // A budget for named versions applies to them alone: promises to other versions stay.
  const promises = isSame || asked.isNamed ? before.snapshots : [];
  return { ...settings, kept: asked.isNamed ? before.asked : words, promises };
}

/** What identifies a snapshot within a repository. */
export function snapshotKey(place: Pick<SurveyedSnapshot, 'version' | 'key' | 'role'>): string {
  return `${place.version}\0${place.key}\0${place.role}`;
}

/**
 * Promises that hold, by place: not those of versions that are planned again, nor those that what is
 * stored by now does not keep. Times are those of the machine that promised: they are left alone.
 * @param wanted  versions that are named; none: all are planned.
 */
export function keptPromises(
  survey: Survey,
  { unit, scheme, promises }: Pick<RunSettings, 'unit' | 'scheme' | 'promises'>,
  wanted: ReadonlySet<Id>,
): Map<string, SnapshotPromise> {
  const kept = new Map<string, SnapshotPromise>();
  for (const row of promises) if (!wanted.has(row.version)) kept.set(snapshotKey(row), row);
  if (unit !== 'bytes') return kept;
  const now = liveRecreation(survey, scheme);
  for (const [index, snapshot] of survey.snapshots.entries()) {
    const row = kept.get(snapshotKey(snapshot));
    const bytes = now[index] ?? Infinity;
    if (row && bytes > (row.budget ?? Infinity) * KEPT_SHARE) kept.delete(snapshotKey(snapshot));
  }
  return kept;
}

/** Vertices that are not planned again: promised before, or of versions that are not asked for. */
export function frozenVertices(
  survey: Survey,
  promised: ReadonlyMap<string, unknown>,
  wanted: ReadonlySet<Id>,
): Set<number> {
  const open = new Set<number>();
  for (const snapshot of survey.snapshots) {
    const isOpen =
      wanted.size > 0 ? wanted.has(snapshot.version) : !promised.has(snapshotKey(snapshot));
    if (isOpen) for (const vertex of snapshot.extents) open.add(vertex);
  }
  const frozen = new Set<number>();
  for (let vertex = 1; vertex <= survey.extents.length; vertex++) {
    if (!open.has(vertex)) frozen.add(vertex);
  }
  return frozen;
}

/** What decides about the budget of a group. */
export interface BudgetRule {
  readonly promised: ReadonlyMap<string, SnapshotPromise>;
  /** True for snapshots that this run is about. */
  isAsked(snapshot: SurveyedSnapshot): boolean;
  /** What is asked for snapshots with the same extents. @param least  that any plan can make of them. */
  asked(group: SnapshotGroup, least: number): number;
}

/**
 * The most that a group of snapshots with the same extents may cost: the tightest of what they were
 * promised before and of what is asked for those that have no promise.
 * @param least  the least that any plan can make of the group: no promise can be tighter.
 * @param now    what the group costs as stored; undefined if no single number says.
 */
export function groupBudget(
  group: SnapshotGroup,
  { least, now }: { least: number; now: number | undefined },
  rule: BudgetRule,
): number {
  const rows = group.snapshots.map((snapshot) => rule.promised.get(snapshotKey(snapshot)));
  const promise = Math.max(least, minOf(rows.map((row) => row?.budget ?? Infinity)));
  const asked = group.snapshots.filter(
    (snapshot, index) => rows[index] === undefined && rule.isAsked(snapshot),
  );
  if (asked.length > 0) return Math.min(promise, rule.asked({ ...group, snapshots: asked }, least));
  if (rows.some((row) => row !== undefined)) return promise;
  // A snapshot that is not asked about may stay as slow as it is, no slower.
  return Math.max(rule.asked(group, least), now ?? Infinity);
}

/** What a plan promises to the snapshots that have a promise then. */
export function promisesOf(
  groups: readonly Pick<PlannedGroup, 'snapshots' | 'budget' | 'planned'>[],
  isPromised: (snapshot: SurveyedSnapshot) => boolean,
): SnapshotPromise[] {
  return groups.flatMap(({ snapshots, budget, planned }) =>
    snapshots.filter(isPromised).map(({ version, key, role }) => {
      return { version, key, role, budget: finiteOrNull(budget), planned };
    }),
  );
}

/** A cost as files and documents have it: null for no limit. */
export function finiteOrNull(cost: number): number | null {
  return Number.isFinite(cost) ? cost : null;
}
