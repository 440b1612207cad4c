/**
 * Canonical msgpack whose values are read one after another, for arrays of a million rows: only the
 * rows of one batch are there as values, the caller makes of each what it needs.
 *
 * The bytes are the same as those of msgpack.ts, and as strictly checked.
 */
import { CorruptError, TruncatedError } from '../../errors.js';
import { arrayHeader, decodeCanonical, encodedLength, type Packed } from './msgpack.js';

/** Items that are decoded together. */
const BATCH_ITEMS = 1024;

/** A position in an array that was opened. */
export class CanonicalCursor {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  #at = 0;

  /** @param file named in errors. */
  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#file = file;
  }

  #corrupt(what: string): CorruptError {
    return new CorruptError(
      `'${this.#file}' is not canonical msgpack: ${what} at byte ${this.#at}`,
      {
        file: this.#file,
        offset: this.#at,
      },
    );
  }

  /**
   * Opens an array and gives its count; its items come next. @throws {CorruptError} if there is none,
   * or if its count is not in the shortest form or above the bytes that are left.
   */
  openArray(): number {
    const code = this.#bytes[this.#at] ?? 0;
    let count = -1;
    if ((code & 0xf0) === 0x90) count = code & 0x0f;
    else if (code === 0xdc || code === 0xdd) {
      for (const byte of this.#bytes.subarray(this.#at + 1, this.#at + (code === 0xdc ? 3 : 5))) {
        count = Math.max(0, count) * 256 + byte;
      }
    }
    const header = count < 0 ? null : arrayHeader(count);
    const found = header && this.#bytes.subarray(this.#at, this.#at + header.length);
    if (header === null || found === null || Buffer.compare(header, found) !== 0) {
      throw this.#corrupt('there is no array');
    }
    this.#at += header.length;
    if (count > this.#bytes.length - this.#at) {
      throw this.#corrupt('it claims more values than it has bytes');
    }
    return count;
  }

  /** The next value, whole. Bytes of the result are views of the input. */
  value(): Packed {
    const end = this.#endOf(this.#at);
    const value = decodeCanonical(this.#bytes.subarray(this.#at, end), this.#file);
    this.#at = end;
    return value;
  }

  /** The next `count` values, one by one; take all before anything else is read. */
  *values(count: number): Generator<Packed> {
    for (let done = 0; done < count; ) {
      const batch = Math.min(BATCH_ITEMS, count - done);
      const start = this.#at;
      let end = start;
      for (let i = 0; i < batch; i++) end = this.#endOf(end);
      const bytes = Buffer.concat([arrayHeader(batch), this.#bytes.subarray(start, end)]);
      yield* decodeCanonical(bytes, this.#file) as Packed[];
      this.#at = end;
      done += batch;
    }
  }

  #endOf(start: number): number {
    const end = encodedLength(this.#bytes, start, this.#file) + start;
    if (end > this.#bytes.length) {
      throw new TruncatedError(`'${this.#file}' ends early`, { file: this.#file, offset: start });
    }
    return end;
  }

  /** @throws {CorruptError} if anything is left. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#corrupt('there is more');
  }
}
