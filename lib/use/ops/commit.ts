/** `dlv commit`: makes a version of what is staged for a model. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { AbortedError, ConflictError, LockedError, UsageError } from '../../base/errors.js';
import type { Level } from '../../pure/codec/segment.js';
import { markForGit } from '../../storage/repo/git-markers.js';
import { type Moment, momentOf } from '../../storage/repo/settings/author.js';
import type { Param } from '../../storage/repo/version/version.js';
import { mergeSmallSets } from '../../storage/upkeep/gc.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/lines/resolve.js';
import {
  type MetricValues,
  type ParamValues,
  toMetrics,
  toParams,
} from '../history/version-content.js';
import type { Repository } from '../repository.js';
import {
  type CommitPreview,
  type CommitRequest,
  type CommittedVersion,
  commitFiles,
  previewCommit,
} from '../worktree/commit-files.js';

export type { CommitPreview } from '../worktree/commit-files.js';

export interface CommitOptions {
  /** What this version is. With `amend`, that of the version before is kept if none is given. */
  message?: string;
  /** Adds every tracked file that changed first. */
  all?: boolean;
  model?: string;
  /** `model/branch` that the version goes to; where HEAD is and its files stay. */
  branch?: string;
  /** Hyperparameters. */
  params?: ParamValues | readonly Param[];
  /** Measured results. */
  metrics?: MetricValues;
  /** Files with training logs, stored with the version; relative to the context's folder. */
  logs?: readonly string[];
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
  const started = performance.now();
  const landed = await commitFiles(repo, await requestOf(repo, options, context), context);
  await mergeQuietly(repo, context);
  return { ...landed, seconds: (performance.now() - started) / 1000 };
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
  const { all, logs = [], parents = [], author, date, message, ...rest } = options;
  if (message !== undefined && message.trim() === '') {
    throw new UsageError('the message is empty', {
      hint: 'say what this version is with -m <text> or -F <file>',
    });
  }
  const derivedFrom: Id[] = [];
  for (const revision of parents) derivedFrom.push(await resolveId(repo, revision));
  return {
    ...rest,
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

/** Keeps the number of packs small. The version has landed: nothing here makes the commit fail. */
async function mergeQuietly(repo: Repository, context: OpContext): Promise<void> {
  try {
    await markForGit(repo.layout);
    await mergeSmallSets(repo, context.signal);
  } catch (error) {
    if (error instanceof AbortedError) return;
    // Another command that merges or collects at this moment does the same work.
    if (error instanceof ConflictError || error instanceof LockedError) return;
    const why = error instanceof Error ? error.message : String(error);
    context.warn(`the version is stored, but small packs could not be merged: ${why}`);
  }
}
