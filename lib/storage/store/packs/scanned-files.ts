/** The data files of one pack set as a scan reads them: in order, in windows, trusting no length before it is checked. */
import { checkRange } from '../../../base/bytes/byte-source.js';
import { isDamage } from '../../../base/errors.js';
import { isMissing } from '../../../base/files/files.js';
import type { Backend } from '../backends/backend.js';
import { FileWindow } from '../backends/file-window.js';
import type { DataSizes } from '../indexes/index-rows.js';
import { packName } from '../names.js';
import type { BlobRecord, PlaneClass, SetId } from '../types.js';
import { BLOB_FIXED_BYTES, blobRecordBytes, decodeBlobRecord } from './blob-record.js';
import { checkFileHeader, FILE_HEADER_BYTES } from './pack-format.js';
import {
  decodeSegmentHeader,
  SEGMENT_FIXED_BYTES,
  type SegmentHeader,
  segmentRecordBytes,
} from './segment-record.js';

/** Bytes that are read for a head, where the payloads behind it are not. */
const HEAD_READ_BYTES = 4096;

export type DataClass = keyof DataSizes;
export const DATA_CLASSES = ['blob', 'hi', 'mid', 'low'] as const;

/** True if an error says that bytes are damaged or that the device cannot give them. */
export function isReadFailure(error: unknown): error is Error {
  const errno = (error as { data?: { errno?: unknown } })?.data?.errno;
  return isDamage(error) || isMissing(error) || errno === 'EIO';
}

/** Bytes that may still be read. */
export interface ReadBudget {
  left: number;
}

/** How a set is read. */
export interface ScannedFilesOptions {
  /** Whoever gets records keeps their memory. */
  readonly keepsRecords: boolean;
  /** Reads no payloads of segments. */
  readonly skipsPayloads: boolean;
}

export class ScannedFiles {
  readonly #backend: Backend;
  readonly #id: SetId;
  readonly #options: ScannedFilesOptions;
  readonly #windows: Record<DataClass, FileWindow>;

  constructor(backend: Backend, id: SetId, options: ScannedFilesOptions) {
    this.#backend = backend;
    this.#id = id;
    this.#options = options;
    const empty = (name: DataClass): FileWindow => this.#window(packName(id, name), 0);
    this.#windows = {
      blob: empty('blob'),
      hi: empty('hi'),
      mid: empty('mid'),
      low: empty('low'),
    };
  }

  #window(name: string, size: number): FileWindow {
    const { keepsRecords, skipsPayloads } = this.#options;
    const ahead = skipsPayloads && name.endsWith('.hi') ? HEAD_READ_BYTES : undefined;
    return new FileWindow(this.#backend, name, size, { recycles: !keepsRecords, ahead });
  }

  /** Opens a file. @returns its size; null if there is none. */
  async open(fileClass: DataClass): Promise<number | null> {
    const name = packName(this.#id, fileClass);
    if (!(await this.#backend.exists(name))) return null;
    const size = await this.#backend.size(name);
    this.#windows[fileClass] = this.#window(name, size);
    return size;
  }

  /** @throws {CorruptError} if the header of a file is wrong; its records can be read all the same. */
  async checkHeader(fileClass: DataClass): Promise<void> {
    const window = this.#windows[fileClass];
    checkFileHeader(await window.get(0, FILE_HEADER_BYTES), fileClass, window.name);
  }

  sizeOf(fileClass: DataClass): number {
    return this.#windows[fileClass].size;
  }

  /** Nobody looks at what was read so far. */
  release(): void {
    for (const fileClass of DATA_CLASSES) this.#windows[fileClass].release();
  }

  /** The blob at an offset, and the bytes of its record. @throws {CorruptError} if none is there. */
  async readBlob(
    offset: number,
    budget?: ReadBudget,
  ): Promise<{ record: BlobRecord; crc: number; length: number }> {
    const window = this.#windows.blob;
    const fixed = await window.get(offset, BLOB_FIXED_BYTES);
    const length = blobRecordBytes(fixed, window.name, offset);
    if (budget) budget.left -= length;
    const bytes = await window.get(offset, length);
    return { ...decodeBlobRecord(bytes, window.name, offset), length };
  }

  /** Header and head of the segment at an offset, and the bytes of its record in `.hi`. @throws {CorruptError} */
  async readHeader(
    offset: number,
    budget?: ReadBudget,
  ): Promise<{ header: SegmentHeader; head: Uint8Array; headEnd: number; length: number }> {
    const window = this.#windows.hi;
    const fixed = await window.get(offset, SEGMENT_FIXED_BYTES);
    const lengths = segmentRecordBytes(fixed, window.name, offset);
    const headEnd = lengths.header + lengths.head;
    if (budget) budget.left -= headEnd;
    // The header is checked before its word on the length of the planes is believed.
    const bytes = await window.get(offset, headEnd);
    const decoded = decodeSegmentHeader(bytes, window.name, offset);
    if (this.#options.skipsPayloads) checkRange(window, offset, lengths.inHi);
    return { ...decoded, headEnd, length: lengths.inHi };
  }

  /** @throws {CorruptError} if the file ends before. */
  async readPayload(fileClass: DataClass, offset: number, length: number): Promise<Uint8Array> {
    return length === 0 ? new Uint8Array(0) : this.#windows[fileClass].get(offset, length);
  }

  /** Bytes to search in; what the device cannot give is zeros. */
  async readForSearch(fileClass: DataClass, offset: number, length: number): Promise<Buffer> {
    try {
      const bytes = await this.#backend.read(packName(this.#id, fileClass), offset, length);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    } catch (error) {
      if (!isReadFailure(error)) throw error;
      return Buffer.alloc(length);
    }
  }
}

/** Where a payload starts in its file. @param hiOffset end of the record's head. */
export function payloadOffset(header: SegmentHeader, plane: PlaneClass, hiOffset: number): number {
  if (plane === 'hi') return hiOffset;
  if (!header.inline) return plane === 'mid' ? header.midOffset : header.lowOffset;
  return hiOffset + header.bytes.hi + (plane === 'low' ? header.bytes.mid : 0);
}
