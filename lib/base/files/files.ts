/**
 * Every file dlv opens, writes, syncs or renames goes through here.
 *
 * The calls themselves are in io.ts, and what they refuse to touch is in gate.ts. No other file of lib
 * calls the file system (test/tidy.test.ts names the few that do and why).
 */
import plain, { type BigIntStats, type Dirent } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { LimitError } from '../errors.js';
import { checkFolders, checkPlace } from './gate.js';
import type { Handle } from './handle.js';
import { io, ioError, isMissing } from './io.js';
import { type FileStat, ReadFile, toFileStat } from './read-file.js';
import { WriteFile } from './write-file.js';

export { io, ioError, isMissing, noRoom, refusedWrite } from './io.js';
export * from './read-file.js';
export { patchFile, WriteFile } from './write-file.js';

/** What a path is, links not followed. */
export interface PathStat {
  stat: FileStat;
  isFile: boolean;
  isDirectory: boolean;
  isSymlink: boolean;
}

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = plain.constants;

function pathStat(stat: BigIntStats): PathStat {
  // Asked of the stat itself, each kind takes as long as the look at the disk.
  const kind = Number(stat.mode) & S_IFMT;
  return {
    stat: toFileStat(stat),
    isFile: kind === S_IFREG,
    isDirectory: kind === S_IFDIR,
    isSymlink: kind === S_IFLNK,
  };
}

/** lstat of a path, or null if nothing is there. */
export async function statOrNull(file: string): Promise<PathStat | null> {
  // Most of what is asked for in a repository is not there, and an error costs more than the call.
  if (checkFolders(file)) return statNow(file);
  try {
    return pathStat(await fs.lstat(file, { bigint: true }));
  } catch (error) {
    if (isMissing(error)) return null;
    throw ioError('stat', file, error);
  }
}

/**
 * The same, synchronously, for callers that ask for one path after another: a turn of the event loop and of another
 * thread costs ten times as much as the call. It blocks; call Pace.step in between.
 */
