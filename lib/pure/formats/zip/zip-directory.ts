/**
 * The central directory of a zip archive, read in windows so that its size does not matter.
 *
 * Names are names and no paths: dlv never writes a file under one, so any text is one.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import type { VariableRange } from '../../tensor/layout.js';
import { corrupt } from '../format.js';
import type { MemoryBudget } from '../memory-budget.js';
import { decodeCp437 } from './cp437.js';
import type { ZipEnd } from './zip-end.js';

/** One entry, checked: its data lies in the file and overlaps no other entry. */
export interface ZipEntry {
  /** Any text; a folder ends with '/'. */
  name: string;
  /** 0 = stored, 8 = deflated; others are listed but cannot be read. */
  method: number;
  /** General purpose flags of the central directory. */
  flags: number;
  /** Bytes in the archive. Equal to `size` for stored entries. */
  compressedSize: number;
  /** Bytes of the content, as the directory claims; proved only for stored entries. */
  size: number;
  /** CRC-32 of the content, as the directory claims. */
  crc: number;
  /** Offset of the local header. */
  headerOffset: number;
  /** Offset of the first byte of the data. */
  dataOffset: number;
  /** End of the entry, its data descriptor included. */
  endOffset: number;
  /** The time and checksum fields of local header, data descriptor and directory, in file order:
   *  what differs between two archives of the same arrays. */
  variable: VariableRange[];
}

const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_BYTES = 4 + 6 * 2 + 3 * 4 + 5 * 2 + 2 * 4;
/** A whole entry fits: fixed part plus three fields of at most 64 KiB. */
const WINDOW_BYTES = 1 << 20;
const LOCAL_HEADER_BYTES = 30;

/** Flag bits: encrypted, strong encryption, masked headers. */
const ENCRYPTED = 0x0001 | 0x0040 | 0x2000;
const UTF8_NAME = 0x0800;

/** Memory of an entry and its variable ranges, besides the name. */
const ZIP_ENTRY_BYTES = 360;

/** Reads all entries. `dataOffset` and `endOffset` are least values until the local header is read. */
export async function readCentralDirectory(
  source: ByteSource,
  end: ZipEnd,
  budget: MemoryBudget,
  signal?: AbortSignal,
): Promise<ZipEntry[]> {
  if (end.entryCount * ENTRY_BYTES > end.directoryBytes) {
    throw corrupt(
      source,
      `a zip directory of ${end.directoryBytes} bytes cannot hold ${end.entryCount} entries`,
    );
  }
  const entries: ZipEntry[] = [];
  const directoryEnd = end.directoryOffset + end.directoryBytes;
  let offset = end.directoryOffset;
  let window = new ByteReader(new Uint8Array(0), source.name);
  for (let i = 0; i < end.entryCount; i++) {
    if (window.remaining < ENTRY_BYTES + 3 * 0xffff) {
      throwIfAborted(signal);
      const bytes = Math.min(WINDOW_BYTES, directoryEnd - offset);
      if (bytes !== window.remaining) {
        window = new ByteReader(await source.read(offset, bytes), source.name);
      }
    }
    const before = window.offset;
    const entry = readEntry(source, window, offset, end);
    // Its local header is read later, but it is there.
    budget.charge(ZIP_ENTRY_BYTES + 2 * entry.name.length);
    entries.push(entry);
    offset += window.offset - before;
  }
  if (offset !== directoryEnd) {
    throw corrupt(source, `the zip directory has ${directoryEnd - offset} bytes after its entries`);
  }
  return entries;
}

function readEntry(source: ByteSource, reader: ByteReader, offset: number, end: ZipEnd): ZipEntry {
  if (reader.u32('zip entry') !== ENTRY_SIGNATURE) {
    throw corrupt(source, `there is no zip entry at byte ${offset}`, offset);
  }
  reader.u16('version made by');
  reader.u16('version needed');
  const flags = reader.u16('flags');
  const method = reader.u16('method');
  reader.u32('time');
  const crc = reader.u32('checksum');
  const sizes = {
    compressedSize: reader.u32('compressed size'),
    size: reader.u32('size'),
    headerOffset: 0,
  };
  const nameBytes = reader.u16('name length');
  const extraBytes = reader.u16('extra length');
  const commentBytes = reader.u16('comment length');
  const disk = reader.u16('disk');
  reader.take(2 + 4, 'attributes');
  sizes.headerOffset = reader.u32('header offset');
  const name = decodeName(source, reader.take(nameBytes, 'name'), flags, offset);
  readZip64(reader.take(extraBytes, 'extra field'), source, sizes);
  reader.take(commentBytes, 'comment');
  if (disk !== 0 && disk !== 0xffff) {
    throw corrupt(source, 'the zip archive is one part of several', offset);
  }
  if ((flags & ENCRYPTED) !== 0) throw corrupt(source, `zip entry '${name}' is encrypted`, offset);
  if (method === 0 && sizes.size !== sizes.compressedSize) {
    throw corrupt(source, `stored zip entry '${name}' has two sizes`, offset);
  }
  sizes.headerOffset += end.start;
  const dataOffset = sizes.headerOffset + LOCAL_HEADER_BYTES + nameBytes;
  const endOffset = dataOffset + sizes.compressedSize;
  if (endOffset > end.directoryOffset) {
    throw corrupt(
      source,
      `zip entry '${name}' reaches byte ${endOffset}, into the directory`,
      offset,
    );
  }
  // Time, date and checksum stand side by side.
  const variable = [{ offset: offset + 4 + 4 * 2, length: 2 + 2 + 4, fixedLength: true }];
  return { name, method, flags, ...sizes, crc, dataOffset, endOffset, variable };
}

/** A name as Python's zipfile reads it: UTF-8 if the entry says so, else code page 437. */
function decodeName(source: ByteSource, bytes: Uint8Array, flags: number, offset: number): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if ((flags & UTF8_NAME) === 0) return decodeCp437(buffer);
  const name = buffer.toString('utf8');
  if (name.includes('\ufffd') && !Buffer.from(name).equals(buffer)) {
    throw corrupt(source, 'the name of a zip entry is not UTF-8', offset);
  }
  return name;
}

/** Replaces fields of 0xffffffff by those of the zip64 extra field, in the order the format fixes. */
function readZip64(
  extra: Uint8Array,
  source: ByteSource,
  sizes: { size: number; compressedSize: number; headerOffset: number },
): void {
  const field = findZip64(extra, source.name);
  for (const key of ['size', 'compressedSize', 'headerOffset'] as const) {
    if (sizes[key] !== 0xffffffff) continue;
    if (field === null) throw corrupt(source, `a zip entry has no zip64 ${key}`);
    sizes[key] = field.u64(key);
  }
}

/** The zip64 field (id 1) of an extra field, or null. Trailing bytes that are not a field are ignored,
 *  as writers pad with them. */
export function findZip64(extra: Uint8Array, file: string): ByteReader | null {
  const reader = new ByteReader(extra, file);
  while (reader.remaining >= 4) {
    const id = reader.u16('extra id');
    const length = reader.u16('extra length');
    if (length > reader.remaining) return null;
    const content = reader.take(length, 'extra field');
    if (id === 1) return new ByteReader(content, file);
  }
  return null;
}
