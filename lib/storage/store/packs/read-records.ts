/** Reading one record of a pack set through its index entry, verified. */
import { crc32 } from '../../../base/bytes/checksum.js';
import type { Backend } from '../backends/backend.js';
import {
  type BlobEntry,
  type BlobRecord,
  type FileClass,
  PLANE_CLASSES,
  type PlaneClass,
  type SegmentEntry,
  type SegmentRecord,
  segmentHeaderBytes,
} from '../types.js';
import { decodeBlobRecord } from './blob-record.js';
import { damaged } from './pack-format.js';
import { decodeSegmentHeader, type SegmentHeader } from './segment-record.js';

/** Gives the name of a file of the set. */
export type FileNames = (fileClass: FileClass) => string;

/** Reads a blob record. @throws {CorruptError} if it is not the one the entry describes. */
export async function readBlobAt(
  backend: Backend,
  names: FileNames,
  entry: BlobEntry,
): Promise<BlobRecord> {
  const name = names('blob');
  const bytes = await backend.read(name, entry.offset, entry.recordBytes);
  return decodeBlobOf(entry, bytes, name);
}

/** The record of an entry, from its bytes. @throws {CorruptError} if it is not the one the entry describes. */
export function decodeBlobOf(entry: BlobEntry, bytes: Uint8Array, name: string): BlobRecord {
  const { record, crc } = decodeBlobRecord(bytes, name, entry.offset);
  const isSame =
    record.id === entry.id &&
    crc === entry.crc &&
    record.kind === entry.kind &&
    record.base === entry.base &&
    record.depth === entry.depth &&
    record.rawBytes === entry.rawBytes;
  if (!isSame) throw damaged(name, entry.offset, `another record than blob ${entry.id}`);
  return record;
}

/** Header and head of a record, read and verified; its planes are read with `readPlanesAt`. */
export interface SegmentHeadAt {
  entry: SegmentEntry;
  /** Without planes. */
  record: SegmentRecord;
  crcs: Record<PlaneClass, number>;
}

/** Reads header, head and the wanted classes of a segment; the others stay empty. @throws {CorruptError} */
export async function readSegmentAt(
  backend: Backend,
  names: FileNames,
  entry: SegmentEntry,
  classes: readonly PlaneClass[],
): Promise<SegmentRecord> {
  const name = names('hi');
  const headerBytes = segmentHeaderBytes(entry.depth > 0, entry.inline) + entry.headBytes;
  // What is in .hi is read at once, up to the last byte that is needed.
  const { end } = rangeInHi(entry, classes);
  const bytes = await backend.read(name, entry.offset, headerBytes + end);
  const head = decodeHead(bytes.subarray(0, headerBytes), name, entry);
  return readPlanes({ backend, names }, head, classes, {
    bytes: bytes.subarray(headerBytes),
    start: 0,
  });
}

/** Reads header and head alone. @throws {CorruptError} */
export async function readSegmentHeadAt(
  backend: Backend,
  names: FileNames,
  entry: SegmentEntry,
): Promise<SegmentHeadAt> {
  const name = names('hi');
  const headerBytes = segmentHeaderBytes(entry.depth > 0, entry.inline) + entry.headBytes;
  return decodeHead(await backend.read(name, entry.offset, headerBytes), name, entry);
}

/** Reads the wanted classes of a record whose head was read; the others stay empty. @throws {CorruptError} */
export async function readPlanesAt(
  backend: Backend,
  names: FileNames,
  head: SegmentHeadAt,
  classes: readonly PlaneClass[],
): Promise<SegmentRecord> {
  const { entry } = head;
  const { start, end } = rangeInHi(entry, classes);
  const headerBytes = segmentHeaderBytes(entry.depth > 0, entry.inline) + entry.headBytes;
  const from = entry.offset + headerBytes + start;
  const bytes = end > start ? await backend.read(names('hi'), from, end - start) : EMPTY;
  return readPlanes({ backend, names }, head, classes, { bytes, start });
}

/** Where a payload stands in the files of its set. */
export interface PayloadPlace {
  readonly fileClass: 'hi' | 'mid' | 'low';
  readonly offset: number;
  readonly bytes: number;
}

