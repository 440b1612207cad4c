/** A file that is written at any place: what is arriving in parts. */
import type { Handle } from './handle.js';
import { io, ioError } from './io.js';

/** An own unfinished file that is written at any place, made if it is not there. Close it. */
export class PatchFile {
  readonly path: string;
  readonly #handle: Handle;

  private constructor(handle: Handle, file: string) {
    this.#handle = handle;
    this.path = file;
  }

  /** @throws {IoError} */
  static async open(file: string): Promise<PatchFile> {
    try {
      const made = await io.open(file, 'wx').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return null;
        throw error;
      });
      return new PatchFile(made ?? (await io.open(file, 'r+')), file);
    } catch (error) {
      throw ioError('create', file, error);
    }
  }

  /** Writes all of `bytes`; short writes are continued. */
  async write(bytes: Uint8Array, offset: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const wrote = await io.writeAt(this.#handle, bytes.subarray(done), offset + done);
        if (wrote <= 0) throw Object.assign(new Error('nothing written'), { code: 'ENOSPC' });
        done += wrote;
      }
    } catch (error) {
      throw ioError('write', this.path, error);
    }
  }

  async sync(): Promise<void> {
    try {
      await io.fsync(this.#handle);
    } catch (error) {
      throw ioError('fsync', this.path, error);
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
