/** Growing little-endian buffer: the mirror of ByteReader. */
import { assert } from '../errors.js';
import { ID_BYTES, type Id, writeId } from './hash.js';

/** Thousands of rows and keys of indexes are written: below this, they share memory that Node has at hand. */
const POOLED_BYTES_MAX = 256;

function pooled(capacity: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafe(capacity);
  return new Uint8Array(buffer, byteOffset, capacity);
}

export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = capacity <= POOLED_BYTES_MAX ? pooled(capacity) : new Uint8Array(capacity);
    const { buffer, byteOffset } = this.#bytes;
    this.#view = new DataView(buffer, byteOffset, capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Makes room and gives its offset. Call it before touching `#bytes` or `#view`: it replaces them. */
  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      bigger.set(this.#bytes.subarray(0, at));
      this.#bytes = bigger;
      this.#view = new DataView(bigger.buffer);
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    assert(value >= 0 && value <= 0xff, `u8 ${value}`);
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    assert(value >= 0 && value <= 0xffff, `u16 ${value}`);
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    assert(value >= 0 && value <= 0xffffffff, `u32 ${value}`);
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, `u64 ${value}`);
    const at = this.#grow(8);
    this.#view.setUint32(at, value % 2 ** 32, true);
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    return this;
  }

  varint(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, `varint ${value}`);
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    return this.u8(rest);
  }

  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  ascii(text: string): this {
    const at = this.#grow(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
    return this;
  }

  id(id: Id): this {
    const at = this.#grow(ID_BYTES);
    writeId(this.#bytes, at, id);
    return this;
  }

  /** The bytes so far: a view, of memory that others share, that later writes may detach. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
