/**
 * Canonical msgpack: fixed-order arrays, shortest integers, no floats where an integer fits, no maps.
 * Decoding re-encodes and compares, so one value has exactly one byte string (OBJECTS.md §1).
 */
import { decode, encode } from '@msgpack/msgpack';
import { CorruptError } from '../errors.js';

export type Packed = null | boolean | number | string | Uint8Array | Packed[];

/** Canonical bytes of a value built of arrays, numbers, strings, bytes, booleans and null. */
export function encodeCanonical(value: Packed): Uint8Array {
  return encode(value, { ignoreUndefined: false, maxDepth: 100, initialBufferSize: 512 });
}

/** @throws {CorruptError} if the bytes are no msgpack or not the canonical form of their value. */
export function decodeCanonical(bytes: Uint8Array, file: string): Packed {
  let value: Packed;
  try {
    value = decode(bytes, {
      maxStrLength: bytes.length,
      maxBinLength: bytes.length,
      maxArrayLength: bytes.length,
      maxMapLength: 0,
      maxExtLength: 0,
    }) as Packed;
  } catch (error) {
    throw new CorruptError(`'${file}' is not canonical msgpack: ${(error as Error).message}`, {
      file,
    });
  }
  if (Buffer.compare(encodeCanonical(value), bytes) !== 0) {
    throw new CorruptError(`'${file}' is not in canonical form`, { file });
  }
  return value;
}

/** Typed access to a decoded array; every mismatch is one CorruptError that names the field. */
export class Fields {
  readonly items: Packed[];
  readonly file: string;
  #next = 0;

  constructor(value: Packed, file: string, length?: number) {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
      throw new CorruptError(`'${file}' does not hold the expected array`, { file });
    }
    this.items = value;
    this.file = file;
  }

  #fail(field: string, expected: string): never {
    throw new CorruptError(`'${this.file}': ${field} is not ${expected}`, {
      file: this.file,
      field,
    });
  }

  /** The next raw value. */
  any(field: string): Packed {
    if (this.#next >= this.items.length) this.#fail(field, 'present');
    return this.items[this.#next++] as Packed;
  }

  string(field: string): string {
    const value = this.any(field);
    return typeof value === 'string' ? value : this.#fail(field, 'a string');
  }

  optionalString(field: string): string | null {
    const value = this.any(field);
    return value === null || typeof value === 'string'
      ? value
      : this.#fail(field, 'a string or null');
  }

  /** A non-negative safe integer, at most `max`. */
  count(field: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.any(field);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
      this.#fail(field, `an integer of 0…${max}`);
    }
    return value;
  }

  integer(field: string): number {
    const value = this.any(field);
    return typeof value === 'number' && Number.isSafeInteger(value)
      ? value
      : this.#fail(field, 'an integer');
  }

  number(field: string): number {
    const value = this.any(field);
    return typeof value === 'number' ? value : this.#fail(field, 'a number');
  }

  boolean(field: string): boolean {
    const value = this.any(field);
    return typeof value === 'boolean' ? value : this.#fail(field, 'a boolean');
  }

  bytes(field: string, length?: number): Uint8Array {
    const value = this.any(field);
    if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) {
      this.#fail(field, length === undefined ? 'bytes' : `${length} bytes`);
    }
    return value;
  }

  array(field: string): Packed[] {
    const value = this.any(field);
    return Array.isArray(value) ? value : this.#fail(field, 'an array');
  }

  /** @throws {CorruptError} if values are left over. */
  end(): void {
    if (this.#next !== this.items.length) this.#fail('the array', `of ${this.#next} values`);
  }
}
