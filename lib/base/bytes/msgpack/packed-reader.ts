/** Msgpack value by value: long lists are never in memory as a whole. */
import { CorruptError } from '../../errors.js';
import { DirectReader } from './direct.js';
import {
  checkClaims,
  decodeCanonical,
  decodeChecked,
  encodedLength,
  type Packed,
} from './msgpack.js';

/**
 * Reads one value, array by array. What is read may be in another form than the canonical one, but for what
 * `canonical` gives: whoever minds encodes it again and compares.
 */
export class PackedReader {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  readonly #direct: DirectReader;
  readonly #isChecked: boolean;
  #at = 0;

  /**
   * Checks that the counts of all arrays fit the bytes, and the memory that all values would take.
   * @param file  what errors name.
   * @param checked  'each': it is checked of each value when it is read, and the caller looks to the memory of all.
   * @throws {CorruptError} DLV_CORRUPT; {LimitError} {IoError} for more than fits in memory.
   */
  constructor(bytes: Uint8Array, file: string, checked: 'all' | 'each' = 'all') {
    if (checked === 'all') checkClaims(bytes, file);
    this.#isChecked = checked === 'all';
    this.#bytes = bytes;
    this.#file = file;
    this.#direct = new DirectReader(bytes);
  }

  /**
   * Enters the array that comes next. @returns how many values it has, which are to be read then.
   * @param count  that it has to have.
   * @throws {CorruptError} DLV_CORRUPT
   */
  array(field: string, count?: number): number {
    const { length } = this.#bytes;
    const code = this.#bytes[this.#at++];
    const sizeBytes = code === 0xdc ? 2 : code === 0xdd ? 4 : 0;
    const isArray = code !== undefined && (sizeBytes > 0 || (code & 0xf0) === 0x90);
    if (!isArray || this.#at + sizeBytes > length) this.#fail(`${field} is not an array`);
    let found = sizeBytes === 0 ? (code as number) & 0x0f : 0;
    for (const end = this.#at + sizeBytes; this.#at < end; this.#at++) {
      found = found * 256 + (this.#bytes[this.#at] as number);
    }
    if (count !== undefined && found !== count) this.#fail(`${field} has ${found} values`);
    return found;
  }

  /** The value that comes next, whole. @throws {CorruptError} DLV_CORRUPT */
  value(): Packed {
    const bytes = this.valueBytes();
    if (!this.#isChecked) checkClaims(bytes, this.#file);
    return decodeChecked(bytes, this.#file);
  }

  /** The bytes of the value that comes next, as a view. @throws {CorruptError} DLV_CORRUPT */
  valueBytes(): Uint8Array {
    const length = encodedLength(this.#bytes, this.#at, this.#file);
    const end = this.#at + length;
    if (length === 0 || end > this.#bytes.length) this.#fail('it ends early');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /**
   * The value that comes next, whole, and its bytes as a view.
   * @throws {CorruptError} DLV_CORRUPT, also if they are not its canonical form.
   */
  canonical(): { value: Packed; bytes: Uint8Array } {
    const value = this.#direct.read(this.#at);
    if (value === undefined) {
      const bytes = this.valueBytes();
      return { value: decodeCanonical(bytes, this.#file), bytes };
    }
    const bytes = this.#bytes.subarray(this.#at, this.#direct.end);
    this.#at = this.#direct.end;
    return { value, bytes };
  }

  /** Passes over a value whose bytes are known. @throws {CorruptError} DLV_CORRUPT if another one comes next. */
  pass(known: Uint8Array): void {
    const end = this.#at + known.length;
    if (Buffer.compare(this.#bytes.subarray(this.#at, end), known) !== 0) {
      this.#fail('another value was expected');
    }
    this.#at = end;
  }

  /** Where the value begins that comes next. */
  get at(): number {
    return this.#at;
  }

  /** Passes over a value that the caller has read and checked itself. @param end  where it ends. */
  passTo(end: number): void {
    this.#at = end;
  }

  /** @throws {CorruptError} DLV_CORRUPT if bytes are left over. */
  end(): void {
    if (this.#at !== this.#bytes.length) this.#fail('bytes are left over');
  }

  #fail(what: string): never {
    const message = `'${this.#file}' is damaged: ${what} at byte ${this.#at}`;
    throw new CorruptError(message, { file: this.#file, offset: this.#at });
  }
}
