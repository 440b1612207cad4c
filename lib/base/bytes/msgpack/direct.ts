/**
 * The quick way of canonical msgpack: values that every blob is made of are written and read directly, and a form
 * that is not the canonical one is seen while it is read, so that nothing is encoded again to compare.
 *
 * What it does not know (text with half of a surrogate pair, values that take much memory, damage of any kind) it gives
 * back to msgpack.ts, which has the last word and the errors. Both ways agree on all bytes; a test compares them.
 */
import { NESTING_MAX } from '../../limits.js';

export type Packed = null | boolean | number | string | Uint8Array | Packed[];

/** Thrown where the general way has to decide; never leaves this file. */
const NOT_DIRECT = { name: 'not direct' };

const VALUE_CHARGE = 8;
const OBJECT_CHARGE = 96;
/** Memory that values may take here, by the charges above; more is weighed against what the process has. */
const MEMORY_MAX = 8 * 1024 * 1024;

/** Text up to this length is checked and copied unit by unit: a call out of JavaScript takes longer. */
const SHORT_TEXT = 24;

const MAX_UINT32 = 0xffff_ffff;
/** The general way knows what becomes of half a pair. */
const SURROGATE = /[\ud800-\udfff]/;

/** Reads values out of bytes, each by itself. */
export class DirectReader {
  readonly #bytes: Uint8Array;
  readonly #text: Buffer;
  readonly #view: DataView;
  #memory = 0;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Where the value ends that was read last. */
  get end(): number {
    return this.#at;
  }

  /** The value whose canonical form begins at `start`, or undefined if the general way has to decide. */
  read(start: number): Packed | undefined {
    this.#at = start;
    this.#memory = 0;
    try {
      return this.#value(0);
    } catch (error) {
      return unlessNotDirect(error);
    }
  }

  #charge(memory: number): void {
    this.#memory += memory;
    if (this.#memory > MEMORY_MAX) throw NOT_DIRECT;
  }

  /** Passes over `count` bytes. @returns where they begin. */
  #take(count: number): number {
    const start = this.#at;
    if (count > this.#bytes.length - start) throw NOT_DIRECT;
    this.#at += count;
    return start;
  }

