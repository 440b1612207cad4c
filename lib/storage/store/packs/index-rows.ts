/**
 * The rows of a pack index and the builder that sorts them into one: bytes only, no files.
 *
 * Writer, rebuild and verifier all build an idx here, which is why a rebuilt one is byte-identical.
 *
 * @see docs/format/pack-index.md
 */
import { crc32 } from '../../../base/bytes/checksum.js';
import { BLOB_KINDS, ID_BYTES, type Id, idFromBytes, sha256 } from '../../../base/bytes/hash.js';
import { ByteWriter } from '../../../base/bytes/writer.js';
import { assert, LimitError } from '../../../base/errors.js';
import {
  CHAIN_DEPTH_MAX,
  HEAD_BYTES_MAX,
  PLANE_CLASS_BYTES_MAX,
  SET_RECORDS_MAX,
  WIDTH_MAX,
} from '../../../base/limits.js';
import {
  type BlobEntry,
  type FileClass,
  PLANE_CLASSES,
  type PlaneClass,
  type SegmentEntry,
  type SetId,
  segmentCount,
  segmentHeaderBytes,
} from '../types.js';
import { BLOB_RECORD_BYTES_MAX, damaged, encodeFileHeader, optionalId } from './pack-format.js';

/** The two tables of an idx, in file order. */
export type IndexTable = 'blob' | 'segment';
export const INDEX_TABLES = ['blob', 'segment'] as const;

/** id, kind, depth, offset, recordBytes, rawBytes, base, crc. */
const BLOB_ROW_BYTES = 33 + 1 + 2 + 8 + 4 + 4 + 33 + 4;
/** id, segment, width, flags, depth, count, offset, 4 lengths, midOffset, lowOffset, base, crc. */
const SEGMENT_ROW_BYTES = 33 + 4 + 1 + 1 + 2 + 8 + 8 + 4 * 4 + 8 + 8 + 33 + 4;
export const ROW_BYTES: Record<IndexTable, number> = {
  blob: BLOB_ROW_BYTES,
  segment: SEGMENT_ROW_BYTES,
};
/** Where the fields of a row begin, behind its id. */
const BLOB_AT = {
  kind: 33,
  depth: 33 + 1,
  offset: 33 + 1 + 2,
  recordBytes: 33 + 1 + 2 + 8,
  rawBytes: 33 + 1 + 2 + 8 + 4,
  base: 33 + 1 + 2 + 8 + 4 + 4,
  crc: 33 + 1 + 2 + 8 + 4 + 4 + 33,
} as const;
const SEGMENT_AT = {
  segment: 33,
  width: 33 + 4,
  flags: 33 + 4 + 1,
  depth: 33 + 4 + 1 + 1,
  count: 33 + 4 + 1 + 1 + 2,
  offset: 33 + 4 + 1 + 1 + 2 + 8,
  /** Four lengths. */
  headBytes: 33 + 4 + 1 + 1 + 2 + 8 + 8,
  midOffset: 33 + 4 + 1 + 1 + 2 + 8 + 8 + 4 * 4,
  lowOffset: 33 + 4 + 1 + 1 + 2 + 8 + 8 + 4 * 4 + 8,
  base: 33 + 4 + 1 + 1 + 2 + 8 + 8 + 4 * 4 + 8 + 8,
  crc: 33 + 4 + 1 + 1 + 2 + 8 + 8 + 4 * 4 + 8 + 8 + 33,
} as const;
/** Where a row says how deep its record is (u16) and what its base is (an id). */
const LINKS: Record<IndexTable, { depth: number; base: number }> = {
  blob: BLOB_AT,
  segment: SEGMENT_AT,
};

/** The id bytes of the base that a row names, without decoding the rest; null if it has none. A view. */
export function baseOfRow(table: IndexTable, row: Uint8Array): Uint8Array | null {
  const { depth, base } = LINKS[table];
  if (row[depth] === 0 && row[depth + 1] === 0) return null;
  return row.subarray(base, base + ID_BYTES);
}

/** The number of the segment that a row is of. */
export function segmentOfRow(row: Uint8Array): number {
  return new DataView(row.buffer, row.byteOffset, row.length).getUint32(ID_BYTES, true);
}

/**
 * As `storedBytes` of its entry, without decoding the rest; the row is one that an index has checked.
 * @param absent  classes of planes of its set that are not counted.
 */
