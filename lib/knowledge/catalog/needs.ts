/**
 * The objects that a version names and its first parent does not, and their row in the catalog: a CRC-32 of id
 * and what follows, then for each object how many segments it has (0: a blob) and its digest. Derived.
 */
import { crc32 } from '../../base/bytes/checksum.js';
import { type Id, isId } from '../../base/bytes/hash.js';

/** An object that a version needs. */
export interface ObjectNeed {
  readonly id: Id;
  /** Segments of an extent; 0 for a blob. */
  readonly segments: number;
}

const CRC_BYTES = 4;
const SEGMENTS_BYTES = 4;
const DIGEST_BYTES = 32;
const NEED_BYTES = SEGMENTS_BYTES + DIGEST_BYTES;
/** A row of more would take longer to read than what it is made of is worth. */
const ROW_BYTES_MAX = 1 << 20;

/** The row of a version; null if it would be too long. */
export function encodeNeeds(id: Id, needs: readonly ObjectNeed[]): Uint8Array | null {
  const bytes = Buffer.alloc(CRC_BYTES + needs.length * NEED_BYTES);
  if (bytes.length > ROW_BYTES_MAX) return null;
  for (const [i, need] of needs.entries()) {
    const at = CRC_BYTES + i * NEED_BYTES;
    bytes.writeUInt32LE(need.segments, at);
    bytes.write(need.id, at + SEGMENTS_BYTES, 'hex');
  }
  bytes.writeUInt32LE(checksumOf(id, bytes), 0);
  return bytes;
}

/** The mirror of encodeNeeds; null for a row that is damaged. */
export function decodeNeeds(id: Id, row: Uint8Array): ObjectNeed[] | null {
  if (row.length < CRC_BYTES || (row.length - CRC_BYTES) % NEED_BYTES !== 0) return null;
  const bytes = Buffer.from(row.buffer, row.byteOffset, row.length);
  if (bytes.readUInt32LE(0) !== checksumOf(id, bytes)) return null;
  const needs: ObjectNeed[] = [];
  for (let at = CRC_BYTES; at < bytes.length; at += NEED_BYTES) {
    const digest = bytes.toString('hex', at + SEGMENTS_BYTES, at + NEED_BYTES);
    if (isId(digest)) needs.push({ id: digest, segments: bytes.readUInt32LE(at) });
  }
  return needs;
}

function checksumOf(id: Id, bytes: Uint8Array): number {
  return crc32(bytes.subarray(CRC_BYTES), crc32(Buffer.from(id, 'latin1')));
}
