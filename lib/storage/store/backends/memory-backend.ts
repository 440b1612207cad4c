/**
 * The backend in memory: for tests, and for repositories that live as long as the process.
 *
 * Behaves as a folder does, down to the errors: a missing name is an IoError with errno ENOENT, and
 * creating a name that is there fails with EEXIST.
 */

import { assert, LimitError, TruncatedError } from '../../../base/errors.js';
import { ioError } from '../../../base/files/files.js';
import type { Backend, BackendWriter } from './backend.js';

function systemError(action: string, name: string, code: string): unknown {
  return ioError(action, name, Object.assign(new Error(code), { code }));
}

export class MemoryBackend implements Backend {
  readonly #files = new Map<string, Uint8Array>();

  /** A backend that holds copies of `files`. */
  static from(files: Iterable<readonly [string, Uint8Array]>): MemoryBackend {
    const backend = new MemoryBackend();
    for (const [name, bytes] of files) backend.#files.set(name, new Uint8Array(bytes));
    return backend;
  }

  /** Copies of all files, sorted by name. */
  files(): [string, Uint8Array][] {
    return [...this.#files.keys()].sort().map((name) => [name, this.#get('read', name).slice()]);
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const bytes = this.#get('open', name);
    if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
      throw new TruncatedError(
        `'${name}' ends early: ${length} bytes wanted at ${offset}, the file has ${bytes.length}`,
        {
          file: name,
          offset,
          neededBytes: length,
          gotBytes: Math.max(0, bytes.length - offset),
        },
      );
    }
    return bytes.slice(offset, offset + length);
  }

  async size(name: string): Promise<number> {
    return this.#get('open', name).length;
  }

  async exists(name: string): Promise<boolean> {
    return this.#files.has(name);
  }

  async list(dir: string): Promise<string[]> {
    const names = new Set<string>();
    for (const name of this.#files.keys()) {
      if (name.startsWith(`${dir}/`)) names.add(name.slice(dir.length + 1).split('/')[0]!);
    }
    return [...names].sort();
  }

  async createWriter(name: string): Promise<BackendWriter> {
    if (this.#files.has(name)) throw systemError('create', name, 'EEXIST');
    this.#files.set(name, new Uint8Array());
    return new MemoryWriter(name, (bytes) => this.#files.set(name, bytes));
  }

  async rename(from: string, to: string): Promise<void> {
    const bytes = this.#get('rename', from);
    this.#files.delete(from);
    this.#files.set(to, bytes);
  }

  async remove(name: string): Promise<void> {
    this.#files.delete(name);
  }

  async writeAtomic(name: string, bytes: Uint8Array): Promise<void> {
    // Not slice(): that of a Buffer is a view.
    this.#files.set(name, new Uint8Array(bytes));
  }

  async readAll(name: string, maxBytes: number): Promise<Uint8Array> {
    const bytes = this.#get('open', name);
    if (bytes.length > maxBytes) {
      throw new LimitError(`'${name}' has ${bytes.length} bytes, more than ${maxBytes}`, {
        file: name,
      });
    }
    return bytes.slice();
  }

  async syncDir(): Promise<void> {}

  async refresh(): Promise<void> {}

  async close(): Promise<void> {}

  #get(action: string, name: string): Uint8Array {
    const bytes = this.#files.get(name);
    if (bytes === undefined) throw systemError(action, name, 'ENOENT');
    return bytes;
  }
}

/** Grows by doubling and publishes a view of what was written after every write. */
class MemoryWriter implements BackendWriter {
  readonly name: string;
  offset = 0;
  #buffer = new Uint8Array(256);
  #open = true;
  readonly #publish: (bytes: Uint8Array) => void;

  constructor(name: string, publish: (bytes: Uint8Array) => void) {
    this.name = name;
    this.#publish = publish;
  }

  async write(bytes: Uint8Array): Promise<void> {
    assert(this.#open, `'${this.name}' is closed`);
    if (this.offset + bytes.length > this.#buffer.length) {
      const bigger = new Uint8Array(Math.max(this.offset + bytes.length, 2 * this.#buffer.length));
      bigger.set(this.#buffer.subarray(0, this.offset));
      this.#buffer = bigger;
    }
    this.#buffer.set(bytes, this.offset);
    this.offset += bytes.length;
    this.#publish(this.#buffer.subarray(0, this.offset));
  }

  async overwrite(offset: number, bytes: Uint8Array): Promise<void> {
    assert(
      this.#open && offset + bytes.length <= this.offset,
      `'${this.name}' has what is changed`,
    );
    this.#buffer.set(bytes, offset);
  }

  async takeBack(offset: number): Promise<void> {
    assert(this.#open && offset <= this.offset, `'${this.name}' has what is taken back`);
    this.offset = offset;
    this.#publish(this.#buffer.subarray(0, offset));
  }

  async syncAndClose(): Promise<void> {
    this.#open = false;
  }

  async close(): Promise<void> {
    this.#open = false;
  }
}
