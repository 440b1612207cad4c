/**
 * Garbage collection: deletes what nothing needs, merges small pack sets, empties trash and tmp.
 *
 * Records are copied, never encoded again (replace-sets.ts). If a record is kept, its bases are
 * kept too, even for garbage: a later `add` may find a listed record and depend on it. drop-plan.ts
 * decides what goes; a commit only merges (merge-small-sets.ts).
 */
import { type Id, sha256Hex } from '../../base/bytes/hash.js';
import { ConflictError, IoError } from '../../base/errors.js';
import { listOtherReaders } from '../repo/processes/readers.js';
import { readHead } from '../repo/refs/head.js';
import { listNotedVersions, listRefs, readNotes } from '../repo/refs/refs.js';
import { encodeStaging } from '../repo/staging/staging-bytes.js';
import { readLineStagings, readStaging } from '../repo/staging/staging-file.js';
import { absentBytes } from '../store/promised.js';
import { type BlobEntry, type SegmentEntry, type SetInfo, setBytes } from '../store/types.js';
import { type Dropped, findNeeded, graceOf, planDrop } from './drop-plan.js';
import { isIn, type KeptBytes, KeptObjects, keptLeftovers } from './kept.js';
import { deleteLeftovers, unlistedSets } from './leftovers.js';
import { type CollectedRepository, isThin } from './merge-small-sets.js';
import { notePruned } from './note-pruned.js';
import { replaceSets } from './replace-sets.js';
import { replaceThinSets } from './thin-sets.js';

const ATTEMPTS = 3;

export interface GcOptions {
  /** Drops garbage of any age and empties trash; refused while another process is registered. */
  pruneNow?: boolean;
  /** Says what would be done and changes nothing. */
  dryRun?: boolean;
  /** Asked for room where the disk is full: deletes what is derived. */
  onFull?(): Promise<void>;
  signal?: AbortSignal;
}

export interface GcResult {
  setsBefore: number;
  /** With `dryRun` the sets that would stay as they are, and one for those that would be merged. */
  setsAfter: number;
  /** Objects that nothing needs and that were dropped. */
  droppedBlobs: number;
  droppedExtentSegments: number;
  /** Bytes of their records, and of records that others hide. */
  droppedBytes: number;
  /** Bytes of packs before and after, indexes included. */
  packBytesBefore: number;
  packBytesAfter: number;
  /** Sets that an interrupted command left in packs/; they went to trash. */
  leftoverSets: number;
  /** Bytes deleted from trash and tmp. */
  deletedBytes: number;
  /** Bytes that wait in trash for the end of the grace period. */
  trashBytes: number;
  /** Bytes that processes of other hosts or containers may still be writing. */
  unfinishedBytes: number;
  /** What stays besides what branches, tags, notes and staging name, and why. */
  kept: KeptBytes[];
}

function totalBytes({ store }: CollectedRepository, sets: readonly SetInfo[]): number {
  return sets.reduce((sum, info) => sum + setBytes(info) - absentBytes(store.promised, info), 0);
}

/** Collects garbage. @throws {ConflictError} if other processes are at work (pruneNow) or keep committing. */
export async function collectGarbage(
  repo: CollectedRepository,
  options: GcOptions = {},
): Promise<GcResult> {
  if (options.pruneNow) await refuseWithReaders(repo);
  await repo.store.reload();
  const before = [...repo.store.sets()];
  const packBytesBefore = totalBytes(repo, before);
  const graceMs = graceOf(repo, options);
  let freed = 0;
  const dropped = await rewriteWithRetries(repo, options).catch(async (error: unknown) => {
    if (options.dryRun || !isFullDisk(error)) throw error;
    // The lock and the list of sets need a few blocks: what goes at the end in any case makes room for them.
    freed = (await deleteLeftovers(repo.layout, { graceMs })).deletedBytes;
    await options.onFull?.();
    return rewriteWithRetries(repo, options);
  });
  const leftoverSets = await retireUnlisted(repo, options);
  const left = await deleteLeftovers(repo.layout, { graceMs, dryRun: options.dryRun === true });
  const after = repo.store.sets();
  const { blobs, segments, bytes, chosen } = dropped;
  return {
    setsBefore: before.length,
    setsAfter: options.dryRun ? after.length - Math.max(0, chosen - 1) : after.length,
    droppedBlobs: blobs,
    droppedExtentSegments: segments,
    droppedBytes: bytes,
    packBytesBefore,
    packBytesAfter: options.dryRun ? totalBytes(repo, after) - bytes : totalBytes(repo, after),
    leftoverSets,
    deletedBytes: freed + left.deletedBytes,
    trashBytes: left.trashBytes,
    unfinishedBytes: left.unfinishedBytes,
    kept: [...dropped.kept, ...(await keptLeftovers(repo.layout, left, graceMs))],
  };
}

