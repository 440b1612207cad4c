/**
 * The calls of the file system that dlv makes, behind the gate, and what their errors mean.
 *
 * The primitives stand in one mutable table (`io`) so that the fault harness can make the n-th of
 * them fail. Errors of the operating system become `IoError`s that name the file and the remedy.
 */
import fs, { type FileHandle } from 'node:fs/promises';
import { IoError } from '../errors.js';
import { checkFolders, checkPlace, openFlags } from './gate.js';

/** The primitives; tests replace members to inject faults. Nothing else in lib touches `fs` to write. */
export const io = {
  open: async (file: string, flags: string, mode?: number): Promise<FileHandle> =>
    fs.open(file, checkPlace(file) ? openFlags(flags) : flags, mode),
  /** Returns the bytes written, which may be fewer than asked. */
  write: async (handle: FileHandle, bytes: Uint8Array): Promise<number> =>
    (await handle.write(bytes)).bytesWritten,
  writeAt: async (handle: FileHandle, bytes: Uint8Array, offset: number): Promise<number> =>
    (await handle.write(bytes, 0, bytes.length, offset)).bytesWritten,
  fsync: (handle: FileHandle): Promise<void> => handle.sync(),
  rename: async (from: string, to: string): Promise<void> => {
    checkPlace(from);
    checkFolders(to);
    await fs.rename(from, to);
  },
  unlink: async (file: string): Promise<void> => {
    checkFolders(file);
    await fs.unlink(file);
  },
  link: async (from: string, to: string): Promise<void> => {
    checkPlace(from);
    checkFolders(to);
    await fs.link(from, to);
  },
  rmdir: async (dir: string): Promise<void> => {
    checkFolders(dir);
    await fs.rmdir(dir);
  },
  mkdir: async (dir: string): Promise<unknown> => {
    checkPlace(dir);
    return fs.mkdir(dir, { recursive: true });
  },
};

const REMEDY: Record<string, string> = {
  ENOSPC: 'free some disk space and run the command again; nothing was lost',
  EDQUOT: 'free some of the disk quota and run the command again; nothing was lost',
  EROFS: 'the file system is read-only; mount it writable or work on a copy',
  EACCES: 'check the permissions of the file and of its folder',
  EPERM: 'check the owner and permissions of the file and of its folder',
  EMFILE: 'raise the limit of open files (ulimit -n)',
  EIO: 'the device reported an error; check it, then run dlv fsck',
};

/** Turns an error of the operating system into an IoError that names the file. Others pass through. */
export function ioError(action: string, file: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException)?.code;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
  const hint = REMEDY[code];
  return new IoError(
    `cannot ${action} '${file}': ${code}`,
    { file, errno: code, ...(hint ? { hint } : {}) },
    error,
  );
}

/** True if `error` (or its cause) says that the file does not exist. */
export function isMissing(error: unknown): boolean {
  const errno = (error as NodeJS.ErrnoException)?.code;
  const data = (error as { data?: { errno?: unknown } })?.data?.errno;
  return errno === 'ENOENT' || errno === 'ENOTDIR' || data === 'ENOENT' || data === 'ENOTDIR';
}
