/**
 * The gate: below a guarded folder nothing follows a symbolic link or opens what is not a plain file.
 *
 * A repository may come from anywhere: out of an archive, from a shared folder, from a stranger. So
 * every folder between the guarded one and a file is looked at right before the file is used, and a
 * link, FIFO, socket or device in the way is an error. The guarded folder itself may be reached
 * through links; whoever guards it decides about that.
 *
 * Node has no call that opens relative to a folder, so a process that swaps a folder for a link in
 * the microseconds between check and use gets past. It would need the right to write in the
 * repository; an owner check keeps such repositories away (lib/storage/repo/find-repository.ts).
 */
import fs from 'node:fs';
import path from 'node:path';
import { UnsafeError } from '../errors.js';

const guarded = new Set<string>();
/**
 * The guarded folder above each folder that was asked about, or null: a command asks hundreds of times about a dozen.
 * Only folders whose path is as `path.resolve` gives it.
 */
const roots = new Map<string, string | null>();
const ROOTS_MAX = 1000;

/** From now on, paths below `folder` are checked; those of other folders are not. */
export function guardBelow(folder: string): void {
  guarded.add(path.resolve(folder));
  roots.clear();
}

/** The outermost guarded folder above `file`, or null. */
function guardOf(file: string): string | null {
  let found: string | null = null;
  for (let dir = path.dirname(file); ; dir = path.dirname(dir)) {
    if (guarded.has(dir)) found = dir;
    if (dir === path.dirname(dir)) return found;
  }
}

function unsafe(place: string, what: string, root: string): UnsafeError {
  return new UnsafeError(`cannot use '${place}': it is ${what}`, {
    file: place,
    hint:
      `dlv makes only plain files and folders in '${root}'; if you did not put it there, do not ` +
      'trust this repository, else replace it with what it stands for',
  });
}

/** What a path is; null if nothing is there. Other errors are told by the call that follows. */
function lookAt(place: string): fs.Stats | null {
  try {
    return fs.lstatSync(place, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}

function kindOf(stat: fs.Stats): string | null {
  if (stat.isFile() || stat.isDirectory()) return null;
  if (stat.isSymbolicLink()) return 'a symbolic link';
  if (stat.isFIFO()) return 'a FIFO';
  return stat.isSocket() ? 'a socket' : 'a device';
}

/** The resolved path of `place`, and the outermost guarded folder above it. */
function placeOf(place: string): [file: string, root: string | null] {
  const end = place.lastIndexOf(path.sep);
  const folder = place.slice(0, Math.max(0, end));
  const known = roots.get(folder);
  // 'a/', 'a/.' and 'a/..' are no files in 'a'.
  if (known !== undefined && !DOTS.has(place.slice(end + 1))) return [place, known];
  const file = path.resolve(place);
  const root = guardOf(file);
  if (path.dirname(file) === folder) {
    if (roots.size >= ROOTS_MAX) roots.clear();
    roots.set(folder, root);
  }
  return [file, root];
}

const DOTS: ReadonlySet<string> = new Set(['', '.', '..']);

/**
 * Checks the folders between the guarded folder and `place`, and `place` itself if `last` says so.
 * @returns true if `place` lies below a guarded folder.
 * @throws {UnsafeError} DLV_UNSAFE for a link or a special file.
 */
function check(place: string, last: boolean): boolean {
  const [file, root] = placeOf(place);
  if (root === null) return false;
  for (let at = root.length; at >= 0; ) {
    const end = file.indexOf(path.sep, at + 1);
    if (end < 0 && !last) return true;
    const part = end < 0 ? file : file.slice(0, end);
    const stat = lookAt(part);
    if (stat === null) return true;
    const kind = kindOf(stat);
    if (kind !== null) throw unsafe(part, kind, root);
    at = end;
  }
  return true;
}

/** For calls that act on a name: rename, unlink, rmdir, lstat. @throws {UnsafeError} */
export function checkFolders(place: string): boolean {
  return check(place, false);
}

/** For calls that act on what is at a name: open, link, mkdir, list. @throws {UnsafeError} */
export function checkPlace(place: string): boolean {
  return check(place, true);
}

/** The flags of a name as Node spells it, with those that follow no link and wait for no FIFO. */
export function openFlags(flags: string): number {
  const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_EXCL, O_APPEND } = fs.constants;
  const known: Record<string, number> = {
    r: O_RDONLY,
    'r+': O_RDWR,
    wx: O_WRONLY | O_CREAT | O_EXCL,
    a: O_WRONLY | O_CREAT | O_APPEND,
    'a+': O_RDWR | O_CREAT | O_APPEND,
  };
  // Windows knows neither flag.
  return (known[flags] as number) | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);
}