export function bytesOfRow(
  table: IndexTable,
  row: Uint8Array,
  absent: readonly PlaneClass[] = [],
): number {
  const view = new DataView(row.buffer, row.byteOffset, row.length);
  if (table === 'blob') return view.getUint32(BLOB_AT.recordBytes, true);
  const at = SEGMENT_AT.headBytes;
  const isInline = view.getUint8(SEGMENT_AT.flags) === 1;
  const hasBase = view.getUint16(SEGMENT_AT.depth, true) > 0;
  let bytes = segmentHeaderBytes(hasBase, isInline) + view.getUint32(at, true);
  for (const [i, plane] of PLANE_CLASSES.entries()) {
    if (isInline || !absent.includes(plane)) bytes += view.getUint32(at + 4 * (i + 1), true);
  }
  return bytes;
}

/** File header, two row counts, four file sizes. */
export const INDEX_FIXED_BYTES = 8 + 4 + 4 + 4 * 8;
/** Cumulative row count and CRC-32 of one bucket. */
export const FANOUT_ENTRY_BYTES = 4 + 4;
/** First half of a sha256 over all that precedes it. */
export const INDEX_SUM_BYTES = 16;
/** Rows of a bucket that the number of buckets aims at. */
const BUCKET_ROWS = 64;
const FANOUT_BITS_MAX = 16;

/** Sizes of the data files of a set; 0 means "no such file". */
export type DataSizes = Record<Exclude<FileClass, 'idx'>, number>;

/** Leading bits of an id that choose its bucket, for a table of `rows` rows. */
export function fanoutBits(rows: number): number {
  let bits = 0;
  while (bits < FANOUT_BITS_MAX && rows / 2 ** bits > BUCKET_ROWS) bits++;
  return bits;
}

/** The bucket of a key (algorithm byte first) under `bits` leading bits of its digest. */
export function bucketOf(key: Uint8Array, bits: number): number {
  return ((key[1]! << 8) | key[2]!) >>> (16 - bits);
}

/**
 * Orders rows or keys: by id, segments also by number (its bytes follow the id).
 * @param at  where `a` begins in its bytes.
 */
