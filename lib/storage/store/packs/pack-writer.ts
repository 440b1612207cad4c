/**
 * Writes one pack set into tmp/: appends records, keeps the rows of its index, reads back what it has.
 *
 * Segments wait in memory until they pass SMALL_SET_BYTES: a set that ends before puts all plane
 * classes into `.hi`. After a failed write the writer refuses further use; abort removes its files.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { maxOf } from '../../../base/bytes/many.js';
import { assert } from '../../../base/errors.js';
import { PACK_BYTES_TARGET, SET_RECORDS_TARGET, SMALL_SET_BYTES } from '../../../base/limits.js';
import type { Backend } from '../backends/backend.js';
import { IndexBuilder } from '../indexes/index-builder.js';
import { type DataSizes, decodeBlobRow, decodeSegmentRow } from '../indexes/index-rows.js';
import { lendPayloads } from '../lend-payloads.js';
import {
  type AbsentPlanes,
  type BlobRecord,
  type FileClass,
  type LentPayloads,
  PLANE_CLASSES,
  type PlaneClass,
  type RecordSink,
  type SealedSet,
  type SegmentEntry,
  type SegmentRecord,
  segmentHeaderBytes,
  UNNAMED_SET,
  type UnnamedSegment,
} from '../types.js';
import { encodeBlobHeader } from './blob-record.js';
import { FILE_HEADER_BYTES } from './pack-format.js';
import {
  readBlobAt,
  readSegmentAt,
  readSegmentHeadAt,
  type SegmentHeadAt,
} from './read-records.js';
import { encodeSegmentHeader, segmentEntry, sizesOf } from './segment-record.js';
import { SetFiles } from './set-files.js';
import { type UnnamedRecord, UnnamedRecords } from './unnamed-records.js';
import { WaitingSegments } from './waiting-segments.js';
import { WriteQueue } from './write-queue.js';

/** Places are not checked while files still grow. */
const ANY_SIZE: DataSizes = { blob: 2 ** 52, hi: 2 ** 52, mid: 2 ** 52, low: 2 ** 52 };

/** A header is joined with planes behind it of less than this, to be written at once. */
const JOINED_BYTES_MAX = 64 * 1024;

export interface PackSetWriterOptions {
  /** Bytes of planes from which the classes get files of their own; default SMALL_SET_BYTES. */
  smallSetBytes?: number;
  /** Bytes of its largest file from which a set is full; default PACK_BYTES_TARGET. */
  fullBytes?: number;
  /** Classes that get no file: records name their length and checksum. */
  absent?: readonly PlaneClass[];
}

export class PackSetWriter implements RecordSink {
  readonly #backend: Backend;
  readonly #fullBytes: number;
  readonly #files: SetFiles;
  readonly #index = new IndexBuilder();
  readonly #queue = new WriteQueue();
  /** Segments of a set that is still small; null once the classes have files of their own. */
  #waiting: WaitingSegments | null;
  readonly #absent: readonly PlaneClass[];
  /** Sizes that the files of absent classes have where they are. */
  readonly #elsewhere = { mid: 0, low: 0 };
  readonly #unnamed = new UnnamedRecords();

  private constructor(backend: Backend, dir: string, options: PackSetWriterOptions) {
    this.#backend = backend;
    this.#files = new SetFiles(backend, dir);
    this.#fullBytes = options.fullBytes ?? PACK_BYTES_TARGET;
    this.#absent = options.absent ?? [];
    const smallSetBytes = options.smallSetBytes ?? SMALL_SET_BYTES;
    this.#waiting = this.#absent.length > 0 ? null : new WaitingSegments(smallSetBytes);
  }

  /** @param tmpDir folder of its own for the files, relative to the backend; made at the first record. */
  static async create(
    backend: Backend,
    tmpDir: string,
    options: PackSetWriterOptions = {},
  ): Promise<PackSetWriter> {
    return new PackSetWriter(backend, tmpDir, options);
  }

