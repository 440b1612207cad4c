/** `dlv merge`: joins other versions into the current branch, by files and tensors or by arithmetic on weights. */

import type { Id } from '../../base/bytes/hash.js';
import { quoteSome } from '../../base/bytes/words/wording.js';
import { ConflictError } from '../../base/errors.js';
import { withSession } from '../../storage/objects/access.js';
import { encodeStaging } from '../../storage/repo/staging/staging-bytes.js';
import { readStaging } from '../../storage/repo/staging/staging-file.js';
import { checkNothingStaged, isStaged } from '../checkout/change-files.js';
import { commitChanges } from '../checkout/commit-changes.js';
import { moveBranchOn } from '../checkout/move-branch-on.js';
import type { OpContext } from '../context.js';
import { branchLine } from '../history/commit/draft-version.js';
import type { PathChange } from '../history/commit/staged-changes.js';
import type { Line } from '../history/lines/lines.js';
import { checkTiers } from '../history/tier-gate.js';
import { type CalledVersion, Describer } from '../history/versions.js';
import type { MergedTensors } from '../merging/merge-files.js';
import {
  type MergedVersion,
  type MergePlan,
  planMerge,
  type WantedMerge,
} from '../merging/plan-merge.js';
import type { Repository } from '../repository.js';

export interface MergeOptions extends WantedMerge {
  /** What is done where nothing has to be joined: move the branch on (default), only that, or a version anyway. */
  fastForward?: 'if possible' | 'only' | 'never';
  message?: string;
  /** Changes the files and stages them; the next commit has the parents. */
  noCommit?: boolean;
  /** Says what would be done. */
  dryRun?: boolean;
}

export interface MergeResult {
  dryRun: boolean;
  outcome: 'up to date' | 'fast-forward' | 'merged' | 'staged';
  /** Version that the branch is at afterwards; null if none was made. */
  version: Id | null;
  number: number | null;
  model: string;
  branch: string;
  /** The version that both sides derive from; null if there is none or none is needed. */
  base: CalledVersion | null;
  /** What was merged. */
  merged: CalledVersion[];
  /** What is recorded of arithmetic on weights; null for a merge by files. */
  operation: string | null;
  message: string;
  changes: PathChange[];
  /** Files that were put together of tensors of both sides. */
  tensors: MergedTensors[];
  /** Tensors whose values were combined, and those that some version does not have: they stay. */
  combined: number;
  left: string[];
  written: string[];
  removed: string[];
}

/**
 * @throws {ConflictError} if both sides changed something, with `conflicts`; if changes are staged or would be lost;
 *   {UsageError} {NotFoundError}
 */
export async function merge(
  repo: Repository,
  options: MergeOptions,
  context: OpContext,
): Promise<MergeResult> {
  const onDisk = await readStaging(repo.layout);
  const { staging } = onDisk;
  const stagingBefore = encodeStaging(staging);
  const line = await branchLine(repo, staging);
  const plan = await planMerge(repo, line, options, context);
  const { tip, others, base } = plan;
  const describer = new Describer(repo);
  const result: MergeResult = {
    dryRun: options.dryRun === true,
    outcome: 'merged',
    version: null,
    number: null,
    model: line.model,
    branch: line.branch,
    base: base === null ? null : await describer.called(base),
    merged: await Promise.all(others.map((id) => describer.called(id))),
    operation: plan.operation,
    message: options.message ?? plan.title,
    changes: [],
    tensors: [],
    combined: 0,
    left: [],
    written: [],
    removed: [],
  };
  if (plan.operation === null) {
    const moved = await moveOnly(repo, { line, plan, result }, options, context);
    if (moved !== null) return moved;
  }
  if (options.dryRun) {
    const merged = await plan.run(null);
    warnOfLeft(merged.left, context);
    return fill(repo, tip, result, merged);
  }
  return withSession(repo, async (session) => {
    const merged = await plan.run(session);
    warnOfLeft(merged.left, context);
    await session.flush();
    await fill(repo, tip, result, merged);
    const { changes } = merged;
    // A run that was killed before the branch moved has staged this very change.
    if (!isStaged(staging.entries(line.model), (await repo.tree(tip)).files, changes)) {
      await checkNothingStaged(repo, line, staging, 'merge');
    }
    checkTiers(changes.target.files, false, context);
    const { operation } = plan;
    const content = {
      message: result.message,
      parents: others.filter((id) => id !== tip),
      allowEmpty: true,
      ...(operation === null
        ? {}
        : { knowledge: { operation: { kind: 'merge', detail: operation } } }),
    };
    const noCommit = options.noCommit === true;
    const change = { line, tip, onDisk, stagingBefore, changes, content, noCommit };
    if (noCommit) result.outcome = 'staged';
    return Object.assign(result, await commitChanges(repo, session, change, context));
  });
}

