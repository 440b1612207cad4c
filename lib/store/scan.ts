/**
 * Reads a pack set without its idx: every record from start to end, every checksum, every byte.
 *
 * What a scan finds is enough to build the idx again. After a damaged record it looks for the next
 * magic, so that one flipped bit costs one record.
 */
import { crc32 } from '../bytes/checksum.js';
import { isMissing } from '../bytes/files.js';
import { isDamage } from '../errors.js';
import type { Backend } from './backend.js';
import { type DataSizes, IndexBuilder } from './index-rows.js';
import {
  BLOB_FIXED_BYTES,
  BLOB_MAGIC,
  blobRecordBytes,
  checkFileHeader,
  decodeBlobRecord,
  decodeSegmentHeader,
  FILE_HEADER_BYTES,
  packName,
  SEGMENT_FIXED_BYTES,
  SEGMENT_MAGIC,
  segmentRecordBytes,
} from './pack-format.js';
import type { FileClass, PlaneClass, Problem, RecordSink, SetId } from './types.js';

const SEARCH_BYTES = 1 << 20;

/** Scans the data files of one set. */
export class SetScanner {
  readonly builder = new IndexBuilder();
  readonly sizes: DataSizes = { blob: 0, hi: 0, mid: 0, low: 0 };
  readonly #backend: Backend;
  readonly #id: SetId;
  readonly #sink: RecordSink | null;
  readonly #report: (problem: Problem) => void;
  /** Where the next payload of .mid and .low must start: nothing lies between them. */
  readonly #next = { mid: FILE_HEADER_BYTES, low: FILE_HEADER_BYTES };

  /** @param sink gets every undamaged record, or null. */
  constructor(
    backend: Backend,
    id: SetId,
    report: (problem: Problem) => void,
    sink: RecordSink | null = null,
  ) {
    this.#backend = backend;
    this.#id = id;
    this.#report = report;
    this.#sink = sink;
  }

