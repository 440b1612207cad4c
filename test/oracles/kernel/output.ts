/** Writing for the reference: bytes that grow, and bits into bytes. */

/** A growing range of bytes. */
export class ByteOutput {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    return this.put(Uint8Array.of(value));
  }

  /** LEB128. @param value  an integer ≥ 0, below 2^53. */
  varint(value: number): this {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.u8((rest % 128) + 128);
    return this.u8(rest);
  }

  /** @param bytes  kept; not to be changed afterwards. */
  put(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this;
  }

  /** All bytes, in memory of their own. */
  finish(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

/** Bits, the least significant of each byte first. */
export class BitOutput {
  readonly #bits: number[] = [];

  /** The low `count` bits of a number, the least significant first. */
  bits(value: number, count: number): void {
    for (let bit = 0; bit < count; bit++) this.#bits.push(Math.floor(value / 2 ** bit) % 2);
  }

  /** Exp-Golomb code of a number ≥ 0. */
  golomb(value: number, order: number): void {
    const high = (value >> order) + 1;
    const k = 31 - Math.clz32(high);
    this.bits(0, k);
    this.bits(1, 1);
    this.bits(high, k);
    this.bits(value, order);
  }

  /** The bits, with zeros to a whole number of bytes. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(this.#bits.length / 8));
    for (const [i, bit] of this.#bits.entries()) {
      bytes[i >> 3] = (bytes[i >> 3] as number) | (bit << (i % 8));
    }
    return bytes;
  }
}
