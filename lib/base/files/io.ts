/**
 * The calls of the file system that dlv makes, behind the gate, and what their errors mean.
 *
 * The primitives are in one mutable table (`io`) so that the fault harness can make the n-th of
 * them fail. Errors of the operating system become `IoError`s that name the file and the remedy.
 */

import plain from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { formatBytes } from '../bytes/words/wording.js';
import { IoError, SYSTEM_LACKS } from '../errors.js';
import { checkFolders, checkPlace, openFlags } from './gate.js';
import { BlockingHandle, type Handle } from './handle.js';
import { parseOwnName } from './process.js';
import { parseTemporaryName } from './temporary-name.js';

async function isFolder(dir: string): Promise<boolean> {
  return fs.stat(dir).then(
    (stat) => stat.isDirectory(),
    () => false,
  );
}

/**
 * Makes a folder and those above it. Node's own way never ends where a folder cannot be made below one
 * that exists, as in /proc.
 * @returns the topmost folder that was made, or undefined.
 */
async function makeFolders(dir: string): Promise<string | undefined> {
  const make = async (): Promise<string | undefined> => {
    // Mostly it is there: looking takes a tenth of what an error costs.
    if (plain.statSync(dir, { throwIfNoEntry: false })?.isDirectory()) return undefined;
    try {
      plain.mkdirSync(dir);
      return dir;
    } catch (error) {
      if (await isFolder(dir)) return undefined;
      throw error;
    }
  };
  try {
    return await make();
  } catch (error) {
    const above = path.dirname(dir);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === dir) throw error;
    const first = await makeFolders(above);
    const own = await make();
    return first ?? own;
  }
}

/**
 * Most bytes of one call. Linux makes room in its page cache for a whole call at once: with megabytes it
 * looks for as much memory in one piece, which took three to eight times as long for a file of 342 MB.
 */
const WRITE_BYTES_MAX = 256 * 1024;

/** To read: a FIFO is opened at once, without waiting for one who writes. Windows does not know the flag. */
const READ_NOW = plain.constants.O_RDONLY | (plain.constants.O_NONBLOCK ?? 0);

/** The primitives; tests replace members to inject faults. Nothing else in lib touches `fs` to write. */
export const io = {
  open: async (file: string, flags: string, mode?: number): Promise<Handle> =>
    checkPlace(file)
      ? BlockingHandle.open(file, openFlags(flags), mode)
      : fs.open(file, flags === 'r' ? READ_NOW : flags, mode),
  /** Returns the bytes written, which may be fewer than asked. */
  write: async (handle: Handle, bytes: Uint8Array): Promise<number> =>
    (await handle.write(bytes, 0, Math.min(bytes.length, WRITE_BYTES_MAX))).bytesWritten,
  /**
   * Lets somebody else append to a file, by its number; they are told how many bytes at most.
   * @returns what they say that they wrote: after an error fewer, or less than none.
   */
  writeBy: async (
    handle: Handle,
    write: (fd: number, most: number) => Promise<number>,
    most: number,
  ): Promise<number> => write(handle.fd, most),
  writeAt: async (handle: Handle, bytes: Uint8Array, offset: number): Promise<number> =>
    (await handle.write(bytes, 0, Math.min(bytes.length, WRITE_BYTES_MAX), offset)).bytesWritten,
  /** Reads at once, and blocks: see ReadFile.readNow. */
  readNow: (handle: Handle, target: Uint8Array, offset: number): number =>
    plain.readSync(handle.fd, target, 0, target.length, offset),
  fsync: (handle: Handle): Promise<void> => handle.sync(),
  truncate: (handle: Handle, bytes: number): Promise<void> => handle.truncate(bytes),
  rename: async (from: string, to: string): Promise<void> => {
    const isOurs = checkPlace(from);
    if (checkFolders(to) && isOurs) plain.renameSync(from, to);
    else await fs.rename(from, to);
  },
  unlink: async (file: string): Promise<void> => {
    if (checkFolders(file)) plain.unlinkSync(file);
    else await fs.unlink(file);
  },
  link: async (from: string, to: string): Promise<void> => {
    const isOurs = checkPlace(from);
    if (checkFolders(to) && isOurs) plain.linkSync(from, to);
    else await fs.link(from, to);
  },
  rmdir: async (dir: string): Promise<void> => {
    if (checkFolders(dir)) plain.rmdirSync(dir);
    else await fs.rmdir(dir);
  },
  mkdir: async (dir: string): Promise<unknown> => {
    checkPlace(dir);
    return makeFolders(path.resolve(dir));
  },
};

