/**
 * An open file of a repository, read and written with blocking calls where these are short.
 *
 * Most files of a repository have some hundred bytes. With promises, each open, stat, read and close is a trip
 * to the thread pool, which takes ten to thirty times as long as the call itself, and a command makes hundreds.
 * So calls that move few bytes block; long ones (syncing, many bytes) go to the pool. Files of the user may be
 * pipes or lie on slow devices: they are opened as a `FileHandle` of Node.
 */
import fs from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';

/** What `lib` asks of an open file: a `FileHandle` of Node has all of it. */
export interface Handle {
  readonly fd: number;
  read(
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }>;
  /** At the end of what was written if there is no position. */
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position?: number,
  ): Promise<{ bytesWritten: number }>;
  stat(options: { bigint: true }): Promise<fs.BigIntStats>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  /** Waits for calls that are under way. */
  close(): Promise<void>;
}

/** Calls for more bytes go to the thread pool. */
const BLOCKING_BYTES_MAX = 64 * 1024;
/** Blocking calls between two turns of the event loop, in which it sees signals, timers and sockets. */
const CALLS_PER_TURN = 64;

const read = promisify(fs.read);
const write = promisify(fs.write);
const fsync = promisify(fs.fsync);
const fdatasync = promisify(fs.fdatasync);
const ftruncate = promisify(fs.ftruncate);

let calls = 0;

/** Lets signals, timers and other work run, now and then. To be awaited before a blocking call if it is not null. */
export function giveWay(): Promise<void> | null {
  return ++calls % CALLS_PER_TURN === 0 ? nextTurn() : null;
}

/** A file below a guarded folder, opened with flags that follow no link and wait for no pipe. */
export class BlockingHandle implements Handle {
  /** -1 once it is closed. */
  #fd: number;
  #inPool = 0;
  #closing: Promise<void> | null = null;
  #whenIdle: (() => void) | null = null;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @param flags  numbers, as `openFlags` makes them. */
  static async open(file: string, flags: number, mode?: number): Promise<Handle> {
    const pause = giveWay();
    if (pause !== null) await pause;
    return new BlockingHandle(fs.openSync(file, flags, mode));
  }

  get fd(): number {
    return this.#fd;
  }

  async read(
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }> {
    if (length > BLOCKING_BYTES_MAX) {
      return this.#pooled((fd) => read(fd, target, offset, length, position));
    }
    const pause = giveWay();
    if (pause !== null) await pause;
    return { bytesRead: fs.readSync(this.#open(), target, offset, length, position) };
  }

  async write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position?: number,
  ): Promise<{ bytesWritten: number }> {
    if (length > BLOCKING_BYTES_MAX) {
      return this.#pooled((fd) => write(fd, bytes, offset, length, position ?? null));
    }
    const pause = giveWay();
    if (pause !== null) await pause;
    return { bytesWritten: fs.writeSync(this.#open(), bytes, offset, length, position) };
  }

  async stat(options: { bigint: true }): Promise<fs.BigIntStats> {
    return fs.fstatSync(this.#open(), options);
  }

  sync(): Promise<void> {
    return this.#pooled(fsync);
  }

  datasync(): Promise<void> {
    return this.#pooled(fdatasync);
  }

  truncate(bytes: number): Promise<void> {
    return this.#pooled((fd) => ftruncate(fd, bytes));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The number may be that of another file once it is closed, so calls under way end first. */
  async #close(): Promise<void> {
    if (this.#inPool > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    const fd = this.#fd;
    this.#fd = -1;
    fs.closeSync(fd);
  }

  #open(): number {
    if (this.#closing === null) return this.#fd;
    throw Object.assign(new Error('EBADF: the file is closed'), { code: 'EBADF' });
  }

  async #pooled<T>(call: (fd: number) => Promise<T>): Promise<T> {
    const fd = this.#open();
    this.#inPool++;
    try {
      return await call(fd);
    } finally {
      this.#inPool--;
      if (this.#inPool === 0) this.#whenIdle?.();
    }
  }
}
