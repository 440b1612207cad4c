/** `dlv reset`: moves HEAD's line to a version; what is staged and the work tree follow if asked. */

import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import type { Head } from '../../storage/repo/refs/head.js';
import { writeHead } from '../../storage/repo/refs/head.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import { appendReflog, type MoveReason } from '../../storage/repo/refs/reflog.js';
import { listModels, updateRef } from '../../storage/repo/refs/refs.js';
import type { StagedEntry, Staging } from '../../storage/repo/staging/staging.js';
import { readStaging, writeStaging } from '../../storage/repo/staging/staging-file.js';
import { checkoutVersion } from '../checkout/checkout-version.js';
import { restoreFiles } from '../checkout/restore-files.js';
import type { OpContext } from '../context.js';
import {
  asSeen,
  checkUnchanged,
  moveLine,
  stagedEntriesOf,
} from '../history/commit/staged-version.js';
import { currentLine, type Line, needTip } from '../history/lines/lines.js';
import { moveReason } from '../history/lines/moves.js';
import { resolveId } from '../history/lines/resolve.js';
import type { Repository } from '../repository.js';

/** soft: the line; mixed: and what is staged; hard: and the work tree. */
export type ResetMode = 'soft' | 'mixed' | 'hard';

export interface ResetOptions {
  /** Default: HEAD. */
  revision?: string;
  mode?: ResetMode;
  /** Only what is staged of these files; the line stays. */
  paths?: string[];
}

export interface ResetResult {
  model: string;
  branch: string | null;
  mode: ResetMode;
  /** Version that the line was at, and is at now; null before its first. */
  before: Id | null;
  version: Id | null;
  /** Paths whose staged state changed, of those given or, where a mixed reset has none, of all. */
  staged: string[];
  /** Work files written and removed (hard). */
  written: string[];
  removed: string[];
}

/** @throws {NotFoundError} {ConflictError} for a version of another model; {UsageError} */
export async function reset(
  repo: Repository,
  options: ResetOptions,
  context: OpContext,
): Promise<ResetResult> {
  const { revision = 'HEAD', mode = 'mixed', paths = [] } = options;
  const { staging } = await readStaging(repo.layout);
  const line = await currentLine(repo, staging);
  if (paths.length > 0) return resetPaths(repo, line, { ...options, paths }, context);
  if (line.tip === null && mode !== 'soft' && revision === 'HEAD') throw nothingYet(line);
  const id = await resolveId(repo, revision, { old: true });
  const before = line.tip;
  const { model } = await repo.version(id);
  if (model !== line.model) {
    throw new ConflictError(`'${revision}' is a version of '${model}', not of '${line.model}'`, {
      model,
      hint: await wayTo(repo, model, revision),
    });
  }
  const result: ResetResult = {
    model,
    branch: line.branch,
    mode,
    before,
    version: id,
    staged: [],
    written: [],
    removed: [],
  };
  const why = await moveReason(repo, `reset: moving to ${revision}`);
  const move = (lock: RepositoryLock): Promise<void> => moveTip(lock, line, { before, id }, why);
  if (mode === 'hard') {
    const head: Head =
      line.branch === null
        ? { kind: 'detached', model, id: needTip(line) }
        : { kind: 'branch', model, branch: line.branch };
    const done = await checkoutVersion(repo, id, head, {
      force: true,
      context,
      reason: why.reason,
      first: move,
    });
    result.written = done.written;
    result.removed = done.removed;
    return result;
  }
  const keep = mode === 'soft' && staging.get(model) !== undefined;
  // A line that was never staged here stands as its tip is; soft leaves it so.
  const shown = mode === 'soft' ? before : id;
  const ofVersion: StagedEntry[] =
    keep || shown === null ? [] : await stagedEntriesOf(repo, await repo.tree(shown), staging);
  const entries = asSeen(ofVersion, staging, model);
  await repo.locked(async (lock) => {
    const now = await readStaging(repo.layout);
    checkUnchanged(staging, now.staging, model);
    await move(lock);
    if (keep) now.staging.open(model).base = id;
    else moveLine(now.staging, model, { version: id, branch: line.branch, entries });
    await writeStaging(lock, now.staging);
  });
  if (mode === 'mixed') result.staged = changedPaths(staging, model, entries);
  return result;
}

/** Paths of which something else was staged before, or nothing; none of a line that was never staged here. */
function changedPaths(before: Staging, model: string, after: readonly StagedEntry[]): string[] {
  if (before.get(model) === undefined) return [];
  const contents = new Map(before.entries(model).map(({ path, sha256 }) => [path, sha256]));
  const changed = after.filter(({ path, sha256 }) => contents.get(path) !== sha256);
  for (const { path } of after) contents.delete(path);
  return [...changed.map(({ path }) => path), ...contents.keys()].sort(comparePaths);
}

/** How one comes to a version of another model. */
async function wayTo(repo: Repository, model: string, revision: string): Promise<string> {
  if ((await listModels(repo.layout)).includes(model)) {
    return `run 'dlv switch ${model}' first, or 'dlv checkout ${revision}' to look at it`;
  }
  return `'dlv branch ${model}/back ${revision}' makes a branch of it`;
}

/** Before the first version there is nothing to go back to; files can be unstaged all the same. */
function nothingYet({ model, branch }: Line): NotFoundError {
  return new NotFoundError(`'${model}/${branch}' has no version yet`, {
    kind: 'revision',
    name: 'HEAD',
    hint: "'dlv restore --staged .' unstages files for the first version",
  });
}

/** Moves the branch of a line, or HEAD if it names a version. */
async function moveTip(
  lock: RepositoryLock,
  line: Line,
  { before, id }: { before: Id | null; id: Id },
  why: MoveReason,
): Promise<void> {
  if (before === id) return;
  if (line.branch !== null) {
    await updateRef(lock, { name: branchRefName(line.model, line.branch), before, after: id, why });
  }
  await appendReflog(lock, 'HEAD', { before, after: id, ...why });
  if (line.branch === null) await writeHead(lock, { kind: 'detached', model: line.model, id });
}

async function resetPaths(
  repo: Repository,
  line: Line,
  options: ResetOptions & { paths: string[] },
  context: OpContext,
): Promise<ResetResult> {
  if (options.mode === 'soft' || options.mode === 'hard') {
    throw new UsageError(`--${options.mode} cannot be used with paths`, {
      hint:
        options.mode === 'hard'
          ? "'dlv restore --staged --worktree <paths>' takes files back"
          : 'without it, the staged state of the paths is reset',
    });
  }
  const { revision, paths } = options;
  const source = revision === undefined ? {} : { source: await resolveId(repo, revision) };
  const done = await restoreFiles(repo, { paths, staged: true, ...source }, context);
  return {
    model: line.model,
    branch: line.branch,
    mode: 'mixed',
    before: line.tip,
    version: line.tip,
    staged: done.staged,
    written: [],
    removed: [],
  };
}
