/**
 * Canonical msgpack: fixed-order arrays, shortest integers, no floats where an integer fits, no maps.
 * Decoding re-encodes and compares, so one value has exactly one byte string.
 */
import { decode, encode } from '@msgpack/msgpack';
import { CorruptError, FormatVersionError, LimitError } from '../errors.js';
import { BLOB_MEMORY_BYTES_MAX, NESTING_MAX } from '../limits.js';

export type Packed = null | boolean | number | string | Uint8Array | Packed[];

/** Canonical bytes of a value built of arrays, numbers, strings, bytes, booleans and null. */
export function encodeCanonical(value: Packed): Uint8Array {
  return encode(value, { ignoreUndefined: false, maxDepth: 100, initialBufferSize: 512 });
}

/** Bytes after the first of a value: of itself, or of the length that stands there. */
const FIXED_BYTES: Record<number, number> = {
  192: 0, // nil
  194: 0, // false
  195: 0, // true
  203: 8, // float64
  204: 1, // unsigned integers
  205: 2,
  206: 4,
  207: 8,
  208: 1, // signed integers
  209: 2,
  210: 4,
  211: 8,
};
const LENGTH_BYTES: Record<number, number> = { 196: 1, 197: 2, 198: 4, 217: 1, 218: 2, 219: 4 };

/** Bytes of memory charged for a value: its place in an array, and an array, text or bytes itself. */
const VALUE_CHARGE = 8;
const ARRAY_CHARGE = 32;
const TEXT_CHARGE = 24;
const BYTES_CHARGE = 96;

/**
 * Walks the headers before anything is decoded: the decoder allocates what an array header claims,
 * so all values still claimed must fit the bytes that remain, and nesting and memory are bounded: an
 * empty array is one byte here and dozens in memory.
 */
function checkClaims(bytes: Uint8Array, file: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const open = [1];
  let claimed = 1;
  let memory = 0;
  let at = 0;
  const fail = (what: string): CorruptError =>
    new CorruptError(`'${file}' is not canonical msgpack: ${what} at byte ${at}`, { file });
  const number = (length: number): number => {
    if (at + length > bytes.length) throw fail('it ends early');
    const value =
      length === 1 ? view.getUint8(at) : length === 2 ? view.getUint16(at) : view.getUint32(at);
    at += length;
    return value;
  };
  while (open.length > 0) {
    if (open.at(-1) === 0) {
      open.pop();
      continue;
    }
    (open[open.length - 1] as number)--;
    claimed--;
    memory += VALUE_CHARGE;
    const code = number(1);
    const lengthBytes = LENGTH_BYTES[code];
    if (code < 0x80 || code >= 0xe0) continue;
    if ((code & 0xf0) === 0x90 || code === 0xdc || code === 0xdd) {
      const count = code < 0xa0 ? code & 0x0f : number(code === 0xdc ? 2 : 4);
      claimed += count;
      memory += ARRAY_CHARGE;
      open.push(count);
      if (open.length > NESTING_MAX) throw fail('it is nested too deeply');
    } else if (code >= 0xa0 && code < 0xc0) {
      memory += TEXT_CHARGE + (code & 0x1f);
      at += code & 0x1f;
    } else if (lengthBytes !== undefined) {
      const length = number(lengthBytes); // moves `at` itself
      memory += (code < 0xd9 ? BYTES_CHARGE : TEXT_CHARGE) + length;
      at += length;
    } else if (FIXED_BYTES[code] !== undefined) at += FIXED_BYTES[code] as number;
    else throw fail(`it has the type 0x${code.toString(16)}`);
    if (claimed > bytes.length - at) throw fail('it claims more values than it has bytes');
    if (memory > BLOB_MEMORY_BYTES_MAX) {
      throw new LimitError(`'${file}' would take too much memory`, {
        file,
        limit: 'BLOB_MEMORY_BYTES_MAX',
        value: memory,
        max: BLOB_MEMORY_BYTES_MAX,
      });
    }
  }
}

/** @throws {CorruptError} if the bytes are no msgpack or not the canonical form of their value. */
export function decodeCanonical(bytes: Uint8Array, file: string): Packed {
  const value = decodeAnyForm(bytes, file);
  if (Buffer.compare(encodeCanonical(value), bytes) !== 0) {
    throw new CorruptError(`'${file}' is not in canonical form`, { file });
  }
  return value;
}

/** The value of bytes in canonical or any other form, to save what can be. @throws {CorruptError} */
export function decodeAnyForm(bytes: Uint8Array, file: string): Packed {
  checkClaims(bytes, file);
  try {
    return decode(bytes, {
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

  /**
   * The number of the form that the other values have, the first of all.
   * @throws {FormatVersionError} DLV_FORMAT_VERSION if it is a later one than `known`.
   */
  form(field: string, known: number): void {
    const form = this.count(field);
    if (form === known) return;
    if (form < known) this.#fail(field, String(known));
    throw new FormatVersionError(`'${this.file}' has ${field} ${form}, this dlv reads ${known}`, {
      file: this.file,
      found: form,
      readable: [known],
      hint: 'a newer dlv wrote it: upgrade dlv',
    });
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
