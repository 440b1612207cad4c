/**
 * Entries of staging as they stand in its bytes: each is checked whole when it is read, and its fields are decoded when
 * somebody asks for them. A command looks into few of 10^4 files, and most are written again as they were.
 *
 * What is checked is what `unpackEntry` checks. An entry that is not of the form that nearly all have (references to
 * other files, names that are no ASCII, damage of any kind) is left to that function, which has the errors; a test
 * compares the two.
 */
import type { Id } from '../../../base/bytes/hash.js';
import type { FileStat } from '../../../base/files/files.js';
import { FILE_BYTES_MAX } from '../../../base/limits.js';
import { pathProblem } from '../../../pure/paths/version-path.js';
import { ROLES, type Role } from '../../../pure/tensor/layout.js';
import type { FileMode, RecipeRef } from '../version/file-page.js';
import type { SnapshotHint } from '../version/snapshots.js';
import { StagedEntry } from './staged-entry.js';

const NULL = 0xc0;
/** First byte of an array of 0, 5 and 7 values. */
const [ARRAY_0, ARRAY_5, ARRAY_7] = [0x90, 0x95, 0x97];
/** What is before 32 bytes of sha256, 20 of git's sha1, and an id, which has 33. */
const [BYTES, SHA256_BYTES, SHA1_BYTES, ID_BYTES, ID_ALGORITHM] = [0xc4, 32, 20, 33, 1];
/** The modes of files: 0o644 and 0o755, as numbers of two bytes that follow their type. */
const [UINT16, MODE_HIGH, PLAIN_LOW, EXECUTABLE_LOW] = [0xcd, 0x01, 0xa4, 0xed];
const MODE_BYTES = 3;
/** What is before the digest, a sha1 and an id: their type and length. */
const HEADER = 2;
/** Texts of the state of a work file: two times and the inode. */
const STAT_TEXTS = 3;
const SHORT_TEXT_MAX = 0x1f;
const [ZERO, ONE, NINE, MINUS] = [0x30, 0x31, 0x39, 0x2d];
/** Digits of a time or an inode number, without its sign. */
const DIGITS_MAX = 21;

/** Bytes of an unsigned number whose first byte is `code`. */
function numberBytes(code: number): number {
  if (code < 0x80) return 1;
  return code === 0xcc ? 2 : code === UINT16 ? 3 : code === 0xce ? 5 : 9;
}

function uint32(bytes: Uint8Array, at: number): number {
  return uint16(bytes, at) * 0x1_0000 + uint16(bytes, at + 2);
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) * 0x100 + (bytes[at + 1] as number);
}

/** A number that is in its shortest form if it is not less than `least`, else -1. */
function atLeast(least: number, value: number): number {
  return value >= least && value <= Number.MAX_SAFE_INTEGER ? value : -1;
}

/** The unsigned number at `at`; -1 for what is none, or not in its shortest form. */
function numberAt(bytes: Uint8Array, at: number): number {
  const code = bytes[at] as number;
  if (code < 0x80) return code;
  switch (code) {
    case 0xcc:
      return atLeast(0x80, bytes[at + 1] as number);
    case UINT16:
      return atLeast(0x100, uint16(bytes, at + 1));
    case 0xce:
      return atLeast(0x1_0000, uint32(bytes, at + 1));
    case 0xcf:
      return atLeast(2 ** 32, uint32(bytes, at + 1) * 2 ** 32 + uint32(bytes, at + 5));
    default:
      return -1;
  }
}

/** The text of up to 31 letters at `at`. */
function shortText(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at + 1, at + 1 + ((bytes[at] as number) & SHORT_TEXT_MAX));
}

/** Where the text of up to 31 letters ends that begins at `at`. */
function shortTextEnd(bytes: Uint8Array, at: number): number {
  return at + 1 + ((bytes[at] as number) & SHORT_TEXT_MAX);
}

