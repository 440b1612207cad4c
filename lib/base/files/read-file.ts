/** An open file that is read at any offset and knows whether it changed since. */
import { type ByteSource, checkRange } from '../bytes/byte-source.js';
import { ChangedError } from '../errors.js';
import type { Handle } from './handle.js';
import { io, ioError, isMissing } from './io.js';

/** Errors of files that have nothing to flush: pipes, read-only media, handles without the right. */
const NOTHING_TO_FLUSH = new Set(['EINVAL', 'EROFS', 'EPERM', 'EBADF', 'ENOTSUP', 'ENOSYS']);

async function flush(handle: Handle): Promise<void> {
  try {
    await handle.datasync();
  } catch (error) {
    if (!NOTHING_TO_FLUSH.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** An open file for positioned reads. Close it. */
export class ReadFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly stat: FileStat;
  readonly #handle: Handle;

  private constructor(handle: Handle, name: string, stat: FileStat) {
    this.#handle = handle;
    this.name = name;
    this.size = stat.size;
    this.stat = stat;
  }

  /** @param name shown in messages instead of `file`. @throws {IoError} if it cannot be opened. */
  static open(file: string, name = file): Promise<ReadFile> {
    return ReadFile.#open(file, name, null);
  }

  /** The file, or null if there is none. @throws {IoError} if it cannot be opened. */
  static async openIfThere(file: string): Promise<ReadFile | null> {
    try {
      return await ReadFile.#open(file, file, null);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /**
   * Opens a file whose times are to prove later that it did not change.
   *
   * Pages that were written and are not on the disk yet are flushed first. Without that a file written
   * through a memory map keeps its mtime at the next store, and after a power cut a file may have its
   * size and times but not its bytes.
   * @throws {IoError} if it cannot be opened, or the device cannot take what was written to it.
   */
  static openFlushed(file: string, name = file): Promise<ReadFile> {
    return ReadFile.#open(file, name, flush);
  }

  static async #open(
    file: string,
    name: string,
    prepare: ((handle: Handle) => Promise<void>) | null,
  ): Promise<ReadFile> {
    let handle: Handle;
    try {
      handle = await io.open(file, 'r');
    } catch (error) {
      throw ioError('open', name, error);
    }
    let what = 'flush';
    try {
      await prepare?.(handle);
      what = 'stat';
      const stat = await handle.stat({ bigint: true });
      // Its size is 0, so it would be read as an empty file.
      if (stat.isFIFO()) throw ioError('read', name, { code: 'ESPIPE' });
      return new ReadFile(handle, name, toFileStat(stat));
    } catch (error) {
      await handle.close();
      throw ioError(what, name, error);
    }
  }

  /** @param allocate  gives the memory that is read into; default: memory of its own. */
  async read(
    offset: number,
    length: number,
    allocate: (bytes: number) => Uint8Array = Buffer.allocUnsafeSlow,
  ): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const buffer = allocate(length);
    await this.readInto(buffer, offset);
    return buffer;
  }

  /**
   * As `read`, without a thread: of a few bytes that were written a moment ago, and so are in memory, a
   * trip through Node's pool takes some twenty times as long as the read. Others block all work meanwhile.
   */
  async readNow(
    offset: number,
    length: number,
    allocate: (bytes: number) => Uint8Array = Buffer.allocUnsafeSlow,
  ): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const bytes = allocate(length);
    let got = 0;
    try {
      got = io.readNow(this.#handle, bytes, offset);
    } catch (error) {
      throw ioError('read', this.name, error);
    }
    // The rare read of which a part came, and the file that became shorter.
    if (got < length) await this.readInto(bytes.subarray(got), offset + got);
    return bytes;
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
          hint: 'wait until no other program writes to the file, then run the command again',
        });
      }
      done += got;
    }
  }

  /** The number of the open file: for the kernel, while somebody keeps it open. */
  get fd(): number {
    return this.#handle.fd;
  }

  /** Lets the kernel read from the file, by its number. */
  readBy<T>(read: (fd: number) => Promise<T>): Promise<T> {
    return read(this.#handle.fd);
  }

  /**
   * @throws {ChangedError} if size, mtime, ctime or inode differ from when it was opened, or it has no
   *   name any more: another file was put in its place.
   */
  async checkUnchanged(): Promise<void> {
    const now = await this.#handle.stat({ bigint: true });
    if (now.nlink === 0n || !sameStat(toFileStat(now), this.stat)) {
      throw new ChangedError(`'${this.name}' changed while it was being read`, {
        file: this.name,
        hint: 'wait until no other program writes to the file, then run the command again',
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
