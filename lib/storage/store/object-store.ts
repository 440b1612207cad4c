/**
 * All pack sets of a repository behind one look-up.
 *
 * The manifest says which sets are live and in which order (set-indexes.ts looks through them). Readers
 * take no lock: one that misses a key or a file reads the manifest again once, and what remotes promised.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type BlobKind, type Id, isId } from '../../base/bytes/hash.js';
import { ExistsError } from '../../base/errors.js';
import { INDEX_CACHE_BYTES } from '../../base/limits.js';
import type { Backend } from './backends/backend.js';
import { CurrentManifest } from './current-manifest.js';
import { INDEX_TABLES, type IndexTable } from './indexes/index-rows.js';
import { type ObjectSize, readSizes, type SizedObject } from './indexes/read-sizes.js';
import { type FoundRecord, SetIndexes } from './indexes/set-indexes.js';
import { lendPayloads } from './lend-payloads.js';
import { encodeManifest } from './manifest.js';
import { MANIFEST_NAME, packName } from './names.js';
import type { SegmentHeadAt } from './packs/read-records.js';
import { isHere, type Need, orPromised, type Promised, type RecordsHere } from './promised.js';
import { publishSets, retireSets } from './publish.js';
import { recordsHere } from './records-here.js';
import {
  type BlobEntry,
  type BlobRecord,
  type LentPayloads,
  PLANE_CLASSES,
  type PlaneClass,
  type SealedSet,
  type SegmentEntry,
  type SegmentRecord,
  type SetId,
  type SetInfo,
  segmentCount,
} from './types.js';

export interface ObjectStoreOptions {
  /** Bytes of index kept in memory; default 64 MiB. */
  indexCacheBytes?: number;
}

const LEADS = 256;
/** Bytes of an index that are decoded at once, about; never less than what begins with one byte. */
const BATCH_BYTES = 256 * 1024;

export class ObjectStore {
  readonly backend: Backend;
  /** What is promised by remotes; null: whatever is not here is missing. */
  promised: Promised | null = null;
  /** The same records without what is promised: reads fail, or find nothing, where that is wanted. */
  readonly here: RecordsHere;
  readonly #indexes: SetIndexes;
  readonly #manifest: CurrentManifest;

  private constructor(backend: Backend, manifest: CurrentManifest, indexes: SetIndexes) {
    this.backend = backend;
    this.#manifest = manifest;
    this.#indexes = indexes;
    const live = {
      segment: (id: Id, segment: number) => this.#find('segment', id, segment),
      blob: (id: Id) => this.#find('blob', id),
      retrying: <T>(lookUp: () => Promise<T | null>) => this.#manifest.retrying(isNull, lookUp),
    };
    this.here = recordsHere(backend, live, () => this.promised);
  }

  /** Writes the manifest of a new repository, generation 0, no sets. @throws {ExistsError} */
  static async init(backend: Backend): Promise<void> {
    if (await backend.exists(MANIFEST_NAME)) {
      throw new ExistsError(`there is a '${MANIFEST_NAME}' already`, { path: MANIFEST_NAME });
    }
    await backend.writeAtomic(MANIFEST_NAME, encodeManifest({ generation: 0, sets: [] }));
  }

  /** @throws {CorruptError} if the manifest is missing or damaged. */
  static async open(backend: Backend, options: ObjectStoreOptions = {}): Promise<ObjectStore> {
    const indexes = new SetIndexes(backend, options.indexCacheBytes ?? INDEX_CACHE_BYTES);
    const manifest = await CurrentManifest.read(backend, (set) => indexes.drop(set));
    return new ObjectStore(backend, manifest, indexes);
  }

  get generation(): number {
    return this.#manifest.generation;
  }

  sets(): readonly SetInfo[] {
    return this.#manifest.sets;
  }

  /** Reads again what remotes promised, which another process may have changed; null: nothing is promised. */
  set readPromises(read: (() => Promise<void>) | null) {
    this.#manifest.readPromises = read;
  }

  /** Reads the manifest again; true if it changed. */
  reload(): Promise<boolean> {
    return this.#manifest.reload();
  }

  /** Reads the manifest again, and what remotes promised even if it is the same: files may have gone since. */
  renew(): Promise<void> {
    return this.#manifest.renew();
  }

