/** Checksums of zip archives whose stored data were changed in place: which bytes make them right. */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { crc32 } from '../../../base/bytes/checksum.js';
import { readZip, ZIP_STORED } from './zip.js';
import type { ZipEntry } from './zip-directory.js';

const READ_BYTES = 4 * 1024 * 1024;

/**
 * The bytes to be put into an archive so that every stored entry has the checksum of its data.
 * Reads all stored data once. Compressed entries are left as they are.
 */
export async function findChecksumPatches(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<{ offset: number; bytes: Uint8Array }[]> {
  const patches: { offset: number; bytes: Uint8Array }[] = [];
  for (const entry of (await readZip(source, { signal })).entries) {
    if (entry.method !== ZIP_STORED) continue;
    const found = await checksumOf(source, entry, signal);
    if (found === entry.crc) continue;
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, found, true);
    for (const { offset, length } of entry.variable) {
      // Headers have time, date and checksum there; a data descriptor the checksum alone.
      const place = offset + length - 4;
      const before = Buffer.from(await source.read(place, 4)).readUInt32LE(0);
      // Where a descriptor follows, the local header holds 0, or what the writer liked.
      if (before === entry.crc) patches.push({ offset: place, bytes });
    }
  }
  return patches;
}

async function checksumOf(
  source: ByteSource,
  entry: ZipEntry,
  signal?: AbortSignal,
): Promise<number> {
  let crc = 0;
  for (let at = 0; at < entry.size; at += READ_BYTES) {
    throwIfAborted(signal);
    const length = Math.min(READ_BYTES, entry.size - at);
    crc = crc32(await source.read(entry.dataOffset + at, length), crc);
  }
  return crc;
}
