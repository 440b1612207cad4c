/**
 * Every file dlv opens, writes, syncs or renames goes through here.
 *
 * The primitives stand in one mutable table (`io`) so that the fault harness can make the n-th of
 * them fail. Errors of the operating system become `IoError`s that name the file and the remedy.
 */
import fs, { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { AbortedError, ChangedError, IoError, LimitError, TruncatedError } from '../errors.js';

/** The primitives; tests replace members to inject faults. Nothing else in lib touches `fs` to write. */
export const io = {
  open: (file: string, flags: string, mode?: number): Promise<FileHandle> =>
    fs.open(file, flags, mode),
  /** Returns the bytes written, which may be fewer than asked. */
  write: async (handle: FileHandle, bytes: Uint8Array): Promise<number> =>
    (await handle.write(bytes)).bytesWritten,
  writeAt: async (handle: FileHandle, bytes: Uint8Array, offset: number): Promise<number> =>
    (await handle.write(bytes, 0, bytes.length, offset)).bytesWritten,
  fsync: (handle: FileHandle): Promise<void> => handle.sync(),
  rename: (from: string, to: string): Promise<void> => fs.rename(from, to),
  unlink: (file: string): Promise<void> => fs.unlink(file),
  link: (from: string, to: string): Promise<void> => fs.link(from, to),
  rmdir: (dir: string): Promise<void> => fs.rmdir(dir),
  mkdir: (dir: string): Promise<unknown> => fs.mkdir(dir, { recursive: true }),
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

/** Random access to immutable bytes: what format readers and pack readers work on. */
export interface ByteSource {
  /** Name for messages. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes at `offset`, in a buffer the caller owns. @throws {TruncatedError} beyond the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A byte source over a buffer in memory. */
export class MemorySource implements ByteSource {
  readonly name: string;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, name = 'memory') {
    this.bytes = bytes;
    this.name = name;
  }

  get size(): number {
    return this.bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    // Not slice(): that of a Buffer is a view.
    return new Uint8Array(this.bytes.subarray(offset, offset + length));
  }
}

function checkRange(source: ByteSource, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size)) {
    throw new TruncatedError(
      `'${source.name}' ends early: ${length} bytes wanted at ${offset}, the file has ${source.size}`,
      {
        file: source.name,
        offset,
        neededBytes: length,
        gotBytes: Math.max(0, source.size - offset),
      },
    );
  }
}