/** True if a disk, or somebody's quota of it, is used up. */
export function isFullDisk(error: unknown): error is IoError {
  return error instanceof IoError && /^(ENOSPC|EDQUOT)$/.test(String(error.data.errno));
}

async function rewriteWithRetries(repo: CollectedRepository, options: GcOptions): Promise<Dropped> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await rewriteSets(repo, options);
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt === ATTEMPTS) throw error;
      await repo.store.reload();
    }
  }
}

async function refuseWithReaders(repo: CollectedRepository): Promise<void> {
  const [other] = await listOtherReaders(repo.layout);
  if (other === undefined) return;
  const who = other.process;
  const name = who === null ? 'a process that is unknown' : `process ${who.pid} on '${who.host}'`;
  throw new ConflictError(`cannot prune now: ${name} works in this repository`, {
    path: other.file,
    hint:
      'wait until it has ended, or run gc without --prune=now; ' +
      `if it is gone and cannot be seen from here, remove '${other.file}'`,
  });
}

/** A hash over everything that decides what is reachable: it differs once any of that has changed. */
async function rootsFingerprint(repo: CollectedRepository): Promise<string> {
  const refs = await listRefs(repo.layout);
  const notes: Id[][] = [];
  for (const version of await listNotedVersions(repo.layout)) {
    notes.push([version, ...(await readNotes(repo.layout, version))]);
  }
  const head = await readHead(repo.layout);
  const { staging } = await readStaging(repo.layout);
  const apart = await readLineStagings(repo.layout, (_file, error) => {
    throw error;
  });
  const staged = [staging, ...apart].map((one) => sha256Hex(encodeStaging(one)));
  return sha256Hex(JSON.stringify([refs, notes, head, staged]));
}

async function rewriteSets(repo: CollectedRepository, options: GcOptions): Promise<Dropped> {
  const roots = await rootsFingerprint(repo);
  const seen = [...repo.store.sets()];
  const found = await findNeeded(repo, options);
  const { needed } = found;
  const kept = new KeptObjects(repo, found, graceOf(repo, options));
  const { chosen, dropped } = await planDrop(repo, needed, options);
  dropped.kept = await kept.count(new Set(chosen.map((info) => info.id)), options.signal);
  if (options.dryRun || chosen.length === 0) return dropped;
  await notePruned(repo, dropped.versions, options);
  const how = {
    keep: (entry: BlobEntry | SegmentEntry) => isIn(needed, entry),
    stillValid: async () => (await rootsFingerprint(repo)) === roots,
    ...(options.signal ? { signal: options.signal } : {}),
  };
  const whole = chosen.filter(({ id }) => !isThin(repo, id));
  if (whole.length > 0) await replaceSets(repo, { seen, chosen: whole, ...how });
  const thin = new Set(chosen.map(({ id }) => id));
  await replaceThinSets(repo, { ...how, isMeant: (id) => thin.has(id) });
  return dropped;
}

/** Moves sets that no manifest lists to trash: a command ended before it had listed them. */
async function retireUnlisted(repo: CollectedRepository, options: GcOptions): Promise<number> {
  const { layout, store } = repo;
  if (options.dryRun) return (await unlistedSets(layout, store.sets())).length;
  if ((await unlistedSets(layout, store.sets())).length === 0) return 0;
  return repo.locked(async () => {
    // Sets are published under the lock: a set that is not listed now never will be.
    await store.reload();
    const left = await unlistedSets(layout, store.sets());
    await store.retire(left);
    return left.length;
  });
}
