/** A file in memory with long runs of zeros that take no memory: for files beyond 4 GiB. */

import type { ByteSource } from '../../lib/base/bytes/byte-source.js';
import { TruncatedError } from '../../lib/base/errors.js';

/** Parts in file order; a number is a run of that many zero bytes. */
export class HoleSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  bytesRead = 0;
  readonly #parts: { start: number; length: number; bytes: Uint8Array | null }[] = [];

  constructor(parts: readonly (Uint8Array | number)[], name = 'large file') {
    this.name = name;
    let start = 0;
    for (const part of parts) {
      const bytes = typeof part === 'number' ? null : part;
      const length = typeof part === 'number' ? part : part.length;
      this.#parts.push({ start, length, bytes });
      start += length;
    }
    this.size = start;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < 0 || offset + length > this.size) throw new TruncatedError('beyond the end');
    this.bytesRead += length;
    const out = new Uint8Array(length);
    for (const { start, length: size, bytes } of this.#parts) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + size);
      if (bytes !== null && from < to)
        out.set(bytes.subarray(from - start, to - start), from - offset);
    }
    return out;
  }
}
