/**
 * Many small files at once: all files of a folder tree, read with few calls each.
 *
 * A repository has one file per ref and one per reflog. Reading 16,000 of them with promises costs a
 * trip to the thread pool for every stat, open, read and close, seconds in all; the plain calls cost
 * microseconds each. They block, so the loop gives way to signals and timers every few hundred files.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfAborted } from '../bytes/abort.js';
import { ioError, isMissing } from './files.js';
import { checkPlace } from './gate.js';

/** Files read between two turns of the event loop: some 10 ms on a warm page cache. */
const FILES_PER_TURN = 256;

/** The end of a file. */
export interface Tail {
  /** The caller owns them. */
  bytes: Uint8Array;
  /** Where in the file they begin: 0 if they are all of it. */
  start: number;
}

/** A regular file of a tree. */
export interface SmallFile extends Tail {
  /** Path below the top, `/` between parts. */
  name: string;
}

export interface TreeOptions {
  /** Names of files and folders that are passed over. */
  skip?: (name: string) => boolean;
  /** Told of what is no file and no folder: its path below the top, and whether it is a symbolic link. */
  onOdd?: (name: string, isLink: boolean) => void;
  signal?: AbortSignal;
}

/**
 * Names of the regular files below `top`, sorted; none if it does not exist.
 *
 * Symbolic links, pipes and devices are passed over, never followed.
 * @throws {IoError} if a folder cannot be listed.
 */
export async function listTree(top: string, options: TreeOptions = {}): Promise<string[]> {
  const names: string[] = [];
  const folders = [''];
  let turn = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    if (++turn % FILES_PER_TURN === 0) await giveWay(options.signal);
    for (const entry of readFolder(path.join(top, folder))) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (options.skip?.(entry.name)) continue;
      if (entry.isDirectory()) folders.push(name);
      else if (entry.isFile()) names.push(name);
      else options.onOdd?.(name, entry.isSymbolicLink());
    }
  }
  return names.sort();
}

function readFolder(dir: string): fs.Dirent[] {
  try {
    checkPlace(dir);
    return fs.readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw ioError('list', dir, error);
  }
}

/** Lets signals, timers and other work run. @throws {AbortedError} if the signal was raised. */
async function giveWay(signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  await nextTurn();
}

/** Calls `action` for each item in order, and gives way every few hundred items. */
export async function forEachInTurns<T>(
  items: Iterable<T>,
  action: (item: T) => Promise<void> | void,
  signal?: AbortSignal,
): Promise<void> {
  let turn = 0;
  for (const item of items) {
    if (++turn % FILES_PER_TURN === 0) await giveWay(signal);
    await action(item);
  }
}

/**
 * Reads files below `top` one after another; those that are gone meanwhile are left out.
 * @param names     paths below `top`, as `listTree` gives them.
 * @param maxBytes  the most that are read of one: its last ones.
 * @throws {IoError} if one cannot be read.
 */
export async function* readFiles(
  top: string,
  names: readonly string[],
  maxBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<SmallFile> {
  let turn = 0;
  let checked: string | null = null;
  for (const name of names) {
    if (++turn % FILES_PER_TURN === 0) await giveWay(signal);
    const file = path.join(top, name);
    const folder = path.dirname(file);
    // Names of one folder are together: one look at it is enough.
    if (folder !== checked) checkPlace(folder);
    checked = folder;
    const tail = readEnd(file, maxBytes);
    if (tail !== null) yield { name, ...tail };
  }
}

/**
 * The last bytes of a regular file that is not a symbolic link, read with blocking calls.
 * @param maxBytes  the most that are read.
 * @returns         the bytes and where in the file they begin; null if there is no such file.
 * @throws {IoError} if it cannot be read; {UnsafeError} if a link is in a repository.
 */
export function readTail(file: string, maxBytes: number): Tail | null {
  checkPlace(file);
  return readEnd(file, maxBytes);
}

/** As readTail, of a file whose folder was checked. */
function readEnd(file: string, maxBytes: number): Tail | null {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants;
  let handle: number | null = null;
  try {
    // Without O_NONBLOCK, a pipe put in the place of a file since it was listed would block for ever.
    handle = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fs.fstatSync(handle);
    if (!stat.isFile()) return null;
    const start = Math.max(0, stat.size - maxBytes);
    const bytes = new Uint8Array(stat.size - start);
    let done = 0;
    while (done < bytes.length) {
      const got = fs.readSync(handle, bytes, done, bytes.length - done, start + done);
      if (got === 0) break; // cut meanwhile
      done += got;
    }
    return { bytes: bytes.subarray(0, done), start };
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ELOOP') return null;
    throw ioError('read', file, error);
  } finally {
    if (handle !== null) fs.closeSync(handle);
  }
}
