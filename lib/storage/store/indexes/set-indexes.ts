/**
 * The indexes of listed sets: opened when first needed, kept within a bound, looked through in the
 * order of the sets. The first that holds a key has its live record.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { LruCache } from '../../../base/bytes/lru-cache.js';
import type { Backend } from '../backends/backend.js';
import { packName } from '../names.js';
import {
  type BlobEntry,
  recordKey,
  type SegmentEntry,
  type SetId,
  type SetInfo,
} from '../types.js';
import { IndexReader } from './index-reader.js';
import { decodeBlobRow, decodeSegmentRow, type IndexTable, rowKey } from './index-rows.js';

/** What an index says of a record, by its table. */
export interface EntryOf {
  blob: BlobEntry;
  segment: SegmentEntry;
}

/** Share of the memory that entries take which were found: a base is asked for by each of its deltas. */
const FOUND_SHARE = 1 / 64;
/** Bytes of memory that an entry takes, about. */
const FOUND_BYTES = 512;

/** A record of a listed set. */
export interface FoundRecord {
  entry: BlobEntry | SegmentEntry;
  /** False if a set listed before holds the same key. */
  live: boolean;
}

export class SetIndexes {
  readonly #backend: Backend;
  readonly #cacheBytes: number;
  readonly #open: LruCache<SetId, IndexReader>;
  readonly #opening = new Map<SetId, Promise<IndexReader>>();
  /** What was found, while the sets are those in which it was. */
  readonly #found: LruCache<string, BlobEntry | SegmentEntry>;
  #foundIn: readonly SetInfo[] = [];

  constructor(backend: Backend, cacheBytes: number) {
    this.#backend = backend;
    this.#cacheBytes = cacheBytes;
    this.#open = new LruCache(cacheBytes);
    this.#found = new LruCache(cacheBytes * FOUND_SHARE);
  }

  /** Closes the index of a set that is not listed any more, or whose files are others now. */
  drop(id: SetId): void {
    this.#open.delete(id);
    this.#found.clear();
  }

  clear(): void {
    this.#open.clear();
    this.#found.clear();
  }

  /** Concurrent callers share one opening. */
  async #index(info: SetInfo): Promise<IndexReader> {
    const known = this.#open.get(info.id);
    if (known !== undefined) return known;
    let opening = this.#opening.get(info.id);
    if (opening === undefined) {
      opening = IndexReader.open(this.#backend, info, this.#room).finally(() =>
        this.#opening.delete(info.id),
      );
      this.#opening.set(info.id, opening);
    }
    const index = await opening;
    this.#open.set(info.id, index, index.memoryBytes);
    return index;
  }

  /**
   * Bytes for whole indexes: half of the memory is for them, the rest for heads of those that do not fit.
   * Were all held whole, one look-up through more than fit would read each of them again.
   */
  get #room(): number {
    return this.#cacheBytes / 2 - this.#open.weight;
  }

  /** The row of a key in a large index, all rows of which are kept from now on if it is asked often. */
  async #findIn(
    index: IndexReader,
    table: IndexTable,
    key: Uint8Array,
  ): Promise<Uint8Array | null> {
    const { id, bytes } = index.info;
    if (index.isAskedOften && bytes.idx <= this.#room && this.#open.peek(id) === index) {
      await index.hold();
      if (this.#open.peek(id) === index) this.#open.set(id, index, index.memoryBytes);
    }
    return index.find(table, key);
  }

  /** What the first of the sets that holds a key says of it. */
  async find<Table extends IndexTable>(
    sets: readonly SetInfo[],
    table: Table,
    id: Id,
    segment = 0,
  ): Promise<EntryOf[Table] | null> {
    if (sets.length === 0) return null;
    if (sets !== this.#foundIn) {
      this.#found.clear();
      this.#foundIn = sets;
    }
    const name = `${table} ${id} ${segment}`;
    const known = this.#found.get(name);
    if (known !== undefined) return known as EntryOf[Table];
    const key = rowKey(table, id, segment);
    for (const info of sets) {
      const index = this.#open.get(info.id) ?? (await this.#index(info));
      let row = index.findHeld(table, key);
      if (row === undefined) row = await this.#findIn(index, table, key);
      if (row === null) continue;
      const entry = decodeRow(table, row, index);
      // Another manifest may have been read meanwhile.
      if (sets === this.#foundIn) this.#found.set(name, entry, FOUND_BYTES);
      return entry;
    }
    return null;
  }

  /** What one set holds of a table, of ids that begin with the bytes `lead` to `end` − 1, live or not. */
  async entriesIn<Table extends IndexTable>(
    info: SetInfo,
    table: Table,
    lead: number,
    end = lead + 1,
  ): Promise<EntryOf[Table][]> {
    const index = await this.#index(info);
    return (await index.rowsOf(table, lead, end)).map((row) => decodeRow(table, row, index));
  }

  /** Rows of one set, of ids that begin with the bytes `lead` to `end` − 1, live or not. */
  async rowsIn(info: SetInfo, table: IndexTable, lead: number, end: number): Promise<Uint8Array[]> {
    return (await this.#index(info)).rowsOf(table, lead, end);
  }

  /** All records whose id begins with one byte, set by set. */
  async records(sets: readonly SetInfo[], table: IndexTable, lead: number): Promise<FoundRecord[]> {
    const seen = new Set<string>();
    const found: FoundRecord[] = [];
    for (const info of sets) {
      for (const entry of await this.entriesIn(info, table, lead)) {
        const key = recordKey(entry);
        found.push({ entry, live: !seen.has(key) });
        seen.add(key);
      }
    }
    return found;
  }

  /** The live ones of those, in order of their keys. */
  async live<Table extends IndexTable>(
    sets: readonly SetInfo[],
    table: Table,
    lead: number,
  ): Promise<EntryOf[Table][]> {
    const entries = (await this.records(sets, table, lead))
      .filter(({ live }) => live)
      .map(({ entry }) => entry);
    const number = (entry: BlobEntry | SegmentEntry) => ('segment' in entry ? entry.segment : 0);
    return entries.sort((a, b) => {
      if (a.id === b.id) return number(a) - number(b);
      return a.id < b.id ? -1 : 1;
    }) as EntryOf[Table][];
  }
}

function decodeRow<Table extends IndexTable>(
  table: Table,
  row: Uint8Array,
  index: IndexReader,
): EntryOf[Table] {
  const decode = table === 'blob' ? decodeBlobRow : decodeSegmentRow;
  const name = packName(index.info.id, 'idx');
  return decode(row, index.info.id, index.sizes, name) as EntryOf[Table];
}
