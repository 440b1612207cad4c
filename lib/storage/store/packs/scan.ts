/**
 * Reads a pack set without its idx: every record from start to end, every checksum, every byte.
 *
 * What a scan finds is enough to build the idx again. Behind a damaged record it looks for the next
 * place where an undamaged one begins, so that one flipped bit costs one record.
 */

import { checkRange } from '../../../base/bytes/byte-source.js';
import { crc32 } from '../../../base/bytes/checksum.js';
import { isDamage } from '../../../base/errors.js';
import { isMissing } from '../../../base/files/files.js';
import type { Backend } from '../backends/backend.js';
import { FileWindow } from '../backends/file-window.js';
import { packName } from '../names.js';
import {
  type BlobRecord,
  PLANE_CLASSES,
  type PlaneClass,
  type Problem,
  type RecordSink,
  type SegmentRecord,
  type SetId,
} from '../types.js';
import { type DataSizes, IndexBuilder } from './index-rows.js';
import {
  BLOB_FIXED_BYTES,
  BLOB_MAGIC,
  blobRecordBytes,
  checkFileHeader,
  decodeBlobRecord,
  decodeSegmentHeader,
  FILE_HEADER_BYTES,
  SEGMENT_FIXED_BYTES,
  SEGMENT_MAGIC,
  type SegmentHeader,
  segmentRecordBytes,
} from './pack-format.js';

/** Bytes searched at once for the next magic. */
const SEARCH_BYTES = 1 << 20;
/** Bytes that a search may read in vain, beyond a few times the file: a hostile file may consist of magics. */
const SEARCH_SLACK_BYTES = 64 * 1024 * 1024;

/** Bytes that are read for a head, where the payloads behind it are not. */
const HEAD_READ_BYTES = 4096;

/** What one candidate costs at least, in bytes read. */
const CANDIDATE_BYTES = 64;

type DataClass = keyof DataSizes;
const DATA_CLASSES = ['blob', 'hi', 'mid', 'low'] as const;

/** True if an error says that bytes are damaged or that the device cannot give them. */
export function isUnreadable(error: unknown): error is Error {
  const errno = (error as { data?: { errno?: unknown } })?.data?.errno;
  return isDamage(error) || isMissing(error) || errno === 'EIO';
}

export interface ScanOptions {
  /** Gets every undamaged record that is here with all its planes. Its errors end the scan. */
  sink?: RecordSink | null;
  /** Classes of which there need be no file: nothing is said of their planes then. */
  absent?: readonly PlaneClass[];
  /** Reads no payloads of segments. */
  skipsPayloads?: boolean;
  /** Is told of records of which such planes are elsewhere. */
  onThin?(place: Pick<SegmentRecord, 'id' | 'segment' | 'base'>): void;
}

/** Scans the data files of one set. */
export class SetScanner {
  /** Rows of all records whose header is sound, also if a payload is not. */
  readonly builder = new IndexBuilder();
  readonly sizes: DataSizes = { blob: 0, hi: 0, mid: 0, low: 0 };
  /** Bytes of all records of segments, wherever they stand. */
  segmentBytes = 0;
  readonly #backend: Backend;
  readonly #id: SetId;
  readonly #sink: RecordSink | null;
  readonly #report: (problem: Problem) => void;
  readonly #windows: Record<DataClass, FileWindow>;
  /** Where the next payload of .mid and .low must start: nothing lies between them. */
  readonly #next = { mid: FILE_HEADER_BYTES, low: FILE_HEADER_BYTES };

  readonly #absent: readonly PlaneClass[];
  readonly #skipsPayloads: boolean;
  readonly #onThin: ScanOptions['onThin'];

