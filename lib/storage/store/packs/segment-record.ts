/** The bytes of a segment record: header and head in `.hi`, payloads by class. Pure. @see docs/format/pack.md */
import { crc32 } from '../../../base/bytes/checksum.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import { ByteWriter } from '../../../base/bytes/writer.js';
import { assert } from '../../../base/errors.js';
import {
  CHAIN_DEPTH_MAX,
  HEAD_BYTES_MAX,
  PLANE_CLASS_BYTES_MAX,
  WIDTH_MAX,
} from '../../../base/limits.js';
import {
  type AbsentPlanes,
  PLANE_CLASSES,
  type PlaneClass,
  type SegmentEntry,
  type SegmentPlace,
  type SegmentRecord,
  segmentCount,
  segmentHeaderBytes,
  UNNAMED_SET,
} from '../types.js';
import { beginsWith, checkLinks, damaged, type EncodedHeader } from './pack-format.js';

/** Magic, width, flags, depth, headBytes, hiBytes, midBytes, lowBytes. */
export const SEGMENT_FIXED_BYTES = 4 + 1 + 1 + 2 + 4 * 4;

export const SEGMENT_MAGIC = 'dlvs';
const FLAG_INLINE = 1;

/** A segment's header: the record without its bytes, plus lengths, checksums and places. */
export interface SegmentHeader extends SegmentPlace {
  headBytes: number;
  bytes: Record<'hi' | 'mid' | 'low', number>;
  crcs: Record<'hi' | 'mid' | 'low', number>;
  inline: boolean;
  midOffset: number;
  lowOffset: number;
  crc: number;
}

/** Lengths and checksums of the payloads of a record, wherever they are. */
export interface SegmentSizes {
  readonly bytes: Readonly<Record<PlaneClass, number>>;
  readonly crcs: Readonly<Record<PlaneClass, number>>;
}

/** @param absent  planes of which only length and checksum are known. */
export function sizesOf(
  record: Omit<SegmentRecord, 'id'>,
  absent: AbsentPlanes = {},
): SegmentSizes {
  const { hi, mid, low, crcs } = record;
  const bytes = {
    hi: hi.length,
    mid: absent.mid?.bytes ?? mid.length,
    low: absent.low?.bytes ?? low.length,
  };
  return {
    bytes,
    crcs: {
      hi: crcs?.hi ?? crc32(hi),
      mid: absent.mid?.crc ?? crcs?.mid ?? crc32(mid),
      low: absent.low?.crc ?? crcs?.low ?? crc32(low),
    },
  };
}

/**
 * Encodes a segment record up to the end of its head.
 * @param places offsets of mid and low in their files, or null if they follow hi in `.hi`.
 */
export function encodeSegmentHeader(
  record: SegmentPlace & { readonly head: Uint8Array },
  { bytes: lengths, crcs }: SegmentSizes,
  places: { readonly mid: number; readonly low: number } | null,
): EncodedHeader {
  checkLinks(record.base, record.depth);
  assert(record.width >= 1 && record.width <= WIDTH_MAX, `width ${record.width}`);
  assert(record.segments === segmentCount(record.count), `${record.segments} segments`);
  assert(record.segment < record.segments, `segment ${record.segment} of ${record.segments}`);
  assert(record.head.length <= HEAD_BYTES_MAX, `head of ${record.head.length} bytes`);
  for (const plane of PLANE_CLASSES) {
    assert(lengths[plane] <= PLANE_CLASS_BYTES_MAX, `payload of ${lengths[plane]} bytes`);
  }
  const writer = new ByteWriter(192 + record.head.length)
    .ascii(SEGMENT_MAGIC)
    .u8(record.width)
    .u8(places === null ? FLAG_INLINE : 0)
    .u16(record.depth)
    .u32(record.head.length);
  for (const plane of PLANE_CLASSES) writer.u32(lengths[plane]);
  writer.id(record.id).u32(record.segment).u64(record.count);
  if (record.base !== null) writer.id(record.base);
  for (const plane of PLANE_CLASSES) writer.u32(crcs[plane]);
  if (places !== null) writer.u64(places.mid).u64(places.low);
  const crc = crc32(record.head, crc32(writer.finish()));
  const bytes = writer.u32(crc).raw(record.head).finish();
  return { bytes, crc };
}

/** Where a record is in `.hi`, and its payloads if they have files of their own. */
interface RecordAt {
  readonly offset: number;
  readonly crc: number;
  readonly places: { readonly mid: number; readonly low: number } | null;
}

