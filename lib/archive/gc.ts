/**
 * Garbage collection: merges small pack sets, drops what nothing needs, empties trash and tmp.
 *
 * Records are copied, never encoded again. New sets are listed behind the old ones, verified, and
 * only then do the old ones leave the manifest; they go to trash and are deleted after the grace
 * period. Start at `collectGarbage`; `mergeSmallSets` is what a commit runs by itself.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import {
  ioError,
  isMissing,
  listDirectory,
  removeFile,
  statOrNull,
  throwIfAborted,
} from '../bytes/files.js';
import { sha256Hex } from '../bytes/hash.js';
import { ConflictError, CorruptError } from '../errors.js';
import { readHead } from '../repo/head.js';
import { ownIdentity, processStart } from '../repo/process-identity.js';
import { listReaders } from '../repo/readers.js';
import { listRefs } from '../repo/refs.js';
import { encodeStaging, readStaging } from '../repo/staging-file.js';
import { mergeSets } from '../store/merge.js';
import { PackSetWriter } from '../store/pack-writer.js';
import {
  type BlobEntry,
  type RecordSink,
  type SealedSet,
  type SegmentEntry,
  type SetId,
  type SetInfo,
  storedBytes,
} from '../store/types.js';
import { verifySet } from '../store/verify.js';
import { findReachable, withBases } from './reachable.js';
import type { Repository } from './repository.js';

/** Sets below this are merged (OBJECTS.md §2). */
const SMALL_SET_MAX_BYTES = 32 * 1024 * 1024;
/** Share of garbage from which a large set is worth writing again. */
const GARBAGE_SHARE = 0.2;
/** A tmp folder whose process is unknown here is left alone until it was idle this long. */
const TMP_IDLE_MS = 60 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;
const ATTEMPTS = 3;

export interface GcOptions {
  /** Drops garbage of any age and empties trash; refused while another process is registered. */
  pruneNow?: boolean;
  /** Says what would be done and changes nothing. */
  dryRun?: boolean;
  signal?: AbortSignal;
}

export interface GcResult {
  setsBefore: number;
  setsAfter: number;
  /** Objects that nothing needs and that were dropped. */
  droppedBlobs: number;
  droppedExtentSegments: number;
  /** Bytes of packs before and after, indexes included. */
  packBytesBefore: number;
  packBytesAfter: number;
  /** Bytes deleted from trash and tmp. */
  deletedBytes: number;
  /** Bytes that wait in trash for the end of the grace period. */
  trashBytes: number;
}

function setBytes(info: SetInfo): number {
  return Object.values(info.bytes).reduce((sum, bytes) => sum + bytes, 0);
}

/** Collects garbage. @throws {ConflictError} if other processes are at work (pruneNow) or keep committing. */
export async function collectGarbage(repo: Repository, options: GcOptions = {}): Promise<GcResult> {
  if (options.pruneNow) await refuseWithReaders(repo);
  const before = [...repo.store.sets()];
  const result: GcResult = {
    setsBefore: before.length,
    setsAfter: before.length,
    droppedBlobs: 0,
    droppedExtentSegments: 0,
    packBytesBefore: before.reduce((sum, info) => sum + setBytes(info), 0),
    packBytesAfter: 0,
    deletedBytes: 0,
    trashBytes: 0,
  };
  for (let attempt = 1; ; attempt++) {
    try {
      await rewriteSets(repo, options, result);
      break;
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt === ATTEMPTS) throw error;
      await repo.store.reload();
    }
  }
  const after = repo.store.sets();
  result.setsAfter = after.length;
  result.packBytesAfter = after.reduce((sum, info) => sum + setBytes(info), 0);
  await emptyTrash(repo, options, result);
  await cleanTmp(repo, options, result);
  return result;
}

async function refuseWithReaders(repo: Repository): Promise<void> {
  const own = ownIdentity();
  const others = (await listReaders(repo.layout)).filter(
    (r) => r.process === null || r.process.pid !== own.pid,
  );
  const other = others[0];
  if (other === undefined) return;
  throw new ConflictError(
    `cannot prune now: process ${other.process?.pid ?? 'unknown'} works in this repository`,
    {
      path: other.file,
      hint: 'wait until it has ended, or run gc without --prune=now',
    },
  );
}

/** Tells whether anything that decides reachability changed. */
async function rootsFingerprint(repo: Repository): Promise<string> {
  const refs = await listRefs(repo.layout);
  const head = await readHead(repo.layout);
  const { staging } = await readStaging(repo.layout);
  return sha256Hex(JSON.stringify([refs, head, sha256Hex(encodeStaging(staging))]));
}

type Needed = (entry: BlobEntry | SegmentEntry) => boolean;

