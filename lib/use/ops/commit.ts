/** `dlv commit`: makes a version of what is staged for a model. */

import path from 'node:path';
import { readSmallFile } from '../../base/bytes/files.js';
import type { Id } from '../../base/bytes/hash.js';
import {
  AbortedError,
  ConflictError,
  DlvError,
  LockedError,
  NotFoundError,
  UsageError,
} from '../../base/errors.js';
import { BLOB_BYTES_MAX } from '../../base/limits.js';
import type { PackSession } from '../../storage/objects/session.js';
import { openStoredFile } from '../../storage/objects/stored-file.js';
import { branchRefName } from '../../storage/repo/layout.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { readHead } from '../../storage/repo/refs/head.js';
import { appendReflog } from '../../storage/repo/refs/reflog.js';
import { updateRef } from '../../storage/repo/refs/refs.js';
import { currentAuthor, currentMoment, formatAuthor } from '../../storage/repo/settings/author.js';
import { readGitState } from '../../storage/repo/settings/gitinfo.js';
import type { StagedEntry, Staging } from '../../storage/repo/staging/staging.js';
import {
  encodeStaging,
  readStaging,
  writeStaging,
} from '../../storage/repo/staging/staging-file.js';
import type { BlobWriter } from '../../storage/repo/version/blobs.js';
import { buildTree, type FileTree } from '../../storage/repo/version/file-tree.js';
import { makeSnapshots } from '../../storage/repo/version/snapshots.js';
import {
  type LogRef,
  type Metric,
  type Param,
  type Version,
  writeVersion,
} from '../../storage/repo/version/version.js';
import { mergeSmallSets } from '../../storage/upkeep/gc.js';
import type { OpContext } from '../context.js';
import { checkBase, currentLine, type Line } from '../history/lines.js';
import type { Repository } from '../repository.js';
import { stagedChanges } from '../worktree/changes.js';
import { someOf } from '../worktree/checkout-plan.js';
import { applyChanges, checkLive, storeChanges, trackedFiles } from './add.js';

export interface CommitOptions {
  message: string;
  /** Adds every tracked file that changed first. */
  all?: boolean;
  model?: string;
  /** 'name=value', text. */
  params?: string[];
  /** 'name=number' or 'name@step=number'. */
  metrics?: string[];
  /** Files with training logs, stored with the version; relative to the context's folder. */
  logs?: string[];
  /** Training step of the snapshots that changed. */
  step?: number;
  /** Further parents: versions that this one derives from, also of other models. */
  parents?: Id[];
  /** Makes a version even if no file changed. */
  allowEmpty?: boolean;
  /** Encoder effort of what `all` adds: 'fast', 'default' or 'max'; default: config codec.level. */
  level?: string;
}

export interface CommitResult {
  version: Id;
  model: string;
  branch: string;
  /** `model@number` names the version. */
  number: number;
  files: number;
  tensors: number;
  logicalBytes: number;
  /** Bytes of pack files written for this version since its parent, without their indexes. */
  storedBytes: number;
  metadataBytes: number;
  seconds: number;
}

/** @throws {ConflictError} if nothing changed or the branch moved; {UsageError}; {NotFoundError}. */
export async function commit(
  repo: Repository,
  options: CommitOptions,
  context: OpContext,
): Promise<CommitResult> {
  const started = performance.now();
  const params = parsePairs(options.params ?? [], 'hyperparameter').map(
    ([name, text]): Param => ({ name, text }),
  );
  const metrics = parsePairs(options.metrics ?? [], 'metric').map(parseMetric);
  if (options.message.trim() === '') {
    throw new UsageError('the message is empty', { hint: 'say what this version is with -m' });
  }
  const landed = await makeVersion(repo, options, context, { params, metrics });
  await mergeQuietly(repo, context);
  return { ...landed, seconds: (performance.now() - started) / 1000 };
}

/** Keeps the number of packs small. The version has landed: nothing here makes the commit fail. */
async function mergeQuietly(repo: Repository, context: OpContext): Promise<void> {
  try {
    await mergeSmallSets(repo, context.signal);
  } catch (error) {
    if (error instanceof AbortedError) return;
    // Another command that merges or collects at this moment does the same work.
    if (error instanceof ConflictError || error instanceof LockedError) return;
    const why = error instanceof Error ? error.message : String(error);
    context.warn(`the version is stored, but small packs could not be merged: ${why}`);
  }
}