/** What the index says of a record, in a set that has no name yet. */
export function segmentEntry(
  record: SegmentPlace & { readonly head: Uint8Array },
  { bytes }: SegmentSizes,
  { offset, crc, places }: RecordAt,
): SegmentEntry {
  const { id, segment, segments, width, count, base, depth, head } = record;
  return {
    ...{ id, segment, segments, width, count, base, depth },
    headBytes: head.length,
    ...{ hiBytes: bytes.hi, midBytes: bytes.mid, lowBytes: bytes.low },
    ...{ set: UNNAMED_SET, offset, inline: places === null },
    ...{ midOffset: places?.mid ?? 0, lowOffset: places?.low ?? 0, crc },
  };
}

/** Lengths of a segment record, from its first SEGMENT_FIXED_BYTES. @throws {CorruptError} */
export function segmentRecordBytes(
  fixed: Uint8Array,
  file: string,
  offset: number,
): { header: number; head: number; inHi: number } {
  const reader = new ByteReader(fixed, file);
  if (!beginsWith(reader.take(4, 'magic'), SEGMENT_MAGIC)) {
    throw damaged(file, offset, 'no segment record starts here');
  }
  reader.u8('width');
  const flags = reader.u8('flags');
  const depth = reader.u16('depth');
  const head = reader.u32('headBytes');
  const hi = reader.u32('hiBytes');
  const mid = reader.u32('midBytes');
  const low = reader.u32('lowBytes');
  if (
    flags > FLAG_INLINE ||
    depth > CHAIN_DEPTH_MAX ||
    head > HEAD_BYTES_MAX ||
    Math.max(hi, mid, low) > PLANE_CLASS_BYTES_MAX
  ) {
    throw damaged(file, offset, 'a segment record with impossible lengths');
  }
  const inline = flags === FLAG_INLINE;
  const header = segmentHeaderBytes(depth > 0, inline);
  return {
    header,
    head,
    inHi: header + head + hi + (inline ? mid + low : 0),
  };
}

/**
 * Decodes header and head of a segment record.
 * @param bytes header and head, exactly.
 * @throws {CorruptError} if the checksum or a field is wrong.
 */
export function decodeSegmentHeader(
  bytes: Uint8Array,
  file: string,
  offset: number,
): { header: SegmentHeader; head: Uint8Array } {
  const reader = new ByteReader(bytes, file);
  const sizes = segmentRecordBytes(reader.take(SEGMENT_FIXED_BYTES, 'record'), file, offset);
  if (sizes.header + sizes.head !== bytes.length) {
    throw damaged(file, offset, 'the record has another length than expected');
  }
  const head = bytes.subarray(sizes.header);
  reader.offset = sizes.header - 4;
  const crc = reader.u32('crc');
  if (crc32(head, crc32(bytes.subarray(0, sizes.header - 4))) !== crc) {
    throw damaged(file, offset, 'the checksum of the segment record does not match');
  }
  reader.offset = 4;
  const width = reader.u8('width');
  const inline = reader.u8('flags') === FLAG_INLINE;
  const depth = reader.u16('depth');
  const headBytes = reader.u32('headBytes');
  const hi = reader.u32('hiBytes');
  const mid = reader.u32('midBytes');
  const low = reader.u32('lowBytes');
  const id = reader.id('id');
  const segment = reader.u32('segment');
  const count = reader.u64('count');
  const base = depth > 0 ? reader.id('base') : null;
  const crcs = { hi: reader.u32('hiCrc'), mid: reader.u32('midCrc'), low: reader.u32('lowCrc') };
  const midOffset = inline ? 0 : reader.u64('midOffset');
  const lowOffset = inline ? 0 : reader.u64('lowOffset');
  const segments = segmentCount(count);
  if (
    width < 1 ||
    width > WIDTH_MAX ||
    segment >= segments ||
    (!inline && (mid === 0) !== (midOffset === 0)) ||
    (!inline && (low === 0) !== (lowOffset === 0))
  ) {
    throw damaged(file, offset, 'a segment record with impossible fields');
  }
  return {
    head,
    header: {
      id,
      segment,
      segments,
      width,
      count,
      base,
      depth,
      headBytes,
      bytes: { hi, mid, low },
      crcs,
      inline,
      midOffset,
      lowOffset,
      crc,
    },
  };
}
