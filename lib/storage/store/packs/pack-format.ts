/**
 * The bytes of pack files: file headers, blob records, segment records.
 *
 * Pure: encodes and decodes buffers, opens nothing. The fixed part of a record holds all its lengths,
 * so that a scanner knows the whole record after 16 or 24 bytes.
 *
 * @see docs/format/pack.md
 */
import { crc32 } from '../../../base/bytes/checksum.js';
import { BLOB_KINDS, ID_BYTES, type Id, idFromBytes } from '../../../base/bytes/hash.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import { ByteWriter } from '../../../base/bytes/writer.js';
import { assert, CorruptError, FormatVersionError } from '../../../base/errors.js';
import {
  BLOB_BYTES_MAX,
  CHAIN_DEPTH_MAX,
  HEAD_BYTES_MAX,
  PLANE_CLASS_BYTES_MAX,
  WIDTH_MAX,
} from '../../../base/limits.js';
import {
  type AbsentPlanes,
  type BlobRecord,
  type FileClass,
  PLANE_CLASSES,
  type SegmentPlace,
  type SegmentRecord,
  segmentCount,
  segmentHeaderBytes,
} from '../types.js';

/** Version of all five kinds of files. */
export const PACK_VERSION = 1;
/** Magic, version, complement of the version. */
export const FILE_HEADER_BYTES = 4 + 2 + 2;
/** Magic, kind, codec, depth, rawBytes, payloadBytes: what tells the length of a blob record. */
export const BLOB_FIXED_BYTES = 4 + 1 + 1 + 2 + 4 + 4;
/** A whole blob record with a base and the largest payload. */
export const BLOB_RECORD_BYTES_MAX = BLOB_FIXED_BYTES + 2 * ID_BYTES + 4 + BLOB_BYTES_MAX;
/** Magic, width, flags, depth, headBytes, hiBytes, midBytes, lowBytes. */
export const SEGMENT_FIXED_BYTES = 4 + 1 + 1 + 2 + 4 * 4;

export const BLOB_MAGIC = 'dlvb';
export const SEGMENT_MAGIC = 'dlvs';
const FLAG_INLINE = 1;
const FILE_MAGIC: Record<FileClass, string> = {
  blob: 'DLVB',
  hi: 'DLVH',
  mid: 'DLVM',
  low: 'DLVL',
  idx: 'DLVI',
};

/** A CorruptError that names the file, the place and the remedy. */
export function damaged(file: string, offset: number, what: string): CorruptError {
  return new CorruptError(`'${file}' is damaged at byte ${offset}: ${what}`, {
    file,
    offset,
    hint: "run 'dlv fsck' to see what is affected",
  });
}

/** The first 8 bytes of a file of a set. */
export function encodeFileHeader(fileClass: FileClass): Uint8Array {
  return new ByteWriter(FILE_HEADER_BYTES)
    .ascii(FILE_MAGIC[fileClass])
    .u16(PACK_VERSION)
    .u16(0xffff - PACK_VERSION)
    .finish();
}

/** @throws {CorruptError} if damaged, {FormatVersionError} if written by a newer dlv. */
export function checkFileHeader(bytes: Uint8Array, fileClass: FileClass, file: string): void {
  const reader = new ByteReader(bytes, file);
  if (!beginsWith(reader.take(4, 'magic'), FILE_MAGIC[fileClass])) {
    throw damaged(file, 0, `the magic is not ${FILE_MAGIC[fileClass]}`);
  }
  const version = reader.u16('version');
  // The complement tells a newer version from a flipped bit.
  if (reader.u16('version check') !== 0xffff - version || version === 0) {
    throw damaged(file, 4, 'the version and its complement do not match');
  }
  if (version > PACK_VERSION) {
    throw new FormatVersionError(`'${file}' has pack version ${version}, this dlv reads 1`, {
      file,
      found: version,
      readable: PACK_VERSION,
      hint: 'upgrade dlv',
    });
  }
}

/** What precedes a blob's payload, checksum included. */
export interface EncodedHeader {
  bytes: Uint8Array;
  crc: number;
}

/** Encodes a blob record up to its payload. */
export function encodeBlobHeader(record: BlobRecord): EncodedHeader {
  checkLinks(record.base, record.depth);
  assert(record.rawBytes <= BLOB_BYTES_MAX, `blob of ${record.rawBytes} bytes`);
  assert(record.payload.length <= BLOB_BYTES_MAX, `payload of ${record.payload.length} bytes`);
  const writer = new ByteWriter(128)
    .ascii(BLOB_MAGIC)
    .u8(BLOB_KINDS.indexOf(record.kind))
    .u8(record.codec)
    .u16(record.depth)
    .u32(record.rawBytes)
    .u32(record.payload.length)
    .id(record.id);
  if (record.base !== null) writer.id(record.base);
  const crc = crc32(record.payload, crc32(writer.finish()));
  return { bytes: writer.u32(crc).finish(), crc };
}

