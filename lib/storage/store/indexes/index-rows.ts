import { BLOB_KINDS, ID_BYTES, type Id, idFromBytes } from '../../../base/bytes/hash.js';
import { ByteWriter } from '../../../base/bytes/writer.js';
import {
  CHAIN_DEPTH_MAX,
  HEAD_BYTES_MAX,
  PLANE_CLASS_BYTES_MAX,
  WIDTH_MAX,
} from '../../../base/limits.js';
import { BLOB_RECORD_BYTES_MAX } from '../packs/blob-record.js';
import { damaged } from '../packs/pack-format.js';
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
/** Sizes of the data files of a set; 0 means "no such file". */
export type DataSizes = Record<Exclude<FileClass, 'idx'>, number>;

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

/** An id, or 33 zero bytes for none. */
function optionalId(bytes: Uint8Array, present: boolean, file: string): Id | null {
  if (present) return idFromBytes(bytes, file);
  if (bytes.some((byte) => byte !== 0)) throw damaged(file, 0, 'a base without a depth');
  return null;
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
