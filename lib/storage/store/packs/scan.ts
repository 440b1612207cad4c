/**
 * Reads a pack set without its idx: every record from start to end, every checksum, every byte.
 *
 * What a scan finds is enough to build the idx again. Behind a damaged record it looks for the next
 * place where an undamaged one begins, so that one flipped bit costs one record.
 */

import { crc32 } from '../../../base/bytes/checksum.js';
import type { Backend } from '../backends/backend.js';
import { IndexBuilder } from '../indexes/index-builder.js';
import type { DataSizes } from '../indexes/index-rows.js';
import { packName } from '../names.js';
import {
  PLANE_CLASSES,
  type PlaneClass,
  type Problem,
  type RecordSink,
  type SegmentRecord,
  type SetId,
} from '../types.js';
import { findRecord, searchBudget } from './find-record.js';
import { FILE_HEADER_BYTES } from './pack-format.js';
import {
  DATA_CLASSES,
  type DataClass,
  isReadFailure,
  payloadOffset,
  ScannedFiles,
} from './scanned-files.js';
import type { SegmentHeader } from './segment-record.js';

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
  readonly #id: SetId;
  readonly #sink: RecordSink | null;
  readonly #report: (problem: Problem) => void;
  readonly #files: ScannedFiles;
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
    this.#id = id;
    this.#report = report;
    this.#sink = sink;
    this.#absent = absent;
    this.#skipsPayloads = skipsPayloads;
    this.#onThin = onThin;
    this.#files = new ScannedFiles(backend, id, { keepsRecords: sink !== null, skipsPayloads });
  }

  /** Reads the whole set once. Memory: one record and the rows of the index. */
  async run(): Promise<void> {
    for (const fileClass of DATA_CLASSES) await this.#openFile(fileClass);
    await this.#walk('blob', (offset) => this.#blob(offset));
    await this.#walk('hi', (offset) => this.#segment(offset));
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
    const size = await this.#files.open(fileClass);
    if (size === null) return;
    this.sizes[fileClass] = size;
    try {
      await this.#files.checkHeader(fileClass);
    } catch (error) {
      if (!isReadFailure(error)) throw error;
      this.#problem('header', fileClass, error.message, { offset: 0 });
    }
  }

  /** Walks the records of a file. `take` keeps the record at an offset and gives the offset behind it. */
  async #walk(fileClass: 'blob' | 'hi', take: (offset: number) => Promise<number>): Promise<void> {
    const name = packName(this.#id, fileClass);
    const size = this.sizes[fileClass];
    const budget = searchBudget(size);
    let offset = FILE_HEADER_BYTES;
    while (offset < size) {
      this.#files.release();
      try {
        offset = await take(offset);
      } catch (error) {
        if (!isReadFailure(error)) throw unwrap(error);
        const next = await findRecord(this.#files, fileClass, offset + 1, budget);
        const lost = `${error.message}; ${next - offset} bytes of '${name}' are lost`;
        this.#problem('record', fileClass, lost, { offset });
        offset = next;
      }
    }
  }

  async #blob(offset: number): Promise<number> {
    const { record, crc, length } = await this.#files.readBlob(offset);
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

  async #segment(offset: number): Promise<number> {
    const { header, head, headEnd, length } = await this.#files.readHeader(offset);
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
        found[plane] = await this.#files.readPayload(fileClass, offset, length);
      } catch (error) {
        if (!isReadFailure(error)) throw error;
      }
    }
    return found;
  }
}

/** An error of the sink, which must not pass for damage of the set that is read. */
class SinkError extends Error {}

function wrap(cause: unknown): never {
  throw new SinkError('the sink failed', { cause });
}

function unwrap(error: unknown): unknown {
  return error instanceof SinkError ? error.cause : error;
}
