/** A file that is written: a new one from start to end, or a few bytes of an unfinished one. */
import path from 'node:path';
import { assert, IoError } from '../errors.js';
import type { Handle } from './handle.js';
import { io, ioError } from './io.js';
import { withTemporaryName } from './temporary-name.js';

/** A long file goes to the device by so many bytes, while it is written: what is left at its end takes less time. */
const FLUSHED_BYTES = 32 * 1024 * 1024;

/** True while some file is flushed before its end. One at a time: a thread that waits for the device does nothing else. */
let isFlushing = false;

/** A new file that is written from start to end. After a failed write it refuses further use. */
export class WriteFile {
  readonly path: string;
  /** The file that errors name. */
  readonly #name: string;
  #handle: Handle | null;
  #offset = 0;
  #broken = false;
  /** True if bytes were taken back: the system would go on behind them. */
  #isCut = false;
  /** Bytes that were given to the device. */
  #flushed = 0;
  /** Ends when the device has them, or has failed. */
  #flushing: Promise<void> = Promise.resolve();
  /** What the device failed with, which it says only once. */
  #flushError: { error: unknown } | null = null;

  private constructor(handle: Handle, file: string, name: string) {
    this.#handle = handle;
    this.path = file;
    this.#name = name;
  }

  /**
   * Creates `file`; it must not exist.
   * @param mode  permission bits.
   * @param name  the file that errors name: for a temporary file, the one that it replaces later.
   */
  static async create(file: string, mode = 0o666, name = file): Promise<WriteFile> {
    try {
      return new WriteFile(await io.open(file, 'wx', mode), file, name);
    } catch (error) {
      throw ioError('create', name, error);
    }
  }

  /** Creates a file with a new name in the folder of `target`, to be renamed to it. `path` is its name. */
  static createTemporary(target: string, mode = 0o666): Promise<WriteFile> {
    const folder = path.dirname(target);
    return withTemporaryName(folder, (file) => WriteFile.create(file, mode, target));
  }

  /** Bytes written so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Appends all of `bytes`; short writes are continued. */
  async write(bytes: Uint8Array): Promise<void> {
    const handle = this.#open();
    let done = 0;
    while (done < bytes.length) {
      try {
        const rest = done === 0 ? bytes : bytes.subarray(done);
        const wrote = this.#isCut
          ? await io.writeAt(handle, rest, this.#offset + done)
          : await io.write(handle, rest);
        if (wrote <= 0) throw Object.assign(new Error('nothing written'), { code: 'ENOSPC' });
        done += wrote;
      } catch (error) {
        this.#broken = true;
        throw ioError('write', this.#name, error);
      }
    }
    this.#offset += bytes.length;
    this.#flushAhead(handle);
  }

  /** Lets the device begin with what is written, if that is much. */
  #flushAhead(handle: Handle): void {
    if (this.#offset - this.#flushed < FLUSHED_BYTES || isFlushing) return;
    isFlushing = true;
    this.#flushed = this.#offset;
    this.#flushing = io
      .fsync(handle)
      .catch((error: unknown) => {
        this.#flushError = { error };
      })
      .finally(() => {
        isFlushing = false;
      });
  }

  /**
   * Lets the kernel append `bytes` bytes.
   * @param write  gets the number of the file and how many bytes to write at most.
   * @returns how many it says that it wrote: the caller writes the rest, and so meets the error if there was
   *   one. Less than 0: it has done nothing.
   */
  async writeBy(
    bytes: number,
    write: (fd: number, most: number) => Promise<number>,
  ): Promise<number> {
    const handle = this.#open();
    assert(!this.#isCut, 'nothing was taken back');
    try {
      const wrote = await io.writeBy(handle, write, bytes);
      this.#offset += Math.max(0, wrote);
      this.#flushAhead(handle);
      return wrote;
    } catch (error) {
      this.#broken = true;
      throw ioError('write', this.#name, error);
    }
  }

  /** Writes over bytes that were written. */
  async overwrite(offset: number, bytes: Uint8Array): Promise<void> {
    const handle = this.#open();
    assert(offset + bytes.length <= this.#offset, 'what is changed was written');
    try {
      await writeAllAt(handle, bytes, offset);
    } catch (error) {
      this.#broken = true;
      throw ioError('write', this.#name, error);
    }
  }

  /** Takes back what was written from `offset` on. `writeBy` cannot go on from there. */
  async takeBack(offset: number): Promise<void> {
    const handle = this.#open();
    assert(offset <= this.#offset, 'what is taken back was written');
    try {
      await io.truncate(handle, offset);
    } catch (error) {
      this.#broken = true;
      throw ioError('write', this.#name, error);
    }
    this.#isCut = true;
    this.#offset = offset;
    this.#flushed = Math.min(this.#flushed, offset);
  }

  #open(): Handle {
    if (this.#flushError) throw ioError('fsync', this.#name, this.#flushError.error);
    if (this.#handle !== null && !this.#broken) return this.#handle;
    throw new IoError(`cannot write '${this.#name}': an earlier write failed`, {
      file: this.#name,
    });
  }

  /** Flushes to the device, then closes. */
  async syncAndClose(): Promise<void> {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    await this.#flushing;
    try {
      if (this.#flushError) throw this.#flushError.error;
      if (this.#broken)
        throw new IoError(`cannot finish '${this.#name}': an earlier write failed`, {
          file: this.#name,
        });
      await io.fsync(handle);
    } catch (error) {
      await handle.close().catch(() => {});
      throw ioError('fsync', this.#name, error);
    }
    await handle.close();
  }

  /** Closes without flushing (for files that are thrown away or need no durability). */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await this.#flushing;
    await handle?.close();
  }
}

/** Writes all of `bytes`; short writes are continued. */
async function writeAllAt(handle: Handle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const wrote = await io.writeAt(handle, bytes.subarray(done), offset + done);
    if (wrote <= 0) throw Object.assign(new Error('nothing written'), { code: 'ENOSPC' });
    done += wrote;
  }
}

/** Overwrites a few bytes of an own unfinished file, in place; not synced. */
export async function patchFile(
  file: string,
  patches: readonly { offset: number; bytes: Uint8Array }[],
): Promise<void> {
  if (patches.length === 0) return;
  let handle: Handle | null = null;
  try {
    handle = await io.open(file, 'r+');
    for (const { offset, bytes } of patches) {
      await writeAllAt(handle, bytes, offset);
    }
  } catch (error) {
    throw ioError('write', file, error);
  } finally {
    await handle?.close();
  }
}
