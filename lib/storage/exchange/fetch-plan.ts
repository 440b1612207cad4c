/**
 * What has to be fetched so that some versions are here, and where it stands at the remote.
 *
 * Versions and recipes arrive while they are walked; of planes nothing is read before all is planned.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { forEachLimit } from '../../base/bytes/for-each-limit.js';
import type { Id } from '../../base/bytes/hash.js';
import { LruCache } from '../../base/bytes/lru-cache.js';
import { CorruptError, FormatVersionError } from '../../base/errors.js';
import {
  TRANSFER_GAP_BYTES,
  TRANSFER_WHOLE_BYTES,
  VERSION_CACHE_BYTES,
  WIDTH_MAX,
} from '../../base/limits.js';
import type { LockAccess, ReadAccess } from '../objects/access.js';
import { Blobs } from '../objects/blobs.js';
import { readRecord } from '../objects/records.js';
import type { PartialFilter } from '../repo/promised.js';
import { notesReader } from '../repo/refs/refs.js';
import { decodeVersion, shortId, type Version } from '../repo/version/version.js';
import type { ObjectStore } from '../store/object-store.js';
import {
  type BlobEntry,
  type BlobRecord,
  FILE_CLASSES,
  type FileClass,
  type SegmentEntry,
  type SetId,
  type SetInfo,
  segmentHeaderBytes,
  setBytes,
  storedBytes,
} from '../store/types.js';
import {
  type BrokenLink,
  type Reachable,
  type ReachSource,
  reachFrom,
} from '../upkeep/reachable.js';
import type { Incoming } from './incoming.js';
import { PartialTaking } from './partial/taking.js';
import { joinRanges } from './ranges.js';
import { remoteFile } from './remote-store.js';
import type { ByteRange, TransferOptions } from './transports/transport.js';

/** A repository that takes in versions. */
export interface FetchingRepository extends ReadAccess, LockAccess {
  /** Reads again what remotes promised, after that changed. */
  readPromises?(): Promise<void>;
}

/** What a fetch works with. */
export interface FetchParts {
  readonly repo: ReadAccess;
  /** The remote's sets as a store, and their list. */
  readonly remote: ObjectStore;
  readonly sets: readonly SetInfo[];
  /** Its notes, by version. */
  readonly notes: ReadonlyMap<Id, readonly Id[]>;
  readonly incoming: Incoming;
  /** The address, for messages. */
  readonly shown: string;
  /** True for a set whose index was fetched before: what is new stands in others. */
  isSeen(info: SetInfo): Promise<boolean>;
}

/** Something of a pack set at a remote is wanted. */
export interface PlannedSet {
  readonly info: SetInfo;
  /** Records of the set, and those that are wanted. */
  total: number;
  wanted: number;
  /** Bytes of the wanted records. */
  wantedBytes: number;
}

export interface FetchPlan {
  /** What the versions need and is not here, bases of deltas among it. */
  readonly needed: Reachable;
  readonly sets: PlannedSet[];
  /** Bytes that will have arrived, without versions and recipes that are not whole files. */
  readonly bytes: number;
  isWanted(entry: BlobEntry | SegmentEntry): boolean;
  /** True for a blob whose record has arrived, and was decoded and compared with its id, while this was planned. */
  wasRead(entry: BlobEntry): boolean;
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
 * Reads blobs that are here, else those of the remote.
 * @param onRead  is told of each of those, before it is decoded.
 */
export function layeredBlobs(
  { repo, remote }: Pick<FetchParts, 'repo' | 'remote'>,
  onRead?: (id: Id) => void,
): Blobs {
  return new Blobs({
    readBlob: async (id) => {
      if (await repo.store.hasBlob(id)) {
        return (await readRecord(repo, { id, segment: null })) as BlobRecord | null;
      }
      const record = await remote.readBlob(id);
      onRead?.(id);
      return record;
    },
  });
}

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
  if (!tips.every(isKnown)) {
    await forEachLimit(fresh, AHEAD, (info) => fetchAhead(parts, info, options));
  }
  const read = new Set<Id>();
  const blobs = layeredBlobs(parts, (id) => read.add(id));
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
    const no = (): boolean => false;
    return {
      needed,
      sets: [],
      bytes: 0,
      isWanted: no,
      wasRead: no,
      readVersion,
      planesOf: taking.planesOf,
    };
  }
  const places = new Places(parts, needed);
  const sets = await places.find(fresh, signal);
  const bytes = sets.reduce((sum, set) => sum + bytesOf(set), 0);
  const planesOf = (): number => WIDTH_MAX;
  return {
    needed,
    sets,
    bytes,
    isWanted: (entry) => places.isWanted(entry),
    wasRead: (entry) => read.has(entry.id) && places.isWanted(entry),
    readVersion,
    planesOf,
  };
}

