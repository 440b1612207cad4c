/** Who moves a ref and why, and the move of HEAD. */
import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import type { ReadAccess, SettingAccess } from '../../../storage/objects/access.js';
import type { Layout } from '../../../storage/repo/layout.js';
import type { RepositoryLock } from '../../../storage/repo/processes/lock.js';
import { type Head, readHead, writeHead } from '../../../storage/repo/refs/head.js';
import { appendReflog, type MoveReason, readReflog } from '../../../storage/repo/refs/reflog.js';
import { resolveHead } from '../../../storage/repo/refs/revision.js';
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

function isSameHead(a: Head, b: Head): boolean {
  return a.model === b.model && a.kind === b.kind && nameOf(a) === nameOf(b);
}

/** The reason for deleting a ref; its name stands nowhere else then. @param name as people write it. */
export function deletionReason(kind: 'branch' | 'tag' | 'stash', name: string): string {
  return `${kind}: deleted ${name}`;
}

/** The reason for the end of a ref's name when it goes on under another one. */
export function renamingReason(kind: 'branch' | 'stash', from: string, to: string): string {
  return `${kind}: renamed ${from} to ${to}`;
}

/** What a reason for the end of a ref says: its name, and the one in its place; null for others. */
export function parseEnd(
  reason: string,
): { kind: 'branch' | 'tag' | 'stash'; name: string; to: string | null } | null {
  const match = /^(branch|tag|stash): (?:deleted (\S+)|renamed (\S+) to (\S+))$/.exec(reason);
  if (match === null) return null;
  const [, kind, deleted, from, to] = match;
  const name = deleted ?? from ?? '';
  return { kind: kind as 'branch' | 'tag' | 'stash', name, to: to ?? null };
}

/** `model/branch`, or the version that a HEAD without a branch names. */
function nameOf(head: Head): string {
  return head.kind === 'branch' ? `${head.model}/${head.branch}` : head.id;
}

/**
 * Where HEAD was before it went to another branch or version: `model/branch` or an id; null if it never
 * did, or an older dlv noted it.
 */
export async function previousPlace(layout: Layout): Promise<string | null> {
  const { entries } = await readReflog(layout, 'HEAD', await resolveHead(layout));
  for (const { reason } of entries.reverse()) {
    // The subject of a commit is in its reason, and may end like this.
    const [, from] = /^(?:switch|checkout|copy): .*, from (\S+)$/.exec(reason) ?? [];
    if (from !== undefined) return from;
  }
  return null;
}

/** Called under the lock before anything is written. @throws {ConflictError} if HEAD moved since it was read. */
export async function checkHead(layout: Layout, head: Head): Promise<void> {
  const now = await readHead(layout);
  if (isSameHead(now, head)) return;
  throw new ConflictError(`another command moved HEAD to ${nameOf(now)} meanwhile`, {
    hint: "run the command again; 'dlv status' shows the state",
  });
}

/**
 * Replaces HEAD and notes the move in its reflog, unless it already is so.
 * @param before  HEAD as it is: see checkHead.
 */
export async function moveHead(
  lock: RepositoryLock,
  before: { head: Head; id: Id | null },
  after: { head: Head; id: Id | null },
  why: MoveReason,
): Promise<void> {
  if (isSameHead(before.head, after.head)) return;
  const reason = `${why.reason}, from ${nameOf(before.head)}`;
  await appendReflog(lock, 'HEAD', { before: before.id, after: after.id, ...why, reason });
  await writeHead(lock, after.head);
}
