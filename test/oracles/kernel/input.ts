/** Checked reading for the reference: bytes from a range, bits from bytes. Never past the end. */

import { ERROR_CORRUPT, failure } from '../../../lib/base/native/failure.js';

/** Bytes that contradict themselves. */
export function damage(what: string): Error {
  return failure(ERROR_CORRUPT, what);
}

/** A range of bytes, read from its start. */
export class ByteInput {
  readonly #bytes: Uint8Array;
  #at = 0;

  /** @param bytes  read, never kept longer than this reader. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.take(1)[0] as number;
  }

  /** LEB128 of at most 8 bytes, below 2^53, its last byte not 0 unless it is the only one. */
  varint(): number {
    let value = 0;
    for (let k = 0; k < 8; k++) {
      const byte = this.u8();
      value += (byte & 127) * 2 ** (7 * k);
      if (byte < 128) {
        if (k > 0 && byte === 0) throw damage('a varint with a trailing zero');
        if (value > Number.MAX_SAFE_INTEGER) throw damage('a varint of 2^53 or more');
        return value;
      }
    }
    throw damage('a varint of more than 8 bytes');
  }

  /** The next `length` bytes, not copied. */
  take(length: number): Uint8Array {
    if (length > this.remaining) throw damage('bytes are missing');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** Bits of bytes, the least significant of each byte first. */
export class BitInput {
  readonly #bytes: ByteInput;
  #byte = 0;
  #left = 0;

  constructor(bytes: ByteInput) {
    this.#bytes = bytes;
  }

  bit(): number {
    if (this.#left === 0) {
      this.#byte = this.#bytes.u8();
      this.#left = 8;
    }
    const bit = this.#byte & 1;
    this.#byte >>= 1;
    this.#left--;
    return bit;
  }

  /** `count` bits, the least significant first. */
  bits(count: number): number {
    let value = 0;
    for (let bit = 0; bit < count; bit++) value += this.bit() * 2 ** bit;
    return value;
  }

  /** An Exp-Golomb code: k ≤ 11 zeros, a one, the k bits below the leading one, `order` low bits. */
  golomb(order: number): number {
    let k = 0;
    while (this.bit() === 0) {
      k++;
      if (k > 11) throw damage('an Exp-Golomb code out of range');
    }
    const high = 2 ** k + this.bits(k);
    return (high - 1) * 2 ** order + this.bits(order);
  }

  /** Ends the bits: what is left of the last byte has to be zeros. */
  end(): void {
    if (this.#byte !== 0) throw damage('padding that is not zero');
    this.#left = 0;
  }
}
