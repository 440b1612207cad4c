/**
 * Stores work files in packs and stages them: what `add` and `commit --all` have in common.
 *
 * Storing needs no lock and may take long; staging happens afterwards, under the lock or compared
 * under it.
 */

import { ConflictError, DlvError, UsageError } from '../../base/errors.js';
import { type CodecLevel, type Level, parseLevel } from '../../pure/codec/segment.js';
import { DESCRIBING_FORMATS } from '../../pure/formats/format.js';
import { portabilityWarnings } from '../../pure/paths/portable-names.js';
import {
  type BatchResult,
  fileOf,
  ingestBatch,
  ingestSettings,
} from '../../storage/ingest/batch.js';
import type { PackSession } from '../../storage/objects/session.js';
import { publishedSets } from '../../storage/objects/stored-bytes.js';
import { isClean, type StagedEntry, type Staging } from '../../storage/repo/staging/staging.js';
import { readStaging, type StagingOnDisk } from '../../storage/repo/staging/staging-file.js';
import { LinkGuard } from '../../storage/repo/work-path.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { checkLive } from '../history/commit/check-live.js';
import { checkNewModel } from '../history/lines/branches.js';
import { baseCandidates, currentLine, type Line } from '../history/lines/lines.js';
import { leaveOutCopies } from './approximate-copies.js';
import { modeOf, WorkStates, wasHere } from './changes.js';
import { describedOtherwise } from './described-files.js';
import { leftOutWarning, modelsAmong } from './left-out.js';
import { lookAtWork } from './scan/work-file.js';
import { type Selection, selectFiles, selectTracked } from './scan/work-tree.js';

/** Which files, and how they are stored. */
export interface StageOptions {
  /** Paths, folders and globs; relative to the context's folder. */
  paths: string[];
  /** Model that new paths belong to; default: HEAD's. */
  model?: string;
  /** Training step of the added files. */
  step?: number;
  /** Adds ignored files that are named explicitly. */
  force?: boolean;
  /** Reads through symbolic links: what they lead to is stored as a regular file. */
  follow?: boolean;
  /** `paths` are tracked files, as paths of the version (`commit --all`). */
  update?: boolean;
  /** Reads every file, whatever its size and times say. */
  rehash?: boolean;
  /** Also files that say, or are known, to be approximate copies of others. */
  approximate?: boolean;
  /** Encoder effort; default: the setting codec.level. */
  level?: Level;
}

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
    return DESCRIBING_FORMATS.has(format) && plan.known.get(path) !== sha256;
  });
  const about = {
    model: plan.line.model,
    paths: new Set(
      describing.flatMap(({ references }) => references).filter((path) => !stored.has(path)),
    ),
  };
  const described = await describedOtherwise(repo, onDisk, about, context);
  results.push(...(await storeDescribed({ repo, session }, { plan, described, level }, context)));
  plan.unchanged = plan.unchanged.filter(({ path }) => !described.has(path));
  return { plan, results };
}

/** The repository that files are staged in, and the session that stores them. */
export interface StageTarget {
  readonly repo: LineAccess;
  readonly session: PackSession;
}

export interface StagePlan {
  line: Line;
  /** Paths whose content has to be read. */
  changed: string[];
  unchanged: StagedEntry[];
  missing: string[];
  /** Tracked files that are not there and were never written here: they stay as they are. */
  absent: string[];
  /** sha256 of the staged files of the line, by path. */
  known: ReadonlyMap<string, string>;
  totalBytes: number;
  /** Paths that were named themselves: if one cannot be stored, that is an error. */
  named: ReadonlySet<string>;
  /** Named files that could not be stored; the rest was. */
  failures: { path: string; error: unknown }[];
}

