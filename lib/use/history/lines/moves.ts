/** Who moves a ref and why, and the move of HEAD. */
import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess, SettingAccess } from '../../../storage/objects/access.js';
import type { RepositoryLock } from '../../../storage/repo/processes/lock.js';
import { type Head, writeHead } from '../../../storage/repo/refs/head.js';
import { appendReflog, type MoveReason } from '../../../storage/repo/refs/reflog.js';
import {
  currentAuthor,
  currentMoment,
  formatAuthor,
} from '../../../storage/repo/settings/author.js';

/** Who moves a ref now, and why. */
export async function moveReason(
  repo: SettingAccess & Pick<ReadAccess, 'layout'>,
  reason: string,
): Promise<MoveReason> {
  const author = await currentAuthor(repo.config, repo.layout.workTree);
  return { who: formatAuthor(author), time: currentMoment().time, reason };
}

/** Replaces HEAD and notes the move in its reflog, unless it already is so. */
export async function moveHead(
  lock: RepositoryLock,
  before: { head: Head; id: Id | null },
  after: { head: Head; id: Id | null },
  why: MoveReason,
): Promise<void> {
  if (JSON.stringify(before.head) === JSON.stringify(after.head)) return;
  await appendReflog(lock, 'HEAD', { before: before.id, after: after.id, ...why });
  await writeHead(lock, after.head);
}
