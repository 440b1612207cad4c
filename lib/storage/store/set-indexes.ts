/**
 * The indexes of listed sets: opened when first needed, kept within a bound, looked through in the
 * order of the sets. The first that holds a key has its live record.
 */
import type { Id } from '../../base/bytes/hash.js';
import { LruCache } from '../../base/bytes/lru-cache.js';
import type { Backend } from './backends/backend.js';
import { packName } from './names.js';
import { IndexReader } from './packs/index-reader.js';
import { decodeBlobRow, decodeSegmentRow, type IndexTable, rowKey } from './packs/index-rows.js';
import type { BlobEntry, SegmentEntry, SetId, SetInfo } from './types.js';

/** What an index says of a record, by its table. */
export interface EntryOf {
  blob: BlobEntry;
  segment: SegmentEntry;
}

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

  constructor(backend: Backend, cacheBytes: number) {
    this.#backend = backend;
    this.#cacheBytes = cacheBytes;
    this.#open = new LruCache(cacheBytes);
  }

  /** Closes the index of a set that is not listed any more, or whose files are others now. */
  drop(id: SetId): void {
    this.#open.delete(id);
  }

  clear(): void {
    this.#open.clear();
  }

  /** Concurrent callers share one opening. */
  async #index(info: SetInfo): Promise<IndexReader> {
    const known = this.#open.get(info.id);
    if (known !== undefined) return known;
    let opening = this.#opening.get(info.id);
    if (opening === undefined) {
      // Half of the memory is for whole indexes, the rest for heads of those that do not fit. Were
      // all held whole, one look-up through more than fit would read each of them again.
      const room = this.#cacheBytes / 2 - this.#open.weight;
      opening = IndexReader.open(this.#backend, info, room).finally(() =>
        this.#opening.delete(info.id),
      );
      this.#opening.set(info.id, opening);
    }
    const index = await opening;
    this.#open.set(info.id, index, index.memoryBytes);
    return index;
  }

  /** What the first of the sets that holds a key says of it. */
  async find<Table extends IndexTable>(
    sets: readonly SetInfo[],
    table: Table,
    id: Id,
    segment = 0,
  ): Promise<EntryOf[Table] | null> {
    if (sets.length === 0) return null;
    const key = rowKey(table, id, segment);
    for (const info of sets) {
      const index = await this.#index(info);
      const row = await index.find(table, key);
      if (row !== null) return decodeRow(table, row, index);
    }
    return null;
  }

  /** What one set holds of a table, of ids that begin with one byte, live or not. */
  async entriesIn<Table extends IndexTable>(
    info: SetInfo,
    table: Table,
    lead: number,
  ): Promise<EntryOf[Table][]> {
    const index = await this.#index(info);
    return (await index.rowsOf(table, lead)).map((row) => decodeRow(table, row, index));
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
        const key = 'segment' in entry ? `${entry.id}:${entry.segment}` : entry.id;
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
