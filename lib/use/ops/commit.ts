/** `dlv commit`: makes a version of what is staged for a model. */
import path from 'node:path';
import { type Id, sha256 } from '../../base/bytes/hash.js';
import { steadyMs } from '../../base/bytes/pace.js';
import { AbortedError, ConflictError, LockedError, UsageError } from '../../base/errors.js';
import { ReadFile } from '../../base/files/read-file.js';
import type { Level } from '../../pure/codec/segment.js';
import { type Moment, momentOf } from '../../storage/repo/settings/author.js';
import {
  type NamedText,
  operationProblem,
  plainOperation,
} from '../../storage/repo/version/knowledge.js';
import type { Param } from '../../storage/repo/version/version.js';
import { mergeSmallSets } from '../../storage/upkeep/merge-small-sets.js';
import type { OpContext } from '../context.js';
import type { GivenKnowledge } from '../history/commit/tell.js';
import { resolveId } from '../history/lines/resolve.js';
import {
  type MetricValues,
  type ParamValues,
  toDirections,
  toMetrics,
  toParams,
} from '../history/version-content.js';
import type { Repository } from '../repository.js';
import { settleTracked, type TrackedCheckpoint, trackedCheckpoint } from '../running/track.js';
import {
  type CommitPreview,
  type CommitRequest,
  type CommittedVersion,
  commitFiles,
  previewCommit,
} from '../worktree/commit-files.js';
import { type CommitFromRequest, commitFrom } from '../worktree/commit-from.js';

export type { KeptLog } from '../history/commit/store-logs.js';
export type { CommitPreview } from '../worktree/commit-files.js';

export interface CommitOptions {
  /** What this version is. With `amend`, that of the version before is kept if none is given. */
  message?: string;
  /** Adds every tracked file that changed first. */
  all?: boolean;
  /**
   * A folder, whose files the version has, or one file. The work tree and what is staged do not count. Relative
   * to the context's folder.
   */
  from?: string;
  /** With `from`: the other files of the line's last version stay in the new one. */
  keepOthers?: boolean;
  /** A checkpoint that a program holds which tells of itself (ops/track.ts). */
  heldOf?: TrackedCheckpoint;
  model?: string;
  /** `model/branch` that the version goes to; where HEAD is and its files stay. */
  branch?: string;
  /** Hyperparameters. */
  params?: ParamValues | readonly Param[];
  /** Measured results. */
  metrics?: MetricValues;
  /**
   * Files and folders with training logs, stored with the version and read: metrics and hyperparameters
   * that they hold are those of the version, too. Relative to the context's folder.
   */
  logs?: readonly string[];
  /** What made the version: `kind` is a word, such as 'train', 'fine-tune', 'distill', 'prune', 'quantize' or 'convert'. */
  operation?: { kind: string; detail?: string };
  /** Facts about the machine and the programs, name → text. */
  environment?: Readonly<Record<string, string>>;
  /** Data sets, name → id. What begins with '/', './' or '../' is a file, whose sha256 is its id. */
  data?: Readonly<Record<string, string>>;
  /** Training step of the snapshots that changed. */
  step?: number;
  /** Revisions of further parents: versions that this one derives from, also of other models. */
  parents?: readonly string[];
  /** Makes a version even if no file changed. */
  allowEmpty?: boolean;
  /** Makes a version that has less than half of the files of the one before. */
  allowRemovals?: boolean;
  /** Takes the place of the line's last version and keeps what is not given. */
  amend?: boolean;
  /** Default: whom the environment and the settings name. */
  author?: { name: string; email?: string };
  /** When it was made; a Date is told in the zone of this machine. Default: now. */
  date?: Date | Moment;
  /** Encoder effort of what `all` adds; default: the setting codec.level. */
  level?: Level;
}

export interface CommitResult extends CommittedVersion {
  seconds: number;
}

/** @throws {ConflictError} if nothing changed or the branch moved; {UsageError}; {NotFoundError}. */
export async function commit(
  repo: Repository,
  options: CommitOptions,
  context: OpContext,
): Promise<CommitResult> {
  const started = steadyMs();
  const request = await requestOf(repo, options, context);
  const from = folderOf(options, context);
  const made =
    options.heldOf !== undefined
      ? await commitTracked(repo, request, options.heldOf, context)
      : from === null
        ? await commitFiles(repo, request, context)
        : await commitFrom(repo, { ...request, from, ...keptBeside(options) }, context);
  await mergeQuietly(repo, context);
  return { ...made, seconds: (steadyMs() - started) / 1000 };
}

