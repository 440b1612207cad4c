/** The bytes of a blob record. Pure. @see docs/format/pack.md */
import { crc32 } from '../../../base/bytes/checksum.js';
import { BLOB_KINDS, ID_BYTES } from '../../../base/bytes/hash.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import { ByteWriter } from '../../../base/bytes/writer.js';
import { assert } from '../../../base/errors.js';
import { BLOB_BYTES_MAX, CHAIN_DEPTH_MAX } from '../../../base/limits.js';
import type { BlobRecord } from '../types.js';
import { beginsWith, checkLinks, damaged, type EncodedHeader } from './pack-format.js';

/** Magic, kind, codec, depth, rawBytes, payloadBytes: what tells the length of a blob record. */
export const BLOB_FIXED_BYTES = 4 + 1 + 1 + 2 + 4 + 4;
/** A whole blob record with a base and the largest payload. */
export const BLOB_RECORD_BYTES_MAX = BLOB_FIXED_BYTES + 2 * ID_BYTES + 4 + BLOB_BYTES_MAX;
export const BLOB_MAGIC = 'dlvb';

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
