import { CorruptError, FormatVersionError } from '../../errors.js';
import type { Packed } from './msgpack.js';

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
