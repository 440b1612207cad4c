/**
 * Changes refs, HEAD and staging together, as the file `moves` lists them. Every step first checks
 * whether it was done already, so that the next process can finish the work of one that was killed.
 */
import type { Id } from '../../../base/bytes/hash.js';
import {
  isMissing,
  readSmallFile,
  removeFile,
  statOrNull,
  syncDirectory,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { STAGING_BYTES_MAX } from '../../../base/limits.js';
import { readBudgets, writeBudgets } from '../budgets.js';
import { MOVES_FLAG, requireWriteFlag } from '../format.js';
import type { Layout } from '../layout.js';
import type { RepositoryLock } from '../processes/lock.js';
import { noteGone, readGone } from '../refs/gone.js';
import { readHead, writeHead } from '../refs/head.js';
import { appendReflog, isUnlogged } from '../refs/reflog.js';
import { addNotes, checkRoom, readRef, updateRef } from '../refs/refs.js';
import { type Moves, type RefMove, readMoves, writeMoves } from './journal.js';

/**
 * Makes moves, all or none. The caller has checked, under this lock, that they still hold.
 * @param staging  bytes that the staging file gets; null: it stays.
 * @throws {ConflictError} if the name of a new ref has no room beside another.
 */
export async function makeMoves(
  lock: RepositoryLock,
  moves: Omit<Moves, 'staging'>,
  staging: Uint8Array | null,
): Promise<void> {
  lock.assertHeld();
  const { layout } = lock;
  for (const { name, before } of moves.refs) if (before === null) await checkRoom(layout, name);
  await requireWriteFlag(lock, MOVES_FLAG);
  if (staging !== null) await writeFileAtomic(layout.movesStaging, staging);
  const whole = { ...moves, staging: staging !== null };
  await writeMoves(lock, whole);
  await carryOut(lock, whole);
}

/** Carries out what a command that was killed had begun to move. @throws {CorruptError} {IoError} */
export async function finishMoves(lock: RepositoryLock): Promise<void> {
  lock.assertHeld();
  const moves = await readMoves(lock.layout);
  if (moves !== null) await carryOut(lock, moves);
}

/** True if a command began moves that it did not end. */
export async function hasMoves(layout: Layout): Promise<boolean> {
  return (await statOrNull(layout.moves)) !== null;
}

async function carryOut(lock: RepositoryLock, moves: Moves): Promise<void> {
  const { layout } = lock;
  await noteNew(lock, moves);
  for (const { version, ids } of moves.notes) await addNotes(lock, version, ids);
  // What is made comes before what goes: whoever looks in between finds every version named.
  for (const move of moves.refs) if (move.after !== null) await moveRef(lock, move, moves);
  await moveHead(lock, moves);
  await moveStaging(lock, moves);
  for (const move of moves.refs) if (move.after === null) await moveRef(lock, move, moves);
  await movePromises(lock, moves);
  await removeFile(layout.moves);
  await syncDirectory(layout.dir);
  await removeFile(layout.movesStaging).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

async function noteNew(lock: RepositoryLock, moves: Moves): Promise<void> {
  if (moves.gone.length === 0) return;
  const known = new Set<string>();
  for (const gone of await readGone(lock.layout)) known.add(JSON.stringify(keyOf(gone)));
  const fresh = moves.gone.filter((gone) => !known.has(JSON.stringify(keyOf(gone))));
  await noteGone(lock, fresh);
}

function keyOf({ id, becomes, fate, time }: Moves['gone'][number]): unknown[] {
  return [id, becomes, fate, time];
}

async function moveRef(lock: RepositoryLock, move: RefMove, moves: Moves): Promise<void> {
  const { who, time } = moves;
  const { name, before, after } = move;
  const why = { who, time, reason: move.reason ?? moves.reason };
  const now = await readRef(lock.layout, name);
  if (now === after) {
    if (after !== null && before === null && (await isUnlogged(lock.layout, name, after))) {
      await appendReflog(lock, name, { before: null, after, ...why });
    }
  } else if (now === before) await updateRef(lock, { name, before, after, why });
  // A dlv that does not know of moves may have gone on from there: its move stands.
}

async function moveHead(lock: RepositoryLock, moves: Moves): Promise<void> {
  const { head, who, time, reason } = moves;
  if (head === null) return;
  const { to, before, after } = head;
  const isThere = JSON.stringify(await readHead(lock.layout)) === JSON.stringify(to);
  if (!isThere || before !== after) {
    await appendReflog(lock, 'HEAD', { before, after, who, time, reason });
  }
  if (!isThere) await writeHead(lock, to);
}

async function moveStaging(lock: RepositoryLock, moves: Moves): Promise<void> {
  if (!moves.staging) return;
  const { layout } = lock;
  const bytes = await readSmallFile(layout.movesStaging, STAGING_BYTES_MAX).catch((error) => {
    // It is removed after `moves`: without it staging has been replaced.
    if (isMissing(error)) return null;
    throw error;
  });
  if (bytes !== null) await writeFileAtomic(layout.staging, bytes);
}

/** What archive runs promised to a version holds for the one that takes its place. */
async function movePromises(lock: RepositoryLock, moves: Moves): Promise<void> {
  const next = new Map<Id, Id>();
  for (const { id, becomes } of moves.gone) if (becomes !== null) next.set(id, becomes);
  if (next.size === 0) return;
  const budgets = await readBudgets(lock.layout).catch(() => null);
  if (budgets === null || !budgets.snapshots.some(({ version }) => next.has(version))) return;
  const snapshots = budgets.snapshots.map((promise) => {
    return { ...promise, version: next.get(promise.version) ?? promise.version };
  });
  await writeBudgets(lock, { ...budgets, snapshots });
}