const REMEDY: Record<string, string> = {
  ENOSPC:
    "free some disk space ('dlv gc' removes what killed commands left) and run the command again; nothing was lost",
  EDQUOT: 'free some of the disk quota and run the command again; nothing was lost',
  EROFS: 'the file system is read-only; mount it writable or work on a copy',
  EACCES: 'check the permissions of the file and of its folder',
  EPERM: 'check the owner and permissions of the file and of its folder',
  EIO: 'the device reported an error; check it, then run dlv fsck',
  EFBIG:
    'raise the limit of the size of files (ulimit -f), or use a file system that takes larger ones',
  ESTALE: 'check that the network drive is mounted, then run the command again',
  ETIMEDOUT: 'check that the network drive is mounted, then run the command again',
};

/** What the codes mean that a person meets. */
const MEANING: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EIO: 'the device failed',
  EROFS: 'the file system is read-only',
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission is denied',
  EPERM: 'it is not permitted',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is no folder',
  EEXIST: 'something is there already',
  ENOTEMPTY: 'the folder is not empty',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead in a circle',
  EFBIG: 'the file is larger than is allowed here',
  EBUSY: 'it is in use',
  ETXTBSY: 'a program runs from it',
  ESTALE: 'the network drive has lost it',
  ETIMEDOUT: 'the drive did not answer in time',
  ENXIO: 'there is no such device',
  ENODEV: 'there is no such device',
  ESPIPE: 'it is a FIFO, not a regular file',
  EXDEV: 'it is on another file system',
  EMLINK: 'it has too many links',
  EINVAL: 'the file system takes no such thing',
  EILSEQ: 'the file system takes no such name',
  ENOTSUP: 'the file system cannot do that',
  EOPNOTSUPP: 'the file system cannot do that',
};

/** What a code of the system means, in words; null for codes that nobody has to know. */
export function meaningOf(code: string): string | null {
  const says = SYSTEM_LACKS[code]?.says ?? MEANING[code];
  return says === undefined ? null : `${says} (${code})`;
}

/** A path without the names that only dlv knows, those of temporary files: the folder that they are in. */
function knownPlace(file: string): string {
  const parts = file.split(path.sep);
  const isOurs = (name: string) => parseTemporaryName(name) !== null || parseOwnName(name) !== null;
  const at = parts.findIndex(isOurs);
  return at <= 0 ? file : parts.slice(0, at).join(path.sep);
}

/**
 * Turns an error of the operating system into an IoError that names the file, or the folder of a
 * temporary file. Others pass through.
 */
export function ioError(action: string, place: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException)?.code;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
  const hint = SYSTEM_LACKS[code]?.hint ?? REMEDY[code];
  const file = knownPlace(place);
  return new IoError(
    `cannot ${action} '${file}': ${meaningOf(code) ?? code}`,
    { file, errno: code, ...(hint ? { hint } : {}) },
    error,
  );
}

const WRITING = /^cannot (create|create folder|write|append to|rename to|remove|touch) '/;
const REFUSED: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS']);

/** The file that an error of `ioError` says may not be written; null for other errors. */
export function refusedWrite(error: unknown): { file: string; errno: string } | null {
  if (!(error instanceof IoError) || !WRITING.test(error.message)) return null;
  const { file, errno } = error.data;
  return REFUSED.has(errno) ? { file: String(file), errno: String(errno) } : null;
}

/** What is said of a place where nothing is: a name that is too long is nobody's. */
const NOWHERE: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']);

/** True if `error` (or its cause) says that the file does not exist. */
export function isMissing(error: unknown): boolean {
  const errno = (error as NodeJS.ErrnoException)?.code;
  const data = (error as { data?: { errno?: unknown } })?.data?.errno;
  return NOWHERE.has(errno) || NOWHERE.has(data);
}

/** What an error says of a disk that has no room for what would be written. */
export interface NoRoom {
  file: string;
  /** Bytes. */
  needed: number;
  free: number;
  hint: string;
}

/** That a disk lacks room, found before anything is written. @param action  "cannot write 'a.bin'". */
export function noRoom(action: string, of: NoRoom): IoError {
  const [needed, free] = [formatBytes(of.needed), formatBytes(of.free)];
  return new IoError(`${action}: the disk has no room for ${needed}, ${free} are free`, {
    ...of,
    errno: 'ENOSPC',
  });
}
