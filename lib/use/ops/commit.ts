/** `dlv commit`: makes a version of what is staged for a model. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { AbortedError, ConflictError, LockedError, UsageError } from '../../base/errors.js';
import type { Metric, Param } from '../../storage/repo/version/version.js';
import { mergeSmallSets } from '../../storage/upkeep/gc.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import { type CommittedVersion, commitFiles } from '../worktree/commit-files.js';

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
  const params = parsePairs(options.params ?? [], 'hyperparameter').map(
    ([name, text]): Param => ({ name, text }),
  );
  const metrics = parsePairs(options.metrics ?? [], 'metric').map(parseMetric);
  if (options.message.trim() === '') {
    throw new UsageError('the message is empty', { hint: 'say what this version is with -m' });
  }
  const { all, logs = [], ...rest } = options;
  const landed = await commitFiles(
    repo,
    {
      ...rest,
      params,
      metrics,
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