/** Bytes of a whole blob record, from its first BLOB_FIXED_BYTES. @throws {CorruptError} */
export function blobRecordBytes(fixed: Uint8Array, file: string, offset: number): number {
  const reader = new ByteReader(fixed, file);
  if (!beginsWith(reader.take(4, 'magic'), BLOB_MAGIC)) {
    throw damaged(file, offset, 'no blob record starts here');
  }
  reader.take(2, 'kind and codec');
  const depth = reader.u16('depth');
  const rawBytes = reader.u32('rawBytes');
  const payloadBytes = reader.u32('payloadBytes');
  if (rawBytes > BLOB_BYTES_MAX || payloadBytes > BLOB_BYTES_MAX || depth > CHAIN_DEPTH_MAX) {
    throw damaged(file, offset, 'a blob record with impossible lengths');
  }
  return BLOB_FIXED_BYTES + ID_BYTES + (depth > 0 ? ID_BYTES : 0) + 4 + payloadBytes;
}

/** Decodes one whole blob record; its payload is a view of `bytes`. @throws {CorruptError} */
export function decodeBlobRecord(
  bytes: Uint8Array,
  file: string,
  offset: number,
): { record: BlobRecord; crc: number } {
  const reader = new ByteReader(bytes, file);
  if (blobRecordBytes(reader.take(BLOB_FIXED_BYTES, 'record'), file, offset) !== bytes.length) {
    throw damaged(file, offset, 'the record has another length than expected');
  }
  reader.offset = 4;
  const kindNumber = reader.u8('kind');
  const codec = reader.u8('codec');
  const depth = reader.u16('depth');
  const rawBytes = reader.u32('rawBytes');
  const payloadBytes = reader.u32('payloadBytes');
  const headerBytes = bytes.length - payloadBytes - 4;
  const payload = bytes.subarray(headerBytes + 4);
  reader.offset = headerBytes;
  const crc = reader.u32('crc');
  if (crc32(payload, crc32(bytes.subarray(0, headerBytes))) !== crc) {
    throw damaged(file, offset, 'the checksum of the blob record does not match');
  }
  reader.offset = BLOB_FIXED_BYTES;
  const id = reader.id('id');
  const base = depth > 0 ? reader.id('base') : null;
  const kind = BLOB_KINDS[kindNumber];
  if (kind === undefined) throw damaged(file, offset, `unknown kind of blob ${kindNumber}`);
  return { record: { id, kind, codec, base, depth, rawBytes, payload }, crc };
}

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

/**
 * Encodes a segment record up to the end of its head.
 * @param places offsets of mid and low in their files, or null if they follow hi in `.hi`.
 * @param absent planes of which only length and checksum are known.
 */
export function encodeSegmentHeader(
  record: SegmentRecord,
  places: { mid: number; low: number } | null,
  absent: AbsentPlanes = {},
): EncodedHeader {
  checkLinks(record.base, record.depth);
  assert(record.width >= 1 && record.width <= WIDTH_MAX, `width ${record.width}`);
  assert(record.segments === segmentCount(record.count), `${record.segments} segments`);
  assert(record.segment < record.segments, `segment ${record.segment} of ${record.segments}`);
  assert(record.head.length <= HEAD_BYTES_MAX, `head of ${record.head.length} bytes`);
  for (const payload of [record.hi, record.mid, record.low]) {
    assert(payload.length <= PLANE_CLASS_BYTES_MAX, `payload of ${payload.length} bytes`);
  }
  const writer = new ByteWriter(192 + record.head.length)
    .ascii(SEGMENT_MAGIC)
    .u8(record.width)
    .u8(places === null ? FLAG_INLINE : 0)
    .u16(record.depth)
    .u32(record.head.length)
    .u32(record.hi.length)
    .u32(absent.mid?.bytes ?? record.mid.length)
    .u32(absent.low?.bytes ?? record.low.length)
    .id(record.id)
    .u32(record.segment)
    .u64(record.count);
  if (record.base !== null) writer.id(record.base);
  const { mid, low } = absent;
  const known = {
    hi: record.crcs?.hi,
    mid: mid?.crc ?? record.crcs?.mid,
    low: low?.crc ?? record.crcs?.low,
  };
  for (const plane of PLANE_CLASSES) writer.u32(known[plane] ?? crc32(record[plane]));
  if (places !== null) writer.u64(places.mid).u64(places.low);
  const crc = crc32(record.head, crc32(writer.finish()));
  const bytes = writer.u32(crc).raw(record.head).finish();
  return { bytes, crc };
}

function beginsWith(bytes: Uint8Array, magic: string): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[i] !== magic.charCodeAt(i)) return false;
  return true;
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

/** An id, or 33 zero bytes for none, as index rows have it. */
export function optionalId(bytes: Uint8Array, present: boolean, file: string): Id | null {
  if (present) return idFromBytes(bytes, file);
  if (bytes.some((byte) => byte !== 0)) throw damaged(file, 0, 'a base without a depth');
  return null;
}

function checkLinks(base: Id | null, depth: number): void {
  assert((base === null) === (depth === 0), `depth ${depth} with base ${base}`);
  assert(depth <= CHAIN_DEPTH_MAX, `depth ${depth}`);
}
