/**
 * All pack sets of a repository behind one look-up.
 *
 * The manifest says which sets are live and in which order: the first that holds a key has its live
 * record. Indexes are opened when first needed and kept within a bound. Readers take no lock: one
 * that misses a key or a file reads the manifest again once.
 */
import { isMissing } from '../bytes/files.js';
import { type BlobKind, type Id, isId } from '../bytes/hash.js';
import { ExistsError } from '../errors.js';
import { MANIFEST_BYTES_MAX } from '../limits.js';
import type { Backend } from './backend.js';
import { IndexReader } from './index-reader.js';
import {
  decodeBlobRow,
  decodeSegmentRow,
  INDEX_TABLES,
  type IndexTable,
  rowKey,
} from './index-rows.js';
import { decodeManifest, encodeManifest, MANIFEST_NAME, type Manifest } from './manifest.js';
import { packName } from './pack-format.js';
import { readBlobAt, readSegmentAt } from './read-records.js';
import {
  type BlobEntry,
  type BlobRecord,
  FILE_CLASSES,
  type FileClass,
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

const INDEX_CACHE_BYTES = 64 * 1024 * 1024;
const LEADS = 256;
/** Look-ups of one key; each after the first because the manifest changed under the one before. */
const LOOK_UPS_MAX = 4;

export class ObjectStore {
  readonly backend: Backend;
  readonly #cacheBytes: number;
  readonly #indexes = new Map<SetId, Promise<IndexReader>>();
  #indexBytes = 0;
  #manifest: Manifest;

  private constructor(backend: Backend, manifest: Manifest, cacheBytes: number) {
    this.backend = backend;
    this.#manifest = manifest;
    this.#cacheBytes = cacheBytes;
  }

  /** Writes the manifest of a new repository, generation 0, no sets. @throws {ExistsError} */
  static async init(backend: Backend): Promise<void> {
    if (await backend.exists(MANIFEST_NAME)) {
      throw new ExistsError(`there is a '${MANIFEST_NAME}' already`, { path: MANIFEST_NAME });
    }
    await backend.writeAtomic(MANIFEST_NAME, encodeManifest({ generation: 0, sets: [] }));
  }

  static async open(backend: Backend, options: ObjectStoreOptions = {}): Promise<ObjectStore> {
    const manifest = await readManifest(backend);
    return new ObjectStore(backend, manifest, options.indexCacheBytes ?? INDEX_CACHE_BYTES);
  }

  get generation(): number {
    return this.#manifest.generation;
  }

  sets(): readonly SetInfo[] {
    return this.#manifest.sets;
  }

  /** Reads the manifest again; true if it changed. */
  async reload(): Promise<boolean> {
    const manifest = await readManifest(this.backend);
    if (manifest.generation === this.#manifest.generation) return false;
    this.#use(manifest);
    return true;
  }

  #use(manifest: Manifest): void {
    this.#manifest = manifest;
    const live = new Set(manifest.sets.map((info) => info.id));
    for (const id of [...this.#indexes.keys()]) if (!live.has(id)) this.#forget(id);
  }

  #forget(id: SetId): void {
    const index = this.#indexes.get(id);
    this.#indexes.delete(id);
    index?.then(
      (reader) => {
        this.#indexBytes -= reader.memoryBytes;
      },
      () => {},
    );
  }

  #index(info: SetInfo): Promise<IndexReader> {
    const known = this.#indexes.get(info.id);
    if (known !== undefined) {
      if (this.#indexBytes > this.#cacheBytes) {
        this.#indexes.delete(info.id);
        this.#indexes.set(info.id, known);
      }
      return known;
    }
    const opened = IndexReader.open(this.backend, info);
    this.#indexes.set(info.id, opened);
    opened.then(
      (reader) => {
        this.#indexBytes += reader.memoryBytes;
        for (const id of this.#indexes.keys()) {
          if (this.#indexBytes <= this.#cacheBytes || id === info.id) break;
          this.#forget(id);
        }
      },
      () => this.#indexes.delete(info.id),
    );
    return opened;
  }

  /**
   * Runs a look-up; if it finds nothing or a file is gone, reads the manifest again, and retries if
   * that is another one than the look-up began with: look-ups overlap, so that the reload of one may
   * already have brought what the other needs.
   */
  async #retrying<T>(lookUp: () => Promise<T | null>): Promise<T | null> {
    for (let attempt = 1; ; attempt++) {
      const before = this.#manifest;
      let failure: unknown = null;
      try {
        const found = await lookUp();
        if (found !== null) return found;
      } catch (error) {
        if (!isMissing(error)) throw error;
        failure = error;
      }
      if (this.#manifest === before) await this.reload();
      if (this.#manifest !== before && attempt < LOOK_UPS_MAX) continue;
      if (failure !== null) throw failure;
      return null;
    }
  }

  async #row(
    table: IndexTable,
    id: Id,
    segment = 0,
  ): Promise<{ row: Uint8Array; index: IndexReader } | null> {
    const key = rowKey(table, id, segment);
    for (const info of this.#manifest.sets) {
      const index = await this.#index(info);
      const row = await index.find(table, key);
      if (row !== null) return { row, index };
    }
    return null;
  }

  async #blobEntry(id: Id): Promise<BlobEntry | null> {
    const found = await this.#row('blob', id);
    return (
      found &&
      decodeBlobRow(found.row, found.index.info.id, found.index.sizes, idxName(found.index))
    );
  }

  async #segmentEntry(id: Id, segment: number): Promise<SegmentEntry | null> {
    const found = await this.#row('segment', id, segment);
    return (
      found &&
      decodeSegmentRow(found.row, found.index.info.id, found.index.sizes, idxName(found.index))
    );
  }

  /** The live entry; on a miss the manifest is read again once. */
  findBlob(id: Id): Promise<BlobEntry | null> {
    return this.#retrying(() => this.#blobEntry(id));
  }

  findSegment(id: Id, segment: number): Promise<SegmentEntry | null> {
    return this.#retrying(() => this.#segmentEntry(id, segment));
  }

  readBlob(id: Id): Promise<BlobRecord | null> {
    return this.#retrying(async () => {
      const entry = await this.#blobEntry(id);
      return entry && readBlobAt(this.backend, (c) => packName(entry.set, c), entry);
    });
  }

  /** Header, head and the classes asked for, verified; other classes are empty. */
  readSegment(
    id: Id,
    segment: number,
    classes: readonly PlaneClass[] = PLANE_CLASSES,
  ): Promise<SegmentRecord | null> {
    return this.#retrying(async () => {
      const entry = await this.#segmentEntry(id, segment);
      return entry && readSegmentAt(this.backend, (c) => packName(entry.set, c), entry, classes);
    });
  }

  readSegmentHead(id: Id, segment: number): Promise<SegmentRecord | null> {
    return this.readSegment(id, segment, []);
  }

  /** True if listed in the manifest as last read (no reload: cheap for ingest). */
  async hasBlob(id: Id): Promise<boolean> {
    return (await this.#row('blob', id)) !== null;
  }

  /** True if all segments are live in the manifest as last read. */
  async hasExtent(id: Id): Promise<boolean> {
    const first = await this.#segmentEntry(id, 0);
    if (first === null) return false;
    for (let segment = 1; segment < segmentCount(first.count); segment++) {
      if ((await this.#row('segment', id, segment)) === null) return false;
    }
    return true;
  }

  /** Ids of live blobs of one kind that start with `hexPrefix`, sorted, at most `max`. */
  async resolveIdPrefix(kind: BlobKind, hexPrefix: string, max = 16): Promise<Id[]> {
    if (isId(hexPrefix)) {
      const entry = await this.findBlob(hexPrefix);
      return entry?.kind === kind ? [hexPrefix] : [];
    }
    if (!/^[0-9a-f]{2,64}$/.test(hexPrefix)) return [];
    const lead = Number.parseInt(hexPrefix.slice(0, 2), 16);
    const found: Id[] = [];
    for (const entry of await this.#entriesOf('blob', lead)) {
      if ((entry as BlobEntry).kind === kind && entry.id.startsWith(hexPrefix))
        found.push(entry.id);
      if (found.length === max) break;
    }
    return found;
  }

  /** Live entries whose id begins with one byte, in order: the first set that holds a key wins. */
  async #entriesOf(table: IndexTable, lead: number): Promise<(BlobEntry | SegmentEntry)[]> {
    const live = new Map<string, BlobEntry | SegmentEntry>();
    for (const info of this.#manifest.sets) {
      const index = await this.#index(info);
      for (const row of await index.rowsOf(table, lead)) {
        const entry = decodeRow(table, row, index);
        const key =
          'segment' in entry ? `${entry.id}${String(entry.segment).padStart(10, '0')}` : entry.id;
        if (!live.has(key)) live.set(key, entry);
      }
    }
    return [...live].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([, entry]) => entry);
  }

  /** Live blobs in order of id. */
  async *blobs(kind?: BlobKind): AsyncGenerator<BlobEntry> {
    for (let lead = 0; lead < LEADS; lead++) {
      for (const entry of (await this.#entriesOf('blob', lead)) as BlobEntry[]) {
        if (kind === undefined || entry.kind === kind) yield entry;
      }
    }
  }

  /** Live segments in order of (id, segment). */
  async *segments(): AsyncGenerator<SegmentEntry> {
    for (let lead = 0; lead < LEADS; lead++) {
      yield* (await this.#entriesOf('segment', lead)) as SegmentEntry[];
    }
  }

  /**
   * Every record of every listed set, also those that the live record of an earlier set hides.
   * Blobs come first; entries come by the first byte of their id, then in the order of the sets.
   */
  async *records(): AsyncGenerator<{ entry: BlobEntry | SegmentEntry; live: boolean }> {
    for (const table of INDEX_TABLES) {
      for (let lead = 0; lead < LEADS; lead++) {
        const seen = new Set<string>();
        for (const info of this.#manifest.sets) {
          const index = await this.#index(info);
          for (const row of await index.rowsOf(table, lead)) {
            const entry = decodeRow(table, row, index);
            const key = 'segment' in entry ? `${entry.id}:${entry.segment}` : entry.id;
            yield { entry, live: !seen.has(key) };
            seen.add(key);
          }
        }
      }
    }
  }

  /**
   * Renames finished sets into packs/ and swaps the manifest. The caller holds the lock.
   * @param edit gets the current list with the new sets appended, returns the list to write.
   */
  async publish(
    sealed: readonly SealedSet[],
    edit: (sets: readonly SetInfo[]) => readonly SetInfo[] = (sets) => sets,
  ): Promise<void> {
    const current = await readManifest(this.backend);
    for (const { info, files } of sealed) {
      // The index comes last: a set is complete if it is there.
      for (const fileClass of FILE_CLASSES) {
        const from = files[fileClass];
        if (from !== undefined) await this.backend.rename(from, packName(info.id, fileClass));
      }
    }
    if (sealed.length > 0) await this.backend.syncDir('packs');
    const listed = new Set(current.sets.map((info) => info.id));
    const fresh = sealed.map(({ info }) => info).filter((info) => !listed.has(info.id));
    const sets = [...edit([...current.sets, ...fresh])];
    const manifest = { generation: current.generation + 1, sets };
    await this.backend.writeAtomic(MANIFEST_NAME, encodeManifest(manifest));
    // A set that was damaged and is written again has the same name: its old index must go.
    for (const { info } of sealed) this.#forget(info.id);
    this.#use(manifest);
  }

  /** Moves sets that the manifest no longer lists to trash/. The caller holds the lock. */
  async retire(setIds: readonly SetId[]): Promise<void> {
    const listed = new Set(this.#manifest.sets.map((info) => info.id));
    let moved = 0;
    for (const id of setIds) {
      if (listed.has(id)) continue;
      // The index first: without it the rest counts as garbage, not as a set.
      for (const fileClass of [...FILE_CLASSES].reverse() as FileClass[]) {
        const name = packName(id, fileClass);
        if (!(await this.backend.exists(name))) continue;
        await this.backend.rename(name, `trash/${id}.${fileClass}`);
        moved++;
      }
    }
    if (moved > 0) {
      await this.backend.syncDir('trash');
      await this.backend.syncDir('packs');
    }
  }

  async close(): Promise<void> {
    this.#indexes.clear();
    this.#indexBytes = 0;
    await this.backend.close();
  }
}

async function readManifest(backend: Backend): Promise<Manifest> {
  return decodeManifest(await backend.readAll(MANIFEST_NAME, MANIFEST_BYTES_MAX), MANIFEST_NAME);
}

function decodeRow(
  table: IndexTable,
  row: Uint8Array,
  index: IndexReader,
): BlobEntry | SegmentEntry {
  const decode = table === 'blob' ? decodeBlobRow : decodeSegmentRow;
  return decode(row, index.info.id, index.sizes, idxName(index));
}

function idxName(index: IndexReader): string {
  return packName(index.info.id, 'idx');
}
