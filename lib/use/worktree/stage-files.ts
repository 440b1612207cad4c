/**
 * Stores work files in packs and stages them: what `add` and `commit --all` have in common.
 *
 * Storing needs no lock and may take long; staging happens afterwards, under the lock or compared
 * under it.
 */

import { pushAll } from '../../base/bytes/many.js';
import { ConflictError, DlvError, UsageError } from '../../base/errors.js';
import { mayRead } from '../../base/files/places/user-paths.js';
import { type CodecLevel, parseLevel } from '../../pure/codec/segment.js';
import { DESCRIBING_FORMATS } from '../../pure/formats/format.js';
import {
  type BatchResult,
  fileOf,
  ingestBatch,
  ingestSettings,
} from '../../storage/ingest/batch.js';
import type { PackSession } from '../../storage/objects/session.js';
import { publishedSets } from '../../storage/objects/stored-bytes.js';
import type { StagedEntry, Staging } from '../../storage/repo/staging/staging.js';
import type { StagingOnDisk } from '../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { checkLive } from '../history/commit/check-live.js';
import { baseCandidates, currentLine } from '../history/lines/lines.js';
import { leaveOutCopies } from './approximate-copies.js';
import { modeOf, wasHere } from './changes.js';
import { describedOtherwise } from './described-files.js';
import { planStage, type StageOptions, type StagePlan } from './plan-stage.js';
import { isDenied, unreadable } from './scan/work-file.js';

/** What `storeChanges` stored, not staged yet. */
export interface StoredChanges {
  plan: StagePlan;
  results: BatchResult[];
}

/** Stores the files that differ from what is staged, in the session's open pack set. */
export async function storeChanges(
  { repo, session }: StageTarget,
  onDisk: StagingOnDisk,
  options: StageOptions,
  context: OpContext,
): Promise<StoredChanges> {
  const level = parseLevel(options.level ?? repo.config.get('codec.level'));
  const plan = await planStage(repo, onDisk, options, context);
  if (options.approximate !== true) await leaveOutCopies(repo.layout, plan, context);
  const { changed: paths, totalBytes: bytes } = plan;
  const how = { plan, paths, bytes, level, follow: options.follow === true };
  const results = await storeFiles({ repo, session }, how, context);
  const stored = new Set(results.map(({ path }) => path));
  const describing = results.filter(({ path, format, sha256 }) => {
    return DESCRIBING_FORMATS.has(format) && plan.known.get(path)?.sha256 !== sha256;
  });
  const about = {
    model: plan.line.model,
    paths: new Set(
      describing.flatMap(({ references }) => references).filter((path) => !stored.has(path)),
    ),
  };
  const described = await describedOtherwise(repo, onDisk, about, context);
  pushAll(results, await storeDescribed({ repo, session }, { plan, described, level }, context));
  plan.unchanged = plan.unchanged.filter(({ path }) => !described.has(path));
  return { plan, results };
}

/** The repository that files are staged in, and the session that stores them. */
export interface StageTarget {
  readonly repo: LineAccess;
  readonly session: PackSession;
}

/** Stores files again whose bytes are as they were staged, and that others describe otherwise now. */
export async function storeDescribed(
  target: StageTarget,
  {
    plan,
    described,
    level,
  }: { plan: PlannedLine; described: ReadonlyMap<string, StagedEntry>; level: CodecLevel },
  context: OpContext,
): Promise<BatchResult[]> {
  const how = {
    ...{ plan, level },
    paths: [...described.keys()],
    bytes: [...described.values()].reduce((sum, { size }) => sum + size, 0),
    // What a link leads to has the staged content.
    follow: true,
  };
  const results = await storeFiles(target, how, context);
  return results.map((result) => {
    return { ...result, step: result.step ?? described.get(result.path)?.step ?? null };
  });
}

/** What storing files needs of a plan. */
export type PlannedLine = Pick<StagePlan, 'line' | 'known' | 'named' | 'failures'>;

interface StoringFiles {
  plan: PlannedLine;
  /** The files that are read, and their bytes together. */
  paths: readonly string[];
  bytes: number;
  level: CodecLevel;
  follow: boolean;
}

