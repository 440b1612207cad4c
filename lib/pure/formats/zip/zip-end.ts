/**
 * The end of a zip archive: where its central directory lies, with or without zip64.
 *
 * The last end record whose comment reaches exactly the end of the file counts. The directory ends
 * where the end records begin, as every writer puts it; if the record says another offset, the
 * archive begins that much later: other bytes are before it, or other archives. Archives in
 * several parts are refused.
 */

import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import { LimitError } from '../../../base/errors.js';
import { ZIP_DIRECTORY_BYTES_MAX, ZIP_ENTRIES_MAX } from '../../../base/limits.js';
import { CUT_HINT, corrupt } from '../format.js';

const END_SIGNATURE = 0x06054b50;
const END64_SIGNATURE = 0x06064b50;
const LOCATOR64_SIGNATURE = 0x07064b50;
/** Shortest end record, which is an archive of no entries: signature, 4 u16 of disks and counts, size and offset of the directory, comment length. */
export const END_BYTES = 4 + 4 * 2 + 2 * 4 + 2;
const LOCATOR64_BYTES = 4 + 4 + 8 + 4;
const END64_BYTES = 4 + 8 + 2 + 2 + 4 + 4 + 4 * 8;
const COMMENT_BYTES_MAX = 0xffff;
/** The end of an archive without a comment: of many archives in one file, each costs one short read. */
const SHORT_TAIL_BYTES = 512;
const TAIL_GROWTH = 8;
const LONG_TAIL_BYTES = END_BYTES + COMMENT_BYTES_MAX + LOCATOR64_BYTES;

/** Where the archive and its central directory lie in the file. */
export interface ZipEnd {
  entryCount: number;
  directoryOffset: number;
  directoryBytes: number;
  /** First byte of the archive: what its offsets count from. 0 if it fills the file. */
  start: number;
}

/** What the end records say; offsets count from the start of the archive. */
type SaidEnd = Omit<ZipEnd, 'start'>;

/**
 * Finds and checks the end records.
 * @param end   offset just past the archive.
 * @param from  the end record is not looked for before it.
 * @throws {CorruptError} DLV_CORRUPT if there are none or they contradict the file.
 */
export async function readZipEnd(source: ByteSource, end = source.size, from = 0): Promise<ZipEnd> {
  const { tail, tailOffset, at } = await readTail(source, from, end);
  if (at < 0) {
    const error = corrupt(source, 'the end record of the zip directory is missing');
    error.data.hint = CUT_HINT;
    throw error;
  }
  const reader = new ByteReader(tail, source.name);
  reader.offset = at + 4;
  const disks = [reader.u16('disk'), reader.u16('directory disk')];
  const counts = [reader.u16('entries on disk'), reader.u16('entries')];
  let said: SaidEnd = {
    entryCount: counts[1] as number,
    directoryBytes: reader.u32('directory size'),
    directoryOffset: reader.u32('directory offset'),
  };
  let recordAt = tailOffset + at;
  let start: number | null = null;
  if (at >= LOCATOR64_BYTES) {
    reader.offset = at - LOCATOR64_BYTES;
    if (reader.u32('zip64 locator') === LOCATOR64_SIGNATURE) {
      const wanted = needsZip64(said) ? null : said;
      const found = await findEnd64(reader, source, recordAt);
      recordAt = found.recordAt;
      start = found.start;
      said = await readEnd64(source, recordAt, wanted);
      counts.length = 0;
    }
  }
  const whole = disks.every((disk) => disk === 0 || disk === 0xffff);
  if (!whole || (counts.length === 2 && counts[0] !== counts[1])) {
    throw corrupt(source, 'the zip archive is one part of several');
  }
  return placeEnd(source, said, recordAt, start);
}

/**
 * The last bytes before `end`, with the end record at `at` of them, or −1. A long comment is rare; as
 * each tail is a few times the one before, an archive is read a few times at most, however short it is.
 */
async function readTail(
  source: ByteSource,
  from: number,
  end: number,
): Promise<{ tail: Uint8Array; tailOffset: number; at: number }> {
  for (let length = SHORT_TAIL_BYTES; ; length *= TAIL_GROWTH) {
    const tailOffset = Math.max(from, end - Math.min(length, LONG_TAIL_BYTES));
    const tail = await source.read(tailOffset, end - tailOffset);
    const at = findEnd(tail);
    const isAll = tailOffset === from || length >= LONG_TAIL_BYTES;
    if (isAll || at >= LOCATOR64_BYTES) return { tail, tailOffset, at };
  }
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

function needsZip64(end: SaidEnd): boolean {
  return (
    end.entryCount === 0xffff ||
    end.directoryBytes === 0xffffffff ||
    end.directoryOffset === 0xffffffff
  );
}

/**
 * The zip64 end record that the locator at the reader's position names, and where the archive starts
 * if that record tells. It stands right before the locator unless a writer put fields of its own
 * behind it; then only the offset in the locator finds it.
 */
async function findEnd64(
  reader: ByteReader,
  source: ByteSource,
  locatorEnd: number,
): Promise<{ recordAt: number; start: number | null }> {
  reader.u32('zip64 disk');
  const said = reader.u64('zip64 end offset');
  if (reader.u32('zip64 disks') > 1)
    throw corrupt(source, 'the zip archive is one part of several');
  const usual = locatorEnd - LOCATOR64_BYTES - END64_BYTES;
  if (said > usual) {
    throw corrupt(source, `the zip64 end record is said to be at byte ${said}`, said);
  }
  const signature = new ByteReader(await source.read(usual, 4), source.name);
  if (signature.u32('zip64 end record') === END64_SIGNATURE) {
    return { recordAt: usual, start: usual - said };
  }
  return { recordAt: said, start: null };
}

async function readEnd64(
  source: ByteSource,
  offset: number,
  same: SaidEnd | null,
): Promise<SaidEnd> {
  const reader = new ByteReader(await source.read(offset, END64_BYTES), source.name);
  if (reader.u32('zip64 end record') !== END64_SIGNATURE) {
    throw corrupt(source, `there is no zip64 end record at byte ${offset}`, offset);
  }
  reader.u64('record size');
  reader.u32('versions');
  const disks = reader.u32('disk') + reader.u32('directory disk');
  const onDisk = reader.u64('entries on disk');
  const end: SaidEnd = {
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

/** The place of a directory that ends where its end records begin, at `recordAt`. */
function placeEnd(
  source: ByteSource,
  said: SaidEnd,
  recordAt: number,
  startOfZip64: number | null,
): ZipEnd {
  const { entryCount, directoryBytes, directoryOffset } = said;
  if (entryCount > ZIP_ENTRIES_MAX || directoryBytes > ZIP_DIRECTORY_BYTES_MAX) {
    throw new LimitError(
      `'${source.name}': a zip directory of ${entryCount} entries and ${directoryBytes} bytes`,
      { file: source.name, limit: 'ZIP_ENTRIES_MAX', value: entryCount, max: ZIP_ENTRIES_MAX },
    );
  }
  const start = recordAt - directoryBytes - directoryOffset;
  if (start < 0 || (startOfZip64 !== null && startOfZip64 !== start)) {
    throw corrupt(
      source,
      `the zip directory is said to be ${directoryBytes} bytes at ${directoryOffset}, its end record is at ${recordAt}`,
      directoryOffset,
    );
  }
  return { entryCount, directoryBytes, directoryOffset: start + directoryOffset, start };
}
