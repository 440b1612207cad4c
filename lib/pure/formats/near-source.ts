/**
 * Reads small pieces that lie near each other in one go.
 *
 * The headers of an archive of 200,000 small entries are a few bytes each: read one by one, the
 * system calls take minutes. Pieces that follow each other closely are served from a window that
 * grows while they do; a piece that stands alone costs little more than itself, so the data between
 * the headers of large entries are never read.
 */
import type { ByteSource } from '../../base/bytes/byte-source.js';

/** Window of a piece that stands alone, and the largest one. */
const WINDOW_BYTES_MIN = 512;
const WINDOW_BYTES_MAX = 64 * 1024;
/** A piece follows the one before if it begins in it or at most this many bytes behind it. */
const NEAR_BYTES = 4 * 1024;

/** A source for reads that mostly ascend. */
export class NearSource implements ByteSource {
  readonly #source: ByteSource;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  #windowBytes = WINDOW_BYTES_MIN;
  /** The last piece. */
  #lastStart = 0;
  #lastEnd = Number.NEGATIVE_INFINITY;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get name(): string {
    return this.#source.name;
  }

  get size(): number {
    return this.#source.size;
  }

  /** Unlike other sources: the bytes may share memory with those of other reads. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const isNear = offset >= this.#lastStart && offset <= this.#lastEnd + NEAR_BYTES;
    this.#lastStart = offset;
    this.#lastEnd = offset + length;
    const end = this.#windowStart + this.#window.length;
    if (offset < this.#windowStart || offset + length > end) {
      this.#windowBytes = isNear
        ? Math.min(2 * this.#windowBytes, WINDOW_BYTES_MAX)
        : WINDOW_BYTES_MIN;
      if (length >= this.#windowBytes) return this.#source.read(offset, length);
      const bytes = Math.min(this.#windowBytes, Math.max(length, this.size - offset));
      this.#window = await this.#source.read(offset, bytes);
      this.#windowStart = offset;
    }
    const from = offset - this.#windowStart;
    return this.#window.subarray(from, from + length);
  }
}
