/** `dlv commit`: makes a version of what is staged for a model. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { AbortedError, ConflictError, LockedError, UsageError } from '../../base/errors.js';
import type { Level } from '../../pure/codec/segment.js';
import type { Param } from '../../storage/repo/version/version.js';
import { mergeSmallSets } from '../../storage/upkeep/gc.js';
import type { OpContext } from '../context.js';
import { resolveId } from '../history/resolve.js';
import {
  type MetricValues,
  type ParamValues,
  toMetrics,
  toParams,
} from '../history/version-content.js';
import type { Repository } from '../repository.js';
import { type CommittedVersion, commitFiles } from '../worktree/commit-files.js';

export interface CommitOptions {
  message: string;
  /** Adds every tracked file that changed first. */
  all?: boolean;
  model?: string;
  /** Hyperparameters. */
  params?: ParamValues | readonly Param[];
  /** Measured results. */
  metrics?: MetricValues;
  /** Files with training logs, stored with the version; relative to the context's folder. */
  logs?: string[];
  /** Training step of the snapshots that changed. */
  step?: number;
  /** Revisions of further parents: versions that this one derives from, also of other models. */
  parents?: string[];
  /** Makes a version even if no file changed. */
  allowEmpty?: boolean;
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
  if (options.message.trim() === '') {
    throw new UsageError('the message is empty', { hint: 'say what this version is with -m' });
  }
  const { all, logs = [], parents = [], ...rest } = options;
  const derivedFrom: Id[] = [];
  for (const revision of parents) derivedFrom.push(await resolveId(repo, revision));
  const landed = await commitFiles(
    repo,
    {
      ...rest,
      params: toParams(options.params),
      metrics: toMetrics(options.metrics),
      parents: derivedFrom,
      logs: logs.map((file) => path.resolve(context.cwd, file)),
      ...(all ? { stage: 'tracked' } : {}),
    },
    context,
  );
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