  #problem(
    what: Problem['what'],
    fileClass: FileClass,
    message: string,
    more: Partial<Problem> = {},
  ): void {
    this.#report({ what, set: this.#id, file: packName(this.#id, fileClass), message, ...more });
  }

  async run(): Promise<void> {
    for (const fileClass of ['blob', 'hi', 'mid', 'low'] as const) await this.#openFile(fileClass);
    await this.#records('blob', BLOB_MAGIC, (offset) => this.#blob(offset));
    await this.#records('hi', SEGMENT_MAGIC, (offset) => this.#segment(offset));
    for (const plane of ['mid', 'low'] as const) {
      if (this.sizes[plane] > 0 && this.#next[plane] !== this.sizes[plane]) {
        const message = `'${packName(this.#id, plane)}' has bytes that no record names`;
        this.#problem('unused-bytes', plane, message, { offset: this.#next[plane] });
      }
    }
  }

  async #openFile(fileClass: Exclude<FileClass, 'idx'>): Promise<void> {
    const name = packName(this.#id, fileClass);
    if (!(await this.#backend.exists(name))) return;
    this.sizes[fileClass] = await this.#backend.size(name);
    try {
      checkFileHeader(await this.#backend.read(name, 0, FILE_HEADER_BYTES), fileClass, name);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#problem('header', fileClass, error.message, { offset: 0 });
    }
  }

  /** Walks the records of a file. `read` gives the offset behind a record or throws damage. */
  async #records(
    fileClass: 'blob' | 'hi',
    magic: string,
    read: (offset: number) => Promise<number>,
  ): Promise<void> {
    let offset = FILE_HEADER_BYTES;
    while (offset < this.sizes[fileClass]) {
      try {
        offset = await read(offset);
      } catch (error) {
        if (!isDamage(error)) throw error;
        this.#problem('record', fileClass, error.message, { offset });
        offset = await this.#findMagic(fileClass, magic, offset + 1);
      }
    }
  }

  /** Offset of the next magic from `from` on, or the end of the file. */
  async #findMagic(fileClass: 'blob' | 'hi', magic: string, from: number): Promise<number> {
    const name = packName(this.#id, fileClass);
    const end = this.sizes[fileClass];
    for (let at = from; at < end; at += SEARCH_BYTES) {
      const bytes = await this.#backend.read(
        name,
        at,
        Math.min(SEARCH_BYTES + magic.length - 1, end - at),
      );
      const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(
        magic,
        0,
        'latin1',
      );
      if (found >= 0) return at + found;
    }
    return end;
  }

  async #blob(offset: number): Promise<number> {
    const name = packName(this.#id, 'blob');
    const fixed = await this.#backend.read(name, offset, BLOB_FIXED_BYTES);
    const length = blobRecordBytes(fixed, name, offset);
    const { record, crc } = decodeBlobRecord(
      await this.#backend.read(name, offset, length),
      name,
      offset,
    );
    if (!this.builder.hasBlob(record.id)) {
      const { id, kind, base, depth, rawBytes } = record;
      this.builder.addBlob({
        id,
        kind,
        base,
        depth,
        rawBytes,
        recordBytes: length,
        set: this.#id,
        offset,
        crc,
      });
      await this.#sink?.addBlob(record);
    }
    return offset + length;
  }

  async #segment(offset: number): Promise<number> {
    const name = packName(this.#id, 'hi');
    const fixed = await this.#backend.read(name, offset, SEGMENT_FIXED_BYTES);
    const lengths = segmentRecordBytes(fixed, name, offset);
    const bytes = await this.#backend.read(name, offset, lengths.inHi);
    const headEnd = lengths.header + lengths.head;
    const { header, head } = decodeSegmentHeader(bytes.subarray(0, headEnd), name, offset);
    const { hi, mid, low } = header.bytes;
    const payloads = {
      hi: bytes.subarray(headEnd, headEnd + hi),
      mid: await this.#payload('mid', header, bytes.subarray(headEnd + hi, headEnd + hi + mid)),
      low: await this.#payload('low', header, bytes.subarray(headEnd + hi + mid)),
    };
    let intact = true;
    for (const plane of ['hi', 'mid', 'low'] as const) {
      const payload = payloads[plane];
      if (payload !== null && crc32(payload) === header.crcs[plane]) continue;
      intact = false;
      const fileClass: FileClass = header.inline ? 'hi' : plane;
      const message = `the ${plane} planes of extent ${header.id}, segment ${header.segment}, are damaged`;
      this.#problem('payload', fileClass, message, {
        extent: header.id,
        segment: header.segment,
        class: plane,
        offset,
      });
    }
    const { id, segment, segments, width, count, base, depth, inline, midOffset, lowOffset, crc } =
      header;
    if (!this.builder.hasSegment(id, segment)) {
      this.builder.addSegment({
        id,
        segment,
        segments,
        width,
        count,
        base,
        depth,
        headBytes: lengths.head,
        hiBytes: hi,
        midBytes: mid,
        lowBytes: low,
        set: this.#id,
        offset,
        inline,
        midOffset,
        lowOffset,
        crc,
      });
      if (intact && this.#sink) {
        const { hi: h, mid: m, low: l } = payloads as Record<PlaneClass, Uint8Array>;
        await this.#sink.addSegment({
          id,
          segment,
          segments,
          width,
          count,
          base,
          depth,
          head,
          hi: h,
          mid: m,
          low: l,
        });
      }
    }
    return offset + lengths.inHi;
  }

  /** A payload of .mid or .low, inline or apart; null if its file does not have it. */
  async #payload(
    plane: 'mid' | 'low',
    header: {
      inline: boolean;
      bytes: Record<PlaneClass, number>;
      midOffset: number;
      lowOffset: number;
    },
    inline: Uint8Array,
  ): Promise<Uint8Array | null> {
    const length = header.bytes[plane];
    if (header.inline || length === 0) return header.inline ? inline : new Uint8Array(0);
    const offset = plane === 'mid' ? header.midOffset : header.lowOffset;
    if (offset !== this.#next[plane]) {
      const message = `payloads of '${packName(this.#id, plane)}' do not follow each other`;
      this.#problem('unused-bytes', plane, message, { offset: this.#next[plane] });
    }
    this.#next[plane] = offset + length;
    try {
      return await this.#backend.read(packName(this.#id, plane), offset, length);
    } catch (error) {
      if (!isDamage(error) && !isMissing(error)) throw error;
      return null;
    }
  }
}