/** Bytes that a planned set costs. */
export function bytesOf(set: PlannedSet): number {
  return isWholly(set) ? setBytes(set.info) : set.wantedBytes;
}

/** True if all of a set is wanted: it is taken as it is. */
export function isWholly({ wanted, total }: PlannedSet): boolean {
  return wanted === total;
}

/** Sets that are not here under their name. */
function newSets({ repo, sets }: FetchParts): SetInfo[] {
  const here = new Set(repo.store.sets().map(({ id }) => id));
  return sets.filter(({ id }) => !here.has(id));
}

/** Brings the index of a set, and its blobs if they are few: versions and recipes stand there. */
async function fetchAhead(
  { remote, incoming, isSeen }: FetchParts,
  info: SetInfo,
  { signal }: TransferOptions,
): Promise<void> {
  throwIfAborted(signal);
  if (await isSeen(info)) return;
  const { blob, idx } = info.bytes;
  if (idx > 0) await remote.backend.read(remoteFile(info, 'idx').name, 0, Math.min(idx, 8));
  if (blob === 0 || blob > TRANSFER_WHOLE_BYTES) return;
  await incoming.need(remoteFile(info, 'blob'), [{ start: 0, end: blob }]);
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

/** That a remote holds something else than it should. */
export function damagedRemote(shown: string, what: string, id?: string): CorruptError {
  // What a scan cannot read counts as damage; the disk that failed may be this one.
  const isDevice = what.endsWith('(EIO)');
  const remedy = isDevice
    ? 'run the command again; if it fails again, look at the disk'
    : 'push again from a repository that is whole, to a new address';
  const is = isDevice ? 'cannot be read' : 'is damaged';
  return new CorruptError(`the remote '${shown}' ${is}: ${what}`, {
    url: shown,
    file: shown,
    ...(id === undefined ? {} : { id }),
    hint: `nothing of it was taken; ${remedy}`,
  });
}

/** Leaves out what is here already, under another version or as garbage. */
async function dropPresent(
  { repo }: FetchParts,
  needed: Reachable,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const id of needed.blobs.keys()) {
    throwIfAborted(signal);
    if (await repo.store.hasBlob(id)) needed.blobs.delete(id);
  }
  for (const id of needed.extents.keys()) {
    throwIfAborted(signal);
    if (await repo.store.hasExtent(id)) needed.extents.delete(id);
  }
}

/** Finds where needed objects stand: their live records, and those of the bases under them. */
class Places {
  readonly #parts: FetchParts;
  readonly #needed: Reachable;
  readonly #blobs = new Map<Id, SetId>();
  /** Set of each segment of an extent. */
  readonly #segments = new Map<Id, SetId[]>();
  readonly #planned = new Map<SetId, PlannedSet>();

  constructor(parts: FetchParts, needed: Reachable) {
    this.#parts = parts;
    this.#needed = needed;
  }

  isWanted(entry: BlobEntry | SegmentEntry): boolean {
    return 'kind' in entry
      ? this.#blobs.get(entry.id) === entry.set
      : this.#segments.get(entry.id)?.[entry.segment] === entry.set;
  }

