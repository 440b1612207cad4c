/**
 * Canonical msgpack: fixed-order arrays, shortest integers, no floats where an integer fits, no maps.
 * One value has exactly one byte string, and any other is refused.
 *
 * Most values go the quick way of direct.ts; what it does not take is written and judged here.
 */
import { getHeapStatistics } from 'node:v8';
import { decode, encode } from '@msgpack/msgpack';
import { CorruptError, IoError, LimitError } from '../../errors.js';
import { BLOB_MEMORY_BYTES_MAX, LIST_ITEMS_MAX, NESTING_MAX } from '../../limits.js';
import { type Packed, readDirectly, writeDirectly } from './direct.js';

export type { Packed } from './direct.js';

/** Canonical bytes of a value built of arrays, numbers, strings, bytes, booleans and null. */
export function encodeCanonical(value: Packed): Uint8Array {
  return writeDirectly(value) ?? encodeGenerally(value);
}

function encodeGenerally(value: Packed): Uint8Array {
  return encode(value, { ignoreUndefined: false, maxDepth: 100, initialBufferSize: 512 });
}

/** Items of a long array that are in memory at once while it is encoded. */
const BATCH_ITEMS = 1024;

/**
 * Canonical bytes of an array of many items, in pieces: its items are made as they are encoded and
 * never all there.
 * @param count of `items`.
 */
export function* encodeLongArray(count: number, items: Iterable<Packed>): Generator<Uint8Array> {
  yield arrayHeader(count);
  let batch: Packed[] = [];
  // A copy: the memory of an encoder is up to twice as long as what it holds.
  const rest = (): Uint8Array => encodeCanonical(batch).slice(arrayHeader(batch.length).length);
  for (const item of items) {
    batch.push(item);
    if (batch.length < BATCH_ITEMS) continue;
    yield rest();
    batch = [];
  }
  yield rest();
}

/** The bytes that open an array of `count` items. */
export function arrayHeader(count: number): Uint8Array {
  if (count < 16) return Uint8Array.of(0x90 + count);
  const header = Buffer.alloc(count < 2 ** 16 ? 1 + 2 : 1 + 4);
  header[0] = header.length === 3 ? 0xdc : 0xdd;
  header.writeUIntBE(count, 1, header.length - 1);
  return header;
}

/** By the first byte of a value. */
function byCode(known: Record<number, number>, others: number): Uint8Array {
  const table = new Uint8Array(2 ** 8).fill(others);
  for (const [code, value] of Object.entries(known)) table[Number(code)] = value;
  return table;
}

/** A type that is not used. */
const UNKNOWN = 255;

/** Bytes after the first of a value: of itself, or of the length that is there. */
const FIXED_BYTES = byCode(
  {
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
  },
  UNKNOWN,
);
const LENGTH_BYTES = byCode({ 196: 1, 197: 2, 198: 4, 217: 1, 218: 2, 219: 4 }, 0);

/** Bytes of the length that follows the first byte of a value. */
function lengthBytesOf(code: number): number {
  return code === 0xdc ? 2 : code === 0xdd ? 4 : (LENGTH_BYTES[code] as number);
}

/** The bytes that precede `length` bytes of a binary value. */
export function binaryHeader(length: number): Uint8Array {
  if (length < 2 ** 8) return Uint8Array.of(0xc4, length);
  const header = Buffer.alloc(length < 2 ** 16 ? 1 + 2 : 1 + 4);
  header[0] = header.length === 3 ? 0xc5 : 0xc6;
  header.writeUIntBE(length, 1, header.length - 1);
  return header;
}

/**
 * Bytes of the encoded value at `start`, which may lie beyond the end.
 * @throws {CorruptError} for a type that is not used, or nested too deeply.
 */
export function encodedLength(bytes: Uint8Array, start: number, file: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  // Values that are still to come, of each array that is open.
  const open = [1];
  while (open.length > 0 && at < bytes.length) {
    const left = open.pop() as number;
    if (left > 1) open.push(left - 1);
    const code = view.getUint8(at++);
    const sizeBytes = lengthBytesOf(code);
    if (at + sizeBytes > bytes.length) return bytes.length + 1 - start;
    const size = sizeBytes === 0 ? 0 : readSize(view, at, sizeBytes);
    at += sizeBytes;
    if (code < 0x80 || code >= 0xe0) continue;
    if (code < 0xa0 || code === 0xdc || code === 0xdd) {
      const count = code < 0xa0 ? code & 0x0f : size;
      if (count > 0) open.push(count);
      if (open.length > NESTING_MAX) {
        throw new CorruptError(`'${file}' is nested too deeply`, { file, offset: at });
      }
    } else if (code < 0xc0) at += code & 0x1f;
    else if (sizeBytes > 0) at += size;
    else if (FIXED_BYTES[code] !== UNKNOWN) at += FIXED_BYTES[code] as number;
    else {
      throw new CorruptError(`'${file}' has the msgpack type 0x${code.toString(16)}`, { file });
    }
  }
  return open.length > 0 ? bytes.length + 1 - start : at - start;
}

function readSize(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  return bytes === 2 ? view.getUint16(at) : view.getUint32(at);
}

/** Bytes of memory charged for a value: its place in an array, and an array, text or bytes itself. */
const VALUE_CHARGE = 8;
const ARRAY_CHARGE = 32;
const TEXT_CHARGE = 24;
const BYTES_CHARGE = 96;

