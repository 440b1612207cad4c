/**
 * Budgets as people write them: a factor, bytes, or a time; for all snapshots, or for those of one
 * model, tag or version.
 *
 *     budget = [ target '=' ] limit
 *     limit  = factor [ 'x' ] | number ('B'|'KB'|'MB'|'GB'|'KiB'|'MiB'|'GiB') | number ('ms'|'s') | 'none'
 */

import type { Id } from '../../base/bytes/hash.js';
import { UsageError } from '../../base/errors.js';
import type { RecreationUnit, SnapshotGroup } from '../../storage/archive/storage-graph.js';
import type { SurveyedSnapshot } from '../../storage/archive/survey.js';
import { resolveId } from '../history/resolve.js';
import type { Repository } from '../repository.js';

/** An upper bound: absolute, or a multiple of the least possible cost. */
export type Limit =
  | { kind: 'factor'; times: number }
  | { kind: 'bytes' | 'ms'; most: number }
  | { kind: 'none' };

/** A limit and whom it is for; target null: every snapshot that no other budget names. */
export interface AskedBudget {
  target: string | null;
  limit: Limit;
}

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};
const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000 };

/** Reads one `--budget`. @throws {UsageError} DLV_USAGE */
export function parseBudget(text: string): AskedBudget {
  const at = text.lastIndexOf('=');
  const target = at < 0 ? null : text.slice(0, at);
  const limit = parseLimit(text.slice(at + 1));
  if (limit === null || target === '') {
    throw new UsageError(`--budget '${text}' is no budget`, {
      option: '--budget',
      hint: "write a factor (1.5), bytes (300MB), a time (400ms) or 'none', after '<revision>=' or '<model>=' for some only",
    });
  }
  return { target, limit };
}

function parseLimit(text: string): Limit | null {
  if (text === 'none') return { kind: 'none' };
  const [, digits, word = ''] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  const number = Number(digits);
  const unit = word.toLowerCase();
  if (unit === '' || unit === 'x') return number >= 1 ? { kind: 'factor', times: number } : null;
  const bytes = BYTES[unit];
  if (bytes !== undefined) return { kind: 'bytes', most: Math.floor(number * bytes) };
  const ms = MILLISECONDS[unit];
  return ms === undefined ? null : { kind: 'ms', most: number * ms };
}

/** The unit that absolute limits are in, which must be one. @throws {UsageError} DLV_USAGE */
export function unitOf(
  budgets: readonly AskedBudget[],
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
   * @throws {NotFoundError} {AmbiguousError} {UsageError}
   */
  static async resolve(
    repo: Repository,
    budgets: readonly AskedBudget[],
    modelNames: ReadonlySet<string>,
    reads: ReadonlyMap<Id, number> | null = null,
  ): Promise<BudgetTable> {
    let all: Limit = { kind: 'none' };
    const models = new Map<string, Limit>();
    const versions = new Map<Id, Limit>();
    for (const { target, limit } of budgets) {
      if (target === null) all = limit;
      else if (modelNames.has(target)) models.set(target, limit);
      else versions.set(await resolveId(repo, target), limit);
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