function isShortText(bytes: Uint8Array, at: number, text: string): boolean {
  const { length } = text;
  if (bytes[at] !== (0xa0 | length)) return false;
  for (let i = 0; i < length; i++) if (bytes[at + 1 + i] !== text.charCodeAt(i)) return false;
  return true;
}

const NO_HINT: SnapshotHint = Object.freeze({
  references: Object.freeze([]) as readonly string[] as string[],
  roles: Object.freeze([]) as readonly Role[] as Role[],
});

/** The format that was asked for last: there are few, and all files of a folder tend to have one. */
let lastFormat = '';

/** An entry that was read and checked. Its fields cannot be changed: its bytes are written again. */
export class ReadEntry extends StagedEntry {
  readonly #bytes: Buffer;
  readonly #path: string;
  readonly #start: number;
  readonly #end: number;
  /** Its state in the work tree, once it was asked for: several look at it. */
  #known: FileStat | null = null;

  /** @param path  of ASCII, as it stands in the bytes from `start` to `end`. */
  constructor(bytes: Buffer, path: string, start: number, end: number) {
    super();
    this.#bytes = bytes;
    this.#path = path;
    this.#start = start;
    this.#end = end;
  }

  get path(): string {
    return this.#path;
  }

  /** Where the mode begins: behind the path. */
  get #mode(): number {
    const { length } = this.#path;
    return this.#start + 2 + (length > SHORT_TEXT_MAX ? 2 : 1) + length;
  }

  get mode(): FileMode {
    return this.#bytes[this.#mode + 2] === PLAIN_LOW ? 0o644 : 0o755;
  }

  get size(): number {
    return numberAt(this.#bytes, this.#mode + MODE_BYTES);
  }

  get #sha256(): number {
    const size = this.#mode + MODE_BYTES;
    return size + numberBytes(this.#bytes[size] as number) + HEADER;
  }

  get sha256(): string {
    const at = this.#sha256;
    return this.#bytes.toString('hex', at, at + SHA256_BYTES);
  }

  get gitSha1(): string | null {
    const at = this.#sha256 + SHA256_BYTES;
    if (this.#bytes[at] === NULL) return null;
    return this.#bytes.toString('hex', at + HEADER, at + HEADER + SHA1_BYTES);
  }

  /** Where the recipe begins: its kind, then its id. */
  get #recipe(): number {
    const git = this.#sha256 + SHA256_BYTES;
    return git + (this.#bytes[git] === NULL ? 1 : HEADER + SHA1_BYTES);
  }

  get recipe(): RecipeRef {
    const at = this.#recipe;
    const id = at + 1 + HEADER + 1;
    return {
      kind: this.#bytes[at] === 0 ? 'blob' : 'recipe',
      id: this.#bytes.toString('hex', id, id + SHA256_BYTES) as Id,
    };
  }

  get #stat(): number {
    return this.#recipe + 1 + HEADER + ID_BYTES;
  }

  get stat(): FileStat | null {
    const at = this.#stat;
    if (this.#bytes[at] === NULL) return null;
    this.#known ??= this.#decodeStat(at + 1);
    return this.#known;
  }

  #decodeStat(size: number): FileStat {
    const bytes = this.#bytes;
    const mtime = size + numberBytes(bytes[size] as number);
    const ctime = shortTextEnd(bytes, mtime);
    const inode = shortTextEnd(bytes, ctime);
    return {
      size: numberAt(bytes, size),
      mtimeNs: shortText(bytes, mtime),
      ctimeNs: shortText(bytes, ctime),
      inode: shortText(bytes, inode),
      mode: numberAt(bytes, shortTextEnd(bytes, inode)),
    };
  }

  override hasStat({ size, mtimeNs, ctimeNs, inode }: FileStat): boolean {
    const bytes = this.#bytes;
    const at = this.#stat;
    if (bytes[at] === NULL || numberAt(bytes, at + 1) !== size) return false;
    const mtime = at + 1 + numberBytes(bytes[at + 1] as number);
    if (!isShortText(bytes, mtime, mtimeNs)) return false;
    const ctime = shortTextEnd(bytes, mtime);
    if (!isShortText(bytes, ctime, ctimeNs)) return false;
    return isShortText(bytes, shortTextEnd(bytes, ctime), inode);
  }

  get #stagedAt(): number {
    const bytes = this.#bytes;
    let at = this.#stat;
    if (bytes[at] === NULL) return at + 1;
    at += 1 + numberBytes(bytes[at + 1] as number);
    for (let texts = 0; texts < STAT_TEXTS; texts++) at = shortTextEnd(bytes, at);
    return at + numberBytes(bytes[at] as number);
  }

  get stagedAtNs(): string {
    return shortText(this.#bytes, this.#stagedAt);
  }

  get format(): string {
    const at = shortTextEnd(this.#bytes, this.#stagedAt);
    if (!isShortText(this.#bytes, at, lastFormat)) lastFormat = shortText(this.#bytes, at);
    return lastFormat;
  }

  get #step(): number {
    return shortTextEnd(this.#bytes, shortTextEnd(this.#bytes, this.#stagedAt));
  }

  get step(): number | null {
    const at = this.#step;
    return this.#bytes[at] === NULL ? null : numberAt(this.#bytes, at);
  }

  get hint(): SnapshotHint {
    // No references, and no roles.
    if (this.#bytes[this.#end - 1] === ARRAY_0) return NO_HINT;
    const step = this.#step;
    const isNull = this.#bytes[step] === NULL;
    const roles = step + (isNull ? 1 : numberBytes(this.#bytes[step] as number)) + 2;
    const found = this.#bytes.subarray(roles, this.#end);
    return { references: [], roles: Array.from(found, (index) => ROLES[index] as Role) };
  }

  override row(): Uint8Array {
    const start = this.#start + 1;
    // A view of a Buffer would be one, too, and takes longer to make.
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#stat - start);
  }

  /** Its bytes, and those of the entries of a list that follow it there as they do here. @returns how many those are. */
  run(entries: readonly StagedEntry[], first: number): { bytes: Uint8Array; count: number } {
    let end = this.#end;
    let next = first + 1;
    for (; next < entries.length; next++) {
      const entry = entries[next];
      if (!(entry instanceof ReadEntry) || entry.#bytes !== this.#bytes || entry.#start !== end) {
        break;
      }
      end = entry.#end;
    }
    return { bytes: this.#bytes.subarray(this.#start, end), count: next - first };
  }
}

/** Reads entries of the form that nearly all have. */
export class EntryScanner {
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Where the entry ended that was read last. */
  end = 0;

  /** The entry that begins at `start`, or null if the general way has to decide. */
  read(start: number): ReadEntry | null {
    const bytes = this.#bytes;
    if (bytes[start] !== ARRAY_7 || bytes[start + 1] !== ARRAY_7) return null;
    const path = this.#path(start + 2);
    if (path === null) return null;
    const mode = this.end;
    if (bytes[mode] !== UINT16 || bytes[mode + 1] !== MODE_HIGH) return null;
    const low = bytes[mode + 2];
    if (low !== PLAIN_LOW && low !== EXECUTABLE_LOW) return null;
    const at = mode + MODE_BYTES;
    const size = numberAt(bytes, at);
    if (size < 0 || size > FILE_BYTES_MAX) return null;
    const header = at + numberBytes(bytes[at] as number);
    if (bytes[header] !== BYTES || bytes[header + 1] !== SHA256_BYTES) return null;
    const stat = this.#restOfFile(header + HEADER + SHA256_BYTES);
    const stagedAt = stat < 0 ? -1 : this.#statEnd(stat);
    const end = stagedAt < 0 ? -1 : this.#restOfEntry(stagedAt);
    // What was read beyond the end of the bytes counts for nothing.
    if (end < 0 || end > bytes.length) return null;
    this.end = end;
    return new ReadEntry(bytes, path, start, end);
  }

  /** The path at `at`, which ends at `end`. */
  #path(at: number): string | null {
    const bytes = this.#bytes;
    const code = bytes[at] as number;
    let start = at + 1;
    let length = code & SHORT_TEXT_MAX;
    if (code === 0xd9) {
      length = bytes[start++] as number;
      if (length <= SHORT_TEXT_MAX) return null;
    } else if (code !== (0xa0 | length)) return null;
    const end = start + length;
    if (end > bytes.length) return null;
    for (let i = start; i < end; i++) if ((bytes[i] as number) >= 0x80) return null;
    const path = bytes.toString('latin1', start, end);
    this.end = end;
    return pathProblem(path) === null ? path : null;
  }

  /** Git's sha1 and the recipe. @returns where they end, or -1. */
  #restOfFile(at: number): number {
    const bytes = this.#bytes;
    let next = at + 1;
    if (bytes[at] !== NULL) {
      if (bytes[at] !== BYTES || bytes[next] !== SHA1_BYTES) return -1;
      next += 1 + SHA1_BYTES;
    }
    const isKind = bytes[next] === 0 || bytes[next] === 1;
    const isId = bytes[next + 1] === BYTES && bytes[next + 2] === ID_BYTES;
    if (!isKind || !isId || bytes[next + 3] !== ID_ALGORITHM) return -1;
    return next + 3 + ID_BYTES;
  }

  /** @returns where the state of the work file ends, or -1. */
  #statEnd(at: number): number {
    const bytes = this.#bytes;
    if (bytes[at] === NULL) return at + 1;
    if (bytes[at] !== ARRAY_5 || numberAt(bytes, at + 1) < 0) return -1;
    let next = at + 1 + numberBytes(bytes[at + 1] as number);
    for (let texts = 0; texts < STAT_TEXTS; texts++) {
      next = this.#timeEnd(next);
      if (next < 0) return -1;
    }
    return numberAt(bytes, next) < 0 ? -1 : next + numberBytes(bytes[next] as number);
  }

  /** @returns where the whole number in decimal text ends, or -1. */
  #timeEnd(at: number): number {
    const bytes = this.#bytes;
    const length = (bytes[at] as number) & SHORT_TEXT_MAX;
    if (bytes[at] !== (0xa0 | length)) return -1;
    const end = at + 1 + length;
    const isNegative = bytes[at + 1] === MINUS;
    const first = isNegative ? at + 2 : at + 1;
    if (end - first === 1 && bytes[first] === ZERO && !isNegative) return end;
    if (end - first < 1 || end - first > DIGITS_MAX || (bytes[first] as number) < ONE) return -1;
    for (let i = first; i < end; i++) {
      const code = bytes[i] as number;
      if (!(code >= ZERO && code <= NINE)) return -1;
    }
    return end;
  }

  /** All from the time of staging on. @returns where it ends, or -1. */
  #restOfEntry(at: number): number {
    const bytes = this.#bytes;
    const format = this.#timeEnd(at);
    if (format < 0) return -1;
    const length = (bytes[format] as number) & SHORT_TEXT_MAX;
    if (bytes[format] !== (0xa0 | length)) return -1;
    const step = format + 1 + length;
    for (let i = format + 1; i < step; i++) if (!((bytes[i] as number) < 0x80)) return -1;
    if (bytes[step] !== NULL && numberAt(bytes, step) < 0) return -1;
    const references = step + (bytes[step] === NULL ? 1 : numberBytes(bytes[step] as number));
    if (bytes[references] !== ARRAY_0) return -1;
    const roles = bytes[references + 1] as number;
    if ((roles & 0xf0) !== ARRAY_0) return -1;
    const end = references + 2 + (roles & 0x0f);
    for (let i = references + 2; i < end; i++)
      if (!((bytes[i] as number) < ROLES.length)) return -1;
    return end;
  }
}