/** Warns of tensors that could not be combined. */
function warnOfLeft(left: readonly string[], context: OpContext): void {
  if (left.length === 0) return;
  const [is, have] = left.length === 1 ? ['is', 'has'] : ['are', 'have'];
  context.warn(
    `${quoteSome(left)} ${is} as in the current version: not every version ${have === 'has' ? 'has it' : 'has them'} in one shape`,
  );
}

async function fill(
  repo: Repository,
  tip: Id,
  result: MergeResult,
  { changes, tensors, combined, left }: MergedVersion,
): Promise<MergeResult> {
  const { target, removes } = changes;
  const known = new Set((await repo.tree(tip)).files.map(({ path }) => path));
  const rows: PathChange[] = target.files.map(({ path }) => {
    return { path, status: known.has(path) ? 'modified' : 'added' };
  });
  for (const path of removes) rows.push({ path, status: 'deleted' });
  result.changes = rows.sort((a, b) => (a.path < b.path ? -1 : 1));
  return Object.assign(result, { tensors, combined, left });
}

/** Does what needs no joining, or says that there is nothing to do; null if the sides have to be joined. */
async function moveOnly(
  repo: Repository,
  { line, plan, result }: { line: Line & { branch: string }; plan: MergePlan; result: MergeResult },
  { fastForward = 'if possible', noCommit, dryRun }: MergeOptions,
  context: OpContext,
): Promise<MergeResult | null> {
  const { tip, base } = plan;
  const [other] = plan.others as [Id];
  if (base === other) {
    result.outcome = 'up to date';
    return result;
  }
  const canMove = base === tip && (await repo.version(other)).model === line.model;
  if (!canMove && fastForward === 'only') {
    throw new ConflictError(`'${line.model}/${line.branch}' cannot simply move on`, {
      name: `${line.model}/${line.branch}`,
      hint: 'both sides have versions of their own: leave --ff-only out to join them',
    });
  }
  if (!canMove || fastForward === 'never' || noCommit) return null;
  result.outcome = 'fast-forward';
  result.version = other;
  result.number = await new Describer(repo).number(other);
  const before = new Map((await repo.tree(tip)).files.map((file) => [file.path, file.sha256]));
  const { files } = await repo.tree(other);
  const after = new Set(files.map(({ path }) => path));
  result.changes = [
    ...files
      .filter(({ path, sha256 }) => before.get(path) !== sha256)
      .map(({ path }): PathChange => ({ path, status: before.has(path) ? 'modified' : 'added' })),
    ...[...before.keys()]
      .filter((path) => !after.has(path))
      .map((path): PathChange => ({ path, status: 'deleted' })),
  ];
  if (dryRun) return result;
  const [{ name }] = result.merged as [CalledVersion];
  const move = { line, before: tip, after: other, reason: `merge ${name}: fast-forward` };
  const { written, removed } = await moveBranchOn(repo, move, context);
  return Object.assign(result, { written, removed });
}
