/**
 * A scanner of the protobuf wire format that works on byte ranges of a file.
 *
 * It reads a window at a time and never what a caller skips, so a field of many GiB costs nothing.
 * It knows no schema: onnx-*.ts say which field is what. Groups (wire types 3 and 4) are refused;
 * no format read here uses them.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { assert, CorruptError, LimitError, TruncatedError } from '../../../base/errors.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';

/** Wire types of the encoding. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** One field of a message. */
export interface ProtoField {
  number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  wire: 0 | 1 | 2 | 5;
  /** First byte of the key. */
  keyStart: number;
  /** First byte of the payload: for a varint its first byte. */
  start: number;
  /** First byte behind the payload. */
  end: number;
}

/** Bytes read at a time: few after a skip, more and more while structure follows structure. */
const WINDOW_BYTES_MIN = 2 * 1024;
const WINDOW_BYTES_MAX = 64 * 1024;
/** A key and a length are at most 10 bytes each. */
const KEY_BYTES_MAX = 20;

/** A bigint and its place in an array. */
const BIGINT_BYTES = 32;

/** Positioned scanner over one protobuf file. Offsets are offsets of the file. */
export class ProtoScanner {
  readonly source: ByteSource;
  /** Granted what is read, charged for what is kept. */
  readonly budget: MemoryBudget;
  readonly #structureMax: number;
  readonly #signal: AbortSignal | undefined;
  #read = 0;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  #reach = WINDOW_BYTES_MIN;

  /** @param structureBytesMax keys, lengths, texts and small values that may be read in all. */
  constructor(source: ByteSource, structureBytesMax: number, signal?: AbortSignal) {
    this.source = source;
    this.budget = new MemoryBudget(source.name);
    this.#structureMax = structureBytesMax;
    this.#signal = signal;
  }

  /** An error about the byte at `offset`, to be thrown by the caller. */
  corrupt(offset: number, what: string): CorruptError {
    const file = this.source.name;
    return new CorruptError(`'${file}' is damaged at byte ${offset}: ${what}`, { file, offset });
  }

  /** Counts bytes of structure that are read. @throws {LimitError} above the bound. */
  #spend(bytes: number): void {
    this.#read += bytes;
    this.budget.grant(bytes);
    if (this.#read > this.#structureMax) {
      throw new LimitError(
        `'${this.source.name}' has more than ${this.#structureMax} bytes of structure`,
        { file: this.source.name, limit: 'structure bytes', max: this.#structureMax },
      );
    }
  }

  /** Counts memory that the caller keeps. @throws {LimitError} beyond what was read explains. */
  charge(bytes: number): void {
    this.budget.charge(bytes);
  }

