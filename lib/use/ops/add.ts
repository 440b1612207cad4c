/** `dlv add`: stores files and stages them for the next version of a model. */

import { statOrNull } from '../../base/bytes/files.js';
import { ConflictError, UsageError } from '../../base/errors.js';
import { type CodecLevel, parseLevel } from '../../pure/codec/segment.js';
import { type BatchResult, ingestBatch } from '../../storage/ingest/batch.js';
import type { PackSession } from '../../storage/objects/session.js';
import { namedObjects, openStoredFile } from '../../storage/objects/stored-file.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import {
  isClean,
  nowNs,
  type StagedEntry,
  type Staging,
} from '../../storage/repo/staging/staging.js';
import {
  readStaging,
  type StagingOnDisk,
  writeStaging,
} from '../../storage/repo/staging/staging-file.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { segmentCount } from '../../storage/store/types.js';
import type { OpContext } from '../context.js';
import { baseCandidates, currentLine, type Line } from '../history/lines.js';
import type { Repository } from '../repository.js';
import { selectFiles } from '../worktree/work-tree.js';

export interface AddOptions {
  /** Paths, folders and globs; relative to the context's folder. */
  paths: string[];
  /** Model that new paths belong to; default: HEAD's. */
  model?: string;
  /** Training step of the added files. */
  step?: number;
  /** Adds ignored files that are named explicitly. */
  force?: boolean;
  /** Takes only files that are tracked already (`commit --all`). */
  update?: boolean;
  /** Encoder effort: 'fast', 'default' or 'max'; default: config codec.level. */
  level?: string;
}

export interface AddedFile {
  path: string;
  status: 'added' | 'modified' | 'unchanged' | 'deleted';
  bytes: number;
  format: string | null;
  tensors: number;
}

export interface AddResult {
  model: string;
  files: AddedFile[];
  /** Bytes of the files that were read. */
  logicalBytes: number;
  /** Bytes of pack files written, without their indexes. */
  storedBytes: number;
  metadataBytes: number;
  seconds: number;
  warnings: string[];
}

/** Adds files. @throws {NotFoundError} {UsageError} {ConflictError} {ChangedError} {IoError} */
export async function add(
  repo: Repository,
  options: AddOptions,
  context: OpContext,
): Promise<AddResult> {
  const started = performance.now();
  const reader = await registerReader(repo.layout, repo.store.generation);
  const session = repo.session();
  try {
    const { staging, writtenNs } = await readStaging(repo.layout);
    const changes = await storeChanges(repo, session, { staging, writtenNs }, options, context);
    await session.flush();
    if (changes.results.length > 0 || changes.plan.missing.length > 0) {
      await repo.locked(async (lock) => {
        const now = (await readStaging(repo.layout)).staging;
        await applyChanges(repo, session, now, changes, options);
        await writeStaging(lock, now);
      });
    }
    return report(changes, session, started);
  } finally {
    await session.abort();
    await reader.close();
  }
}

/** What `storeChanges` stored, not staged yet. */
export interface StoredChanges {
  plan: AddPlan;
  results: Stored[];
}

/** Stores the files that differ from what is staged, in the session's open pack set. */
export async function storeChanges(
  repo: Repository,
  session: PackSession,
  onDisk: StagingOnDisk,
  options: AddOptions,
  context: OpContext,
): Promise<StoredChanges> {
  const level = parseLevel(options.level ?? repo.config.get('codec.level'));
  const plan = await planAdd(repo, onDisk, options, context);
  return { plan, results: await storeFiles(repo, session, plan, level, context) };
}

export interface AddPlan {
  line: Line;
  /** Paths whose content has to be read. */
  changed: string[];
  unchanged: StagedEntry[];
  missing: string[];
  /** sha256 of the staged files of the line, by path. */
  known: ReadonlyMap<string, string>;
  totalBytes: number;
  warnings: string[];
}

async function planAdd(
  repo: Repository,
  { staging, writtenNs }: StagingOnDisk,
  options: AddOptions,
  context: OpContext,
): Promise<AddPlan> {
  const line = await currentLine(repo, staging, options.model);
  const tracked = new Set(
    staging.models().flatMap((m) => staging.entries(m.model).map((entry) => entry.path)),
  );
  const own = new Map(staging.entries(line.model).map((entry) => [entry.path, entry.sha256]));
  const selection = await selectFiles(repo.layout, context.cwd, options.paths, {
    tracked,
    ...(options.force ? { force: true } : {}),
    ...(context.signal ? { signal: context.signal } : {}),
  });
  const plan: AddPlan = {
    line,
    changed: [],
    unchanged: [],
    missing: selection.missing.filter((path) => own.has(path)),
    known: own,
    totalBytes: 0,
    warnings: selection.warnings,
  };
  for (const warning of selection.warnings) context.warn(warning);
  for (const path of selection.files) {
    const owner = staging.ownerOf(path);
    if (owner !== null && owner !== line.model) {
      // A folder may hold files of other models: only a path that was named itself is an error.
      if (selection.named.has(path)) staging.checkOwner(line.model, path);
      continue;
    }
    if (options.update && !own.has(path)) continue;
    const there = await statOrNull(repo.layout.workFile(path));
    if (there === null) continue;
    const entry = staging.entry(path);
    if (entry && isClean(entry, there.stat, writtenNs) && options.step === undefined) {
      plan.unchanged.push(entry);
    } else {
      plan.changed.push(path);
      plan.totalBytes += there.stat.size;
    }
  }
  return plan;
}

