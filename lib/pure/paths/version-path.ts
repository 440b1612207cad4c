/**
 * Paths of files in a version: relative, '/' between parts, safe to create on any system.
 *
 * One rule for everything that enters or leaves a version; a path that a hostile version names can
 * never leave the work tree nor reach .dlv or .git. Case collisions are checkout's business.
 */
import { UsageError } from '../../base/errors.js';
import { PATH_BYTES_MAX } from '../../base/limits.js';

/** Longest part of a path, in bytes (NAME_MAX of every common file system). */
const PART_BYTES_MAX = 255;
/** Code points that some file systems drop when they compare names. */
const IGNORABLE = /[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;
/** Text in which the classes below find nothing: V8 takes a tenth of a millisecond to make each of them. */
const PLAIN = /^[\x20-\x7e]*$/;
/** Half of a surrogate pair: no valid UTF-8 gives it. */
const LONE_SURROGATE = /\p{Cs}/u;

/** True if the text can be written as UTF-8 and read back. */
export function isWellFormed(text: string): boolean {
  return PLAIN.test(text) || !LONE_SURROGATE.test(text);
}

/** True for names that some file system takes for `.dlv` or `.git`. */
function isReserved(part: string): boolean {
  const plain = part
    .replace(IGNORABLE, '')
    .replace(/[. ]+$/, '')
    .toLowerCase();
  return plain === '.dlv' || plain === '.git' || /^(git|dlv)~\d+$/.test(plain);
}

/** Most paths: parts of these characters have no problem, and a path of that length has no part that is too long. */
const PLAIN_PATH = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/;

/** Why `path` cannot be the path of a file in a version, or null if it can. */
export function pathProblem(path: string): string | null {
  if (path.length <= PART_BYTES_MAX && PLAIN_PATH.test(path)) return null;
  if (path === '') return 'it is empty';
  if (!isWellFormed(path)) return 'it is not valid UTF-8';
  if (/\p{Cc}/u.test(path)) return 'it holds a control character';
  if (path.includes('\\')) return 'it holds a backslash';
  if (/^[A-Za-z]:/.test(path)) return 'it begins with a drive letter';
  if (path.startsWith('/')) return 'it is absolute';
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) return `it is longer than ${PATH_BYTES_MAX} bytes`;
  for (const part of path.split('/')) {
    if (part === '') return 'it has an empty part';
    if (part === '.' || part === '..') return `it has the part '${part}'`;
    if (isReserved(part)) return `'${part}' is reserved`;
    if (Buffer.byteLength(part) > PART_BYTES_MAX) {
      return `it has a part longer than ${PART_BYTES_MAX} bytes`;
    }
  }
  return null;
}

/** Gives `path` back if a version may hold it. @throws {UsageError} DLV_USAGE that says why not. */
export function checkPath(path: string): string {
  const problem = pathProblem(path);
  if (problem !== null) {
    throw new UsageError(`cannot version '${path.replace(/\p{Cc}/gu, '?')}': ${problem}`, {
      path,
      hint: 'rename the file or list it in .dlvignore',
    });
  }
  return path;
}

/** Maps a UTF-16 unit so that units compare as the UTF-8 bytes of their text do. */
function unitRank(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}

/** Units that two texts begin with alike. */
function sharedUnits(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let i = 0;
  while (i < most && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}

/** Order of two texts by their UTF-8 bytes: negative, 0 or positive. */
export function comparePaths(a: string, b: string): number {
  const at = sharedUnits(a, b);
  if (at === a.length || at === b.length) return a.length - b.length;
  return unitRank(a.charCodeAt(at)) - unitRank(b.charCodeAt(at));
}

/**
 * Watches paths in ascending order and finds one that is both a file and a folder of another:
 * `add` gives the path that is in the way, or null.
 */
export class PathOrder {
  /** Lengths of the paths that the last one begins with, itself among them. */
  readonly #open: number[] = [];
  #last: string | null = null;

  /** True if `path` may follow the one before it (strictly ascending). */
  follows(path: string): boolean {
    return this.#last === null || comparePaths(this.#last, path) < 0;
  }

  add(path: string): string | null {
    const shared = sharedUnits(this.#last ?? '', path);
    this.#last = path;
    // Sorted by bytes, all paths that begin with p are together after p, so a stack is enough.
    const open = this.#open;
    while (open.length > 0 && (open[open.length - 1] as number) > shared) open.pop();
    for (const length of open) if (path[length] === '/') return path.slice(0, length);
    open.push(path.length);
    return null;
  }
}
