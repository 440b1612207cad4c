/**
 * What has to be fetched so that some versions are here, and where it stands at the remote.
 *
 * Versions and recipes arrive while they are walked; of planes nothing is read before all is planned.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { forEachLimit } from '../../base/bytes/for-each-limit.js';
import type { Id } from '../../base/bytes/hash.js';
import { LruCache } from '../../base/bytes/lru-cache.js';
import { FormatVersionError, isUnreadable } from '../../base/errors.js';
import { TRANSFER_WHOLE_BYTES, VERSION_CACHE_BYTES, WIDTH_MAX } from '../../base/limits.js';
import type { LockAccess, ReadAccess } from '../objects/access.js';
import type { PartialFilter } from '../repo/promised.js';
import { notesReader } from '../repo/refs/refs.js';
import { shortId } from '../repo/version/short-id.js';
import type { Version } from '../repo/version/version.js';
import { decodeVersion } from '../repo/version/version-bytes.js';
import type { BlobEntry, SegmentEntry, SetId, SetInfo } from '../store/types.js';
import {
  type BrokenLink,
  type Reachable,
  type ReachSource,
  reachFrom,
} from '../upkeep/reachable.js';
import type { FetchParts } from './fetching/parts.js';
import { bytesOf, Places, type PlannedSet } from './fetching/places.js';
import { BlobsAhead, layeredBlobs } from './fetching/remote-blobs.js';
import { PartialTaking } from './partial/taking.js';
import { damagedRemote } from './remote/remote-damage.js';
import { remoteFile } from './remote/remote-store.js';
import type { TransferOptions } from './transports/transport.js';

/** A repository that takes in versions. */
export interface FetchingRepository extends ReadAccess, LockAccess {
  /** Reads again what remotes promised, after that changed. */
  readPromises?(): Promise<void>;
}

/** A record that was read: its set, and its bytes there. */
export interface ReadAt {
  readonly set: SetId;
  readonly bytes: number;
}

export interface FetchPlan {
  /** What the versions need and is not here, bases of deltas among it. */
  readonly needed: Reachable;
  readonly sets: PlannedSet[];
  /** Bytes that will have arrived, without versions and recipes that are not whole files. */
  readonly bytes: number;
  isWanted(entry: BlobEntry | SegmentEntry): boolean;
  /**
   * Where the record of a blob stands that has arrived, and was decoded and compared with its id, while this was
   * planned, and its bytes; null for others.
   */
  readAt(blob: Id): ReadAt | null;
  /** Reads versions, here or there. */
  readVersion(id: Id): Promise<Version>;
  /** Leading planes that are taken of an extent. */
  planesOf(extent: Id): number;
}

export interface PlanOptions extends TransferOptions {
  /** Leaves something out. */
  partial?: PartialFilter;
}

/** Indexes and small blob files that are asked for at once. */
const AHEAD = 8;

/** Bytes of a decoded version for each byte that it is stored in, about. */
const VERSION_WEIGHT = 16;

/**
 * @param isKnown  tells versions that are here with all that they need.
 * @throws {CorruptError} if the remote lacks something that a version needs.
 */
