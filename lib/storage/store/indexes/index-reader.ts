/**
 * Look-ups in one pack index: a small one is read and checked whole, of a large one only its head and
 * the buckets that are asked for, each checked by its CRC-32. One that is asked often is held, too.
 *
 * @see docs/format/pack-index.md
 */

import { crc32 } from '../../../base/bytes/checksum.js';
import { sha256Hex } from '../../../base/bytes/hash.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import { SET_RECORDS_MAX } from '../../../base/limits.js';
import type { Backend } from '../backends/backend.js';
import { packName } from '../names.js';
import { checkFileHeader, damaged } from '../packs/pack-format.js';
import type { SetInfo } from '../types.js';
import {
  bucketOf,
  FANOUT_ENTRY_BYTES,
  fanoutBits,
  INDEX_FIXED_BYTES,
  INDEX_SUM_BYTES,
} from './index-head.js';
import {
  compareRows,
  type DataSizes,
  INDEX_TABLES,
  type IndexTable,
  ROW_BYTES,
} from './index-rows.js';

/** Up to this size an idx is held in memory whole. */
const WHOLE_BYTES_MAX = 1 << 20;
/** Bytes of an index that are read and checked in the time that one bucket takes, a trip to a thread. */
const BYTES_A_TRIP = 64 * 1024;

interface Table {
  rows: number;
  bits: number;
  /** Cumulative row count and CRC-32 of each bucket. */
  ends: Uint32Array;
  crcs: Uint32Array;
  /** Offset of the first row in the file. */
  start: number;
}

/** What `open` has read. */
interface Opened {
  backend: Backend;
  info: SetInfo;
  name: string;
  head: Uint8Array;
  tables: Record<IndexTable, Table>;
  /** The file, if it is kept in memory. */
  whole: Uint8Array | null;
}

export class IndexReader {
  readonly info: SetInfo;
  readonly sizes: DataSizes;
  readonly #backend: Backend;
  readonly #name: string;
  readonly #tables: Record<IndexTable, Table>;
  /** All rows of a table, checked, where they are held. */
  readonly #held: Record<IndexTable, Uint8Array | null> = { blob: null, segment: null };
  #memoryBytes: number;
  #trips = 0;

  private constructor({ backend, info, name, head, tables, whole }: Opened) {
    this.info = info;
    this.#backend = backend;
    this.#name = name;
    this.#tables = tables;
    for (const table of INDEX_TABLES) {
      const { start } = tables[table];
      this.#held[table] = whole?.subarray(start, start + this.#tableBytes(table)) ?? null;
    }
    this.#memoryBytes = (whole ?? head).length;
    const { blob, hi, mid, low } = info.bytes;
    this.sizes = { blob, hi, mid, low };
  }

  /**
   * Reads what is needed to look things up.
   * @param roomBytes an idx larger than this is not held whole.
   * @param name  the file, if the set is not in packs/ yet.
   * @throws {CorruptError}; {IoError} if the file is gone.
   */
  static async open(
    backend: Backend,
    info: SetInfo,
    roomBytes = WHOLE_BYTES_MAX,
    name = packName(info.id, 'idx'),
  ): Promise<IndexReader> {
    const bytes = info.bytes.idx;
    if (bytes < INDEX_FIXED_BYTES + INDEX_SUM_BYTES)
      throw damaged(name, 0, `${bytes} bytes are not an index`);
    const isWhole = bytes <= Math.min(WHOLE_BYTES_MAX, roomBytes);
    const whole = isWhole ? await backend.read(name, 0, bytes) : null;
    const fixed = whole ?? (await backend.read(name, 0, INDEX_FIXED_BYTES));
    checkFileHeader(fixed.subarray(0, 8), 'idx', name);
    const reader = new ByteReader(fixed.subarray(0, INDEX_FIXED_BYTES), name);
    reader.offset = 8;
    const counts = { blob: reader.u32('blobs'), segment: reader.u32('segments') };
    if (counts.blob > SET_RECORDS_MAX || counts.segment > SET_RECORDS_MAX) {
      throw damaged(name, 8, 'more records than a set can hold');
    }
    for (const size of ['blob', 'hi', 'mid', 'low'] as const) {
      if (reader.u64(size) !== info.bytes[size])
        throw damaged(name, 16, `another size of .${size} than the manifest says`);
    }
    const headBytes = headLength(counts);
    const expected =
      headBytes +
      INDEX_TABLES.reduce((sum, t) => sum + counts[t] * ROW_BYTES[t], 0) +
      INDEX_SUM_BYTES;
    if (expected !== bytes)
      throw damaged(name, 8, `${bytes} bytes, its counts ask for ${expected}`);
    const head = whole?.subarray(0, headBytes) ?? (await backend.read(name, 0, headBytes));
    const headReader = new ByteReader(head, name);
    headReader.offset = headBytes - 4;
    if (headReader.u32('crc') !== crc32(head.subarray(0, headBytes - 4))) {
      throw damaged(name, 0, 'the checksum of its head does not match');
    }
    if (whole !== null) checkSum(whole, info, name);
    const tables = readTables(head, counts, name);
    return new IndexReader({ backend, info, name, head, tables, whole });
  }

  /** Bytes that this reader keeps in memory. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** True if so many buckets were read that one read of all rows would have taken no longer. */
  get isAskedOften(): boolean {
    return this.#trips * BYTES_A_TRIP > this.info.bytes.idx;
  }

