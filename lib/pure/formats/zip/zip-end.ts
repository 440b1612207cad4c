/**
 * The end of a zip file: where its central directory lies, with or without zip64.
 *
 * The last record whose comment reaches exactly the end of the file counts. Archives in several
 * parts are refused.
 */
import type { ByteSource } from '../../../base/bytes/files.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import { LimitError } from '../../../base/errors.js';
import { ZIP_DIRECTORY_BYTES_MAX, ZIP_ENTRIES_MAX } from '../../../base/limits.js';
import { corrupt } from '../format.js';

const END_SIGNATURE = 0x06054b50;
const END64_SIGNATURE = 0x06064b50;
const LOCATOR64_SIGNATURE = 0x07064b50;
/** End record: signature, 4 u16 of disks and counts, size and offset of the directory, comment length. */
const END_BYTES = 4 + 4 * 2 + 2 * 4 + 2;
const LOCATOR64_BYTES = 4 + 4 + 8 + 4;
const END64_BYTES = 4 + 8 + 2 + 2 + 4 + 4 + 4 * 8;
const COMMENT_BYTES_MAX = 0xffff;

/** Where the central directory lies. */
export interface ZipEnd {
  entryCount: number;
  directoryOffset: number;
  directoryBytes: number;
}

/** Finds and checks the end records.
 *  @throws {CorruptError} DLV_CORRUPT if there are none or they contradict the file. */
export async function readZipEnd(source: ByteSource): Promise<ZipEnd> {
  const tailBytes = Math.min(source.size, END_BYTES + COMMENT_BYTES_MAX + LOCATOR64_BYTES);
  const tailOffset = source.size - tailBytes;
  const tail = await source.read(tailOffset, tailBytes);
  const at = findEnd(tail);
  if (at < 0) throw corrupt(source, 'the end record of the zip directory is missing');
  const reader = new ByteReader(tail, source.name);
  reader.offset = at + 4;
  const disks = [reader.u16('disk'), reader.u16('directory disk')];
  const counts = [reader.u16('entries on disk'), reader.u16('entries')];
  let end: ZipEnd = {
    entryCount: counts[1] as number,
    directoryBytes: reader.u32('directory size'),
    directoryOffset: reader.u32('directory offset'),
  };
  let endsAt = tailOffset + at;
  if (at >= LOCATOR64_BYTES) {
    reader.offset = at - LOCATOR64_BYTES;
    if (reader.u32('zip64 locator') === LOCATOR64_SIGNATURE) {
      const wanted = needsZip64(end) ? null : end;
      endsAt = readLocator(reader, source, endsAt);
      end = await readEnd64(source, endsAt, wanted);
      counts.length = 0;
    }
  }
  const whole = disks.every((disk) => disk === 0 || disk === 0xffff);
  if (!whole || (counts.length === 2 && counts[0] !== counts[1])) {
    throw corrupt(source, 'the zip archive is one part of several');
  }
  checkEnd(source, end, endsAt);
  return end;
}

/** Index of the last end record whose comment fills the rest of `tail`, or −1. */
function findEnd(tail: Uint8Array): number {
  const buffer = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength);
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (buffer[at] !== 0x50 || buffer.readUInt32LE(at) !== END_SIGNATURE) continue;
    if (at + END_BYTES + buffer.readUInt16LE(at + END_BYTES - 2) === tail.length) return at;
  }
  return -1;
}

function needsZip64(end: ZipEnd): boolean {
  return (
    end.entryCount === 0xffff ||
    end.directoryBytes === 0xffffffff ||
    end.directoryOffset === 0xffffffff
  );
}

/** Reads the rest of the locator at the reader's position; returns the offset of the zip64 record. */
function readLocator(reader: ByteReader, source: ByteSource, locatorEnd: number): number {
  reader.u32('zip64 disk');
  const offset = reader.u64('zip64 end offset');
  if (reader.u32('zip64 disks') > 1)
    throw corrupt(source, 'the zip archive is one part of several');
  if (offset + END64_BYTES > locatorEnd - LOCATOR64_BYTES) {
    throw corrupt(source, `the zip64 end record is said to be at byte ${offset}`, offset);
  }
  return offset;
}

async function readEnd64(source: ByteSource, offset: number, same: ZipEnd | null): Promise<ZipEnd> {
  const reader = new ByteReader(await source.read(offset, END64_BYTES), source.name);
  if (reader.u32('zip64 end record') !== END64_SIGNATURE) {
    throw corrupt(source, `there is no zip64 end record at byte ${offset}`, offset);
  }
  reader.u64('record size');
  reader.u32('versions');
  const disks = reader.u32('disk') + reader.u32('directory disk');
  const onDisk = reader.u64('entries on disk');
  const end: ZipEnd = {
    entryCount: reader.u64('entries'),
    directoryBytes: reader.u64('directory size'),
    directoryOffset: reader.u64('directory offset'),
  };
  if (disks !== 0 || onDisk !== end.entryCount) {
    throw corrupt(source, 'the zip archive is one part of several', offset);
  }
  if (
    same !== null &&
    (same.entryCount !== end.entryCount ||
      same.directoryBytes !== end.directoryBytes ||
      same.directoryOffset !== end.directoryOffset)
  ) {
    throw corrupt(source, 'the two end records of the zip directory disagree', offset);
  }
  return end;
}

function checkEnd(source: ByteSource, end: ZipEnd, endsAt: number): void {
  if (end.entryCount > ZIP_ENTRIES_MAX || end.directoryBytes > ZIP_DIRECTORY_BYTES_MAX) {
    throw new LimitError(
      `'${source.name}': a zip directory of ${end.entryCount} entries and ${end.directoryBytes} bytes`,
      { file: source.name, limit: 'ZIP_ENTRIES_MAX', value: end.entryCount, max: ZIP_ENTRIES_MAX },
    );
  }
  if (end.directoryOffset + end.directoryBytes > endsAt) {
    throw corrupt(
      source,
      `the zip directory is said to be ${end.directoryBytes} bytes at ${end.directoryOffset}, its end record is at ${endsAt}`,
      end.directoryOffset,
    );
  }
}