export interface Stored extends BatchResult {
  stagedAtNs: string;
}

async function storeFiles(
  repo: Repository,
  session: PackSession,
  plan: AddPlan,
  level: CodecLevel,
  context: OpContext,
): Promise<Stored[]> {
  const results: Stored[] = [];
  if (plan.changed.length === 0) return results;
  const parentFiles = await baseCandidates(repo, plan.line);
  context.progress.start('adding', plan.totalBytes);
  const files = plan.changed.map((path) => ({ path, file: repo.layout.workFile(path) }));
  let stagedAtNs = nowNs();
  for await (const result of ingestBatch(session, files, {
    parentFiles,
    chainDepth: repo.config.get('chain.depth'),
    chainCost: repo.config.get('chain.cost'),
    level,
    onBytes: (count) => context.progress.advance(count),
    onFile: () => {
      stagedAtNs = nowNs();
    },
    ...(context.signal ? { signal: context.signal } : {}),
  })) {
    results.push({ ...result, stagedAtNs });
    for (const warning of result.warnings) {
      const message = `'${result.path}' ${warning}`;
      plan.warnings.push(message);
      context.warn(message);
    }
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
  repo: Repository,
  session: PackSession,
  staging: Staging,
  { plan, results }: StoredChanges,
  options: AddOptions,
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
  for (const info of session.published) {
    const { blob, hi, mid, low, idx } = info.bytes;
    model.sets.push({ id: info.id, storedBytes: blob + hi + mid + low, metadataBytes: idx });
  }
}

function entryOf(result: Stored, options: AddOptions): StagedEntry {
  return {
    path: result.path,
    mode: result.stat.mode & 0o100 ? 0o755 : 0o644,
    size: result.size,
    sha256: result.sha256,
    gitSha1: result.gitSha1,
    recipe: result.recipe,
    stat: result.stat,
    stagedAtNs: result.stagedAtNs,
    format: result.format,
    step: options.step ?? result.step,
    hint: { references: result.references, roles: result.roles },
  };
}

/**
 * Checks that everything the new entries name is still live: another process may have collected
 * objects that were garbage until now.
 * @throws {ConflictError} if something is gone; running the command again stores it anew.
 */
export async function checkLive(
  session: PackSession,
  results: readonly Pick<FileEntry, 'path' | 'size' | 'sha256' | 'recipe'>[],
): Promise<void> {
  if (await session.isUndisturbed()) return;
  for (const result of results) {
    const stored = await openStoredFile(session, result);
    for (const object of namedObjects(stored)) {
      const live =
        object.kind === 'blob'
          ? await session.hasBlob(object.id)
          : await session.hasExtent(object.id, segmentCount(object.count as number));
      if (!live) {
        throw new ConflictError(
          `an object of '${result.path}' was collected as garbage meanwhile`,
          { path: result.path, hint: 'run the command again' },
        );
      }
    }
  }
}

function report(
  { plan, results }: StoredChanges,
  session: PackSession,
  started: number,
): AddResult {
  const files: AddedFile[] = results.map((result) => ({
    path: result.path,
    status: statusOf(plan.known.get(result.path), result.sha256),
    bytes: result.size,
    format: result.format,
    tensors: result.tensors,
  }));
  for (const entry of plan.unchanged) {
    files.push({
      path: entry.path,
      status: 'unchanged',
      bytes: entry.size,
      format: entry.format,
      tensors: 0,
    });
  }
  for (const path of plan.missing) {
    files.push({ path, status: 'deleted', bytes: 0, format: null, tensors: 0 });
  }
  let storedBytes = 0;
  let metadataBytes = 0;
  for (const { bytes } of session.published) {
    storedBytes += bytes.blob + bytes.hi + bytes.mid + bytes.low;
    metadataBytes += bytes.idx;
  }
  return {
    model: plan.line.model,
    files,
    logicalBytes: results.reduce((sum, result) => sum + result.size, 0),
    storedBytes,
    metadataBytes,
    seconds: (performance.now() - started) / 1000,
    warnings: plan.warnings,
  };
}

function statusOf(before: string | undefined, now: string): AddedFile['status'] {
  if (before === undefined) return 'added';
  return before === now ? 'unchanged' : 'modified';
}

/** Options that add every tracked file of a model; what `commit --all` stores first. */
export function trackedFiles(repo: Repository, staging: Staging, model: string): AddOptions {
  if (staging.models().length === 0) {
    throw new UsageError('nothing is tracked yet', {
      hint: "name the files of your model: 'dlv add <paths>'",
    });
  }
  const paths = staging.entries(model).map((entry) => repo.layout.workFile(entry.path));
  return { paths, model, update: true };
}

/** Files of the staging area that garbage collection must keep. */
export function stagedFiles(staging: Staging): StagedEntry[] {
  return staging.models().flatMap((line) => staging.entries(line.model));
}