/** What is made of the values takes up to twice what is charged for them, beside them. */
const HEAP_SHARE = 1 / 6;

/** Memory that the values of one blob may take in this process. */
function heapShare(): number {
  return getHeapStatistics().heap_size_limit * HEAP_SHARE;
}

/**
 * Checks memory that values take which are read one by one.
 * @throws {LimitError} for more than any process may take; {IoError} for more than this one has.
 */
export function checkMemory(memory: number, file: string): void {
  if (memory > BLOB_MEMORY_BYTES_MAX || memory > heapShare()) throw tooLarge(file, memory);
}

/** An error of the blob, or, if only this process has too little memory, of the process. */
function tooLarge(file: string, memory: number): LimitError | IoError {
  if (memory <= BLOB_MEMORY_BYTES_MAX) {
    return new IoError(`cannot read '${file}': it takes more memory than this process has`, {
      file,
      errno: 'ENOMEM',
      hint: 'give Node more memory: NODE_OPTIONS=--max-old-space-size=8192',
    });
  }
  return new LimitError(`'${file}' would take too much memory`, {
    file,
    limit: 'BLOB_MEMORY_BYTES_MAX',
    value: memory,
    max: BLOB_MEMORY_BYTES_MAX,
  });
}

function tooLong(file: string, count: number): LimitError {
  return new LimitError(`'${file}' holds a list of ${count} values`, {
    file,
    limit: 'LIST_ITEMS_MAX',
    value: count,
    max: LIST_ITEMS_MAX,
  });
}

/**
 * Walks the headers before anything is decoded: the decoder allocates what an array header claims,
 * so all values still claimed must fit the bytes that remain, and nesting and memory are bounded: an
 * empty array is one byte here and dozens in memory.
 */
export function checkClaims(bytes: Uint8Array, file: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const heapMax = heapShare();
  /** Values that are still to come: of the innermost array, of those around it, of all. */
  let left = 1;
  const around: number[] = [];
  let claimed = 1;
  let memory = 0;
  /** Bytes of byte strings, which lie outside of the heap of JavaScript. */
  let outside = 0;
  let at = 0;
  for (;;) {
    if (left === 0) {
      if (around.length === 0) return;
      left = around.pop() as number;
      continue;
    }
    left--;
    claimed--;
    memory += VALUE_CHARGE;
    // Small numbers are charged too: a blob may hold nothing else.
    if (memory > BLOB_MEMORY_BYTES_MAX || memory - outside > heapMax) throw tooLarge(file, memory);
    if (at >= bytes.length) throw notCanonical(file, 'it ends early', at);
    const code = bytes[at++] as number;
    if (code < 0x80 || code >= 0xe0) continue;
    const lengthBytes = lengthBytesOf(code);
    if (at + lengthBytes > bytes.length) throw notCanonical(file, 'it ends early', at);
    const length = lengthBytes === 0 ? 0 : readSize(view, at, lengthBytes);
    at += lengthBytes;
    if ((code & 0xf0) === 0x90 || code === 0xdc || code === 0xdd) {
      const count = code < 0xa0 ? code & 0x0f : length;
      claimed += count;
      if (count > LIST_ITEMS_MAX && claimed <= bytes.length - at) throw tooLong(file, count);
      memory += ARRAY_CHARGE;
      around.push(left);
      left = count;
      if (around.length >= NESTING_MAX) throw notCanonical(file, 'it is nested too deeply', at);
    } else if (code >= 0xa0 && code < 0xc0) {
      memory += TEXT_CHARGE + (code & 0x1f);
      at += code & 0x1f;
    } else if (lengthBytes > 0) {
      memory += (code < 0xd9 ? BYTES_CHARGE : TEXT_CHARGE) + length;
      if (code < 0xd9) outside += length;
      at += length;
    } else if (FIXED_BYTES[code] !== UNKNOWN) at += FIXED_BYTES[code] as number;
    else throw notCanonical(file, `it has the type 0x${code.toString(16)}`, at);
    if (claimed > bytes.length - at) {
      throw notCanonical(file, 'it claims more values than it has bytes', at);
    }
  }
}

function notCanonical(file: string, what: string, at: number): CorruptError {
  return new CorruptError(`'${file}' is not canonical msgpack: ${what} at byte ${at}`, { file });
}

/** @throws {CorruptError} if the bytes are not msgpack or not the canonical form of their value. */
export function decodeCanonical(bytes: Uint8Array, file: string): Packed {
  const direct = readDirectly(bytes);
  if (direct !== undefined) return direct;
  const value = decodeAnyForm(bytes, file);
  if (Buffer.compare(encodeGenerally(value), bytes) !== 0) {
    throw new CorruptError(`'${file}' is not in canonical form`, { file });
  }
  return value;
}

/** The value of bytes in canonical or any other form, to save what can be. @throws {CorruptError} */
export function decodeAnyForm(bytes: Uint8Array, file: string): Packed {
  checkClaims(bytes, file);
  return decodeChecked(bytes, file);
}

/** The value of bytes that `checkClaims` has passed, or of a value in such bytes. @throws {CorruptError} */
export function decodeChecked(bytes: Uint8Array, file: string): Packed {
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
