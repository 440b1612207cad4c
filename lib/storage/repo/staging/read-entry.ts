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
import { ROLES } from '../../../pure/tensor/layout.js';
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
/** Where the digest begins behind the size. */
const HEADER = 2;
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

const NO_HINT: SnapshotHint = Object.freeze({
  references: Object.freeze([]) as readonly string[] as string[],
  roles: Object.freeze([]) as readonly never[] as never[],
});

/** Where the values of an entry stand in the bytes that it was read from. */
interface Places {
  path: string;
  size: number;
  start: number;
  /** Behind the path. */
  mode: number;
  /** The digest. */
  sha256: number;
  stat: number;
  stagedAt: number;
  end: number;
}

/** An entry that was read and checked. Its fields cannot be changed: its bytes are written again. */
export class ReadEntry extends StagedEntry {
  readonly #path: string;
  readonly #size: number;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #mode: number;
  readonly #sha256: number;
  readonly #stat: number;
  readonly #stagedAt: number;
  readonly #end: number;
  /** Its state in the work tree, once it was asked for: several look at it. */
  #known: FileStat | null = null;

  constructor(bytes: Buffer, places: Places) {
    super();
    this.#path = places.path;
    this.#size = places.size;
    this.#bytes = bytes;
    this.#start = places.start;
    this.#mode = places.mode;
    this.#sha256 = places.sha256;
    this.#stat = places.stat;
    this.#stagedAt = places.stagedAt;
    this.#end = places.end;
  }

  get path(): string {
    return this.#path;
  }

  get size(): number {
    return this.#size;
  }

  get mode(): FileMode {
    return this.#bytes[this.#mode + 2] === PLAIN_LOW ? 0o644 : 0o755;
  }

  get sha256(): string {
    return this.#bytes.toString('hex', this.#sha256, this.#sha256 + SHA256_BYTES);
  }

  get gitSha1(): string | null {
    const at = this.#sha256 + SHA256_BYTES;
    if (this.#bytes[at] === NULL) return null;
    return this.#bytes.toString('hex', at + HEADER, at + HEADER + SHA1_BYTES);
  }

  get recipe(): RecipeRef {
    const id = this.#stat - SHA256_BYTES;
    const isBlob = this.#bytes[id - HEADER - 1 - 1] === 0;
    return {
      kind: isBlob ? 'blob' : 'recipe',
      id: this.#bytes.toString('hex', id, this.#stat) as Id,
    };
  }

  get stat(): FileStat | null {
    const bytes = this.#bytes;
    if (bytes[this.#stat] === NULL) return null;
    this.#known ??= this.#decodeStat();
    return this.#known;
  }

  #decodeStat(): FileStat {
    const bytes = this.#bytes;
    const sizeAt = this.#stat + 1;
    const mtime = sizeAt + numberBytes(bytes[sizeAt] as number);
    const ctime = shortTextEnd(bytes, mtime);
    const inode = shortTextEnd(bytes, ctime);
    return {
      size: numberAt(bytes, sizeAt),
      mtimeNs: shortText(bytes, mtime),
      ctimeNs: shortText(bytes, ctime),
      inode: shortText(bytes, inode),
      mode: numberAt(bytes, shortTextEnd(bytes, inode)),
    };
  }

  get stagedAtNs(): string {
    return shortText(this.#bytes, this.#stagedAt);
  }

  get #format(): number {
    return shortTextEnd(this.#bytes, this.#stagedAt);
  }

  get format(): string {
    return shortText(this.#bytes, this.#format);
  }

  get #step(): number {
    return shortTextEnd(this.#bytes, this.#format);
  }

  get step(): number | null {
    const at = this.#step;
    return this.#bytes[at] === NULL ? null : numberAt(this.#bytes, at);
  }

  get hint(): SnapshotHint {
    const at = this.#step;
    const isNull = this.#bytes[at] === NULL;
    const references = at + (isNull ? 1 : numberBytes(this.#bytes[at] as number));
    if (references + 2 === this.#end) return NO_HINT;
    const roles = this.#bytes.subarray(references + 2, this.#end);
    return { references: [], roles: Array.from(roles, (index) => ROLES[index] as never) };
  }

  /** The canonical bytes of what a version says of the file. */
  row(): Uint8Array {
    return this.#bytes.subarray(this.#start + 1, this.#stat);
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
    const size = numberAt(bytes, mode + 3);
    if (size < 0 || size > FILE_BYTES_MAX) return null;
    const header = mode + 3 + numberBytes(bytes[mode + 3] as number);
    if (bytes[header] !== BYTES || bytes[header + 1] !== SHA256_BYTES) return null;
    const sha256 = header + HEADER;
    const stat = this.#restOfFile(sha256 + SHA256_BYTES);
    const stagedAt = stat < 0 ? -1 : this.#statEnd(stat);
    const end = stagedAt < 0 ? -1 : this.#restOfEntry(stagedAt);
    // What was read beyond the end of the bytes counts for nothing.
    if (end < 0 || end > bytes.length) return null;
    this.end = end;
    return new ReadEntry(bytes, { path, size, start, mode, sha256, stat, stagedAt, end });
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
    for (let times = 0; times < 3; times++) {
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
