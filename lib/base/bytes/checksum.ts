/**
 * CRC-32 (IEEE 802.3, reflected, the one of zip and PNG) for chunks and records: finds every flip of
 * up to 32 consecutive bits, and Node carries a vectorised one. Ids protect what CRC-32 cannot.
 */
import { crc32 as zlibCrc32 } from 'node:zlib';

/** CRC-32 of `bytes`, continuing from `previous`. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return zlibCrc32(bytes, previous) >>> 0;
}
