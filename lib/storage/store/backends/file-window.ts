/** Sequential reading of a pack file in pieces of 1 MiB, so that small records cost no call each. */
import { checkRange } from '../../../base/bytes/byte-source.js';
import { recyclePayload } from '../../../base/bytes/memory/memory.js';
import type { Backend } from './backend.js';

const WINDOW_BYTES = 1 << 20;

export class FileWindow {
  readonly name: string;
  readonly size: number;
  readonly #backend: Backend;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  readonly #ahead: number;
  /** Memory that views may still look at; null: it is not used again. */
  readonly #left: Uint8Array[] | null;

  /**
   * @param size of the file; nothing is read beyond it.
   * @param recycles  memory is used again after `release`.
   * @param ahead  bytes that are read at once at least.
   */
  constructor(
    backend: Backend,
    name: string,
    size: number,
    { recycles = false, ahead = WINDOW_BYTES }: { recycles?: boolean; ahead?: number } = {},
  ) {
    this.#backend = backend;
    this.#ahead = ahead;
    this.name = name;
    this.size = size;
    this.#left = recycles ? [] : null;
  }

  /** Nobody looks at views that were given so far. */
  release(): void {
    for (const bytes of this.#left?.splice(0) ?? []) recyclePayload(bytes);
  }

  /** A view of `length` bytes at `offset`; it stays valid until `release`. @throws {TruncatedError} beyond the end. */
  async get(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const inside = offset >= this.#start && offset + length <= this.#start + this.#bytes.length;
    if (!inside) {
      const wanted = Math.min(this.size - offset, Math.max(length, this.#ahead));
      this.#left?.push(this.#bytes);
      this.#bytes = await this.#backend.read(this.name, offset, wanted);
      this.#start = offset;
    }
    return this.#bytes.subarray(offset - this.#start, offset - this.#start + length);
  }
}