async function storeFiles(
  { repo, session }: StageTarget,
  { plan, paths, bytes, level, follow }: StoringFiles,
  context: OpContext,
): Promise<BatchResult[]> {
  const results: BatchResult[] = [];
  if (paths.length === 0) return results;
  const parentFiles = await baseCandidates(repo, plan.line, [...plan.known.values()]);
  context.progress.start('adding', bytes);
  const files = paths.map((path) => ({ path, file: repo.layout.workFile(path) }));
  for await (const result of ingestBatch(session, files, {
    parentFiles,
    ...ingestSettings(repo.config),
    level,
    follow,
    onBytes: (count) => context.progress.advance(count),
    onSkip: (path, error) => {
      if (plan.named.has(path) || isDenied(error)) plan.failures.push({ path, error });
      else context.warn(`'${path}' is skipped: ${(error as Error).message}`);
    },
    ...(context.signal ? { signal: context.signal } : {}),
  })) {
    results.push(result);
    // What is staged with this content was warned of when it was staged.
    if (plan.known.get(result.path)?.sha256 === result.sha256) continue;
    for (const warning of result.warnings) context.warn(`'${result.path}' ${warning}`);
  }
  context.progress.finish();
  return results;
}

/**
 * Puts what was stored into a staging area in memory. The caller holds the lock, or compares the
 * staging file under it later.
 * @throws {ConflictError} if the model's line moved, or a stored object was collected meanwhile.
 */
export async function applyChanges(
  { repo, session }: StageTarget,
  staging: Staging,
  { plan, results }: StoredChanges,
  options: StageOptions,
): Promise<void> {
  const { line } = plan;
  const current = await currentLine(repo, staging, line.model);
  if (current.branch !== line.branch) {
    throw new ConflictError(`model '${line.model}' was switched to another branch meanwhile`, {
      model: line.model,
      hint: 'run the command again',
    });
  }
  await checkLive(session, results);
  const fresh = staging.get(line.model) === undefined;
  const model = staging.open(line.model, line.branch);
  if (fresh) model.base = line.tip;
  for (const result of results) staging.put(line.model, entryOf(result, options));
  for (const path of plan.missing) {
    if (staging.ownerOf(path) === line.model) staging.remove(path);
  }
  pushAll(model.sets, publishedSets(session));
}

/** How staging holds a stored file. */
export function entryOf(
  result: BatchResult,
  options: Pick<StageOptions, 'step'> = {},
): StagedEntry {
  return {
    ...fileOf(result, modeOf(result.stat)),
    stat: result.stat,
    stagedAtNs: result.openedAtNs,
    step: options.step ?? result.step,
  };
}

/**
 * Says what could not be stored, of what was named or may not be read, after the rest was staged.
 * @throws the error of the first such file, after a warning for each of the others.
 */
export function throwFailures(
  { plan }: { plan: Pick<StagePlan, 'failures'> },
  context: Pick<OpContext, 'warn'>,
): void {
  const [first, ...others] = plan.failures;
  if (first === undefined) return;
  for (const { path, error } of others) {
    context.warn(`'${path}' cannot be stored either: ${(error as Error).message}`, 'last');
  }
  if (others.length > 0 && first.error instanceof DlvError) {
    first.error.data.alsoFailed = others.map(({ path }) => path);
  }
  throw first.error;
}

/** Says what could not be stored, before anything is: what may not be read, as far as can be told without reading. */
export async function throwForeseen(
  { layout }: Pick<LineAccess, 'layout'>,
  plan: Pick<StagePlan, 'changed' | 'failures'>,
  context: Pick<OpContext, 'warn'>,
): Promise<void> {
  for (const path of plan.changed) {
    if (await mayRead(layout.workFile(path))) continue;
    plan.failures.push({ path, error: unreadable(path) });
  }
  throwFailures({ plan }, context);
}

/**
 * Options that add every tracked file of a model; what `commit --all` stores first. For a branch that no
 * files of the work tree are on, only files that were added for it: what else has their names is of HEAD's.
 */
export function trackedFiles(staging: Staging, model: string): StageOptions {
  // A line whose versions were all forgotten is there with no version and no file.
  const isTracked = staging.models().some((line) => {
    return line.base !== null || staging.entries(line.model).length > 0;
  });
  if (!isTracked) {
    throw new UsageError('nothing is tracked yet', {
      hint: "name the files of your model: 'dlv add <paths>'",
    });
  }
  const entries = staging.entries(model).filter((entry) => staging.only === null || wasHere(entry));
  const paths = entries.map((entry) => entry.path);
  return { paths, model, update: true };
}