  /** A number of `count` bytes that would not fit in a shorter form. */
  #size(count: 1 | 2 | 4, least: number): number {
    const at = this.#take(count);
    const size =
      count === 1
        ? this.#view.getUint8(at)
        : count === 2
          ? this.#view.getUint16(at)
          : this.#view.getUint32(at);
    if (size < least) throw NOT_DIRECT;
    return size;
  }

  #value(depth: number): Packed {
    this.#charge(VALUE_CHARGE);
    const code = this.#bytes[this.#take(1)] as number;
    if (code < 0x80) return code;
    if (code >= 0xe0) return code - 0x100;
    if (code >= 0xa0 && code < 0xc0) return this.#string(code & 0x1f);
    if (code >= 0x90 && code < 0xa0) return this.#array(code & 0x0f, depth);
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#size(1, 0));
      case 0xc5:
        return this.#binary(this.#size(2, 0x100));
      case 0xc6:
        return this.#binary(this.#size(4, 0x1_0000));
      case 0xd9:
        return this.#string(this.#size(1, 0x20));
      case 0xda:
        return this.#string(this.#size(2, 0x100));
      case 0xdb:
        return this.#string(this.#size(4, 0x1_0000));
      case 0xdc:
        return this.#array(this.#size(2, 0x10), depth);
      case 0xdd:
        return this.#array(this.#size(4, 0x1_0000), depth);
      default:
        return this.#number(code);
    }
  }

  #number(code: number): number {
    switch (code) {
      case 0xcc:
        return this.#size(1, 0x80);
      case 0xcd:
        return this.#size(2, 0x100);
      case 0xce:
        return this.#size(4, 0x1_0000);
      case 0xcf: {
        const value = Number(this.#view.getBigUint64(this.#take(8)));
        if (!Number.isSafeInteger(value) || value <= MAX_UINT32) throw NOT_DIRECT;
        return value;
      }
      default:
        throw NOT_DIRECT; // numbers below -32 and fractions are few
    }
  }

  #array(count: number, depth: number): Packed[] {
    if (depth + 1 >= NESTING_MAX || count > this.#bytes.length - this.#at) throw NOT_DIRECT;
    this.#charge(OBJECT_CHARGE);
    const items: Packed[] = [];
    for (let i = 0; i < count; i++) items.push(this.#value(depth + 1));
    return items;
  }

  #binary(length: number): Uint8Array {
    this.#charge(OBJECT_CHARGE + length);
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #string(length: number): string {
    this.#charge(OBJECT_CHARGE + length);
    const start = this.#take(length);
    const end = this.#at;
    let isAscii = true;
    for (let i = start; isAscii && i < end; i++) isAscii = (this.#bytes[i] as number) < 0x80;
    if (!isAscii) {
      const text = this.#text.toString('utf8', start, end);
      const isSame = Buffer.from(text).compare(this.#text, start, end) === 0;
      // The general way takes a mark of byte order for none of the text.
      if (!isSame || text.startsWith('\ufeff')) throw NOT_DIRECT;
      return text;
    }
    if (length > SHORT_TEXT) return this.#text.toString('latin1', start, end);
    let text = '';
    for (let i = start; i < end; i++) text += String.fromCharCode(this.#bytes[i] as number);
    return text;
  }
}

function unlessNotDirect(error: unknown): undefined {
  if (error === NOT_DIRECT) return undefined;
  throw error;
}

/** The value that `bytes` are the canonical form of, or undefined if the general way has to decide. */
export function readDirectly(bytes: Uint8Array): Packed | undefined {
  const reader = new DirectReader(bytes);
  const value = reader.read(0);
  return reader.end === bytes.length ? value : undefined;
}

/** Memory that values are written to before they are copied. */
const SCRATCH_BYTES = 64 * 1024;
/** Larger memory is not kept for the next value. */
const KEPT_SCRATCH_BYTES = 1024 * 1024;
/** Bytes of a number or of the header of another value, at most. */
const HEADER_BYTES = 9;
/** Bytes of UTF-8 that a unit of UTF-16 takes at most. */
const UNIT_BYTES = 3;

let scratch = Buffer.alloc(0);

class DirectWriter {
  #bytes = scratch.length > 0 ? scratch : Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #at = 0;

  #reserve(count: number): void {
    const { length } = this.#bytes;
    if (this.#at + count <= length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(length * 2, this.#at + count));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  /** A copy of what was written; its memory is used for the next value. */
  finish(): Uint8Array {
    if (this.#bytes.length <= KEPT_SCRATCH_BYTES) scratch = this.#bytes;
    const copy = new Uint8Array(this.#at);
    copy.set(this.#bytes.subarray(0, this.#at));
    return copy;
  }

  /** Writes a code, or the next one or two, and a size behind it. @param first  code of sizes of one byte, -1: none. */
  #header(first: number, second: number, size: number): void {
    if (first >= 0 && size < 0x100) {
      this.#bytes[this.#at++] = first;
      this.#bytes[this.#at++] = size;
    } else if (size < 0x1_0000) {
      this.#bytes[this.#at++] = second;
      this.#at = this.#bytes.writeUInt16BE(size, this.#at);
    } else {
      this.#bytes[this.#at++] = second + 1;
      this.#at = this.#bytes.writeUInt32BE(size, this.#at);
    }
  }

  value(value: Packed, depth: number): void {
    this.#reserve(HEADER_BYTES);
    if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#string(value);
    else if (value === null) this.#bytes[this.#at++] = 0xc0;
    else if (typeof value === 'boolean') this.#bytes[this.#at++] = value ? 0xc3 : 0xc2;
    else if (Array.isArray(value)) this.#array(value, depth);
    else if (value instanceof Uint8Array) {
      this.#header(0xc4, 0xc5, value.length);
      this.#reserve(value.length);
      this.#bytes.set(value, this.#at);
      this.#at += value.length;
    } else throw NOT_DIRECT;
  }

  #array(items: readonly Packed[], depth: number): void {
    if (depth + 1 >= NESTING_MAX) throw NOT_DIRECT;
    if (items.length < 0x10) this.#bytes[this.#at++] = 0x90 + items.length;
    else this.#header(-1, 0xdc, items.length);
    for (let i = 0; i < items.length; i++) this.value(items[i] as Packed, depth + 1);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || value < -0x20) throw NOT_DIRECT;
    if (value < 0x80) this.#bytes[this.#at++] = value & 0xff;
    else if (value <= MAX_UINT32) this.#integer(value);
    else {
      this.#bytes[this.#at++] = 0xcf;
      this.#at = this.#bytes.writeBigUInt64BE(BigInt(value), this.#at);
    }
  }

  #integer(value: number): void {
    if (value < 0x1_0000) this.#header(0xcc, 0xcd, value);
    else this.#header(-1, 0xcd, value);
  }

  #string(text: string): void {
    const { length } = text;
    this.#reserve(HEADER_BYTES + length * UNIT_BYTES);
    if (length <= SHORT_TEXT && this.#shortAscii(text)) return;
    if (SURROGATE.test(text)) throw NOT_DIRECT;
    const size = Buffer.byteLength(text);
    if (size < 0x20) this.#bytes[this.#at++] = 0xa0 + size;
    else this.#header(0xd9, 0xda, size);
    this.#at += this.#bytes.write(text, this.#at);
  }

  #shortAscii(text: string): boolean {
    const start = this.#at;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) return false;
      this.#bytes[start + 1 + i] = unit;
    }
    this.#bytes[start] = 0xa0 + text.length;
    this.#at += 1 + text.length;
    return true;
  }
}

/** The canonical form of a value, or undefined if the general way has to make it. */
export function writeDirectly(value: Packed): Uint8Array | undefined {
  try {
    const writer = new DirectWriter();
    writer.value(value, 0);
    return writer.finish();
  } catch (error) {
    return unlessNotDirect(error);
  }
}
