/** What each group of snapshots may cost: the budgets that were asked for, looked up and weighed. */
import type { Id } from '../../base/bytes/hash.js';
import { UsageError } from '../../base/errors.js';
import type { Budget, Limit } from '../../pure/plan/budget-text.js';
import type { RecreationUnit, SnapshotGroup } from './planning/storage-graph.js';
import type { SurveyedSnapshot } from './survey.js';

/** The unit that absolute limits are in, which must be one. @throws {UsageError} DLV_USAGE */
export function unitOf(
  budgets: readonly Budget[],
  asked: RecreationUnit | null,
): RecreationUnit | null {
  const units = new Set<RecreationUnit>(asked === null ? [] : [asked]);
  for (const { limit } of budgets) {
    if (limit.kind === 'bytes' || limit.kind === 'ms') units.add(limit.kind);
  }
  if (units.size > 1) {
    throw new UsageError('budgets in bytes and in time cannot be kept by one plan', {
      option: '--budget',
      hint: 'give all of them as bytes or all as times, and --unit to match',
    });
  }
  return [...units][0] ?? null;
}

/** Most that reads may tighten or loosen a factor's part above 1. */
const WEIGHT_MAX = 4;

/** Says what a group may cost: the tightest of what its snapshots were promised. */
export class BudgetTable {
  readonly #all: Limit;
  readonly #models: ReadonlyMap<string, Limit>;
  readonly #versions: ReadonlyMap<Id, Limit>;
  readonly #reads: ReadonlyMap<Id, number> | null;
  readonly #meanReads: number;

  private constructor(
    all: Limit,
    models: ReadonlyMap<string, Limit>,
    versions: ReadonlyMap<Id, Limit>,
    reads: ReadonlyMap<Id, number> | null,
  ) {
    this.#all = all;
    this.#models = models;
    this.#versions = versions;
    this.#reads = reads;
    let total = 0;
    for (const count of reads?.values() ?? []) total += count;
    this.#meanReads = total / Math.max(1, reads?.size ?? 0);
  }

  /**
   * A target that is a model's name means all its versions; any other is a revision and means that
   * version. Of two budgets for the same target the last one counts.
   * @param reads  how often each version was read: what factors leave above 1 is then divided among
   *   versions by that; null: all alike.
   * @param resolve  finds the version that a revision names; its errors are passed on.
   */
  static async resolve(
    resolve: (revision: string) => Promise<Id>,
    budgets: readonly Budget[],
    modelNames: ReadonlySet<string>,
    reads: ReadonlyMap<Id, number> | null = null,
  ): Promise<BudgetTable> {
    let all: Limit = { kind: 'none' };
    const models = new Map<string, Limit>();
    const versions = new Map<Id, Limit>();
    for (const { target, limit } of budgets) {
      if (target === null) all = limit;
      else if (modelNames.has(target)) models.set(target, limit);
      else versions.set(await resolve(target), limit);
    }
    return new BudgetTable(all, models, versions, reads);
  }

  #limitOf({ version, model }: SurveyedSnapshot): Limit {
    return this.#versions.get(version) ?? this.#models.get(model) ?? this.#all;
  }

  /**
   * What is multiplied with the part of a factor above 1: less than 1 for versions that are read more
   * often than the mean of those that are read at all, more for those that are not.
   */
  #weight(version: Id): number {
    if (this.#reads === null) return 1;
    const share = (this.#meanReads + 1) / ((this.#reads.get(version) ?? 0) + 1);
    return Math.min(WEIGHT_MAX, Math.max(1 / WEIGHT_MAX, share));
  }

  /** @param least  the least that any plan can make of the group. */
  budgetOf(group: SnapshotGroup, least: number): number {
    let budget = Infinity;
    for (const snapshot of group.snapshots) {
      const limit = this.#limitOf(snapshot);
      if (limit.kind === 'factor') {
        const above = (limit.times - 1) * this.#weight(snapshot.version);
        budget = Math.min(budget, (1 + above) * least);
      } else if (limit.kind !== 'none') budget = Math.min(budget, limit.most);
    }
    return budget;
  }
}
