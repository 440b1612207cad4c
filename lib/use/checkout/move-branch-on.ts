/** Moves the current branch on to a version that derives from its own, and the files with it. */
import type { Id } from '../../base/bytes/hash.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { branchRefName } from '../../storage/repo/refs/ref-name.js';
import { appendReflog } from '../../storage/repo/refs/reflog.js';
import { updateRef } from '../../storage/repo/refs/refs.js';
import type { OpContext } from '../context.js';
import type { ChangeAccess } from '../history/access.js';
import type { BranchName } from '../history/lines/branches.js';
import { moveReason } from '../history/lines/moves.js';
import { type CheckedOut, checkoutVersion } from './checkout-version.js';

/** Where HEAD's branch is, and where it goes. */
export interface BranchMove {
  line: BranchName;
  before: Id | null;
  after: Id;
  /** For the reflog. */
  reason: string;
}

/** @throws {ConflictError} over changes that are in no version. */
export async function moveBranchOn(
  repo: ChangeAccess,
  { line, before, after, reason }: BranchMove,
  context: OpContext,
): Promise<Pick<CheckedOut, 'written' | 'removed' | 'carried'>> {
  const name = branchRefName(line.model, line.branch);
  const why = await moveReason(repo, reason);
  const first = async (lock: RepositoryLock): Promise<void> => {
    await updateRef(lock, { name, before, after, why });
    await appendReflog(lock, 'HEAD', { before, after, ...why });
  };
  const head = { kind: 'branch' as const, ...line };
  const how = { force: false, context, reason: why.reason, first };
  const { written, removed, carried } = await checkoutVersion(repo, after, head, how);
  return { written, removed, carried };
}