async function makeVersion(
  repo: Repository,
  options: CommitOptions,
  context: OpContext,
  given: Pick<Version, 'params' | 'metrics'>,
): Promise<Omit<CommitResult, 'seconds'>> {
  const reader = await registerReader(repo.layout, repo.store.generation);
  const session = repo.session();
  try {
    const draft = await prepare(repo, session, options, context);
    const { line, entries, previous } = draft;
    const tree = await buildTree(
      entries,
      makeSnapshots(withStep(draft, options.step)),
      writerOf(session),
      previous,
    );
    const version: Version = {
      model: line.model,
      parents: draft.parents,
      author: await currentAuthor(repo.config, repo.layout.workTree),
      ...currentMoment(),
      message: options.message,
      tree,
      ...given,
      logs: await storeLogs(
        session,
        (options.logs ?? []).map((file) => path.resolve(context.cwd, file)),
      ),
      network: null,
      git: await readGitState(repo.layout.workTree, context.signal),
      extensions: [],
    };
    const id = await writeVersion(version, writerOf(session));
    await session.flush();
    const stored = await land(repo, session, draft, version, id, options);
    warnOfMissing(draft, context);
    return {
      version: id,
      model: line.model,
      branch: line.branch as string,
      number: await numberOf(repo, id),
      files: tree.count,
      tensors: await countTensors(repo, entries),
      logicalBytes: tree.bytes,
      ...stored,
    };
  } finally {
    await session.abort();
    await reader.close();
  }
}

/** Warns of checkpoints whose other files (shards, external data) are not in the version. */
function warnOfMissing({ entries, changed }: Draft, context: OpContext): void {
  const paths = new Set(entries.map((entry) => entry.path));
  for (const { path, hint } of entries) {
    if (!changed.has(path)) continue;
    const missing = hint.references.filter((reference) => !paths.has(reference));
    if (missing.length === 0) continue;
    const what = missing.length === 1 ? 'a file that is' : `${missing.length} files that are`;
    context.warn(`'${path}' needs ${what} not in this version: ${someOf(missing)}`);
  }
}

interface Draft {
  line: Line;
  /** Staging with the changes of `--all`, and its bytes as they were on disk. */
  staging: Staging;
  stagingBefore: Uint8Array;
  entries: StagedEntry[];
  changed: Set<string>;
  parents: Id[];
  previous: FileTree | null;
}

async function prepare(
  repo: Repository,
  session: PackSession,
  options: CommitOptions,
  context: OpContext,
): Promise<Draft> {
  context.signal?.throwIfAborted();
  const onDisk = await readStaging(repo.layout);
  const { staging } = onDisk;
  const stagingBefore = encodeStaging(staging);
  const line = await currentLine(repo, staging, options.model);
  if (line.branch === null) {
    throw new ConflictError(`HEAD is at a version of '${line.model}', on no branch`, {
      hint: "make a branch for your work first: 'dlv switch -c <name>'",
    });
  }
  if (options.all) {
    const tracked = trackedFiles(repo, staging, line.model);
    if (options.level !== undefined) tracked.level = options.level;
    if (tracked.paths.length > 0) {
      const changes = await storeChanges(repo, session, onDisk, tracked, context);
      await applyChanges(repo, session, staging, changes, tracked);
    }
  }
  const staged = staging.get(line.model);
  const entries = staging.entries(line.model);
  if (staged === undefined) {
    throw new NotFoundError(`nothing is staged for model '${line.model}'`, {
      kind: 'staging',
      name: line.model,
      hint:
        line.tip === null
          ? "run 'dlv add <paths>' first"
          : `run 'dlv switch ${line.model}' first, or 'dlv fsck --rebuild' if its staging was lost`,
    });
  }
  await checkBase(repo, staging, line);
  const changes = await stagedChanges(repo, line, entries);
  const parents: Id[] = [];
  const extra = [...staged.otherParents, ...(options.parents ?? [])];
  for (const id of [line.tip, ...extra]) if (id !== null && !parents.includes(id)) parents.push(id);
  if (changes.length === 0 && !options.allowEmpty && !(line.tip === null || extra.length > 0)) {
    throw new ConflictError(`nothing to commit: '${line.model}' is as in its last version`, {
      model: line.model,
      hint: "change and 'dlv add' a file, or use --allow-empty",
    });
  }
  for (const id of parents) {
    if ((await session.readBlob(id)) === null)
      throw new NotFoundError(`parent '${id}' is not in the repository`, {
        kind: 'version',
        name: id,
      });
  }
  return {
    line,
    staging,
    stagingBefore,
    entries,
    changed: new Set(changes.map((change) => change.path)),
    parents,
    previous: line.tip === null ? null : (await repo.version(line.tip)).tree,
  };
}

/** The user's step holds for the files that changed. */
function withStep(draft: Draft, step: number | undefined): StagedEntry[] {
  if (step === undefined) return draft.entries;
  return draft.entries.map((entry) => (draft.changed.has(entry.path) ? { ...entry, step } : entry));
}

function writerOf(session: PackSession): BlobWriter {
  return {
    writeBlob: (kind, bytes, base) => session.putBlob(kind, bytes, 1, base ?? null),
  };
}

