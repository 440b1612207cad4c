/** `dlv keep --versions`: gives up files of versions that no rule keeps, and takes that back. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, UsageError } from '../../base/errors.js';
import { withSession } from '../../storage/objects/access.js';
import { blobWriter } from '../../storage/objects/stored-bytes.js';
import { formatKeepRules } from '../../storage/repo/settings/keep-rules.js';
import { plannedDrop } from '../../storage/upkeep/drop-plan.js';
import type { OpContext } from '../context.js';
import { askedRules } from '../history/keep/asked-rules.js';
import { placeHere } from '../history/keep/place-here.js';
import { type KeptVersion, planKeep, rulesByModel } from '../history/keep/plan-keep.js';
import { publishNotes, storeRecalls, storeTombstones } from '../history/keep/write-tombstones.js';
import { resolveId } from '../history/lines/resolve.js';
import { readLines } from '../history/lines/together.js';
import { Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';
import { bringContent, type RecallOptions } from '../tracking/bring-content.js';

export interface KeepVersionsOptions {
  /**
   * Rules for one model, as text: 'last 5, best 3 by eval_loss'. Default: those of the setting `keep.versions`, for
   * each model that it names.
   */
  rules?: string;
  /** Default: HEAD's, or all that the setting names. */
  model?: string;
  /** Only says what would go. */
  dryRun?: boolean;
}

export type { KeptVersion };

export interface KeepVersionsResult {
  /** Rules of each model, as text. */
  rules: { model: string; rules: string }[];
  /** Every version of these models, the newest first. */
  versions: KeptVersion[];
  /** Bytes that `gc --prune=now` will drop, over those that it drops now. */
  freedBytes: number;
  /** Bytes that stay, since versions that are kept are stored as differences from them. */
  baseBytes: number;
  /** When a plain gc begins to drop them; ISO 8601, UTC. */
  freedFrom: string;
  dryRun: boolean;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Gives up what no rule keeps. Versions, their messages, metrics and logs stay.
 * @throws {UsageError} {NotFoundError} for rules that do not fit; {ConflictError} if another command moved refs.
 */
export async function keepVersions(
  repo: Repository,
  options: KeepVersionsOptions,
  context: OpContext,
): Promise<KeepVersionsResult> {
  const { dryRun = false } = options;
  const lines = await readLines(repo);
  const place = await placeHere(repo, lines, context.signal);
  const rules = rulesByModel(place, await askedRules(repo, options));
  const planned = await planKeep(place, rules, Date.now(), context.signal);
  const giving = planned.filter(({ recipes }) => recipes.size > 0);
  const givenUp = new Map(giving.map(({ id, recipes }) => [id, recipes]));
  const count = () => plannedDrop(repo, { givenUp }, lines.staging, context.signal);
  // What is promised is not fetched to find out what is needed.
  const drop = await (repo.promises?.leaving(count) ?? count());
  if (!dryRun && givenUp.size > 0) {
    const reason = `keep: gave up files of ${givenUp.size} versions`;
    await withSession(repo, async (session) => {
      const writer = blobWriter(session);
      const ids = new Map<Id, Id>();
      for (const [model, own] of rules) {
        const files = new Map(
          giving.filter((one) => one.model === model).map(({ id, recipes }) => [id, recipes]),
        );
        const why = `keep: ${formatKeepRules(own)}`;
        for (const [id, note] of await storeTombstones(repo, { files, why }, writer))
          ids.set(id, note);
      }
      await publishNotes(repo, session, { lines, ids, reason });
    });
  }
  return {
    rules: [...rules].map(([model, own]) => ({ model, rules: formatKeepRules(own) })),
    versions: planned.map(({ id, recipes: _, ...row }) => {
      return { version: id, ...row, freedBytes: drop.freedOf.get(id) ?? 0 };
    }),
    freedBytes: drop.freedBytes,
    baseBytes: drop.baseBytes,
    freedFrom: new Date(Date.now() + repo.config.get('gc.graceDays') * DAY_MS).toISOString(),
    dryRun,
  };
}

export type { RecallOptions } from '../tracking/bring-content.js';

export interface RecallResult {
  /** Versions whose files count as kept again, and how many files of each. */
  versions: { version: Id; model: string; number: number; files: number }[];
  /** Objects that came from a remote. */
  objects: number;
}

/**
 * Takes back that files of versions were given up.
 * @throws {NotFoundError} if gc has deleted them, and `from` does not have them; {ConflictError} if nothing of a version
 *   was given up; {RemoteError}
 */
export async function recallVersions(
  repo: Repository,
  revisions: readonly string[],
  options: RecallOptions,
  context: OpContext,
): Promise<RecallResult> {
  if (revisions.length === 0) {
    throw new UsageError('no version is named', { hint: "'dlv keep --recall bert@3'" });
  }
  const lines = await readLines(repo);
  const describer = new Describer(repo);
  const rows: RecallResult['versions'] = [];
  const tombstones = new Map<Id, Id[]>();
  let objects = 0;
  for (const revision of revisions) {
    const version = await resolveId(repo, revision);
    const notes = (await repo.tier(version))?.tombstones.notes ?? [];
    if (notes.length === 0) {
      throw new ConflictError(`no file of '${revision}' was given up`, { version });
    }
    const ids = notes.map(({ id }) => id);
    const { model } = await repo.version(version);
    const files = (await repo.tree(version)).files.filter((file) => file.tombstone !== undefined);
    objects += await bringContent(repo, { version, revision, without: ids }, options, context);
    tombstones.set(version, ids);
    rows.push({ version, model, number: await describer.number(version), files: files.length });
  }
  return withSession(repo, async (session) => {
    const ids = await storeRecalls(repo, tombstones, blobWriter(session));
    await publishNotes(repo, session, { lines, ids, reason: `keep: recalled ${rows.length}` });
    return { versions: rows, objects };
  });
}
