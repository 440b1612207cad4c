/**
 * Sketches of many extents, in groups of equal width and count, and their form in a file: what
 * catalog/sketches keeps of a pack set, so that the heads of its records are read once only.
 *
 *     file  := "DLVK" version:u8 group* crc:u32          crc: CRC-32 of all bytes before
 *     group := width:u8 count:varint rows:varint row*     row: sketch, 32 bytes of the extent's id
 *
 * @see docs/format/codec.md §sketch
 */
import { crc32 } from '../../../base/bytes/checksum.js';
import type { Id } from '../../../base/bytes/hash.js';
import { ByteReader } from '../../../base/bytes/reader.js';
import { ByteWriter } from '../../../base/bytes/writer.js';
import { CorruptError } from '../../../base/errors.js';
import { SEARCHED_EXTENT_BYTES, WIDTH_MAX } from '../../../base/limits.js';
import { sketchBytes } from '../../../pure/codec/sketch.js';

const MAGIC = 'DLVK';
const VERSION = 1;
const DIGEST_BYTES = 32;

/** Extents of one width and count: rows of a sketch and an id. */
export class SketchGroup {
  readonly width: number;
  readonly count: number;
  /** Bytes of a row; a sketch takes those before the last 32. */
  readonly stride: number;
  #bytes: Uint8Array;
  #rows: number;

  /** @param bytes  whole rows, kept and never changed. */
  constructor(width: number, count: number, bytes: Uint8Array = new Uint8Array(0)) {
    this.width = width;
    this.count = count;
    this.stride = sketchBytes(width, count) + DIGEST_BYTES;
    this.#bytes = bytes;
    this.#rows = bytes.length / this.stride;
  }

  add(id: Id, sketch: Uint8Array): void {
    const at = this.#rows * this.stride;
    if (at + this.stride > this.#bytes.length) {
      const more = new Uint8Array(Math.max(16 * this.stride, 2 * this.#bytes.length));
      more.set(this.#bytes);
      this.#bytes = more;
    }
    this.#bytes.set(sketch, at);
    this.#bytes.set(Buffer.from(id, 'hex'), at + sketch.length);
    this.#rows++;
  }

  get rows(): number {
    return this.#rows;
  }

  /** The bytes of all rows; not to be changed. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#rows * this.stride);
  }

  sketch(row: number): Uint8Array {
    const from = row * this.stride;
    return this.#bytes.subarray(from, from + this.stride - DIGEST_BYTES);
  }

  id(row: number): Id {
    const end = (row + 1) * this.stride;
    return Buffer.from(this.#bytes.subarray(end - DIGEST_BYTES, end)).toString('hex') as Id;
  }
}

/** Groups by width and count. */
export class SketchGroups {
  readonly #groups = new Map<string, SketchGroup>();

  /** Adds an extent; a short one, and one whose sketch is empty or of another length, is left out. */
  add(id: Id, width: number, count: number, sketch: Uint8Array): void {
    if (width * count < SEARCHED_EXTENT_BYTES) return;
    if (sketch.length === 0 || sketch.length !== sketchBytes(width, count)) return;
    const key = `${width}:${count}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new SketchGroup(width, count);
      this.#groups.set(key, group);
    }
    group.add(id, sketch);
  }

  get(width: number, count: number): SketchGroup | undefined {
    return this.#groups.get(`${width}:${count}`);
  }

  /** The bytes of a file. */
  encode(): Uint8Array {
    const writer = new ByteWriter();
    writer.raw(Buffer.from(MAGIC, 'latin1')).u8(VERSION);
    for (const { width, count, rows, bytes } of this.#groups.values()) {
      writer.u8(width).varint(count).varint(rows).raw(bytes);
    }
    const body = writer.finish();
    const sum = Buffer.alloc(4);
    sum.writeUInt32LE(crc32(body));
    return Buffer.concat([body, sum]);
  }

  /** Reads a file; keeps its bytes. @throws {CorruptError} {TruncatedError} */
  static decode(bytes: Uint8Array, file: string): SketchGroups {
    const end = Math.max(0, bytes.length - 4);
    const body = bytes.subarray(0, end);
    const reader = new ByteReader(bytes, file);
    reader.offset = end;
    if (reader.u32('crc') !== crc32(body)) {
      throw new CorruptError(`the checksum of '${file}' does not match`, { file });
    }
    const groups = new SketchGroups();
    const rows = new ByteReader(body, file);
    const magic = Buffer.from(rows.take(4, 'magic')).toString('latin1');
    if (magic !== MAGIC || rows.u8('version') !== VERSION) throw rows.corrupt('another version');
    while (rows.remaining > 0) {
      const width = rows.u8('width');
      if (width < 1 || width > WIDTH_MAX) throw rows.corrupt(`a width of ${width}`);
      const group = new SketchGroup(width, rows.varint('count'));
      const count = rows.varint('rows');
      if (count > rows.remaining / group.stride) throw rows.corrupt('more rows than bytes');
      const taken = rows.take(count * group.stride, 'rows');
      const full = new SketchGroup(width, group.count, taken);
      groups.#groups.set(`${width}:${group.count}`, full);
    }
    return groups;
  }
}