  #holds(start: number, end: number): boolean {
    return start >= this.#windowStart && end <= this.#windowStart + this.#window.length;
  }

  async #load(start: number, limit: number): Promise<void> {
    throwIfAborted(this.#signal);
    const windowEnd = this.#windowStart + this.#window.length;
    const follows = start >= this.#windowStart && start <= windowEnd;
    this.#reach = follows ? Math.min(2 * this.#reach, WINDOW_BYTES_MAX) : WINDOW_BYTES_MIN;
    const length = Math.min(Math.max(this.#reach, limit - start), this.source.size - start);
    this.#window = await this.source.read(start, length);
    this.#windowStart = start;
  }

  /**
   * Calls `visit` for every field of the message in [start, end), in file order.
   * @throws {TruncatedError} if a field reaches beyond `end`, {CorruptError} on groups, field number
   *   0 or a varint of more than 10 bytes.
   */
  async fields(
    start: number,
    end: number,
    visit: (field: ProtoField) => Promise<void> | void,
  ): Promise<void> {
    if (end > this.source.size) throw this.#beyond(start, end, this.source.size);
    let at = start;
    while (at < end) {
      const near = Math.min(end, at + KEY_BYTES_MAX);
      if (!this.#holds(at, near)) await this.#load(at, near);
      const field = this.#field(at, end);
      this.#spend(field.start - at);
      const pending = visit(field);
      if (pending) await pending;
      at = field.end;
    }
  }

  #field(at: number, end: number): ProtoField {
    const key = this.#varint(at, end);
    const wire = key.low & 7;
    const number = Math.floor(key.value / 8);
    if (number === 0 || number >= 2 ** 29) throw this.corrupt(at, `field number ${number}`);
    let start = key.end;
    let length: number;
    if (wire === WIRE.varint) length = this.#varint(start, end).end - start;
    else if (wire === WIRE.fixed64) length = 8;
    else if (wire === WIRE.fixed32) length = 4;
    else if (wire === WIRE.bytes) {
      const size = this.#varint(start, end);
      length = size.value;
      start = size.end;
    } else throw this.corrupt(at, `wire type ${wire} (groups are not read)`);
    if (length > end - start) throw this.#beyond(start, start + length, end);
    return { number, wire, keyStart: at, start, end: start + length };
  }

  #beyond(start: number, wanted: number, end: number): TruncatedError {
    return new TruncatedError(
      `'${this.source.name}' is damaged at byte ${start}: a field of ${wanted - start} bytes, ` +
        `${end - start} are left`,
      {
        file: this.source.name,
        offset: start,
        neededBytes: wanted - start,
        gotBytes: end - start,
      },
    );
  }

  /** A varint in the window as an unsigned number: exact below 2^53, else only known to be larger. */
  #varint(at: number, end: number): { value: number; low: number; end: number } {
    let value = 0;
    let scale = 1;
    const limit = Math.min(end, at + 10);
    for (let i = at; i < limit; i++) {
      const byte = this.#window[i - this.#windowStart] as number;
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) {
        const low = this.#window[at - this.#windowStart] as number;
        return { value, low, end: i + 1 };
      }
    }
    if (end < at + 10) throw this.#beyond(at, at + 10, end);
    throw this.corrupt(at, 'a varint of more than 10 bytes');
  }

  /** @throws {CorruptError} unless the field has this wire type. */
  expect(field: ProtoField, wire: ProtoField['wire'], name: string): void {
    if (field.wire !== wire) {
      throw this.corrupt(field.keyStart, `${name} has wire type ${field.wire}, not ${wire}`);
    }
  }

  /** The value of an int64 varint field; call it in `visit` before anything else is read. */
  int64(field: ProtoField, name: string): bigint {
    this.expect(field, WIRE.varint, name);
    assert(this.#holds(field.start, field.end), 'a varint is read while its window is there');
    return readVarint(this.#window, field.start - this.#windowStart).value;
  }

  /** A varint field that must be a non-negative exact number. @throws {CorruptError} */
  count(field: ProtoField, name: string): number {
    return this.asCount(this.int64(field, name), field.start, name);
  }

  /** `value` as a non-negative exact number; `offset` is named in the error. @throws {CorruptError} */
  asCount(value: bigint, offset: number, name: string): number {
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw this.corrupt(offset, `${name} is ${value}`);
    }
    return Number(value);
  }

  /** Payload bytes, in memory of the caller's own. @throws {LimitError} above `max`. */
  async bytes(field: ProtoField, max: number, name: string): Promise<Uint8Array> {
    const length = field.end - field.start;
    if (length > max) {
      throw new LimitError(`'${this.source.name}': ${name} has ${length} bytes, more than ${max}`, {
        file: this.source.name,
        offset: field.start,
        limit: name,
        value: length,
        max,
      });
    }
    this.#spend(length);
    if (!this.#holds(field.start, field.end)) {
      if (length > WINDOW_BYTES_MAX) return this.source.read(field.start, length);
      await this.#load(field.start, field.end);
    }
    const from = field.start - this.#windowStart;
    // A copy: the slice of a Buffer would keep the whole window alive.
    return new Uint8Array(this.#window.subarray(from, from + length));
  }

  /** Payload as UTF-8; malformed bytes become U+FFFD. */
  async text(field: ProtoField, max: number, name: string): Promise<string> {
    this.expect(field, WIRE.bytes, name);
    const text = Buffer.from(await this.bytes(field, max, name)).toString('utf8');
    this.charge(CHARGES.text + 2 * text.length);
    return text;
  }

  /** Appends the value or the packed values of a repeated int64 field. @throws {LimitError} above `max`. */
  async appendInts(target: bigint[], field: ProtoField, max: number, name: string): Promise<void> {
    if (field.wire === WIRE.varint) {
      this.charge(BIGINT_BYTES);
      target.push(this.int64(field, name));
    } else {
      this.expect(field, WIRE.bytes, name);
      const packed = await this.bytes(field, max * 10, name);
      for (let at = 0; at < packed.length; ) {
        const { value, end } = readVarint(packed, at);
        if (end > packed.length || end - at > 10) {
          throw this.corrupt(field.start + at, `${name} has a varint that does not end`);
        }
        this.charge(BIGINT_BYTES);
        target.push(value);
        at = end;
        if (target.length > max) break;
      }
    }
    if (target.length > max) {
      throw new LimitError(`'${this.source.name}': ${name} has more than ${max} values`, {
        file: this.source.name,
        offset: field.start,
        limit: name,
        max,
      });
    }
  }
}

/** Reads a varint as a signed 64-bit number; `end` lies beyond the array if it does not stop inside. */
function readVarint(bytes: Uint8Array, at: number): { value: bigint; end: number } {
  let low = 0;
  let scale = 1;
  let i = at;
  // The common case of up to 7 groups stays within exact doubles.
  for (; i < at + 7 && i < bytes.length; i++) {
    const byte = bytes[i] as number;
    low += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) return { value: BigInt(low), end: i + 1 };
  }
  let value = BigInt(low);
  for (let shift = 49n; i < bytes.length && i < at + 10; i++, shift += 7n) {
    const byte = bytes[i] as number;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value: BigInt.asIntN(64, value), end: i + 1 };
  }
  return { value, end: i >= bytes.length ? bytes.length + 1 : at + 11 };
}

/** A number where it is exact, else the bigint. */
export function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