/** Where the payload of a class stands. */
export function placeOf(entry: SegmentEntry, plane: PlaneClass): PayloadPlace {
  const { hiBytes, midBytes, lowBytes, inline } = entry;
  const bytes = { hi: hiBytes, mid: midBytes, low: lowBytes }[plane];
  if (!inline && plane === 'mid') return { fileClass: 'mid', offset: entry.midOffset, bytes };
  if (!inline && plane === 'low') return { fileClass: 'low', offset: entry.lowOffset, bytes };
  const headerBytes = segmentHeaderBytes(entry.depth > 0, entry.inline) + entry.headBytes;
  const before = { hi: 0, mid: hiBytes, low: hiBytes + midBytes }[plane];
  return { fileClass: 'hi', offset: entry.offset + headerBytes + before, bytes };
}

/** The payload bytes of `.hi`, counted from behind the head, that hold the wanted classes. */
function rangeInHi(
  entry: SegmentEntry,
  classes: readonly PlaneClass[],
): { start: number; end: number } {
  const { hiBytes, midBytes, lowBytes, inline } = entry;
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  const add = (from: number, length: number): void => {
    if (length === 0) return;
    start = Math.min(start, from);
    end = from + length;
  };
  if (classes.includes('hi')) add(0, hiBytes);
  if (inline && classes.includes('mid')) add(hiBytes, midBytes);
  if (inline && classes.includes('low')) add(hiBytes + midBytes, lowBytes);
  return { start: Math.min(start, end), end };
}

function decodeHead(bytes: Uint8Array, name: string, entry: SegmentEntry): SegmentHeadAt {
  const { header, head } = decodeSegmentHeader(bytes, name, entry.offset);
  checkHeader(header, entry, name);
  const { id, segment, segments, width, count, base, depth } = entry;
  const none = { hi: EMPTY, mid: EMPTY, low: EMPTY };
  const record = { id, segment, segments, width, count, base, depth, head, ...none };
  return { entry, record, crcs: header.crcs };
}

/** @param inHi  payload bytes of `.hi` from `start` on, which is counted from the end of the head. */
async function readPlanes(
  { backend, names }: { readonly backend: Backend; readonly names: FileNames },
  { entry, record: head, crcs }: SegmentHeadAt,
  classes: readonly PlaneClass[],
  inHi: { readonly bytes: Uint8Array; readonly start: number },
): Promise<SegmentRecord> {
  const name = names('hi');
  const headerBytes = segmentHeaderBytes(entry.depth > 0, entry.inline) + entry.headBytes;
  const sizes = { hi: entry.hiBytes, mid: entry.midBytes, low: entry.lowBytes };
  const places = { hi: 0, mid: sizes.hi, low: sizes.hi + sizes.mid };
  const record: SegmentRecord = { ...head };
  for (const plane of PLANE_CLASSES) {
    if (!classes.includes(plane) || sizes[plane] === 0) continue;
    const apart = plane !== 'hi' && !entry.inline;
    const offset = plane === 'mid' ? entry.midOffset : entry.lowOffset;
    const from = places[plane] - inHi.start;
    const payload = apart
      ? await backend.read(names(plane), offset, sizes[plane])
      : inHi.bytes.subarray(from, from + sizes[plane]);
    if (crc32(payload) !== crcs[plane]) {
      throw damaged(
        apart ? names(plane) : name,
        apart ? offset : entry.offset + headerBytes + places[plane],
        `the ${plane} planes of extent ${entry.id} do not match their checksum`,
      );
    }
    record[plane] = payload;
  }
  return record;
}

const EMPTY = new Uint8Array(0);

function checkHeader(header: SegmentHeader, entry: SegmentEntry, name: string): void {
  const same =
    header.id === entry.id &&
    header.segment === entry.segment &&
    header.crc === entry.crc &&
    header.width === entry.width &&
    header.count === entry.count &&
    header.base === entry.base &&
    header.depth === entry.depth &&
    header.inline === entry.inline &&
    header.bytes.hi === entry.hiBytes &&
    header.bytes.mid === entry.midBytes &&
    header.bytes.low === entry.lowBytes &&
    header.midOffset === entry.midOffset &&
    header.lowOffset === entry.lowOffset;
  if (!same) throw damaged(name, entry.offset, `another record than extent ${entry.id}`);
}