  /** Adds a blob; one that this set already holds is ignored. Calls may overlap: they queue. */
  addBlob(record: BlobRecord): Promise<void> {
    return this.#queue.run(async () => {
      if (this.#index.hasBlob(record.id)) return;
      const header = encodeBlobHeader(record);
      const file = await this.#files.of('blob');
      const offset = file.offset;
      await file.write(Buffer.concat([header.bytes, record.payload]));
      this.#index.addBlob({
        id: record.id,
        kind: record.kind,
        base: record.base,
        depth: record.depth,
        rawBytes: record.rawBytes,
        recordBytes: header.bytes.length + record.payload.length,
        set: UNNAMED_SET,
        offset,
        crc: header.crc,
      });
    });
  }

  /** Adds a segment; one that this set already holds is ignored. Its buffers
   *  may be written over afterwards. */
  addSegment(record: SegmentRecord, absent: AbsentPlanes = {}): Promise<void> {
    return this.#queue.run(async () => {
      if (this.hasSegment(record.id, record.segment)) return;
      assert(this.#unnamed.isEmpty, 'segments without a name are named first');
      if (this.#waiting === null) {
        await this.#writeSegment(record, false, absent);
        return;
      }
      if (this.#waiting.add(record)) return;
      // Written now instead of queued: queued records can be read, and this one still points into the
      // caller's buffer.
      await this.#writeWaiting(false);
      await this.#writeSegment(record, false);
    });
  }

  /**
   * Writes a segment whose extent has no id yet. Before any other segment is added, all such ones are named in this order or
   * taken back.
   */
  async addUnnamed(record: UnnamedSegment): Promise<UnnamedRecord> {
    let unnamed: UnnamedRecord | undefined;
    await this.#queue.run(async () => {
      // A set that has large records is not small any more.
      await this.#writeWaiting(false);
      const { head, hi, mid, low, crcs: _, ...place } = record;
      const ends = this.#files.ends();
      const places = {
        mid: await this.#files.append('mid', mid),
        low: await this.#files.append('low', low),
      };
      const file = await this.#files.of('hi');
      const { offset } = file;
      await file.write(
        new Uint8Array(segmentHeaderBytes(place.base !== null, false) + head.length),
      );
      await file.write(hi);
      unnamed = { place, sizes: sizesOf(record), headBytes: head.length, offset, places };
      this.#unnamed.add(unnamed, ends);
    });
    return unnamed as UnnamedRecord;
  }

  /** Names a segment that was written without an id: this set must not hold it. */
  nameRecord(unnamed: UnnamedRecord, id: Id, head: Uint8Array): Promise<void> {
    return this.#queue.run(async () => {
      const { place, sizes, headBytes, offset, places } = unnamed;
      assert(!this.hasSegment(id, place.segment), 'a set holds each segment once');
      assert(head.length === headBytes, 'the head has the length that there is room for');
      this.#unnamed.take(unnamed);
      const record = { ...place, id, head };
      const header = encodeSegmentHeader(record, sizes, places);
      await this.#files.overwrite('hi', offset, header.bytes);
      this.#index.addSegment(segmentEntry(record, sizes, { offset, crc: header.crc, places }));
    });
  }

  /** Takes back segments that have no name. */
  dropUnnamed(): Promise<void> {
    return this.#queue.run(async () => {
      const ends = this.#unnamed.drop();
      if (ends !== null) await this.#files.takeBack(ends);
    });
  }

  async #writeWaiting(inline: boolean): Promise<void> {
    for (const segment of this.#waiting?.all() ?? []) await this.#writeSegment(segment, inline);
    this.#waiting = null;
  }

  async #writeSegment(
    record: SegmentRecord,
    inline: boolean,
    absent: AbsentPlanes = {},
  ): Promise<void> {
    const hi = await this.#files.of('hi');
    const places = { mid: 0, low: 0 };
    if (!inline) {
      for (const plane of ['mid', 'low'] as const) {
        const elsewhere = absent[plane]?.bytes ?? 0;
        assert(elsewhere === 0 || this.#absent.includes(plane), 'an absent class');
        if (elsewhere > 0) {
          this.#elsewhere[plane] ||= FILE_HEADER_BYTES;
          places[plane] = this.#elsewhere[plane];
          this.#elsewhere[plane] += elsewhere;
        }
        if (record[plane].length > 0)
          places[plane] = await this.#files.append(plane, record[plane]);
      }
    }
    const sizes = sizesOf(record, absent);
    const header = encodeSegmentHeader(record, sizes, inline ? null : places);
    const offset = hi.offset;
    const tail = inline ? [record.hi, record.mid, record.low] : [record.hi];
    if (tail.reduce((sum, { length }) => sum + length, 0) < JOINED_BYTES_MAX) {
      await hi.write(Buffer.concat([header.bytes, ...tail]));
    } else {
      for (const bytes of [header.bytes, ...tail]) if (bytes.length > 0) await hi.write(bytes);
    }
    const at = { offset, crc: header.crc, places: inline ? null : places };
    this.#index.addSegment(segmentEntry(record, sizes, at));
  }

  hasBlob(id: Id): boolean {
    return this.#index.hasBlob(id);
  }

  hasSegment(id: Id, segment: number): boolean {
    return this.#waiting?.has(id, segment) || this.#index.hasSegment(id, segment);
  }

  /** Reads back what was added, also between finish and publish. */
  async readBlob(id: Id): Promise<BlobRecord | null> {
    const row = this.#index.row('blob', id);
    if (row === null) return null;
    const entry = decodeBlobRow(row, UNNAMED_SET, ANY_SIZE, this.#files.name('idx'));
    return readBlobAt(this.#backend, (c) => this.#files.name(c), entry);
  }

  async readSegment(
    id: Id,
    segment: number,
    classes: readonly PlaneClass[] = PLANE_CLASSES,
  ): Promise<SegmentRecord | null> {
    const waiting = this.#waiting?.read(id, segment, classes);
    if (waiting) return waiting;
    const entry = this.findSegment(id, segment);
    return entry && readSegmentAt(this.#backend, (c) => this.#files.name(c), entry, classes);
  }

  /** The entry of a segment that was added; the places of one that still waits are not known. */
  findSegment(id: Id, segment: number): SegmentEntry | null {
    const waiting = this.#waiting?.entry(id, segment);
    if (waiting) return waiting;
    const row = this.#index.row('segment', id, segment);
    return row && decodeSegmentRow(row, UNNAMED_SET, ANY_SIZE, this.#files.name('idx'));
  }

  /** Header and head of a segment that was added; its planes are read with `readSegment`. */
  async openSegment(id: Id, segment: number): Promise<SegmentHeadAt | null> {
    const waiting = this.#waiting?.open(id, segment);
    if (waiting) return waiting;
    const entry = this.findSegment(id, segment);
    return entry && readSegmentHeadAt(this.#backend, (c) => this.#files.name(c), entry);
  }

  /** Payloads of an opened segment for the kernel to read; null where they are not in files. */
  async lendPayloads(
    head: SegmentHeadAt,
    classes: readonly PlaneClass[],
  ): Promise<LentPayloads | null> {
    const { id, segment, offset, crc } = head.entry;
    // It may have been opened while it waited, or in a set that was full meanwhile.
    if (this.#waiting?.has(id, segment)) return null;
    const now = this.findSegment(id, segment);
    if (now?.offset !== offset || now.crc !== crc) return null;
    const names = (fileClass: FileClass): string => this.#files.name(fileClass);
    return lendPayloads({ backend: this.#backend, names }, head, classes);
  }

  /** Bytes of the largest file so far. */
  get largestClassBytes(): number {
    return maxOf(this.#files.sizes(), this.#waiting?.bytes ?? 0);
  }

  /** Bytes of all files so far, without idx: what storedBytes counts. */
  get totalBytes(): number {
    return this.#files.sizes().reduce((sum, size) => sum + size, this.#waiting?.bytes ?? 0);
  }

  /** True if the set should be finished: it has bytes or records (SET_RECORDS_TARGET) enough. */
  get isFull(): boolean {
    if (!this.#unnamed.isEmpty) return false;
    const records = this.#index.count + (this.#waiting?.count ?? 0);
    return this.largestClassBytes >= this.#fullBytes || records >= SET_RECORDS_TARGET;
  }

  get isEmpty(): boolean {
    return this.#index.count === 0 && (this.#waiting?.count ?? 0) === 0;
  }

  /** Completes and fsyncs the files, still in tmp/. Asserts that the set is not empty. */
  async finish(): Promise<SealedSet> {
    let sealed: SealedSet | undefined;
    await this.#queue.run(async () => {
      assert(!this.isEmpty, 'a pack set holds records');
      assert(this.#unnamed.isEmpty, 'every segment has a name');
      await this.#writeWaiting(true);
      const size = (fileClass: FileClass): number => this.#files.size(fileClass);
      const sizes: DataSizes = {
        blob: size('blob'),
        hi: size('hi'),
        mid: this.#elsewhere.mid || size('mid'),
        low: this.#elsewhere.low || size('low'),
      };
      const index = this.#index.finish(sizes);
      const files = await this.#files.finish(index.bytes);
      sealed = { info: { id: index.id, bytes: { ...sizes, idx: index.bytes.length } }, files };
      this.#queue.finish();
    });
    return sealed as SealedSet;
  }

  /** Removes what was written; what was published meanwhile has other names and stays. */
  async abort(): Promise<void> {
    if (!(await this.#queue.abort())) return;
    this.#waiting = null;
    await this.#files.remove();
  }
}
