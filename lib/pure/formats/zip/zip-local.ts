/**
 * Local headers and data descriptors of zip entries: where the data really starts, and whether the
 * entry says of itself what the central directory says.
 */

import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import type { VariableRange } from '../../tensor/layout.js';
import { corrupt } from '../format.js';
import { decodeCp437 } from './cp437.js';
import { findZip64, type ZipEntry } from './zip-directory.js';

const HEADER_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
const HEADER_BYTES = 4 + 5 * 2 + 3 * 4 + 2 * 2;
/** Signature, checksum and two sizes of 8 bytes. */
const DESCRIPTOR_BYTES_MAX = 4 + 4 + 2 * 8;
/** Sizes and checksum follow the data. */
const HAS_DESCRIPTOR = 0x0008;
/** Extra bytes read along with the header: enough for the usual padding to 64 bytes. */
const EXTRA_BYTES_GUESS = 128;

/**
 * Reads the local header of `entry` and fills in `dataOffset`, `endOffset` and `variable`.
 *
 * @param dataEnd offset of the central directory: no entry reaches beyond.
 * @throws {CorruptError} DLV_CORRUPT if the header contradicts the directory.
 */
export async function checkLocalHeader(
  source: ByteSource,
  entry: ZipEntry,
  dataEnd: number,
): Promise<void> {
  const { name, headerOffset } = entry;
  const lie = (what: string) => corrupt(source, `zip entry '${name}': ${what}`, headerOffset);
  const nameBytes = entry.dataOffset - headerOffset - HEADER_BYTES;
  const wanted = HEADER_BYTES + nameBytes + EXTRA_BYTES_GUESS;
  let header = await source.read(headerOffset, Math.min(wanted, dataEnd - headerOffset));
  let reader = new ByteReader(header, source.name);
  if (reader.u32('local header') !== HEADER_SIGNATURE) throw lie('there is no local header');
  reader.u16('version');
  const flags = reader.u16('flags');
  if (reader.u16('method') !== entry.method) throw lie('its two headers name different methods');
  reader.u32('time');
  const crc = reader.u32('checksum');
  const sizes = { compressedSize: reader.u32('compressed size'), size: reader.u32('size') };
  const localNameBytes = reader.u16('name length');
  const extraBytes = reader.u16('extra length');
  const localName = Buffer.from(reader.take(Math.min(localNameBytes, nameBytes), 'name'));
  if (localNameBytes !== nameBytes || !sameName(localName, entry)) {
    throw lie('its two headers have different names');
  }
  entry.dataOffset += extraBytes;
  entry.endOffset = entry.dataOffset + entry.compressedSize;
  if (entry.endOffset > dataEnd)
    throw lie(`it reaches byte ${entry.endOffset}, into the directory`);

  const afterData = ((flags | entry.flags) & HAS_DESCRIPTOR) !== 0;
  if (!afterData) {
    if (sizes.size === 0xffffffff || sizes.compressedSize === 0xffffffff) {
      if (reader.remaining < extraBytes) {
        header = await source.read(headerOffset, entry.dataOffset - headerOffset);
        reader = new ByteReader(header, source.name);
        reader.offset = HEADER_BYTES + nameBytes;
      }
      const field = findZip64(reader.take(extraBytes, 'extra field'), source.name);
      for (const key of ['size', 'compressedSize'] as const) {
        if (sizes[key] !== 0xffffffff) continue;
        if (field === null) throw lie(`it has no zip64 ${key}`);
        sizes[key] = field.u64(key);
      }
    }
    if (sizes.size !== entry.size || sizes.compressedSize !== entry.compressedSize) {
      throw lie('its two headers have different sizes');
    }
    if (crc !== entry.crc) throw lie('its two headers have different checksums');
  }
  // Time, date and checksum of the local header stand side by side, before those of the directory.
  const ranges = [{ offset: headerOffset + 4 + 3 * 2, length: 2 + 2 + 4, fixedLength: true }];
  if (afterData) ranges.push(await checkDescriptor(source, entry, dataEnd, lie));
  entry.variable = [...ranges, ...entry.variable];
}

function sameName(local: Buffer, entry: ZipEntry): boolean {
  return local.toString('utf8') === entry.name || decodeCp437(local) === entry.name;
}

/** Finds the checksum after the data and moves `endOffset` behind it; the record has four forms (signature or not, 4 or 8 bytes). */
async function checkDescriptor(
  source: ByteSource,
  entry: ZipEntry,
  dataEnd: number,
  lie: (what: string) => Error,
): Promise<VariableRange> {
  const length = Math.min(DESCRIPTOR_BYTES_MAX, dataEnd - entry.endOffset);
  const bytes = Buffer.from(await source.read(entry.endOffset, length));
  for (const start of [4, 0]) {
    if (start === 4 && (length < 4 || bytes.readUInt32LE(0) !== DESCRIPTOR_SIGNATURE)) continue;
    if (length < start + 4 || bytes.readUInt32LE(start) !== entry.crc) continue;
    for (const sizeBytes of [8, 4]) {
      const end = start + 4 + 2 * sizeBytes;
      if (length < end) continue;
      const read = (at: number): number =>
        sizeBytes === 8 ? Number(bytes.readBigUInt64LE(at)) : bytes.readUInt32LE(at);
      if (read(start + 4) !== entry.compressedSize) continue;
      if (read(start + 4 + sizeBytes) !== entry.size) continue;
      const offset = entry.endOffset + start;
      entry.endOffset += end;
      return { offset, length: 4, fixedLength: true };
    }
  }
  throw lie('no data descriptor follows its data');
}