/** What must stay. @throws {CorruptError} if something needed is damaged: gc must not guess then. */
async function findNeeded(repo: Repository, options: GcOptions): Promise<Needed> {
  const { staging } = await readStaging(repo.layout);
  const graceMs = options.pruneNow ? 0 : repo.config.get('gc.graceDays') * DAY_MS;
  const reachable = await findReachable(repo, {
    staged: staging.models().flatMap((line) => staging.entries(line.model)),
    reflogSince: options.pruneNow ? Number.POSITIVE_INFINITY : Date.now() - graceMs,
    onBroken(link) {
      throw new CorruptError(`cannot collect garbage: ${link.message}`, {
        name: link.name,
        hint: "run 'dlv fsck' and repair the repository first",
      });
    },
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const { blobs, extents } = await withBases(repo, reachable);
  const young = new Set<SetId>();
  for (const info of repo.store.sets()) {
    const there = await statOrNull(path.join(repo.layout.packs, `${info.id}.idx`));
    const ageMs = there === null ? 0 : Date.now() - Number(BigInt(there.stat.mtimeNs) / 1_000_000n);
    if (ageMs < graceMs) young.add(info.id);
  }
  return (entry) => young.has(entry.set) || ('kind' in entry ? blobs : extents).has(entry.id);
}

async function rewriteSets(repo: Repository, options: GcOptions, result: GcResult): Promise<void> {
  const roots = await rootsFingerprint(repo);
  const needed = await findNeeded(repo, options);
  const live = new Map<SetId, number>();
  const dead = { blobs: 0, segments: 0 };
  const deadIn = new Map<SetId, number>();
  const count = (entry: BlobEntry | SegmentEntry): boolean => {
    if (needed(entry)) live.set(entry.set, (live.get(entry.set) ?? 0) + storedBytes(entry));
    else deadIn.set(entry.set, (deadIn.get(entry.set) ?? 0) + 1);
    return needed(entry);
  };
  for await (const entry of repo.store.blobs()) if (!count(entry)) dead.blobs++;
  for await (const entry of repo.store.segments()) if (!count(entry)) dead.segments++;
  const sets = [...repo.store.sets()];
  const small = sets.filter((info) => setBytes(info) < SMALL_SET_MAX_BYTES);
  const mergeSmall = small.length > Math.max(1, repo.config.get('gc.autoSets'));
  const chosen = sets.filter((info) => {
    const total = setBytes(info) - info.bytes.idx;
    const garbage = 1 - (live.get(info.id) ?? 0) / Math.max(1, total);
    const hasDead = (deadIn.get(info.id) ?? 0) > 0 || !live.has(info.id);
    if (options.pruneNow && hasDead) return true;
    return garbage > GARBAGE_SHARE && hasDead ? true : mergeSmall && small.includes(info);
  });
  result.droppedBlobs = dead.blobs;
  result.droppedExtentSegments = dead.segments;
  if (options.dryRun || chosen.length === 0) return;
  await replaceSets(
    repo,
    chosen,
    needed,
    async () => (await rootsFingerprint(repo)) === roots,
    options.signal,
  );
}

/** Copies the needed records of some sets into new ones, verifies these, and retires the old. */
async function replaceSets(
  repo: Repository,
  chosen: readonly SetInfo[],
  needed: Needed | null,
  stillValid: () => Promise<boolean>,
  signal?: AbortSignal,
): Promise<void> {
  const { store } = repo;
  const sink = new RollingWriter(repo);
  let sealed: SealedSet[];
  try {
    await mergeSets(
      store,
      chosen.map((info) => info.id),
      sink,
      {
        ...(needed ? { keep: needed } : {}),
        ...(signal ? { signal } : {}),
      },
    );
    sealed = await sink.finish();
  } catch (error) {
    await sink.abort();
    throw error;
  }
  const fresh = new Set(sealed.map((set) => set.info.id));
  if (sealed.length > 0) {
    await repo.locked(async () => {
      await store.reload();
      await store.publish(sealed);
    });
  }
  for (const { info } of sealed) {
    for await (const problem of verifySet(store.backend, info)) {
      throw new CorruptError(`a merged pack is damaged: ${problem.message}`, {
        file: problem.file,
        hint: 'the disk may be failing; nothing was removed',
      });
    }
  }
  throwIfAborted(signal);
  const gone = chosen.map((info) => info.id).filter((id) => !fresh.has(id));
  await repo.locked(async () => {
    await store.reload();
    if (!(await stillValid())) {
      throw new ConflictError(
        'another command changed the repository while garbage was collected',
        {
          hint: 'run dlv gc again',
        },
      );
    }
    await store.publish([], (sets) => sets.filter((info) => !gone.includes(info.id)));
    await store.retire(gone);
  });
}

/**
 * Merges the small sets if there are more than `gc.autoSets`. Drops nothing, so it needs no walk of
 * the versions; since every record was copied and verified, the old files need no grace period
 * unless somebody is reading them.
 */
export async function mergeSmallSets(repo: Repository, signal?: AbortSignal): Promise<boolean> {
  const limit = repo.config.get('gc.autoSets');
  const small = repo.store.sets().filter((info) => setBytes(info) < SMALL_SET_MAX_BYTES);
  if (limit === 0 || small.length <= limit) return false;
  await replaceSets(repo, small, null, async () => true, signal);
  const own = ownIdentity();
  const readers = (await listReaders(repo.layout)).filter((r) => r.process?.pid !== own.pid);
  if (readers.length === 0) {
    const names = new Set(small.map((info) => info.id as string));
    for (const name of await listDirectory(repo.layout.trash)) {
      if (names.has(name.split('.')[0] as string))
        await removeFile(path.join(repo.layout.trash, name));
    }
  }
  return true;
}

/** Writes records into one set after another. */
class RollingWriter implements RecordSink {
  readonly #repo: Repository;
  readonly #sealed: SealedSet[] = [];
  readonly #finished: PackSetWriter[] = [];
  #writer: PackSetWriter | null = null;
  #number = 0;

  constructor(repo: Repository) {
    this.#repo = repo;
  }

  async #open(): Promise<PackSetWriter> {
    if (this.#writer?.isFull) await this.#close();
    if (this.#writer === null) {
      const { pid, start } = ownIdentity();
      const dir = `tmp/${pid}-${start}/gc-${this.#number++}-${Date.now()}`;
      this.#writer = await PackSetWriter.create(this.#repo.store.backend, dir);
    }
    return this.#writer;
  }

  async #close(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    if (writer === null) return;
    if (writer.isEmpty) {
      await writer.abort();
      return;
    }
    this.#sealed.push(await writer.finish());
    this.#finished.push(writer);
  }

  async addBlob(record: Parameters<RecordSink['addBlob']>[0]): Promise<void> {
    await (await this.#open()).addBlob(record);
  }

  async addSegment(record: Parameters<RecordSink['addSegment']>[0]): Promise<void> {
    await (await this.#open()).addSegment(record);
  }

  async finish(): Promise<SealedSet[]> {
    await this.#close();
    return this.#sealed;
  }

  async abort(): Promise<void> {
    await this.#writer?.abort();
    for (const writer of this.#finished) await writer.abort();
  }
}

async function emptyTrash(repo: Repository, options: GcOptions, result: GcResult): Promise<void> {
  const graceMs = options.pruneNow ? 0 : repo.config.get('gc.graceDays') * DAY_MS;
  for (const name of await listDirectory(repo.layout.trash)) {
    const file = path.join(repo.layout.trash, name);
    const there = await statOrNull(file);
    if (!there?.isFile) continue;
    // The move to trash changed ctime; mtime is when the pack was written.
    const ageMs = Date.now() - Number(BigInt(there.stat.ctimeNs) / 1_000_000n);
    if (ageMs < graceMs || options.dryRun) result.trashBytes += there.stat.size;
    else {
      await removeFile(file);
      result.deletedBytes += there.stat.size;
    }
  }
}

/** Removes tmp/<pid>-<start> of processes that are gone. */
async function cleanTmp(repo: Repository, options: GcOptions, result: GcResult): Promise<void> {
  for (const name of await listDirectory(repo.layout.tmp)) {
    const match = /^(\d+)-(\d+)$/.exec(name);
    const dir = path.join(repo.layout.tmp, name);
    if (match && processStart(Number(match[1])) === match[2]) continue;
    const { bytes, newestMs } = await measureFolder(dir);
    // On a shared file system the process may live on another host: it would still be writing.
    if (!options.pruneNow && Date.now() - newestMs < TMP_IDLE_MS) continue;
    if (options.dryRun) continue;
    try {
      await fs.rm(dir, { recursive: true, force: true });
    } catch (error) {
      throw ioError('remove', dir, error);
    }
    result.deletedBytes += bytes;
  }
}

async function measureFolder(dir: string): Promise<{ bytes: number; newestMs: number }> {
  let bytes = 0;
  let newestMs = 0;
  const queue = [dir];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    try {
      const stat = await fs.lstat(next);
      newestMs = Math.max(newestMs, stat.mtimeMs);
      if (stat.isDirectory())
        for (const name of await fs.readdir(next)) queue.push(path.join(next, name));
      else bytes += stat.size;
    } catch (error) {
      if (!isMissing(error)) throw ioError('stat', next, error);
    }
  }
  return { bytes, newestMs };
}
