/**
 * A bounded reader of zip archives: what lies where, with nothing inflated unless asked.
 *
 * It believes the central directory only where the local headers agree, and refuses overlapping
 * entries and encryption. An archive may begin after other bytes (`start`). A name may stand twice:
 * which one counts is the caller's business. Start at `readZip`; `readZipEntry` gives the bytes of
 * one small entry.
 *
 * @see APPNOTE.TXT 6.3 of PKWARE for the records.
 */
import { inflateRawSync } from 'node:zlib';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { crc32 } from '../../../base/bytes/checksum.js';
import { LimitError } from '../../../base/errors.js';
import { corrupt } from '../format.js';
import { MemoryBudget } from '../memory-budget.js';
import { NearSource } from '../near-source.js';
import { readCentralDirectory, type ZipEntry } from './zip-directory.js';
import { readZipEnd } from './zip-end.js';
import { checkLocalHeader } from './zip-local.js';

export const ZIP_STORED = 0;
export const ZIP_DEFLATED = 8;

/** The entries of an archive in the order of its directory. */
export interface ZipArchive {
  entries: ZipEntry[];
  /** First byte of the archive in the file: 0, unless other bytes are before it. */
  start: number;
  directoryOffset: number;
}

/** True if the file may be a zip archive with at least one entry. */
export function looksLikeZip(head: Uint8Array): boolean {
  return head.length >= 4 && head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4;
}

/** Name of the entry at the start of the file as Latin-1 text, or null: a cheap look for `matches`. */
export function firstZipName(head: Uint8Array): string | null {
  if (!looksLikeZip(head) || head.length < 30) return null;
  const length = (head[26] as number) + 256 * (head[27] as number);
  if (30 + length > head.length) return null;
  return Buffer.from(head.subarray(30, 30 + length)).toString('latin1');
}

/** Settings of `readZip`. */
export interface ZipOptions {
  signal?: AbortSignal | undefined;
  /** The end record is not looked for before this offset; default: anywhere. */
  start?: number;
  /** Offset just past the archive; default: the end of the file. */
  end?: number;
  /** Granted what the directory and the headers explain, and charged for the entries. */
  budget?: MemoryBudget;
}

/**
 * Reads directory and local headers of an archive; no data is read.
 *
 * @throws {CorruptError} DLV_CORRUPT for an archive that lies or is not supported (encrypted, in
 * several parts, overlapping entries); {LimitError} beyond the bounds.
 */
export async function readZip(source: ByteSource, options: ZipOptions = {}): Promise<ZipArchive> {
  const { signal, budget = new MemoryBudget(source.name) } = options;
  const end = await readZipEnd(source, options.end ?? source.size, options.start);
  budget.grant(end.directoryBytes);
  const entries = await readCentralDirectory(source, end, budget, signal);
  const inFileOrder = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  const near = new NearSource(source);
  let previous: ZipEntry | null = null;
  for (const entry of inFileOrder) {
    throwIfAborted(signal);
    // Refused before the local header is even read: a bomb of overlapping entries costs nothing.
    if (previous !== null && entry.headerOffset < previous.endOffset) {
      throw corrupt(
        source,
        `zip entries '${previous.name}' and '${entry.name}' overlap`,
        entry.headerOffset,
      );
    }
    await checkLocalHeader(near, entry, end.directoryOffset);
    budget.grant(entry.dataOffset - entry.headerOffset);
    previous = entry;
  }
  return { entries, start: end.start, directoryOffset: end.directoryOffset };
}

/**
 * Content of one entry, verified against its size and CRC-32.
 *
 * @param maxBytes  bound on the content; checked before anything is read or inflated.
 * @throws {LimitError} DLV_LIMIT above `maxBytes`; {CorruptError} if the data is not what the
 * directory says, or is compressed by another method than deflate.
 */
export async function readZipEntry(
  source: ByteSource,
  entry: ZipEntry,
  maxBytes: number,
): Promise<Uint8Array> {
  const { name, size, compressedSize } = entry;
  // Deflate never needs more than 5 bytes per 16 KiB block beyond the content.
  if (size > maxBytes || compressedSize > maxBytes + maxBytes / 1024 + 1024) {
    throw new LimitError(
      `'${source.name}': zip entry '${name}' has ${size} bytes, more than ${maxBytes}`,
      { file: source.name, entry: name, value: size, max: maxBytes },
    );
  }
  if (entry.method !== ZIP_STORED && entry.method !== ZIP_DEFLATED) {
    throw corrupt(source, `zip entry '${name}' is compressed by unknown method ${entry.method}`);
  }
  const raw = await source.read(entry.dataOffset, compressedSize);
  const content = entry.method === ZIP_STORED ? raw : inflate(source, entry, raw);
  if (content.length !== size || crc32(content) !== entry.crc) {
    throw corrupt(
      source,
      `zip entry '${name}' does not match its size and checksum`,
      entry.dataOffset,
    );
  }
  return content;
}

function inflate(source: ByteSource, entry: ZipEntry, raw: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(raw, { maxOutputLength: Math.max(1, entry.size) });
  } catch {
    throw corrupt(
      source,
      `zip entry '${entry.name}' does not inflate to ${entry.size} bytes`,
      entry.dataOffset,
    );
  }
}