export function compareRows(table: IndexTable, a: Uint8Array, b: Uint8Array, at = 0): number {
  for (let i = 0; i < ID_BYTES; i++) {
    const difference = a[at + i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  if (table === 'blob') return 0;
  for (let i = ID_BYTES + 3; i >= ID_BYTES; i--) {
    const difference = a[at + i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The leading bytes of a row, to search for. */
export function rowKey(table: IndexTable, id: Id, segment = 0): Uint8Array {
  const writer = new ByteWriter(ID_BYTES + 4).id(id);
  return (table === 'blob' ? writer : writer.u32(segment)).finish();
}

export function encodeBlobRow(entry: BlobEntry): Uint8Array {
  const writer = new ByteWriter(BLOB_ROW_BYTES)
    .id(entry.id)
    .u8(BLOB_KINDS.indexOf(entry.kind))
    .u16(entry.depth)
    .u64(entry.offset)
    .u32(entry.recordBytes)
    .u32(entry.rawBytes);
  return addBase(writer, entry.base).u32(entry.crc).finish();
}

export function encodeSegmentRow(entry: SegmentEntry): Uint8Array {
  const writer = new ByteWriter(SEGMENT_ROW_BYTES)
    .id(entry.id)
    .u32(entry.segment)
    .u8(entry.width)
    .u8(entry.inline ? 1 : 0)
    .u16(entry.depth)
    .u64(entry.count)
    .u64(entry.offset)
    .u32(entry.headBytes)
    .u32(entry.hiBytes)
    .u32(entry.midBytes)
    .u32(entry.lowBytes)
    .u64(entry.midOffset)
    .u64(entry.lowOffset);
  return addBase(writer, entry.base).u32(entry.crc).finish();
}

const NO_ID = new Uint8Array(ID_BYTES);

function addBase(writer: ByteWriter, base: Id | null): ByteWriter {
  return base === null ? writer.raw(NO_ID) : writer.id(base);
}

/** A u64 of a row, exact in a double. @throws {CorruptError} */
function bigNumber(view: DataView, at: number, file: string): number {
  const high = view.getUint32(at + 4, true);
  if (high >= 2 ** 21) throw damaged(file, 0, 'a row with a number above 2^53');
  return high * 2 ** 32 + view.getUint32(at, true);
}

/** The view of a whole row. @throws {CorruptError} */
function rowView(table: IndexTable, row: Uint8Array, file: string): DataView {
  if (row.length < ROW_BYTES[table]) throw damaged(file, 0, `a row of ${row.length} bytes`);
  return new DataView(row.buffer, row.byteOffset, row.length);
}

// Rows are decoded by the million: offsets are those of the tables above, without a reader in between.

/** @param sizes of the set's files: places beyond them are refused. @throws {CorruptError} */
export function decodeBlobRow(
  row: Uint8Array,
  set: SetId,
  sizes: DataSizes,
  file: string,
): BlobEntry {
  const view = rowView('blob', row, file);
  const id = idFromBytes(row.subarray(0, ID_BYTES), file);
  const kind = BLOB_KINDS[row[BLOB_AT.kind] as number];
  const depth = view.getUint16(BLOB_AT.depth, true);
  const offset = bigNumber(view, BLOB_AT.offset, file);
  const recordBytes = view.getUint32(BLOB_AT.recordBytes, true);
  const rawBytes = view.getUint32(BLOB_AT.rawBytes, true);
  const base = optionalId(row.subarray(BLOB_AT.base, BLOB_AT.crc), depth > 0, file);
  const crc = view.getUint32(BLOB_AT.crc, true);
  if (
    kind === undefined ||
    depth > CHAIN_DEPTH_MAX ||
    recordBytes > BLOB_RECORD_BYTES_MAX ||
    offset + recordBytes > sizes.blob
  ) {
    throw damaged(file, 0, `impossible row of blob ${id}`);
  }
  return { id, kind, base, depth, rawBytes, recordBytes, set, offset, crc };
}

/** @param sizes of the set's files: places beyond them are refused. @throws {CorruptError} */
export function decodeSegmentRow(
  row: Uint8Array,
  set: SetId,
  sizes: DataSizes,
  file: string,
): SegmentEntry {
  const view = rowView('segment', row, file);
  const id = idFromBytes(row.subarray(0, ID_BYTES), file);
  const segment = view.getUint32(SEGMENT_AT.segment, true);
  const width = row[SEGMENT_AT.width] as number;
  const flags = row[SEGMENT_AT.flags] as number;
  const depth = view.getUint16(SEGMENT_AT.depth, true);
  const count = bigNumber(view, SEGMENT_AT.count, file);
  const offset = bigNumber(view, SEGMENT_AT.offset, file);
  const headBytes = view.getUint32(SEGMENT_AT.headBytes, true);
  const hiBytes = view.getUint32(SEGMENT_AT.headBytes + 4, true);
  const midBytes = view.getUint32(SEGMENT_AT.headBytes + 8, true);
  const lowBytes = view.getUint32(SEGMENT_AT.headBytes + 12, true);
  const midOffset = bigNumber(view, SEGMENT_AT.midOffset, file);
  const lowOffset = bigNumber(view, SEGMENT_AT.lowOffset, file);
  const base = optionalId(row.subarray(SEGMENT_AT.base, SEGMENT_AT.crc), depth > 0, file);
  const crc = view.getUint32(SEGMENT_AT.crc, true);
  const inline = flags === 1;
  const segments = segmentCount(count);
  const inHi = segmentHeaderBytes(depth > 0, inline) + headBytes + hiBytes;
  if (
    flags > 1 ||
    width < 1 ||
    width > WIDTH_MAX ||
    depth > CHAIN_DEPTH_MAX ||
    segment >= segments ||
    headBytes > HEAD_BYTES_MAX ||
    Math.max(hiBytes, midBytes, lowBytes) > PLANE_CLASS_BYTES_MAX ||
    offset + inHi + (inline ? midBytes + lowBytes : 0) > sizes.hi ||
    (!inline && midOffset + midBytes > sizes.mid) ||
    (!inline && lowOffset + lowBytes > sizes.low)
  ) {
    throw damaged(file, 0, `impossible row of extent ${id}, segment ${segment}`);
  }
  return {
    id,
    segment,
    segments,
    width,
    count,
    base,
    depth,
    headBytes,
    hiBytes,
    midBytes,
    lowBytes,
    set,
    offset,
    inline,
    midOffset,
    lowOffset,
    crc,
  };
}

/** Rows of one table in the order they came, in one growing buffer. */
class RowTable {
  readonly table: IndexTable;
  readonly rowBytes: number;
  readonly places = new Map<string, number>();
  #buffer: Uint8Array;
  #rows = 0;

  constructor(table: IndexTable) {
    this.table = table;
    this.rowBytes = ROW_BYTES[table];
    this.#buffer = new Uint8Array(this.rowBytes * 16);
  }

  get count(): number {
    return this.#rows;
  }

  row(index: number): Uint8Array {
    return this.#buffer.subarray(index * this.rowBytes, (index + 1) * this.rowBytes);
  }

  add(key: string, row: Uint8Array): void {
    assert(row.length === this.rowBytes, `row of ${row.length} bytes`);
    if (this.#rows >= SET_RECORDS_MAX) {
      throw new LimitError(`a pack set holds more than ${SET_RECORDS_MAX} records`, {
        max: SET_RECORDS_MAX,
      });
    }
    if ((this.#rows + 1) * this.rowBytes > this.#buffer.length) {
      const bigger = new Uint8Array(this.#buffer.length * 2);
      bigger.set(this.#buffer);
      this.#buffer = bigger;
    }
    this.#buffer.set(row, this.#rows * this.rowBytes);
    this.places.set(key, this.#rows++);
  }

  /** All rows, sorted. */
  sorted(): Uint8Array {
    // The first 6 digest bytes as a number decide nearly every comparison.
    const leads = new Float64Array(this.#rows);
    for (let i = 0; i < this.#rows; i++) {
      const at = i * this.rowBytes + 1;
      let lead = 0;
      for (let k = at; k < at + 6; k++) lead = lead * 256 + (this.#buffer[k] as number);
      leads[i] = lead;
    }
    const order = Uint32Array.from({ length: this.#rows }, (_, index) => index);
    order.sort(
      (a, b) => leads[a]! - leads[b]! || compareRows(this.table, this.row(a), this.row(b)),
    );
    const sorted = new Uint8Array(this.#rows * this.rowBytes);
    order.forEach((index, place) => {
      sorted.set(this.row(index), place * this.rowBytes);
    });
    return sorted;
  }
}

/** Collects rows and makes an idx of them. Memory: about 250 bytes per record. */
export class IndexBuilder {
  readonly #tables = { blob: new RowTable('blob'), segment: new RowTable('segment') };

  get count(): number {
    return this.#tables.blob.count + this.#tables.segment.count;
  }

  addBlob(entry: BlobEntry): void {
    this.#tables.blob.add(entry.id, encodeBlobRow(entry));
  }

  addSegment(entry: SegmentEntry): void {
    this.#tables.segment.add(segmentKey(entry.id, entry.segment), encodeSegmentRow(entry));
  }

  hasBlob(id: Id): boolean {
    return this.#tables.blob.places.has(id);
  }

  hasSegment(id: Id, segment: number): boolean {
    return this.#tables.segment.places.has(segmentKey(id, segment));
  }

  /** The bytes of a row that was added; a view. */
  row(table: IndexTable, id: Id, segment = 0): Uint8Array | null {
    const key = table === 'blob' ? id : segmentKey(id, segment);
    const place = this.#tables[table].places.get(key);
    return place === undefined ? null : this.#tables[table].row(place);
  }

  /** The whole idx and the set id that it gives. @param sizes of the finished data files. */
  finish(sizes: DataSizes): { bytes: Uint8Array; id: SetId } {
    const { blob, segment } = this.#tables;
    const rows = { blob: blob.sorted(), segment: segment.sorted() };
    const parts = [encodeIndexHead(rows, sizes), rows.blob, rows.segment];
    const hash = sha256();
    for (const part of parts) hash.update(part);
    const sum = hash.digest().subarray(0, INDEX_SUM_BYTES);
    return { bytes: Buffer.concat([...parts, sum]), id: sum.toString('hex') as SetId };
  }
}

/** What precedes the rows of an idx. @param rows  of each table, sorted. */
export function encodeIndexHead(
  rows: Readonly<Record<IndexTable, Uint8Array>>,
  sizes: DataSizes,
): Uint8Array {
  const head = new ByteWriter(4096)
    .raw(encodeFileHeader('idx'))
    .u32(rows.blob.length / ROW_BYTES.blob)
    .u32(rows.segment.length / ROW_BYTES.segment)
    .u64(sizes.blob)
    .u64(sizes.hi)
    .u64(sizes.mid)
    .u64(sizes.low);
  for (const table of INDEX_TABLES) addFanout(head, table, rows[table]);
  return head.u32(crc32(head.finish())).finish();
}

function addFanout(writer: ByteWriter, table: IndexTable, rows: Uint8Array): void {
  const rowBytes = ROW_BYTES[table];
  const count = rows.length / rowBytes;
  const bits = fanoutBits(count);
  let start = 0;
  for (let bucket = 0; bucket < 2 ** bits; bucket++) {
    let end = start;
    while (end < count && bucketOf(rows.subarray(end * rowBytes), bits) === bucket) end++;
    writer.u32(end).u32(crc32(rows.subarray(start * rowBytes, end * rowBytes)));
    start = end;
  }
}

function segmentKey(id: Id, segment: number): string {
  return segment === 0 ? id : `${id}:${segment}`;
}
