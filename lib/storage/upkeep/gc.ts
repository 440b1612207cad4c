/**
 * Garbage collection: deletes what nothing needs, merges small pack sets, empties trash and tmp.
 *
 * Records are copied, never encoded again (replace-sets.ts). If a record is kept, its bases are
 * kept too, even for garbage: a later `add` may find a listed record and depend on it. Start at
 * `collectGarbage`; a commit runs only `mergeSmallSets`.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { type Id, sha256Hex } from '../../base/bytes/hash.js';
import { ConflictError, isUnreadable } from '../../base/errors.js';
import { listDirectory, removeFile } from '../../base/files/files.js';
import { isMissing } from '../../base/files/io.js';
import type { PackAccess, ReadAccess, SettingAccess } from '../objects/access.js';
import { countNumbers } from '../objects/count-numbers.js';
import { NUMBERS_FLAG, requireWriteFlag } from '../repo/format.js';
import { isTrashName } from '../repo/layout.js';
import { readNumbers, writeNumbers } from '../repo/numbers.js';
import { listOtherReaders } from '../repo/processes/readers.js';
import { type GoneVersion, noteGone } from '../repo/refs/gone.js';
import { readHead } from '../repo/refs/head.js';
import { listNotedVersions, listRefs, readNotes } from '../repo/refs/refs.js';
import type { Staging } from '../repo/staging/staging.js';
import { encodeStaging } from '../repo/staging/staging-bytes.js';
import { readLineStagings, readStaging } from '../repo/staging/staging-file.js';
import { findPinnedSets } from '../store/forest.js';
import { stemOf } from '../store/names.js';
import {
  type BlobEntry,
  recordBytesOf,
  type SegmentEntry,
  type SetId,
  type SetInfo,
  setBytes,
  storedBytes,
} from '../store/types.js';
import {
  type FoundObjects,
  isIn,
  type KeptBytes,
  KeptObjects,
  keptLeftovers,
  type Needed,
  youngSets,
} from './kept.js';
import { deleteLeftovers, unlistedSets } from './leftovers.js';
import {
  findReachable,
  type PlannedHistory,
  type ReachableOptions,
  refuseBroken,
  withBases,
} from './reachable.js';
import { replaceSets } from './replace-sets.js';

/** Sets below this are merged. */
const SMALL_SET_MAX_BYTES = 32 * 1024 * 1024;
/** Share of garbage from which a large set is worth writing again. */
const GARBAGE_SHARE = 0.2;
const DAY_MS = 24 * 60 * 60 * 1000;
const ATTEMPTS = 3;

/** What garbage collection is handed of a repository. */
export interface CollectedRepository extends ReadAccess, PackAccess, SettingAccess {}