export async function planFetch(
  parts: FetchParts,
  tips: readonly Id[],
  isKnown: (version: Id) => boolean,
  options: PlanOptions = {},
): Promise<FetchPlan> {
  const fresh = newSets(parts);
  const ahead = new BlobsAhead();
  if (!tips.every(isKnown)) {
    const came = new Set<SetId>();
    await forEachLimit(fresh, AHEAD, async (info) => {
      if (await fetchAhead(parts, info, options)) came.add(info.id);
    });
    for (const info of fresh) if (came.has(info.id)) await ahead.take(parts, info);
  }
  const read = new Map<Id, ReadAt>();
  const blobs = layeredBlobs(parts, ahead, ({ id, set, recordBytes }) => {
    read.set(id, { set, bytes: recordBytes });
  });
  const { layout } = parts.repo;
  const notesHere = notesReader(layout);
  const versions = new LruCache<Id, Version>(VERSION_CACHE_BYTES);
  const readVersion = async (id: Id): Promise<Version> => {
    const known = versions.get(id);
    if (known !== undefined) return known;
    const bytes = await blobs.readBlob(id, 'version');
    const version = decodeVersion(bytes, `version ${shortId(id)}`);
    versions.set(id, version, VERSION_WEIGHT * bytes.length);
    return version;
  };
  const source: ReachSource = {
    blobs,
    version: readVersion,
    layout,
    readBlob: (id, kind) => blobs.readBlob(id, kind),
    noteIds: async (version) => {
      const here = await notesHere(version);
      return [...new Set([...here, ...(parts.notes.get(version) ?? [])])].sort();
    },
  };
  const { signal, partial } = options;
  const taking = partial === undefined ? null : new PartialTaking(partial);
  if (taking !== null) await taking.findNear(tips, isKnown, readVersion);
  const needed = await reachFrom(source, tips, {
    isKnown,
    onBroken: (link) => refuse(parts.shown, link),
    ...(taking === null ? {} : taking.walking),
    ...(signal ? { signal } : {}),
  });
  await dropPresent(parts, needed, signal);
  if (taking !== null) {
    return {
      needed,
      sets: [],
      bytes: 0,
      isWanted: () => false,
      readAt: () => null,
      readVersion,
      planesOf: taking.planesOf,
    };
  }
  try {
    // Literals are at hand, too: read from the packs later, each would take a few times as long.
    for (const [id, kind] of needed.blobs) {
      throwIfAborted(signal);
      if (ahead.get(id) !== undefined && !read.has(id)) await blobs.readBlob(id, kind);
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    // The check of what has arrived says what is wrong.
    read.clear();
  }
  // Planes need the memory.
  ahead.clear();
  const places = new Places(parts, needed);
  const sets = await places.find(fresh, signal);
  const bytes = sets.reduce((sum, set) => sum + bytesOf(set), 0);
  const planesOf = (): number => WIDTH_MAX;
  return {
    needed,
    sets,
    bytes,
    isWanted: (entry) => places.isWanted(entry),
    readAt: (id) => {
      const at = read.get(id);
      return at !== undefined && places.blobIn(id) === at.set ? at : null;
    },
    readVersion,
    planesOf,
  };
}

/** Sets that are not here under their name. */
function newSets({ repo, sets }: FetchParts): SetInfo[] {
  const here = new Set(repo.store.sets().map(({ id }) => id));
  return sets.filter(({ id }) => !here.has(id));
}

/**
 * Brings the index of a set, and its blobs if they are few: versions and recipes stand there.
 * @returns true if its blobs are here.
 */
async function fetchAhead(
  { remote, incoming, isSeen }: FetchParts,
  info: SetInfo,
  { signal }: TransferOptions,
): Promise<boolean> {
  throwIfAborted(signal);
  if (await isSeen(info)) return false;
  const { blob, idx } = info.bytes;
  if (idx > 0) await remote.backend.read(remoteFile(info, 'idx').name, 0, Math.min(idx, 8));
  if (blob === 0 || blob > TRANSFER_WHOLE_BYTES) return false;
  await incoming.need(remoteFile(info, 'blob'), [{ start: 0, end: blob }]);
  return true;
}

/** @throws {CorruptError} {FormatVersionError} */
function refuse(shown: string, { name, what, message }: BrokenLink): never {
  if (what === 'newer') {
    throw new FormatVersionError(`cannot fetch from '${shown}': ${message}`, {
      url: shown,
      hint: 'upgrade dlv',
    });
  }
  throw damagedRemote(shown, message, name);
}

/** Leaves out what is here already, under another version or as garbage. */
async function dropPresent(
  { repo }: FetchParts,
  needed: Reachable,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (repo.store.sets().length === 0) return;
  for (const id of needed.blobs.keys()) {
    throwIfAborted(signal);
    if (await repo.store.hasBlob(id)) needed.blobs.delete(id);
  }
  for (const id of needed.extents.keys()) {
    throwIfAborted(signal);
    if (await repo.store.hasExtent(id)) needed.extents.delete(id);
  }
}
