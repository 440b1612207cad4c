/**
 * Bounds-checked cursor over untrusted bytes. Little-endian. Every length is compared with the bytes
 * that remain before anything is allocated.
 */
import { CorruptError, LimitError, TruncatedError } from '../errors.js';
import { ID_BYTES, type Id, idFromBytes } from './hash.js';

export class ByteReader {
  readonly bytes: Uint8Array;
  readonly file: string;
  offset = 0;
  readonly #view: DataView;

  /** @param file named in errors. */
  constructor(bytes: Uint8Array, file: string) {
    this.bytes = bytes;
    this.file = file;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  /** @throws {TruncatedError} if fewer than `count` bytes remain. */
  need(count: number, field: string): void {
    if (count > this.remaining) {
      throw new TruncatedError(
        `'${this.file}' ends early: ${field} needs ${count} bytes at ${this.offset}, ${this.remaining} are left`,
        {
          file: this.file,
          offset: this.offset,
          field,
          neededBytes: count,
          gotBytes: this.remaining,
        },
      );
    }
  }

  u8(field: string): number {
    this.need(1, field);
    return this.#view.getUint8(this.offset++);
  }

  u16(field: string): number {
    this.need(2, field);
    const value = this.#view.getUint16(this.offset, true);
    this.offset += 2;
    return value;
  }

  u32(field: string): number {
    this.need(4, field);
    const value = this.#view.getUint32(this.offset, true);
    this.offset += 4;
    return value;
  }

  /** An unsigned 64-bit number that must be exact in a double. */
  u64(field: string): number {
    this.need(8, field);
    const low = this.#view.getUint32(this.offset, true);
    const high = this.#view.getUint32(this.offset + 4, true);
    if (high >= 2 ** 21) {
      const value = String(this.#view.getBigUint64(this.offset, true));
      this.offset += 8;
      throw new LimitError(`'${this.file}': ${field} is ${value}, above 2^53`, {
        file: this.file,
        field,
        value,
      });
    }
    this.offset += 8;
    return high * 2 ** 32 + low;
  }

  /** LEB128, at most 8 bytes, canonical (no trailing zero groups), below 2^53. */
  varint(field: string): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8(field);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw this.corrupt(`${field} is not a canonical varint`);
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw this.corrupt(`${field} is a varint above 2^53`);
  }

  /** A view of the next `count` bytes; not a copy. */
  take(count: number, field: string): Uint8Array {
    this.need(count, field);
    const part = this.bytes.subarray(this.offset, this.offset + count);
    this.offset += count;
    return part;
  }

  id(field: string): Id {
    return idFromBytes(this.take(ID_BYTES, field), this.file);
  }

  /** @throws {CorruptError} unless the next bytes are `magic`. */
  magic(magic: string): void {
    const found = Buffer.from(this.take(magic.length, 'magic')).toString('latin1');
    if (found !== magic) {
      throw this.corrupt(`magic is ${JSON.stringify(found)}, not ${JSON.stringify(magic)}`);
    }
  }

  /** @throws {CorruptError} unless every byte was read. */
  end(): void {
    if (this.remaining !== 0) throw this.corrupt(`${this.remaining} bytes after the end`);
  }

  /** An error at the current offset, to be thrown by the caller. */
  corrupt(what: string): CorruptError {
    return new CorruptError(`'${this.file}' is damaged at byte ${this.offset}: ${what}`, {
      file: this.file,
      offset: this.offset,
    });
  }
}
