/** Reading one record of a pack set through its index entry, verified. */
import { crc32 } from '../bytes/checksum.js';
import type { Backend } from './backend.js';
import {
  damaged,
  decodeBlobRecord,
  decodeSegmentHeader,
  type SegmentHeader,
} from './pack-format.js';
import {
  type BlobEntry,
  type BlobRecord,
  type FileClass,
  PLANE_CLASSES,
  type PlaneClass,
  type SegmentEntry,
  type SegmentRecord,
  segmentHeaderBytes,
} from './types.js';

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
  const { record, crc } = decodeBlobRecord(bytes, name, entry.offset);
  if (record.id !== entry.id || crc !== entry.crc) {
    throw damaged(name, entry.offset, `another record than blob ${entry.id}`);
  }
  return record;
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
  const sizes = { hi: entry.hiBytes, mid: entry.midBytes, low: entry.lowBytes };
  const wanted = (plane: PlaneClass): boolean => classes.includes(plane) && sizes[plane] > 0;
  // What stands in .hi is read at once, up to the last byte that is needed.
  let inHi = wanted('hi') ? sizes.hi : 0;
  if (entry.inline && wanted('mid')) inHi = sizes.hi + sizes.mid;
  if (entry.inline && wanted('low')) inHi = sizes.hi + sizes.mid + sizes.low;
  const bytes = await backend.read(name, entry.offset, headerBytes + inHi);
  const { header, head } = decodeSegmentHeader(bytes.subarray(0, headerBytes), name, entry.offset);
  checkHeader(header, entry, name);
  const starts = {
    hi: headerBytes,
    mid: headerBytes + sizes.hi,
    low: headerBytes + sizes.hi + sizes.mid,
  };
  const record: SegmentRecord = {
    id: entry.id,
    segment: entry.segment,
    segments: entry.segments,
    width: entry.width,
    count: entry.count,
    base: entry.base,
    depth: entry.depth,
    head,
    hi: EMPTY,
    mid: EMPTY,
    low: EMPTY,
  };
  for (const plane of PLANE_CLASSES) {
    if (!wanted(plane)) continue;
    const apart = plane !== 'hi' && !entry.inline;
    const offset = plane === 'mid' ? entry.midOffset : entry.lowOffset;
    const payload = apart
      ? await backend.read(names(plane), offset, sizes[plane])
      : bytes.subarray(starts[plane], starts[plane] + sizes[plane]);
    if (crc32(payload) !== header.crcs[plane]) {
      throw damaged(
        apart ? names(plane) : name,
        apart ? offset : entry.offset + starts[plane],
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
    header.inline === entry.inline &&
    header.bytes.hi === entry.hiBytes &&
    header.bytes.mid === entry.midBytes &&
    header.bytes.low === entry.lowBytes &&
    header.midOffset === entry.midOffset &&
    header.lowOffset === entry.lowOffset;
  if (!same) throw damaged(name, entry.offset, `another record than extent ${entry.id}`);
}
