/**
 * What the idx of a set says of its files, looked through once: whether the records that it lists fill them from
 * end to end. Whoever then reads each record through its row has read every byte of the set.
 */
import { sha256 } from '../../../base/bytes/hash.js';
import type { Backend } from '../backends/backend.js';
import { encodeIndexHead, INDEX_SUM_BYTES } from '../indexes/index-head.js';
import { IndexReader } from '../indexes/index-reader.js';
import {
  compareRows,
  decodeBlobRow,
  decodeSegmentRow,
  INDEX_TABLES,
  ROW_BYTES,
} from '../indexes/index-rows.js';
import { packName } from '../names.js';
import {
  FILE_CLASSES,
  PLANE_CLASSES,
  type SegmentEntry,
  type SetInfo,
  segmentHeaderBytes,
} from '../types.js';
import { checkFileHeader, FILE_HEADER_BYTES } from './pack-format.js';
import { isReadFailure } from './scanned-files.js';

/** Bytes of all records of a set, of those in .blob and of those of segments, wherever they stand. */
export interface SetAccount {
  readonly blobs: number;
  readonly segments: number;
}

/** Of a longer idx the rows are not held at once. */
const IDX_BYTES_MAX = 16 * 1024 * 1024;

/** Numbers of each record: where it begins in .hi, its bytes there, and the same of its payloads in .mid and .low. */
const FIELDS = ['hi', 'hiBytes', 'mid', 'midBytes', 'low', 'lowBytes'] as const;

/** How far the records of a file reach that follow each other. */
class Reach {
  end: number;
  bytes = 0;

  /** @param size  of the file; 0: there is none. */
  constructor(size: number) {
    this.end = size === 0 ? 0 : FILE_HEADER_BYTES;
  }

  /** False if bytes do not begin where those before them end. */
  goOn(start: number, length: number): boolean {
    if (start !== this.end || length <= 0) return false;
    this.end += length;
    this.bytes += length;
    return true;
  }
}

/**
 * Looks through the idx of a set, without its records.
 * @returns null unless the idx gives the set's id, is the one that a writer makes of its rows, and its records fill
 *   the files: `verifySet` says what is wrong, or that nothing is. Null also for an idx above 16 MiB.
 */
export async function accountOf(backend: Backend, info: SetInfo): Promise<SetAccount | null> {
  if (info.bytes.idx > IDX_BYTES_MAX) return null;
  try {
    // Its sizes, counts and checksums are right then.
    await IndexReader.open(backend, info);
    if (!(await hasFiles(backend, info))) return null;
    return look(await backend.read(packName(info.id, 'idx'), 0, info.bytes.idx), info);
  } catch (error) {
    if (isReadFailure(error)) return null;
    throw error;
  }
}

/** True if files have their sizes, and headers that say what they are. @throws {CorruptError} {IoError} */
async function hasFiles(backend: Backend, info: SetInfo): Promise<boolean> {
  for (const fileClass of FILE_CLASSES) {
    const [name, size] = [packName(info.id, fileClass), info.bytes[fileClass]];
    if ((await backend.exists(name)) !== size > 0) return false;
    if (size === 0) continue;
    if ((await backend.size(name)) !== size) return false;
    checkFileHeader(await backend.read(name, 0, FILE_HEADER_BYTES), fileClass, name);
  }
  return true;
}