export interface GcOptions {
  /** Drops garbage of any age and empties trash; refused while another process is registered. */
  pruneNow?: boolean;
  /** Says what would be done and changes nothing. */
  dryRun?: boolean;
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

function totalBytes(sets: readonly SetInfo[]): number {
  return sets.reduce((sum, info) => sum + setBytes(info), 0);
}

/** Collects garbage. @throws {ConflictError} if other processes are at work (pruneNow) or keep committing. */
export async function collectGarbage(
  repo: CollectedRepository,
  options: GcOptions = {},
): Promise<GcResult> {
  if (options.pruneNow) await refuseWithReaders(repo);
  await repo.store.reload();
  const before = [...repo.store.sets()];
  const dropped = await rewriteWithRetries(repo, options);
  const leftoverSets = await retireUnlisted(repo, options);
  const graceMs = graceOf(repo, options);
  const left = await deleteLeftovers(repo.layout, { graceMs, dryRun: options.dryRun === true });
  const after = repo.store.sets();
  const { blobs, segments, bytes, chosen } = dropped;
  return {
    setsBefore: before.length,
    setsAfter: options.dryRun ? after.length - Math.max(0, chosen - 1) : after.length,
    droppedBlobs: blobs,
    droppedExtentSegments: segments,
    droppedBytes: bytes,
    packBytesBefore: totalBytes(before),
    packBytesAfter: options.dryRun ? totalBytes(after) - bytes : totalBytes(after),
    leftoverSets,
    deletedBytes: left.deletedBytes,
    trashBytes: left.trashBytes,
    unfinishedBytes: left.unfinishedBytes,
    kept: [...dropped.kept, ...(await keptLeftovers(repo.layout, left, graceMs))],
  };
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

function graceOf(repo: CollectedRepository, options: GcOptions): number {
  return options.pruneNow ? 0 : repo.config.get('gc.graceDays') * DAY_MS;
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

/** True if anything that decides reachability changed. */
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

/** What roots reach. @throws {CorruptError} if something of it is damaged: gc must not guess then. */
async function findNeeded(repo: CollectedRepository, options: GcOptions): Promise<FoundObjects> {
  const { staging } = await readStaging(repo.layout);
  const since = options.pruneNow ? Number.POSITIVE_INFINITY : Date.now() - graceOf(repo, options);
  const how: ReachableOptions = {
    staging,
    reflogSince: since,
    onBroken: (link) => refuseBroken('cannot collect garbage', link),
    ...(options.signal ? { signal: options.signal } : {}),
  };
  const reachable = await findReachable(repo, how);
  const found = { reachable, needed: await withBases(repo, reachable, options.signal) };
  if (options.pruneNow) return { ...found, now: reachable };
  const refsAlone: ReachableOptions = { ...how, reflogSince: Number.POSITIVE_INFINITY };
  if (reachable.roots !== null) refsAlone.roots = reachable.roots;
  // Versions alone cost little to find; files are walked again only where reflogs name others.
  const { versions } = await findReachable(repo, { ...refsAlone, without: reachable.versions });
  const isSame = versions.size === reachable.versions.size;
  return { ...found, now: isSame ? reachable : await findReachable(repo, refsAlone) };
}

interface Dropped {
  blobs: number;
  segments: number;
  bytes: number;
  versions: Id[];
  kept: KeptBytes[];
  /** Sets that are (or would be) replaced. */
  chosen: number;
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
  await replaceSets(repo, {
    seen,
    chosen,
    keep: (entry) => isIn(needed, entry),
    stillValid: async () => (await rootsFingerprint(repo)) === roots,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  return dropped;
}

/** Which sets are replaced, and what is dropped with them. Adds to `needed` what stays in any case. */
async function planDrop(
  repo: CollectedRepository,
  needed: Needed,
  options: GcOptions,
): Promise<{ chosen: SetInfo[]; dropped: Dropped }> {
  const young = await youngSets(repo, graceOf(repo, options));
  const chosen = await chooseSets(repo, needed, young, options);
  const chosenIds = new Set(chosen.map((info) => info.id));
  const stays = (entry: BlobEntry | SegmentEntry): boolean =>
    !chosenIds.has(entry.set) || young.has(entry.set);
  await keepWithBases(repo, needed, stays, options.signal);
  const dropped: Dropped = {
    blobs: 0,
    segments: 0,
    bytes: 0,
    versions: [],
    kept: [],
    chosen: chosen.length,
  };
  for await (const { entry, live } of repo.store.records()) {
    throwIfAborted(options.signal);
    if (!chosenIds.has(entry.set) || (live && isIn(needed, entry))) continue;
    dropped.bytes += storedBytes(entry);
    if (live) dropped['kind' in entry ? 'blobs' : 'segments']++;
    if (live && 'kind' in entry && entry.kind === 'version') dropped.versions.push(entry.id);
  }
  return { chosen, dropped };
}

/**
 * Bytes of records that `gc --prune=now` drops once history is as planned, over those that it drops now.
 * @throws {CorruptError} if something that is needed is damaged.
 */
export async function freedBytes(
  repo: CollectedRepository,
  planned: PlannedHistory,
  staging: Staging,
  signal?: AbortSignal,
): Promise<number> {
  const options: GcOptions = { pruneNow: true, dryRun: true, ...(signal ? { signal } : {}) };
  const { needed } = await findNeeded(repo, options);
  const now = await planDrop(repo, needed, options);
  const found = await findReachable(repo, {
    staging,
    history: planned,
    onBroken: (link) => refuseBroken('cannot say what is freed', link),
    ...(signal ? { signal } : {}),
  });
  const then = await planDrop(repo, await withBases(repo, found, signal), options);
  return then.dropped.bytes - now.dropped.bytes;
}

/**
 * Says of versions that they are about to be dropped, so that who asks for one later is told. It is
 * asked of versions that are not here alone, so a run that is cut short here has said nothing wrong.
 */
async function notePruned(
  repo: CollectedRepository,
  versions: readonly Id[],
  options: GcOptions,
): Promise<void> {
  const reason = options.pruneNow ? 'gc --prune=now' : 'gc';
  const gone: GoneVersion[] = [];
  for (const id of versions) {
    throwIfAborted(options.signal);
    // Garbage may be damaged: then its model is not known.
    const version = await repo.version(id).catch((error: unknown) => {
      if (isUnreadable(error)) return null;
      throw error;
    });
    const { model = '?', number = null } = version ?? {};
    const name = number === null ? model : `${model}@${number}`;
    const when = { who: 'dlv gc', time: Date.now() };
    gone.push({ id, becomes: null, fate: 'pruned', name, reason, ...when });
  }
  if (gone.length === 0) return;
  // A repository of an older dlv counts numbers from the versions that are there: what goes now has to count on.
  const counted = (await readNumbers(repo.layout)) === null ? await countNumbers(repo) : null;
  await repo.locked(async (lock) => {
    if (counted !== null && (await readNumbers(repo.layout)) === null) {
      await writeNumbers(lock, counted);
      await requireWriteFlag(lock, NUMBERS_FLAG);
    }
    await noteGone(lock, gone);
  });
}

/** As findPinnedSets. @throws {ConflictError} if another command took a set away meanwhile. */
async function pinnedSets(
  repo: CollectedRepository,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<SetId>> {
  const { store } = repo;
  try {
    return await findPinnedSets(store.backend, store.sets(), signal);
  } catch (error) {
    if (!isMissing(error) || !(await store.reload())) throw error;
    throw new ConflictError('another command merged packs while they were looked through', {
      hint: 'run dlv gc again',
    });
  }
}

/** True if planes of a set are at a remote alone. */
function isThin({ store }: Pick<CollectedRepository, 'store'>, id: SetId): boolean {
  return (store.promised?.absent(id) ?? []).length > 0;
}

/** The sets that are worth writing again. */
async function chooseSets(
  repo: CollectedRepository,
  needed: Needed,
  young: { has(id: SetId): boolean },
  options: GcOptions,
): Promise<SetInfo[]> {
  const dead = new Map<SetId, number>();
  const alive = new Set<SetId>();
  const pinned = await pinnedSets(repo, options.signal);
  for await (const { entry, live } of repo.store.records()) {
    throwIfAborted(options.signal);
    // A record that another one hides is never read, however young it is.
    if (live && (young.has(entry.set) || isIn(needed, entry))) {
      alive.add(entry.set);
      continue;
    }
    dead.set(entry.set, (dead.get(entry.set) ?? 0) + storedBytes(entry));
  }
  // A set of which planes are elsewhere cannot be copied; it goes once nothing of it is needed.
  const sets = repo.store
    .sets()
    .filter(({ id }) => (isThin(repo, id) ? !alive.has(id) : !pinned.has(id)));
  const small = sets.filter((info) => setBytes(info) < SMALL_SET_MAX_BYTES);
  const autoSets = repo.config.get('gc.autoSets');
  const mergeSmall = small.length > Math.max(1, autoSets);
  return sets.filter((info) => {
    const garbage = dead.get(info.id) ?? 0;
    if (isThin(repo, info.id)) return garbage > 0;
    if (garbage > 0 && options.pruneNow) return true;
    if (garbage > GARBAGE_SHARE * recordBytesOf(info)) return true;
    return mergeSmall && small.includes(info);
  });
}

/** Adds to `needed` every record that stays in any case, and then the bases of all of it. */
async function keepWithBases(
  repo: CollectedRepository,
  needed: Needed,
  stays: (entry: BlobEntry | SegmentEntry) => boolean,
  signal?: AbortSignal,
): Promise<void> {
  for (let changed = true; changed; ) {
    changed = false;
    for await (const { entry, live } of repo.store.records()) {
      throwIfAborted(signal);
      const ids = 'kind' in entry ? needed.blobs : needed.extents;
      // A hidden record comes to light when the one that hides it is dropped.
      if (stays(entry) && !ids.has(entry.id)) ids.add(entry.id);
      const isKept = stays(entry) || (live && ids.has(entry.id));
      if (!isKept || entry.base === null || ids.has(entry.base)) continue;
      ids.add(entry.base);
      changed = true;
    }
  }
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

/**
 * Merges the small sets if there are more than `gc.autoSets`. Drops nothing that is live, so it needs
 * no walk of the versions; since every record was copied and verified, the old files need no grace
 * period unless another process is reading them.
 */
export async function mergeSmallSets(
  repo: CollectedRepository,
  signal?: AbortSignal,
): Promise<boolean> {
  const limit = repo.config.get('gc.autoSets');
  const isSmall = (info: SetInfo): boolean => setBytes(info) < SMALL_SET_MAX_BYTES;
  if (limit === 0 || repo.store.sets().filter(isSmall).length <= limit) return false;
  const pinned = await pinnedSets(repo, signal);
  const small = repo.store
    .sets()
    .filter((info) => isSmall(info) && !pinned.has(info.id) && !isThin(repo, info.id));
  if (small.length <= 1) return false;
  await replaceSets(repo, {
    seen: small,
    chosen: small,
    keep: null,
    stillValid: async () => true,
    ...(signal ? { signal } : {}),
  });
  if ((await listOtherReaders(repo.layout)).length === 0) {
    const names = new Set(small.map((info) => info.id as string));
    for (const name of await listDirectory(repo.layout.trash)) {
      if (isTrashName(name) && names.has(stemOf(name)))
        await removeFile(repo.layout.trashFile(name));
    }
  }
  return true;
}