/** An open file for positioned reads. Close it. */
export class ReadFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly stat: FileStat;
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle, name: string, stat: FileStat) {
    this.#handle = handle;
    this.name = name;
    this.size = stat.size;
    this.stat = stat;
  }

  /** @param name shown in messages instead of `file`. @throws {IoError} if it cannot be opened. */
  static async open(file: string, name = file): Promise<ReadFile> {
    let handle: FileHandle;
    try {
      handle = await io.open(file, 'r');
    } catch (error) {
      throw ioError('open', name, error);
    }
    try {
      return new ReadFile(handle, name, toFileStat(await handle.stat({ bigint: true })));
    } catch (error) {
      await handle.close();
      throw ioError('stat', name, error);
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const buffer = Buffer.allocUnsafeSlow(length);
    await this.readInto(buffer, offset);
    return buffer;
  }

  /** Fills `target` from `offset`. @throws {ChangedError} if the file became shorter. */
  async readInto(target: Uint8Array, offset: number): Promise<void> {
    let done = 0;
    while (done < target.length) {
      let got: number;
      try {
        ({ bytesRead: got } = await this.#handle.read(
          target,
          done,
          Math.min(target.length - done, 1 << 30),
          offset + done,
        ));
      } catch (error) {
        throw ioError('read', this.name, error);
      }
      if (got === 0) {
        // It was long enough when it was opened: somebody cut it since.
        throw new ChangedError(`'${this.name}' became shorter while it was being read`, {
          file: this.name,
          offset: offset + done,
          hint: 'wait until nothing writes the file, then run the command again',
        });
      }
      done += got;
    }
  }

  /** @throws {ChangedError} if size, mtime, ctime or inode differ from when it was opened. */
  async checkUnchanged(): Promise<void> {
    const now = toFileStat(await this.#handle.stat({ bigint: true }));
    if (!sameStat(now, this.stat)) {
      throw new ChangedError(`'${this.name}' changed while it was being read`, {
        file: this.name,
        hint: 'wait until nothing writes the file, then run the command again',
      });
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** What tells whether a file may have changed. Times in nanoseconds as decimal text. */
export interface FileStat {
  size: number;
  mtimeNs: string;
  ctimeNs: string;
  inode: string;
  mode: number;
}

export function toFileStat(stat: {
  size: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  ino: bigint;
  mode: bigint;
}): FileStat {
  return {
    size: Number(stat.size),
    mtimeNs: String(stat.mtimeNs),
    ctimeNs: String(stat.ctimeNs),
    inode: String(stat.ino),
    mode: Number(stat.mode),
  };
}

export function sameStat(a: FileStat, b: FileStat): boolean {
  return (
    a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.inode === b.inode
  );
}

/** lstat of a path, or null if nothing is there. */
export async function statOrNull(
  file: string,
): Promise<{ stat: FileStat; isFile: boolean; isDirectory: boolean; isSymlink: boolean } | null> {
  try {
    const stat = await fs.lstat(file, { bigint: true });
    return {
      stat: toFileStat(stat),
      isFile: stat.isFile(),
      isDirectory: stat.isDirectory(),
      isSymlink: stat.isSymbolicLink(),
    };
  } catch (error) {
    if (isMissing(error)) return null;
    throw ioError('stat', file, error);
  }
}

/** A new file that is written from start to end. After a failed write it refuses further use. */
export class WriteFile {
  readonly path: string;
  #handle: FileHandle | null;
  #offset = 0;
  #broken = false;

  private constructor(handle: FileHandle, file: string) {
    this.#handle = handle;
    this.path = file;
  }

  /** Creates `file`; it must not exist. @param mode permission bits. */
  static async create(file: string, mode = 0o666): Promise<WriteFile> {
    try {
      return new WriteFile(await io.open(file, 'wx', mode), file);
    } catch (error) {
      throw ioError('create', file, error);
    }
  }

  /** Bytes written so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Appends all of `bytes`; short writes are continued. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#handle === null || this.#broken) {
      throw new IoError(`cannot write '${this.path}': an earlier write failed`, {
        file: this.path,
      });
    }
    let done = 0;
    while (done < bytes.length) {
      try {
        const wrote = await io.write(this.#handle, done === 0 ? bytes : bytes.subarray(done));
        if (wrote <= 0) throw Object.assign(new Error('nothing written'), { code: 'ENOSPC' });
        done += wrote;
      } catch (error) {
        this.#broken = true;
        throw ioError('write', this.path, error);
      }
    }
    this.#offset += bytes.length;
  }

  /** Flushes to the device, then closes. */
  async syncAndClose(): Promise<void> {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    try {
      if (this.#broken)
        throw new IoError(`cannot finish '${this.path}': an earlier write failed`, {
          file: this.path,
        });
      await io.fsync(handle);
    } catch (error) {
      await handle.close().catch(() => {});
      throw ioError('fsync', this.path, error);
    }
    await handle.close();
  }

  /** Closes without flushing (for files that are thrown away or need no durability). */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }
}

/** Overwrites a few bytes of an own unfinished file, in place; not synced. */
export async function patchFile(
  file: string,
  patches: readonly { offset: number; bytes: Uint8Array }[],
): Promise<void> {
  if (patches.length === 0) return;
  let handle: FileHandle | null = null;
  try {
    handle = await io.open(file, 'r+');
    for (const { offset, bytes } of patches) {
      const wrote = await io.writeAt(handle, bytes, offset);
      if (wrote !== bytes.length) throw Object.assign(new Error('cut'), { code: 'ENOSPC' });
    }
  } catch (error) {
    throw ioError('write', file, error);
  } finally {
    await handle?.close();
  }
}

/** Makes a rename in `dir` durable. */
export async function syncDirectory(dir: string): Promise<void> {
  let handle: FileHandle;
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

export async function makeDirectory(dir: string): Promise<void> {
  try {
    await io.mkdir(dir);
  } catch (error) {
    throw ioError('create folder', dir, isMissing(error) ? await whyNoFolder(dir, error) : error);
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

let temporaryNumber = 0;

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
  const temporary = path.join(
    dir,
    `.tmp-${process.pid}-${temporaryNumber++}-${path.basename(file)}`,
  );
  let renamed = false;
  const target = await WriteFile.create(temporary, mode);
  try {
    await target.write(bytes);
    await target.syncAndClose();
    await renameFile(temporary, file);
    renamed = true;
    await syncDirectory(dir);
  } finally {
    await target.close().catch(() => {});
    if (!renamed) await fs.unlink(temporary).catch(() => {});
  }
}

/** Whole content of a small file. @throws {LimitError} above `maxBytes`, {IoError} if it cannot be read. */
export async function readSmallFile(file: string, maxBytes: number): Promise<Uint8Array> {
  const source = await ReadFile.open(file);
  try {
    if (source.size > maxBytes) {
      throw new LimitError(`'${file}' has ${source.size} bytes, more than ${maxBytes}`, { file });
    }
    return await source.read(0, source.size);
  } finally {
    await source.close();
  }
}

/** Names in a folder, sorted; none if the folder does not exist. */
export async function listDirectory(dir: string): Promise<string[]> {
  try {
    return (await fs.readdir(dir)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw ioError('list', dir, error);
  }
}

/** @throws {AbortedError} if the signal was raised: called between chunks of long work. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw new AbortedError();
}