  constructor(
    backend: Backend,
    id: SetId,
    report: (problem: Problem) => void,
    { sink = null, absent = [], skipsPayloads = false, onThin }: ScanOptions = {},
  ) {
    this.#backend = backend;
    this.#id = id;
    this.#report = report;
    this.#sink = sink;
    this.#absent = absent;
    this.#skipsPayloads = skipsPayloads;
    this.#onThin = onThin;
    const window = (name: DataClass) => this.#window(packName(id, name), 0);
    this.#windows = {
      blob: window('blob'),
      hi: window('hi'),
      mid: window('mid'),
      low: window('low'),
    };
  }

  #window(name: string, size: number): FileWindow {
    // A sink may keep what it gets.
    const ahead = this.#skipsPayloads && name.endsWith('.hi') ? HEAD_READ_BYTES : undefined;
    return new FileWindow(this.#backend, name, size, {
      recycles: this.#sink === null,
      ahead,
    });
  }

  /** Reads the whole set once. Memory: one record and the rows of the index. */
  async run(): Promise<void> {
    for (const fileClass of DATA_CLASSES) await this.#openFile(fileClass);
    await this.#walk('blob', BLOB_MAGIC, (offset) => this.#blob(offset));
    await this.#walk('hi', SEGMENT_MAGIC, (offset) => this.#segment(offset));
    for (const plane of ['mid', 'low'] as const) {
      // Payloads follow each other, so the records say what size a file has that is elsewhere.
      if (this.#isElsewhere(plane)) this.sizes[plane] = this.#sizeElsewhere(plane);
      else if (this.sizes[plane] > 0 && this.#next[plane] !== this.sizes[plane]) {
        const message = `'${packName(this.#id, plane)}' has bytes that no record names`;
        this.#problem('unused-bytes', plane, message, { offset: this.#next[plane] });
      }
    }
  }

  #isElsewhere(plane: PlaneClass): boolean {
    return this.#absent.includes(plane) && this.sizes[plane] === 0;
  }

  #sizeElsewhere(plane: 'mid' | 'low'): number {
    const end = this.#next[plane];
    return end === FILE_HEADER_BYTES ? 0 : end;
  }

  #problem(
    what: Problem['what'],
    fileClass: DataClass,
    message: string,
    more: Partial<Problem> = {},
  ): void {
    this.#report({ what, set: this.#id, file: packName(this.#id, fileClass), message, ...more });
  }

  async #openFile(fileClass: DataClass): Promise<void> {
    const name = packName(this.#id, fileClass);
    if (!(await this.#backend.exists(name))) return;
    const size = await this.#backend.size(name);
    this.sizes[fileClass] = size;
    this.#windows[fileClass] = this.#window(name, size);
    try {
      checkFileHeader(await this.#windows[fileClass].get(0, FILE_HEADER_BYTES), fileClass, name);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#problem('header', fileClass, error.message, { offset: 0 });
    }
  }

  /** Walks the records of a file. `take` keeps the record at an offset and gives the offset behind it. */
  async #walk(
    fileClass: 'blob' | 'hi',
    magic: string,
    take: (offset: number) => Promise<number>,
  ): Promise<void> {
    const { size, name } = this.#windows[fileClass];
    const search = { left: 4 * size + SEARCH_SLACK_BYTES };
    let offset = FILE_HEADER_BYTES;
    while (offset < size) {
      for (const plane of DATA_CLASSES) this.#windows[plane].release();
      try {
        offset = await take(offset);
      } catch (error) {
        if (!isUnreadable(error)) throw unwrap(error);
        const next = await this.#findRecord(fileClass, magic, offset + 1, search);
        const lost = `${error.message}; ${next - offset} bytes of '${name}' are lost`;
        this.#problem('record', fileClass, lost, { offset });
        offset = next;
      }
    }
  }

  /** Offset from `from` on where the header of a sound record begins, or the end of the file. */
  async #findRecord(
    fileClass: 'blob' | 'hi',
    magic: string,
    from: number,
    search: { left: number },
  ): Promise<number> {
    const { name, size } = this.#windows[fileClass];
    let at = from;
    while (at < size) {
      const length = Math.min(SEARCH_BYTES + magic.length - 1, size - at);
      const bytes = await this.#readForSearch(name, at, length);
      for (let i = bytes.indexOf(magic, 0, 'latin1'); i >= 0; ) {
        search.left -= CANDIDATE_BYTES;
        if (search.left < 0) return size;
        try {
          if (fileClass === 'blob') await this.#readBlob(at + i, search);
          else await this.#readHeader(at + i, search);
          return at + i;
        } catch (error) {
          if (!isUnreadable(error)) throw error;
        }
        i = bytes.indexOf(magic, i + 1, 'latin1');
      }
      at += SEARCH_BYTES;
    }
    return size;
  }

  /** Bytes to search in; what the device cannot give is zeros. */
  async #readForSearch(name: string, offset: number, length: number): Promise<Buffer> {
    try {
      const bytes = await this.#backend.read(name, offset, length);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return Buffer.alloc(length);
    }
  }

  async #readBlob(
    offset: number,
    search?: { left: number },
  ): Promise<{ record: BlobRecord; crc: number; length: number }> {
    const window = this.#windows.blob;
    const fixed = await window.get(offset, BLOB_FIXED_BYTES);
    const length = blobRecordBytes(fixed, window.name, offset);
    if (search) search.left -= length;
    const bytes = await window.get(offset, length);
    return { ...decodeBlobRecord(bytes, window.name, offset), length };
  }

  async #blob(offset: number): Promise<number> {
    const { record, crc, length } = await this.#readBlob(offset);
    const { id, kind, base, depth, rawBytes } = record;
    if (this.builder.hasBlob(id)) {
      this.#problem('unused-bytes', 'blob', `blob ${id} is there twice`, { offset, blob: id });
      return offset + length;
    }
    const place = { recordBytes: length, set: this.#id, offset, crc };
    this.builder.addBlob({ id, kind, base, depth, rawBytes, ...place });
    if (this.#sink) await this.#sink.addBlob(record).catch(wrap);
    return offset + length;
  }

  async #readHeader(
    offset: number,
    search?: { left: number },
  ): Promise<{ header: SegmentHeader; head: Uint8Array; headEnd: number; length: number }> {
    const window = this.#windows.hi;
    const fixed = await window.get(offset, SEGMENT_FIXED_BYTES);
    const lengths = segmentRecordBytes(fixed, window.name, offset);
    const headEnd = lengths.header + lengths.head;
    if (search) search.left -= headEnd;
    // The header is checked before its word on the length of the planes is believed.
    const bytes = await window.get(offset, headEnd);
    const decoded = decodeSegmentHeader(bytes, window.name, offset);
    if (this.#skipsPayloads) checkRange(window, offset, lengths.inHi);
    return { ...decoded, headEnd, length: lengths.inHi };
  }

  async #segment(offset: number): Promise<number> {
    const { header, head, headEnd, length } = await this.#readHeader(offset);
    const { bytes, crcs, crc, ...fields } = header;
    const { id, segment } = fields;
    const payloads = await this.#payloads(offset + headEnd, header);
    let isThin = false;
    this.segmentBytes += headEnd + bytes.hi + bytes.mid + bytes.low;
    const damaged = PLANE_CLASSES.filter((plane) => {
      if (this.#skipsPayloads) return false;
      if (!header.inline && bytes[plane] > 0 && this.#isElsewhere(plane)) {
        isThin = true;
        return false;
      }
      const payload = payloads[plane];
      return payload === null || crc32(payload) !== crcs[plane];
    });
    for (const plane of damaged) {
      const message = `the ${plane} planes of extent ${id}, segment ${segment}, are damaged`;
      const at = { offset: payloadOffset(header, plane, offset + headEnd) };
      const whose = { extent: id, segment, class: plane };
      this.#problem('payload', header.inline ? 'hi' : plane, message, { ...at, ...whose });
    }
    if (this.builder.hasSegment(id, segment)) {
      const message = `segment ${segment} of extent ${id} is there twice`;
      this.#problem('unused-bytes', 'hi', message, { offset, extent: id, segment });
      return offset + length;
    }
    this.builder.addSegment({
      ...fields,
      hiBytes: bytes.hi,
      midBytes: bytes.mid,
      lowBytes: bytes.low,
      set: this.#id,
      offset,
      crc,
    });
    if (isThin) this.#onThin?.({ id, segment, base: header.base });
    if (damaged.length === 0 && !isThin && this.#sink) {
      const { hi, mid, low } = payloads as Record<PlaneClass, Uint8Array>;
      const { segments, width, count, base, depth } = header;
      const record = { id, segment, segments, width, count, base, depth, head, hi, mid, low };
      await this.#sink.addSegment(record).catch(wrap);
    }
    return offset + length;
  }

  /** The three payloads; null for one that its file does not have. */
  async #payloads(
    hiOffset: number,
    header: SegmentHeader,
  ): Promise<Record<PlaneClass, Uint8Array | null>> {
    const found: Record<PlaneClass, Uint8Array | null> = { hi: null, mid: null, low: null };
    for (const plane of PLANE_CLASSES) {
      const fileClass = header.inline ? 'hi' : plane;
      const offset = payloadOffset(header, plane, hiOffset);
      const length = header.bytes[plane];
      if (plane !== 'hi' && !header.inline && length > 0) {
        if (offset !== this.#next[plane]) {
          const message = `payloads of '${packName(this.#id, plane)}' do not follow each other`;
          this.#problem('unused-bytes', plane, message, { offset: this.#next[plane] });
        }
        this.#next[plane] = offset + length;
      }
      if (this.#skipsPayloads) continue;
      try {
        found[plane] =
          length === 0 ? new Uint8Array(0) : await this.#windows[fileClass].get(offset, length);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
      }
    }
    return found;
  }
}

/** Where a payload starts in its file. @param hiOffset end of the record's head. */
function payloadOffset(header: SegmentHeader, plane: PlaneClass, hiOffset: number): number {
  if (plane === 'hi') return hiOffset;
  if (!header.inline) return plane === 'mid' ? header.midOffset : header.lowOffset;
  return hiOffset + header.bytes.hi + (plane === 'low' ? header.bytes.mid : 0);
}

/** An error of the sink, which must not pass for damage of the set that is read. */
class SinkError extends Error {}

function wrap(cause: unknown): never {
  throw new SinkError('the sink failed', { cause });
}

function unwrap(error: unknown): unknown {
  return error instanceof SinkError ? error.cause : error;
}