  #find<Table extends IndexTable>(table: Table, id: Id, segment = 0) {
    return this.#indexes.find(this.sets(), table, id, segment);
  }

  #live<Table extends IndexTable>(table: Table, lead: number) {
    return this.#indexes.live(this.sets(), table, lead);
  }

  /** The live entry; on a miss the manifest is read again once. */
  findBlob(id: Id): Promise<BlobEntry | null> {
    return this.#manifest.retrying(isNull, () => this.#find('blob', id));
  }

  /** The live entry, which is fetched if it is promised. To look without, see `here`. */
  findSegment(id: Id, segment: number): Promise<SegmentEntry | null> {
    const need = { kind: 'extent', id, segment, whole: false } as const;
    return this.#orPromised(need, () => this.here.findSegment(id, segment));
  }

  /**
   * What live records of many objects take here, in their order; nothing is fetched. undefined for an object
   * that is not here.
   */
  sizesOf(objects: readonly SizedObject[]): Promise<(ObjectSize | undefined)[]> {
    return this.#manifest.retrying(isNever, () => {
      return readSizes(this.#indexes, this.sets(), objects, this.promised);
    });
  }

  readBlob(id: Id): Promise<BlobRecord | null> {
    return this.#orPromised({ kind: 'blob', id }, () => this.here.readBlob(id));
  }

  /** Header, head and the classes asked for, verified; other classes are empty. */
  readSegment(
    id: Id,
    segment: number,
    classes: readonly PlaneClass[] = PLANE_CLASSES,
  ): Promise<SegmentRecord | null> {
    const need = { kind: 'extent', id, segment, whole: true } as const;
    return this.#orPromised(need, () => this.here.readSegment(id, segment, classes));
  }

  /** Header and head, verified, and what `readPlanes` needs to go on from there. */
  openSegment(id: Id, segment: number): Promise<SegmentHeadAt | null> {
    const need = { kind: 'extent', id, segment, whole: false } as const;
    return this.#orPromised(need, () => this.here.openSegment(id, segment));
  }

  /**
   * The classes asked for of an opened segment, verified; others are empty. If its set is gone since,
   * those of the record that is live now, which may have another base.
   */
  async readPlanes(
    head: SegmentHeadAt,
    classes: readonly PlaneClass[],
  ): Promise<SegmentRecord | null> {
    const { id, segment } = head.entry;
    const need = { kind: 'extent', id, segment, whole: true } as const;
    // Once fetched, it is the record that is live then.
    let isFirst = true;
    return this.#orPromised(need, () => {
      const read = isFirst
        ? this.here.readPlanes(head, classes)
        : this.here.readSegment(id, segment, classes);
      isFirst = false;
      return read;
    });
  }

  #orPromised<T>(need: Need, lookUp: () => Promise<T | null>): Promise<T | null> {
    return orPromised(() => this.promised, need, lookUp);
  }

  /** See lend-payloads.ts. */
  lendPayloads(head: SegmentHeadAt, classes: readonly PlaneClass[]): Promise<LentPayloads | null> {
    if (!isHere(this.promised, head.entry, classes)) return Promise.resolve(null);
    const files = { backend: this.backend, names: packName.bind(null, head.entry.set) };
    return lendPayloads(files, head, classes);
  }

  readSegmentHead(id: Id, segment: number): Promise<SegmentRecord | null> {
    return this.readSegment(id, segment, []);
  }

  /** True if listed in the manifest as last read (no reload: cheap for ingest). */
  hasBlob(id: Id): Promise<boolean> {
    return this.#manifest.retrying(isNever, async () => (await this.#find('blob', id)) !== null);
  }

  /** True if all segments are live in the manifest as last read. */
  hasExtent(id: Id): Promise<boolean> {
    return this.#manifest.retrying(isNever, async () => {
      const first = await this.#find('segment', id);
      if (first === null) return false;
      for (let segment = 1; segment < segmentCount(first.count); segment++) {
        if ((await this.#find('segment', id, segment)) === null) return false;
      }
      return true;
    });
  }

  /**
   * Ids of live blobs of one kind that start with `hexPrefix`, sorted, at most `max`.
   * @param hexPrefix 2 to 64 lower-case hex digits; anything else finds nothing.
   */
  async resolveIdPrefix(kind: BlobKind, hexPrefix: string, max = 16): Promise<Id[]> {
    if (isId(hexPrefix)) {
      const entry = await this.findBlob(hexPrefix);
      return entry?.kind === kind ? [hexPrefix] : [];
    }
    if (!/^[0-9a-f]{2,63}$/.test(hexPrefix)) return [];
    const lead = Number.parseInt(hexPrefix.slice(0, 2), 16);
    const isMatch = (entry: BlobEntry): boolean =>
      entry.kind === kind && entry.id.startsWith(hexPrefix);
    const found = await this.#manifest.retrying(
      (entries) => entries.length === 0,
      async () => (await this.#live('blob', lead)).filter(isMatch),
    );
    return found.slice(0, max).map((entry) => entry.id);
  }

  // The walks below give up their turn 256 times: all they read may be in memory, and signals are
  // heard only between turns of the event loop.

  /** Live blobs in order of id. */
  async *blobs(kind?: BlobKind): AsyncGenerator<BlobEntry> {
    for (let lead = 0; lead < LEADS; lead++) {
      await nextTurn();
      for (const entry of await this.#manifest.retrying(isNever, () => this.#live('blob', lead))) {
        if (kind === undefined || entry.kind === kind) yield entry;
      }
    }
  }

  /** Live segments in order of (id, segment). */
  async *segments(): AsyncGenerator<SegmentEntry> {
    for (let lead = 0; lead < LEADS; lead++) {
      await nextTurn();
      yield* await this.#manifest.retrying(isNever, () => this.#live('segment', lead));
    }
  }

  /** Segments that one listed set holds, live or not, by the first byte of their id. @throws {CorruptError} */
  async *segmentsOf(info: SetInfo): AsyncGenerator<SegmentEntry> {
    const step = leadsAtOnce(info);
    for (let lead = 0; lead < LEADS; lead += step) {
      await nextTurn();
      yield* await this.#indexes.entriesIn(info, 'segment', lead, Math.min(LEADS, lead + step));
    }
  }

  /**
   * Records that one listed set holds, live or not, blobs first, by the first byte of their id.
   * @throws {CorruptError} {IoError} if its index is gone.
   */
  async *recordsIn(info: SetInfo): AsyncGenerator<BlobEntry | SegmentEntry> {
    for await (const batch of this.recordBatchesIn(info)) yield* batch;
  }

  /** As `recordsIn`, some thousand records at a time: a walk over many sets is several times as fast. */
  async *recordBatchesIn(info: SetInfo): AsyncGenerator<(BlobEntry | SegmentEntry)[]> {
    const step = leadsAtOnce(info);
    for (const table of INDEX_TABLES) {
      for (let lead = 0; lead < LEADS; lead += step) {
        await nextTurn();
        yield await this.#indexes.entriesIn(info, table, lead, Math.min(LEADS, lead + step));
      }
    }
  }

  /**
   * Every record of every listed set, also those that the live record of an earlier set hides.
   * Blobs come first; entries come by the first byte of their id, then in the order of the sets.
   */
  async *records(): AsyncGenerator<FoundRecord> {
    for (const table of INDEX_TABLES) {
      for (let lead = 0; lead < LEADS; lead++) {
        await nextTurn();
        yield* await this.#manifest.retrying(isNever, () =>
          this.#indexes.records(this.sets(), table, lead),
        );
      }
    }
  }

  /**
   * Renames finished sets into packs/ and swaps the manifest. The caller holds the lock.
   * @param edit gets the current list with the new sets appended, returns the list to write. Any
   *   list but the one it gets is checked: the live deltas must stay a forest.
   * @throws {ConflictError} DLV_CONFLICT if they would not; nothing is changed then.
   */
  async publish(
    sealed: readonly SealedSet[],
    edit: (sets: readonly SetInfo[]) => readonly SetInfo[] = (sets) => sets,
  ): Promise<void> {
    const manifest = await publishSets(this.backend, sealed, edit);
    // A set that was damaged and is written again has the same name: its old index must go.
    for (const { info } of sealed) this.#indexes.drop(info.id);
    this.#manifest.use(manifest);
  }

  /** Moves sets that the manifest no longer lists to trash/. The caller holds the lock. */
  retire(setIds: readonly SetId[]): Promise<void> {
    return retireSets(this.backend, setIds);
  }

  async close(): Promise<void> {
    this.#indexes.clear();
    await this.backend.close();
  }
}

/** How many first bytes of ids are read between two turns of the event loop. */
function leadsAtOnce(info: SetInfo): number {
  const leads = Math.floor((LEADS * BATCH_BYTES) / (info.bytes.idx + 1));
  return Math.max(1, Math.min(LEADS, leads));
}

function isNull(found: unknown): boolean {
  return found === null;
}

/** For look-ups whose answer stands, whatever it is. */
function isNever(): boolean {
  return false;
}