/** A version of what a program holds that tells of itself; the record of its run says what became of it. */
async function commitTracked(
  repo: Repository,
  request: CommitRequest,
  held: TrackedCheckpoint,
  context: OpContext,
): Promise<CommittedVersion> {
  const checkpoint = await trackedCheckpoint(repo, held);
  try {
    const made = await commitFrom(repo, { ...request, ...checkpoint, held: true }, context);
    await settleTracked(repo, held, made);
    return made;
  } catch (error) {
    await settleTracked(repo, held, { error }).catch(() => {});
    throw error;
  }
}

function keptBeside({ keepOthers }: CommitOptions): Pick<CommitFromRequest, 'keeps'> {
  return keepOthers ? { keeps: async () => ({ replaced: [] }) } : {};
}

/** The folder that a version is made of, or null. @throws {UsageError} with options that are about the work tree. */
function folderOf(
  { from, all, amend, keepOthers }: CommitOptions,
  { cwd }: OpContext,
): string | null {
  if (from === undefined) {
    if (!keepOthers) return null;
    throw new UsageError('--keep-others is given without --from', {
      option: '--keep-others',
      hint: 'leave it out: what is staged and tracked is in the version anyway',
    });
  }
  const other = all ? '--all' : amend ? '--amend' : null;
  if (other === null) return path.resolve(cwd, from);
  throw new UsageError(`--from and ${other} are given`, {
    option: '--from',
    hint: '--from makes a version of the files of a folder alone',
  });
}

/** Says what `commit` would make, and stores nothing. @throws as `commit`. */
export async function dryCommit(
  repo: Repository,
  options: CommitOptions,
  context: OpContext,
): Promise<CommitPreview> {
  return previewCommit(repo, await requestOf(repo, options, context), context);
}

async function requestOf(
  repo: Repository,
  options: CommitOptions,
  context: OpContext,
): Promise<CommitRequest & { stage?: 'tracked' }> {
  const {
    all,
    from: _,
    heldOf: __,
    keepOthers: ___,
    logs = [],
    parents = [],
    author,
    date,
    message,
    ...others
  } = options;
  const { operation, environment, data, ...rest } = others;
  if (message !== undefined && message.trim() === '') {
    throw new UsageError('the message is empty', {
      hint: 'say what this version is with -m <text> or -F <file>',
    });
  }
  const derivedFrom: Id[] = [];
  for (const revision of parents) derivedFrom.push(await resolveId(repo, revision));
  return {
    ...rest,
    knowledge: await toKnowledge({ ...options }, context.cwd),
    params: toParams(options.params),
    metrics: toMetrics(options.metrics),
    parents: derivedFrom,
    logs: logs.map((file) => path.resolve(context.cwd, file)),
    ...(message === undefined ? {} : { message }),
    ...(author ? { author: { name: author.name, email: author.email ?? '' } } : {}),
    ...(date ? { moment: date instanceof Date ? momentOf(date) : date } : {}),
    ...(all ? { stage: 'tracked' } : {}),
  };
}

/** @throws {UsageError} for an operation that is no word, or a misspelt one; {NotFoundError} for a file of data. */
async function toKnowledge(
  { operation, environment = {}, data = {}, metrics }: CommitOptions,
  cwd: string,
): Promise<GivenKnowledge> {
  const kind = operation === undefined ? null : plainOperation(operation.kind);
  const wrong = kind === null ? null : operationProblem(kind);
  if (wrong !== null) throw new UsageError(wrong.problem, { hint: wrong.hint });
  const sets: NamedText[] = [];
  for (const [name, id] of Object.entries(data)) {
    const isFile = /^\.{0,2}\//.test(id);
    sets.push({ name, text: isFile ? await hashOfFile(path.resolve(cwd, id)) : id });
  }
  return {
    ...(kind === null ? {} : { operation: { kind, detail: operation?.detail ?? '' } }),
    environment: Object.entries(environment).map(([name, text]) => ({ name, text })),
    data: sets,
    directions: toDirections(metrics),
  };
}

/** Bytes of a data file that are hashed at once. */
const HASHED_BYTES = 4 * 1024 * 1024;

/** `sha256:<hex>` of a file, as other tools write ids of data. */
async function hashOfFile(file: string): Promise<string> {
  const source = await ReadFile.open(file);
  try {
    const hash = sha256();
    for (let at = 0; at < source.size; at += HASHED_BYTES) {
      hash.update(await source.read(at, Math.min(HASHED_BYTES, source.size - at)));
    }
    return `sha256:${hash.digest('hex')}`;
  } finally {
    await source.close();
  }
}

/** Keeps the number of packs small. The version is stored: nothing here makes the commit fail. */
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