  /** @throws {CorruptError} if something is nowhere. */
  async find(sets: readonly SetInfo[], signal: AbortSignal | undefined): Promise<PlannedSet[]> {
    let wanted = { blobs: new Set(this.#needed.blobs.keys()), extents: this.#needed.extents };
    for (let round = 0; wanted.blobs.size + wanted.extents.size > 0; round++) {
      const bases: (BlobEntry | SegmentEntry)[] = [];
      for (const info of sets) {
        throwIfAborted(signal);
        for await (const entry of this.#parts.remote.recordsIn(info)) {
          this.#look(entry, round === 0, wanted, bases);
        }
      }
      this.#checkFound(wanted);
      wanted = await this.#newBases(bases);
    }
    return sets.flatMap(({ id }) => this.#planned.get(id) ?? []);
  }

  #look(
    entry: BlobEntry | SegmentEntry,
    isFirst: boolean,
    wanted: { blobs: ReadonlySet<Id>; extents: ReadonlyMap<Id, number> },
    bases: (BlobEntry | SegmentEntry)[],
  ): void {
    const planned = this.#plannedSet(entry.set);
    if (isFirst) planned.total++;
    if ('kind' in entry) {
      if (!wanted.blobs.has(entry.id) || this.#blobs.has(entry.id)) return;
      this.#blobs.set(entry.id, entry.set);
    } else {
      if (!wanted.extents.has(entry.id)) return;
      const segments = this.#segments.get(entry.id) ?? [];
      if (segments[entry.segment] !== undefined) return;
      segments[entry.segment] = entry.set;
      this.#segments.set(entry.id, segments);
    }
    planned.wanted++;
    planned.wantedBytes += storedBytes(entry);
    if (entry.base !== null) bases.push(entry);
  }

  #plannedSet(id: SetId): PlannedSet {
    let planned = this.#planned.get(id);
    if (planned === undefined) {
      const info = this.#parts.sets.find((set) => set.id === id) as SetInfo;
      planned = { info, total: 0, wanted: 0, wantedBytes: 0 };
      this.#planned.set(id, planned);
    }
    return planned;
  }

  #checkFound(wanted: { blobs: Iterable<Id>; extents: Iterable<[Id, number]> }): void {
    for (const id of wanted.blobs) {
      if (!this.#blobs.has(id)) throw this.#missing(id);
    }
    for (const [id, count] of wanted.extents) {
      const segments = this.#segments.get(id) ?? [];
      for (let s = 0; s < count; s++) if (segments[s] === undefined) throw this.#missing(id);
    }
  }

  #missing(id: Id): CorruptError {
    const user = this.#needed.users.get(id);
    const where = user?.path === undefined || user.path === null ? '' : ` of '${user.path}'`;
    return damagedRemote(this.#parts.shown, `it lacks object '${id.slice(0, 16)}…'${where}`, id);
  }

  /** Bases that are neither here nor planned yet. */
  async #newBases(
    entries: readonly (BlobEntry | SegmentEntry)[],
  ): Promise<{ blobs: Set<Id>; extents: Map<Id, number> }> {
    const { store } = this.#parts.repo;
    const blobs = new Set<Id>();
    const extents = new Map<Id, number>();
    for (const entry of entries) {
      const base = entry.base as Id;
      if ('kind' in entry) {
        if (this.#needed.blobs.has(base) || blobs.has(base) || (await store.hasBlob(base)))
          continue;
        const found = await this.#parts.remote.findBlob(base);
        if (found === null) throw this.#missing(base);
        blobs.add(base);
        this.#needed.blobs.set(base, found.kind);
      } else {
        if (this.#needed.extents.has(base) || (await store.hasExtent(base))) continue;
        const found = await this.#parts.remote.findSegment(base, 0);
        if (found === null) throw this.#missing(base);
        extents.set(base, found.segments);
        this.#needed.extents.set(base, found.segments);
      }
    }
    return { blobs, extents };
  }
}

/** The parts of the files of a set that hold a record. */
export function rangesOf(
  entry: BlobEntry | SegmentEntry,
): { fileClass: 'blob' | 'hi' | 'mid' | 'low'; range: ByteRange }[] {
  if ('kind' in entry) {
    const { offset, recordBytes } = entry;
    return [{ fileClass: 'blob', range: { start: offset, end: offset + recordBytes } }];
  }
  const { offset, headBytes, hiBytes, midBytes, lowBytes, midOffset, lowOffset, inline } = entry;
  const before = segmentHeaderBytes(entry.depth > 0, inline) + headBytes + hiBytes;
  const end = offset + before + (inline ? midBytes + lowBytes : 0);
  const hi = { fileClass: 'hi' as const, range: { start: offset, end } };
  if (inline) return [hi];
  return [
    hi,
    { fileClass: 'mid', range: { start: midOffset, end: midOffset + midBytes } },
    { fileClass: 'low', range: { start: lowOffset, end: lowOffset + lowBytes } },
  ];
}

/** All files of a set, as parts of them. */
export function wholeFiles(info: SetInfo): Map<FileClass, ByteRange[]> {
  const found = new Map<FileClass, ByteRange[]>();
  for (const fileClass of FILE_CLASSES) {
    const size = info.bytes[fileClass];
    if (size > 0) found.set(fileClass, [{ start: 0, end: size }]);
  }
  return found;
}

/** The parts of a set's files that hold wanted records; those that stand close together as one. */
export async function partsOf(
  parts: FetchParts,
  plan: FetchPlan,
  info: SetInfo,
): Promise<Map<FileClass, ByteRange[]>> {
  const found = new Map<FileClass, ByteRange[]>();
  for await (const entry of parts.remote.recordsIn(info)) {
    if (!plan.isWanted(entry)) continue;
    for (const { fileClass, range } of rangesOf(entry)) {
      if (range.end === range.start) continue;
      const ranges = found.get(fileClass);
      if (ranges) ranges.push(range);
      else found.set(fileClass, [range]);
    }
  }
  for (const [fileClass, ranges] of found) {
    found.set(fileClass, joinRanges(ranges, TRANSFER_GAP_BYTES));
  }
  return found;
}
