/**
 * Changes refs, HEAD and staging in one step, if they have not changed since a command read them.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { makeMoves } from '../../../storage/repo/moves/carry-out.js';
import type { Moves, RefMove } from '../../../storage/repo/moves/journal.js';
import type { RepositoryLock } from '../../../storage/repo/processes/lock.js';
import { type Head, readHead } from '../../../storage/repo/refs/head.js';
import { listRefs, type Ref } from '../../../storage/repo/refs/refs.js';
import { resolveHead } from '../../../storage/repo/refs/revision.js';
import type { Staging } from '../../../storage/repo/staging/staging.js';
import { encodeStaging } from '../../../storage/repo/staging/staging-bytes.js';
import { readStaging } from '../../../storage/repo/staging/staging-file.js';
import type { ChangeAccess } from '../access.js';
import { moveReason } from './moves.js';

/** What decides where lines are. */
export interface Lines {
  refs: Ref[];
  head: Head;
  /** Version that HEAD names, or null. */
  headId: Id | null;
  /** The caller may change it: it becomes what is staged. */
  staging: Staging;
  stagingBefore: Uint8Array;
}

/** What becomes of them. */
export interface LineMoves {
  refs: RefMove[];
  /** Default: HEAD stays. */
  head?: Head;
  notes?: Moves['notes'];
  gone?: Moves['gone'];
  reason: string;
}

/** Looks at all refs, HEAD and staging. */
export async function readLines({ layout }: Pick<ReadAccess, 'layout'>): Promise<Lines> {
  const { staging } = await readStaging(layout);
  return {
    refs: await listRefs(layout),
    head: await readHead(layout),
    headId: await resolveHead(layout),
    staging,
    stagingBefore: encodeStaging(staging),
  };
}

/**
 * Makes all moves or none.
 * @param check  is asked under the lock, before anything moves.
 * @throws {ConflictError} if a ref, HEAD or staging changed since `lines` was read.
 */
export async function moveTogether(
  repo: ChangeAccess,
  lines: Lines,
  moves: LineMoves,
  check: (lock: RepositoryLock) => Promise<void> = async () => {},
): Promise<void> {
  const why = await moveReason(repo, moves.reason);
  const staged = encodeStaging(lines.staging);
  const to = moves.head ?? lines.head;
  const after = headAfter(lines, moves, to);
  const isMoved = JSON.stringify(to) !== JSON.stringify(lines.head) || after !== lines.headId;
  const refs = moves.refs.filter(({ before, after: next }) => before !== next);
  await repo.locked(async (lock) => {
    const now = await readLines(repo);
    const told = ({ refs: seen, head }: Lines): string => JSON.stringify([seen, head]);
    const isSame =
      told(now) === told(lines) && Buffer.compare(now.stagingBefore, lines.stagingBefore) === 0;
    if (!isSame) {
      throw new ConflictError('another command moved branches or staged files meanwhile', {
        hint: 'run the command again',
      });
    }
    await check(lock);
    const whole = {
      ...why,
      refs,
      head: isMoved ? { to, before: lines.headId, after } : null,
      notes: moves.notes ?? [],
      gone: moves.gone ?? [],
    };
    const isStaged = Buffer.compare(staged, lines.stagingBefore) !== 0;
    await makeMoves(lock, whole, isStaged ? staged : null);
  });
}

/** The version that HEAD names once refs have moved. */
function headAfter({ refs }: Lines, moves: LineMoves, to: Head): Id | null {
  if (to.kind === 'detached') return to.id;
  const name = `refs/heads/${to.model}/${to.branch}`;
  const moved = moves.refs.find((ref) => ref.name === name);
  if (moved !== undefined) return moved.after;
  return refs.find((ref) => ref.name === name)?.id ?? null;
}