/** Moves the branch to the new version and brings staging up to it, under the lock. */
async function land(
  repo: Repository,
  session: PackSession,
  draft: Draft,
  version: Version,
  id: Id,
  options: CommitOptions,
): Promise<{ storedBytes: number; metadataBytes: number }> {
  const { line } = draft;
  return repo.locked(async (lock) => {
    const { staging } = draft;
    const now = encodeStaging((await readStaging(repo.layout)).staging);
    const tip = (await currentLine(repo, staging, line.model)).tip;
    if (Buffer.compare(now, draft.stagingBefore) !== 0 || tip !== line.tip) {
      throw new ConflictError(`'${line.model}' changed while it was committed`, {
        hint: 'another command staged or committed meanwhile; run yours again',
      });
    }
    await checkNamed(session, draft, version, id);
    const why = {
      who: formatAuthor(version.author),
      time: version.time,
      reason: `commit: ${version.message.split('\n', 1)[0]}`,
    };
    const model = staging.open(line.model, line.branch);
    let storedBytes = 0;
    let metadataBytes = 0;
    for (const set of model.sets) {
      storedBytes += set.storedBytes;
      metadataBytes += set.metadataBytes;
    }
    for (const { bytes } of session.published) {
      storedBytes += bytes.blob + bytes.hi + bytes.mid + bytes.low;
      metadataBytes += bytes.idx;
    }
    model.base = id;
    model.branch = line.branch;
    model.sets = [];
    model.otherParents = [];
    if (options.step !== undefined) {
      for (const entry of withStep(draft, options.step)) staging.put(line.model, entry);
    }
    // Staging goes first: a branch that has moved is an acknowledged version (see checkBase).
    await writeStaging(lock, staging);
    await updateRef(lock, branchRefName(line.model, line.branch as string), line.tip, id, why);
    const head = await readHead(repo.layout);
    if (head.kind === 'branch' && head.model === line.model) {
      await appendReflog(lock, 'HEAD', { before: line.tip, after: id, ...why });
    }
    return { storedBytes, metadataBytes };
  });
}

/**
 * Checks, under the lock, that everything the version names is live.
 * @throws {ConflictError} if something was collected; running the command again stores it anew.
 */
async function checkNamed(
  session: PackSession,
  draft: Draft,
  version: Version,
  id: Id,
): Promise<void> {
  if (await session.isUndisturbed()) return;
  const named = [id, ...version.tree.pages.map((page) => page.id), ...draft.parents];
  for (const log of version.logs) named.push(log.id);
  for (const blob of named) {
    if (await session.hasBlob(blob)) continue;
    throw new ConflictError('an object of the new version was collected as garbage meanwhile', {
      id: blob,
      hint: 'run the command again',
    });
  }
  await checkLive(session, draft.entries);
}

/** Position of a version on its first-parent line within its model, from 1: `model@n`. */
export async function numberOf(repo: Repository, id: Id): Promise<number> {
  const { model } = await repo.version(id);
  let number = 0;
  for (let next: Id | undefined = id; next !== undefined; ) {
    const version: Version = await repo.version(next);
    if (version.model !== model) break;
    number++;
    next = version.parents[0];
  }
  return number;
}

async function countTensors(repo: Repository, entries: readonly StagedEntry[]): Promise<number> {
  let tensors = 0;
  for (const entry of entries) {
    if (entry.hint.roles.length === 0) continue;
    tensors += (await openStoredFile(repo, entry)).skeleton?.tensors.length ?? 0;
  }
  return tensors;
}

function parsePairs(texts: readonly string[], what: string): [string, string][] {
  return texts.map((text) => {
    const at = text.indexOf('=');
    if (at <= 0)
      throw new UsageError(`${what} '${text}' is not of the form name=value`, {
        hint: `write it as --${what === 'metric' ? 'metric accuracy=0.91' : 'param lr=0.01'}`,
      });
    return [text.slice(0, at), text.slice(at + 1)];
  });
}

function parseMetric([name, text]: [string, string]): Metric {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) {
    throw new UsageError(`metric '${name}' has the value '${text}', which is no number`);
  }
  const stepped = /^(.+)@(\d{1,15})$/.exec(name);
  return stepped
    ? { name: stepped[1] as string, step: Number(stepped[2]), value }
    : { name, step: null, value };
}

async function storeLogs(session: PackSession, files: readonly string[]): Promise<LogRef[]> {
  const logs: LogRef[] = [];
  for (const file of files) {
    let bytes: Uint8Array;
    try {
      bytes = await readSmallFile(file, BLOB_BYTES_MAX);
    } catch (error) {
      if (error instanceof DlvError && error.code === 'DLV_LIMIT') {
        throw new UsageError(`log '${file}' is larger than ${BLOB_BYTES_MAX} bytes`, {
          hint: "version it as a file with 'dlv add'",
        });
      }
      throw error;
    }
    const name = file.split(/[\\/]/).at(-1) as string;
    logs.push({ name, id: await session.putBlob('blob', bytes), bytes: bytes.length });
  }
  return logs;
}