export function statNow(file: string): PathStat | null {
  try {
    checkFolders(file);
    const stat = plain.lstatSync(file, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : pathStat(stat);
  } catch (error) {
    if (isMissing(error)) return null;
    throw ioError('stat', file, error);
  }
}

/** Makes a rename in `dir` durable. */
export async function syncDirectory(dir: string): Promise<void> {
  let handle: Handle;
  try {
    handle = await io.open(dir, 'r');
  } catch (error) {
    throw ioError('open', dir, error);
  }
  try {
    await io.fsync(handle);
  } catch (error) {
    // Some file systems refuse fsync of a directory; they make renames durable themselves.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'EINVAL' && code !== 'ENOTSUP') throw ioError('fsync', dir, error);
  } finally {
    await handle.close();
  }
}

/** Makes a folder and those above it. @returns the topmost that was made; null if all were there. */
export async function makeDirectory(dir: string): Promise<string | null> {
  try {
    const first = await io.mkdir(dir);
    return typeof first === 'string' ? first : null;
  } catch (error) {
    throw ioError('create folder', dir, isMissing(error) ? await whyNoFolder(dir, error) : error);
  }
}

/**
 * As makeDirectory; new folders are on the disk when this returns. What is then put into `dir` needs a
 * sync of that folder, as always.
 */
export async function makeDurableDirectory(dir: string): Promise<void> {
  const first = await makeDirectory(dir);
  if (first === null) return;
  const top = path.dirname(first);
  for (let above = path.dirname(dir); ; above = path.dirname(above)) {
    await syncDirectory(above);
    if (above === top || above === path.dirname(above)) return;
  }
}

/** On read-only media Node says ENOENT of a folder below one that exists: that one is asked why. */
async function whyNoFolder(dir: string, error: unknown): Promise<unknown> {
  let parent = path.dirname(dir);
  while (parent !== path.dirname(parent) && (await statOrNull(parent)) === null) {
    parent = path.dirname(parent);
  }
  return fs.access(parent, fs.constants.W_OK).then(
    () => error,
    (reason: unknown) => reason,
  );
}

export async function renameFile(from: string, to: string): Promise<void> {
  try {
    await io.rename(from, to);
  } catch (error) {
    throw ioError('rename to', to, error);
  }
}

/** Removes a file; a missing one is fine. */
export async function removeFile(file: string): Promise<void> {
  try {
    await io.unlink(file);
  } catch (error) {
    if (!isMissing(error)) throw ioError('remove', file, error);
  }
}

/**
 * Copies a file to a new name, by pieces, onto the disk.
 * @param name  the file that errors name instead of `to`.
 * @throws {IoError} if there is one.
 */
export async function copyFile(from: string, to: string, name = to): Promise<void> {
  const source = await ReadFile.open(from);
  try {
    const target = await WriteFile.create(to, 0o666, name);
    try {
      for (let at = 0; at < source.size; at += COPY_BYTES) {
        await target.write(await source.read(at, Math.min(COPY_BYTES, source.size - at)));
      }
      await target.syncAndClose();
    } catch (error) {
      await target.close().catch(() => {});
      await io.unlink(to).catch(() => {});
      throw error;
    }
  } finally {
    await source.close();
  }
}

const COPY_BYTES = 4 * 1024 * 1024;

/**
 * Replaces `file` with `bytes` so that a crash leaves the old or the new content: temporary file in
 * the same folder, fsync, rename, fsync of the folder.
 */
export async function writeFileAtomic(
  file: string,
  bytes: Uint8Array,
  mode = 0o666,
): Promise<void> {
  const dir = path.dirname(file);
  let renamed = false;
  const target = await WriteFile.createTemporary(file, mode);
  const temporary = target.path;
  try {
    await target.write(bytes);
    await target.syncAndClose();
    await renameFile(temporary, file);
    renamed = true;
    await syncDirectory(dir);
  } finally {
    await target.close().catch(() => {});
    if (!renamed) await io.unlink(temporary).catch(() => {});
  }
}

/** Whole content of a small file. @throws {LimitError} above `maxBytes`, {IoError} if it cannot be read. */
export async function readSmallFile(file: string, maxBytes: number): Promise<Uint8Array> {
  const source = await ReadFile.open(file);
  try {
    if (source.size > maxBytes) {
      throw new LimitError(`'${file}' has ${source.size} bytes, more than ${maxBytes}`, {
        file,
        hint: 'name another file; if this one is of a repository or a remote, it is damaged: put it back from a backup',
      });
    }
    return await source.read(0, source.size);
  } finally {
    await source.close();
  }
}

/** Names in a folder, sorted; none if the folder does not exist. */
export async function listDirectory(dir: string): Promise<string[]> {
  try {
    const names = checkPlace(dir) ? plain.readdirSync(dir) : await fs.readdir(dir);
    return names.sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw ioError('list', dir, error);
  }
}

/** What is in a folder, sorted by name. @throws {IoError} */
export async function listEntries(dir: string): Promise<Dirent[]> {
  if (checkPlace(dir)) return entriesNow(dir);
  try {
    return sortedByName(await fs.readdir(dir, { withFileTypes: true }));
  } catch (error) {
    throw ioError('list', dir, error);
  }
}

/** The same, synchronously, for callers that walk one folder after another: see statNow. @throws {IoError} */
export function entriesNow(dir: string): Dirent[] {
  try {
    checkPlace(dir);
    return sortedByName(plain.readdirSync(dir, { withFileTypes: true }));
  } catch (error) {
    throw ioError('list', dir, error);
  }
}

function sortedByName(entries: Dirent[]): Dirent[] {
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Removes an empty folder. @returns false if it is not empty or cannot be removed. */
export async function removeEmptyFolder(dir: string): Promise<boolean> {
  try {
    await io.rmdir(dir);
    return true;
  } catch (error) {
    return isMissing(error);
  }
}

/** Number of the user whom a file or folder belongs to, links not followed; null if none is there. */
export async function ownerOf(place: string): Promise<number | null> {
  try {
    checkFolders(place);
    return plain.lstatSync(place).uid;
  } catch (error) {
    if (isMissing(error)) return null;
    throw ioError('stat', place, error);
  }
}

/** Sets the times of a file to now. @throws {IoError} */
export async function touchFile(file: string): Promise<void> {
  try {
    checkPlace(file);
    const now = new Date();
    await fs.utimes(file, now, now);
  } catch (error) {
    throw ioError('touch', file, error);
  }
}
