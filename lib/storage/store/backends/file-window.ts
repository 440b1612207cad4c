/** Sequential reading of a pack file in pieces of 1 MiB, so that small records cost no call each. */
import { checkRange } from '../../../base/bytes/byte-source.js';
import type { Backend } from './backend.js';

const WINDOW_BYTES = 1 << 20;

export class FileWindow {
  readonly name: string;
  readonly size: number;
  readonly #backend: Backend;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  /** @param size of the file; nothing is read beyond it. */
  constructor(backend: Backend, name: string, size: number) {
    this.#backend = backend;
    this.name = name;
    this.size = size;
  }

  /** A view of `length` bytes at `offset`; it stays valid. @throws {TruncatedError} beyond the end. */
  async get(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const inside = offset >= this.#start && offset + length <= this.#start + this.#bytes.length;
    if (!inside) {
      const wanted = Math.min(this.size - offset, Math.max(length, WINDOW_BYTES));
      this.#bytes = await this.#backend.read(this.name, offset, wanted);
      this.#start = offset;
    }
    return this.#bytes.subarray(offset - this.#start, offset - this.#start + length);
  }
}