  /** Reads and keeps all rows, checked by bucket. @throws {CorruptError} */
  async hold(): Promise<void> {
    this.#trips = 0;
    for (const table of INDEX_TABLES) {
      const bytes = await this.#buckets(table, 0, 2 ** this.#tables[table].bits);
      if (this.#held[table] === null) this.#memoryBytes += bytes.length;
      this.#held[table] = bytes;
    }
  }

  /** The row of a key, or null. @throws {CorruptError} */
  async find(table: IndexTable, key: Uint8Array): Promise<Uint8Array | null> {
    const held = this.findHeld(table, key);
    if (held !== undefined) return held;
    const bucket = bucketOf(key, this.#tables[table].bits);
    const rows = await this.#buckets(table, bucket, bucket + 1);
    return search(table, rows, key, { from: 0, to: rows.length / ROW_BYTES[table] });
  }

  /** As `find`, at once; undefined if something has to be read first. */
  findHeld(table: IndexTable, key: Uint8Array): Uint8Array | null | undefined {
    const { bits, rows, ends } = this.#tables[table];
    if (rows === 0) return null;
    const bucket = bucketOf(key, bits);
    const from = bucket === 0 ? 0 : (ends[bucket - 1] as number);
    const to = ends[bucket] as number;
    const held = this.#held[table];
    return held === null ? undefined : search(table, held, key, { from, to });
  }

  #tableBytes(table: IndexTable): number {
    return this.#tables[table].rows * ROW_BYTES[table];
  }

  /** Rows whose id begins with the byte `lead` (to `end` − 1), in order. */
  async rowsOf(table: IndexTable, lead: number, end = lead + 1): Promise<Uint8Array[]> {
    const { bits, rows } = this.#tables[table];
    if (rows === 0) return [];
    const first = bits >= 8 ? lead << (bits - 8) : lead >> (8 - bits);
    const last = bits >= 8 ? end << (bits - 8) : ((end - 1) >> (8 - bits)) + 1;
    const bytes = await this.#buckets(table, first, last);
    const rowBytes = ROW_BYTES[table];
    const found: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += rowBytes) {
      const byte = bytes[at + 1] as number;
      if (byte >= lead && byte < end) found.push(bytes.subarray(at, at + rowBytes));
    }
    return found;
  }

  /** Rows of buckets `first` … `last` − 1, checked. */
  async #buckets(table: IndexTable, first: number, last: number): Promise<Uint8Array> {
    const { ends, crcs, start } = this.#tables[table];
    const rowBytes = ROW_BYTES[table];
    const from = first === 0 ? 0 : (ends[first - 1] as number);
    const to = ends[last - 1] as number;
    const offset = start + from * rowBytes;
    const length = (to - from) * rowBytes;
    const held = this.#held[table];
    if (held !== null) return held.subarray(from * rowBytes, to * rowBytes);
    this.#trips++;
    const bytes =
      length === 0 ? new Uint8Array(0) : await this.#backend.read(this.#name, offset, length);
    for (let bucket = first, at = 0; bucket < last; bucket++) {
      const end = ((ends[bucket] as number) - from) * rowBytes;
      if (crc32(bytes.subarray(at, end)) !== crcs[bucket]) {
        throw damaged(this.#name, offset + at, `the checksum of bucket ${bucket} does not match`);
      }
      at = end;
    }
    return bytes;
  }
}

/** Looks for a key in the rows `from` … `to` − 1 of some. */
function search(
  table: IndexTable,
  rows: Uint8Array,
  key: Uint8Array,
  { from, to }: { from: number; to: number },
): Uint8Array | null {
  const rowBytes = ROW_BYTES[table];
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    const at = middle * rowBytes;
    const order = compareRows(table, rows, key, at);
    if (order === 0) return rows.subarray(at, at + rowBytes);
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return null;
}

function headLength(counts: Record<IndexTable, number>): number {
  const fanout = INDEX_TABLES.reduce(
    (sum, t) => sum + 2 ** fanoutBits(counts[t]) * FANOUT_ENTRY_BYTES,
    0,
  );
  return INDEX_FIXED_BYTES + fanout + 4;
}

function readTables(
  head: Uint8Array,
  counts: Record<IndexTable, number>,
  name: string,
): Record<IndexTable, Table> {
  // A large set has thousands of buckets and this runs at each first look-up: no reader in between.
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  let at = INDEX_FIXED_BYTES;
  let start = head.length;
  const read = (table: IndexTable): Table => {
    const rows = counts[table];
    const bits = fanoutBits(rows);
    const buckets = 2 ** bits;
    const ends = new Uint32Array(buckets);
    const crcs = new Uint32Array(buckets);
    let last = 0;
    for (let i = 0; i < buckets; i++, at += FANOUT_ENTRY_BYTES) {
      const end = view.getUint32(at, true);
      if (end < last || end > rows) throw damaged(name, at, 'its buckets are out of order');
      ends[i] = last = end;
      crcs[i] = view.getUint32(at + 4, true);
    }
    if (last !== rows) throw damaged(name, at, 'its buckets do not hold every row');
    const first = start;
    start += rows * ROW_BYTES[table];
    return { rows, bits, ends, crcs, start: first };
  };
  return { blob: read('blob'), segment: read('segment') };
}

/** @throws {CorruptError} unless the bytes end with the checksum that also names the set. */
function checkSum(bytes: Uint8Array, info: SetInfo, name: string): void {
  const end = bytes.length - INDEX_SUM_BYTES;
  const sum = sha256Hex(bytes.subarray(0, end)).slice(0, 2 * INDEX_SUM_BYTES);
  if (!Buffer.from(sum, 'hex').equals(bytes.subarray(end)) || sum !== info.id) {
    throw damaged(name, end, 'its checksum does not match');
  }
}