/** Says what would be stored and staged; nothing is read but times and sizes. */
export async function planStage(
  repo: LineAccess,
  { staging, writtenNs }: StagingOnDisk,
  options: StageOptions,
  context: OpContext,
): Promise<StagePlan> {
  const line = await currentLine(repo, staging, options.model);
  await checkNewModel(repo, staging, line.model);
  const tracked = new Set(
    staging.models().flatMap((m) => staging.entries(m.model).map((entry) => entry.path)),
  );
  const own = new Map(staging.entries(line.model).map((entry) => [entry.path, entry.sha256]));
  const selection = options.update
    ? await selectTracked(repo.layout, options.paths, options.follow === true)
    : await selectFiles(repo.layout, context.cwd, options.paths, {
        tracked,
        ...(options.force ? { force: true } : {}),
        ...(options.follow ? { follow: true } : {}),
        ...(context.signal ? { signal: context.signal } : {}),
      });
  const plan: StagePlan = {
    line,
    changed: [],
    unchanged: [],
    ...sortMissing(staging, line.model, selection, options.update === true),
    known: own,
    totalBytes: 0,
    named: options.update ? new Set() : selection.named,
    failures: [...selection.failures],
  };
  for (const warning of selection.warnings) context.warn(warning);
  if (plan.absent.length > 0) context.warn(leftAsTheyAre(line.model, plan.absent));
  const leftOut = leftOutWarning(await modelsAmong(repo.layout, selection.gitIgnored));
  if (leftOut !== null) context.warn(leftOut, 'last');
  await warnOfOdd(repo, { staging, writtenNs }, { ...selection, follow: options.follow }, context);
  const guard = new LinkGuard(repo.layout.workTree);
  // What is staged for one branch alone may hold no file of another model's work tree either.
  const shared = staging.only === null ? staging : (await readStaging(repo.layout)).staging;
  for (const path of selection.files) {
    const owner = shared.ownerOf(path);
    if (owner !== null && owner !== line.model) {
      // A folder may hold files of other models: only a path that was named itself is an error.
      if (selection.named.has(path)) shared.checkOwner(line.model, path);
      continue;
    }
    if (options.update && !own.has(path)) continue;
    const there = await lookAtWork(repo.layout, guard, path);
    const behind = there.kind === 'odd' && options.follow ? there.behind : null;
    const stat = there.kind === 'file' ? there.stat : behind;
    if (stat === null) {
      // Gone, or changed since it was listed; or in a folder whose names may be listed and no more.
      if (there.kind === 'odd') context.warn(`'${path}' is skipped: it ${there.says}`);
      continue;
    }
    const entry = staging.entry(path);
    const isKnown = !options.rehash && options.step === undefined;
    if (entry && isKnown && isClean(entry, stat, writtenNs)) {
      plan.unchanged.push(entry);
    } else {
      plan.changed.push(path);
      plan.totalBytes += stat.size;
    }
  }
  const added = plan.changed.filter((path) => !own.has(path));
  for (const warning of portabilityWarnings(added, [...own.keys(), ...added])) {
    context.warn(warning);
  }
  return plan;
}

/** Tells files of a line that a person removed from those that were never written here. */
function sortMissing(
  staging: Staging,
  model: string,
  { missing, named }: Pick<Selection, 'missing' | 'named'>,
  isUpdate: boolean,
): Pick<StagePlan, 'missing' | 'absent'> {
  const sorted: Pick<StagePlan, 'missing' | 'absent'> = { missing: [], absent: [] };
  for (const path of missing) {
    const entry = staging.ownerOf(path) === model ? staging.entry(path) : null;
    if (entry === null) continue;
    // Who names a file that is not there says that it is gone.
    const isGone = wasHere(entry) || (!isUpdate && named.has(path));
    (isGone ? sorted.missing : sorted.absent).push(path);
  }
  return sorted;
}

function leftAsTheyAre(model: string, absent: readonly string[]): string {
  const many = `${absent.length} files of '${model}' were never written here and stay`;
  const what = absent.length === 1 ? `'${absent[0]}' was never written here and stays` : many;
  return `${what} as in its version: 'dlv restore <path>' writes a file, 'dlv rm --cached <path>' takes it out`;
}

/**
 * Says which tracked files stay as they were added, since something odd is in their place. A link
 * whose file has the staged content is not odd: `add --follow` staged it.
 */
async function warnOfOdd(
  repo: LineAccess,
  { staging, writtenNs }: StagingOnDisk,
  { odd, follow }: Pick<Selection, 'odd'> & { follow: boolean | undefined },
  context: OpContext,
): Promise<void> {
  const states = new WorkStates(repo, writtenNs, context.signal);
  for (const { path, says } of odd) {
    const entry = staging.entry(path);
    if (entry !== null && (await states.of(entry)).status === 'same') continue;
    const isLink = says.includes('symbolic link');
    const remedy = isLink && !follow ? "'dlv add --follow' reads through it, " : '';
    context.warn(
      `'${path}' ${says}: it keeps the content that was added last (${remedy}'dlv rm --cached' stops tracking it)`,
    );
  }
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
  const parentFiles = await baseCandidates(repo, plan.line);
  context.progress.start('adding', bytes);
  const files = paths.map((path) => ({ path, file: repo.layout.workFile(path) }));
  for await (const result of ingestBatch(session, files, {
    parentFiles,
    ...ingestSettings(repo.config),
    level,
    follow,
    onBytes: (count) => context.progress.advance(count),
    onSkip: (path, error) => {
      if (plan.named.has(path)) plan.failures.push({ path, error });
      else context.warn(`'${path}' is skipped: ${(error as Error).message}`);
    },
    ...(context.signal ? { signal: context.signal } : {}),
  })) {
    results.push(result);
    // What is staged with this content was warned of when it was staged.
    if (plan.known.get(result.path) === result.sha256) continue;
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
  model.sets.push(...publishedSets(session));
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
 * Says what could not be stored of what was named, after the rest was staged.
 * @throws the error of the first such file, which also lists the others.
 */
export function throwFailures({ plan }: StoredChanges): void {
  const [first, ...others] = plan.failures;
  if (first === undefined) return;
  if (others.length > 0 && first.error instanceof DlvError) {
    first.error.data.alsoFailed = others.map(({ path }) => path);
  }
  throw first.error;
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
