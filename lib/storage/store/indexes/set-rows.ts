/** Index rows of any list of sets, also of one that no manifest lists yet. Within a bound of memory. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { LruCache } from '../../../base/bytes/lru-cache.js';
import { INDEX_CACHE_BYTES } from '../../../base/limits.js';
import type { Backend } from '../backends/backend.js';
import { packName } from '../names.js';
import type { BlobEntry, SegmentEntry, SetId, SetInfo } from '../types.js';
import { IndexReader } from './index-reader.js';
import { compareRows, decodeBlobRow, decodeSegmentRow, type IndexTable } from './index-rows.js';

/** The store that asks keeps indexes of its own. */
const CACHE_BYTES = INDEX_CACHE_BYTES / 2;
/** A batch is never less than what begins with one byte. */
const BATCH_BYTES = 4 * 1024 * 1024;
const LEADS = 256;

/** A row and the set that it is of. */
export interface RowOfSet {
  row: Uint8Array;
  info: SetInfo;
}

export class SetRows {
  readonly sets: readonly SetInfo[];
  readonly #backend: Backend;
  /** Where an idx is that is not in packs/ yet. */
  readonly #places: ReadonlyMap<SetId, string>;
  readonly #signal: AbortSignal | undefined;
  readonly #batchBytes: number;
  readonly #indexes = new LruCache<SetId, IndexReader>(CACHE_BYTES);

  constructor(
    backend: Backend,
    sets: readonly SetInfo[],
    options: {
      places?: ReadonlyMap<SetId, string>;
      signal?: AbortSignal | undefined;
      /** Bytes of index that one batch takes, about; default 4 MiB. */
      batchBytes?: number;
    } = {},
  ) {
    this.#backend = backend;
    this.sets = sets;
    this.#places = options.places ?? new Map();
    this.#signal = options.signal;
    this.#batchBytes = options.batchBytes ?? BATCH_BYTES;
  }

  async #index(info: SetInfo): Promise<IndexReader> {
    const known = this.#indexes.get(info.id);
    if (known !== undefined) return known;
    const room = CACHE_BYTES / 2 - this.#indexes.weight;
    const index = await IndexReader.open(
      this.#backend,
      info,
      room,
      this.#places.get(info.id) ?? packName(info.id, 'idx'),
    );
    this.#indexes.set(info.id, index, index.memoryBytes);
    return index;
  }

  /** Rows of one table, some MiB at a time: by key, then in the order of the sets. */
  async *batches(table: IndexTable): AsyncGenerator<RowOfSet[]> {
    const total = this.sets.reduce((sum, info) => sum + info.bytes.idx, 0);
    const step = Math.max(1, Math.min(LEADS, Math.floor((LEADS * this.#batchBytes) / (total + 1))));
    for (let lead = 0; lead < LEADS; lead += step) {
      // Everything may come from memory: signals are heard only between turns of the event loop.
      await nextTurn();
      throwIfAborted(this.#signal);
      const found: RowOfSet[] = [];
      for (const info of this.sets) {
        const index = await this.#index(info);
        const rows = await index.rowsOf(table, lead, Math.min(LEADS, lead + step));
        for (const row of rows) found.push({ row, info });
      }
      // The sort is stable, so the live row of a key comes first.
      yield found.sort((a, b) => compareRows(table, a.row, b.row));
    }
  }

  /** The rows of one key, the live one first. */
  async find(table: IndexTable, key: Uint8Array): Promise<RowOfSet[]> {
    const found: RowOfSet[] = [];
    for (const info of this.sets) {
      const row = await (await this.#index(info)).find(table, key);
      if (row !== null) found.push({ row, info });
    }
    return found;
  }
}

/** What a row says. @throws {CorruptError} */
export function decodeRow(table: IndexTable, { row, info }: RowOfSet): BlobEntry | SegmentEntry {
  const decode = table === 'blob' ? decodeBlobRow : decodeSegmentRow;
  return decode(row, info.id, info.bytes, packName(info.id, 'idx'));
}
