import type { Id } from '../../../base/bytes/hash.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import { ByteWriter } from '../../../base/bytes/writer.js';
import { assert, CorruptError, FormatVersionError } from '../../../base/errors.js';
import { CHAIN_DEPTH_MAX } from '../../../base/limits.js';
import type { FileClass } from '../types.js';

/** Version of all five kinds of files. */
export const PACK_VERSION = 1;
/** Magic, version, complement of the version. */
export const FILE_HEADER_BYTES = 4 + 2 + 2;
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

/** What precedes the payload of a record, checksum included. */
export interface EncodedHeader {
  bytes: Uint8Array;
  crc: number;
}

/** True if bytes begin with the magic of a file or record. */
export function beginsWith(bytes: Uint8Array, magic: string): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[i] !== magic.charCodeAt(i)) return false;
  return true;
}

/** Checks what a writer is handed. */
export function checkLinks(base: Id | null, depth: number): void {
  assert((base === null) === (depth === 0), `depth ${depth} with base ${base}`);
  assert(depth <= CHAIN_DEPTH_MAX, `depth ${depth}`);
}
