/** Where objects that a fetch needs stand at a remote, and which of its pack sets are wanted whole. */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { type CorruptError, isDamage } from '../../../base/errors.js';
import {
  type BlobEntry,
  type SegmentEntry,
  type SetId,
  type SetInfo,
  setBytes,
  storedBytes,
} from '../../store/types.js';
import type { Reachable } from '../../upkeep/reachable.js';
import { damagedRemote } from '../remote/remote-damage.js';
import type { FetchParts } from './parts.js';

/** Something of a pack set at a remote is wanted. */
export interface PlannedSet {
  readonly info: SetInfo;
  /** Records of the set, and those that are wanted. */
  total: number;
  wanted: number;
  /** Bytes of the wanted records. */
  wantedBytes: number;
}

/** Bytes that a planned set costs. */
export function bytesOf(set: PlannedSet): number {
  return isWholly(set) ? setBytes(set.info) : set.wantedBytes;
}

/** True if all of a set is wanted: it is taken as it is. */
export function isWholly({ wanted, total }: PlannedSet): boolean {
  return wanted === total;
}

/** Finds where needed objects stand: their live records, and those of the bases under them. */
export class Places {
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

  /** The set whose record of a blob is wanted. */
  blobIn(id: Id): SetId | undefined {
    return this.#blobs.get(id);
  }

  /** @throws {CorruptError} if something is nowhere. */
  async find(sets: readonly SetInfo[], signal: AbortSignal | undefined): Promise<PlannedSet[]> {
    let wanted = { blobs: new Set(this.#needed.blobs.keys()), extents: this.#needed.extents };
    for (let round = 0; wanted.blobs.size + wanted.extents.size > 0; round++) {
      const bases: (BlobEntry | SegmentEntry)[] = [];
      for (const info of sets) {
        throwIfAborted(signal);
        for await (const batch of this.#batchesIn(info)) {
          for (const entry of batch) this.#look(entry, round === 0, wanted, bases);
        }
      }
      this.#checkFound(wanted);
      wanted = await this.#newBases(bases);
    }
    return sets.flatMap(({ id }) => this.#planned.get(id) ?? []);
  }

  /** @throws {CorruptError} that names the remote. */
  async *#batchesIn(info: SetInfo): AsyncGenerator<(BlobEntry | SegmentEntry)[]> {
    try {
      yield* this.#parts.remote.recordBatchesIn(info);
    } catch (error) {
      throw isDamage(error) ? damagedRemote(this.#parts.shown, error.message) : error;
    }
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