/** @throws {CorruptError} */
function look(idx: Uint8Array, info: SetInfo): SetAccount | null {
  const end = idx.length - INDEX_SUM_BYTES;
  const sum = sha256().update(idx.subarray(0, end)).digest().subarray(0, INDEX_SUM_BYTES);
  if (!sum.equals(idx.subarray(end)) || sum.toString('hex') !== info.id) return null;
  const view = new DataView(idx.buffer, idx.byteOffset, idx.length);
  const counts = {
    blob: view.getUint32(FILE_HEADER_BYTES, true),
    segment: view.getUint32(FILE_HEADER_BYTES + 4, true),
  };
  const segmentsAt = end - counts.segment * ROW_BYTES.segment;
  const blobsAt = segmentsAt - counts.blob * ROW_BYTES.blob;
  const rows = { blob: idx.subarray(blobsAt, segmentsAt), segment: idx.subarray(segmentsAt, end) };
  const head = encodeIndexHead(rows, info.bytes);
  if (Buffer.compare(head, idx.subarray(0, blobsAt)) !== 0) return null;
  for (const table of INDEX_TABLES) {
    const length = ROW_BYTES[table];
    for (let at = length; at < rows[table].length; at += length) {
      const before = rows[table].subarray(at - length, at);
      if (compareRows(table, rows[table], before, at) <= 0) return null;
    }
  }
  const blobs = blobBytes(rows.blob, info);
  const segments = segmentBytes(rows.segment, info);
  return blobs === null || segments === null ? null : { blobs, segments };
}

/** Numbers from 0 to below `count`, by what they have. */
function sortedBy(starts: Float64Array): Uint32Array {
  const order = Uint32Array.from(starts, (_, i) => i);
  return order.sort((a, b) => (starts[a] as number) - (starts[b] as number));
}

/** Bytes of all blobs; null if they do not fill their file. @throws {CorruptError} */
function blobBytes(rows: Uint8Array, info: SetInfo): number | null {
  const count = rows.length / ROW_BYTES.blob;
  const [starts, lengths] = [new Float64Array(count), new Float64Array(count)];
  for (let i = 0; i < count; i++) {
    const row = rows.subarray(i * ROW_BYTES.blob, (i + 1) * ROW_BYTES.blob);
    const entry = decodeBlobRow(row, info.id, info.bytes, packName(info.id, 'idx'));
    [starts[i], lengths[i]] = [entry.offset, entry.recordBytes];
  }
  const reach = new Reach(info.bytes.blob);
  for (const i of sortedBy(starts)) {
    if (!reach.goOn(starts[i] as number, lengths[i] as number)) return null;
  }
  return reach.end === info.bytes.blob ? reach.bytes : null;
}

/** As `blobBytes`: payloads stand in .mid and .low in the order of their records. @throws {CorruptError} */
function segmentBytes(rows: Uint8Array, info: SetInfo): number | null {
  const count = rows.length / ROW_BYTES.segment;
  const table = Object.fromEntries(
    FIELDS.map((field) => [field, new Float64Array(count)]),
  ) as Record<(typeof FIELDS)[number], Float64Array>;
  for (let i = 0; i < count; i++) {
    const row = rows.subarray(i * ROW_BYTES.segment, (i + 1) * ROW_BYTES.segment);
    const entry = decodeSegmentRow(row, info.id, info.bytes, packName(info.id, 'idx'));
    const { inline, midBytes, lowBytes } = entry;
    table.hi[i] = entry.offset;
    table.hiBytes[i] = bytesInHi(entry);
    table.mid[i] = entry.midOffset;
    table.midBytes[i] = inline ? 0 : midBytes;
    table.low[i] = entry.lowOffset;
    table.lowBytes[i] = inline ? 0 : lowBytes;
  }
  const { bytes } = info;
  const reach = { hi: new Reach(bytes.hi), mid: new Reach(bytes.mid), low: new Reach(bytes.low) };
  for (const i of sortedBy(table.hi)) {
    for (const plane of PLANE_CLASSES) {
      const length = table[`${plane}Bytes`][i] as number;
      if (length === 0 && plane !== 'hi') continue;
      if (!reach[plane].goOn(table[plane][i] as number, length)) return null;
    }
  }
  const isFull = PLANE_CLASSES.every((plane) => reach[plane].end === bytes[plane]);
  return isFull ? reach.hi.bytes + reach.mid.bytes + reach.low.bytes : null;
}

/** Bytes of a record in .hi. */
function bytesInHi({
  depth,
  inline,
  headBytes,
  hiBytes,
  midBytes,
  lowBytes,
}: SegmentEntry): number {
  const inHi = segmentHeaderBytes(depth > 0, inline) + headBytes + hiBytes;
  return inline ? inHi + midBytes + lowBytes : inHi;
}
