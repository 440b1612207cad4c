/**
 * Writes one pack set into tmp/: appends records, keeps the rows of its index, reads back what it has.
 *
 * Segments wait in memory until they pass SMALL_SET_BYTES: a set that ends before puts all plane
 * classes into `.hi`. After a failed write the writer refuses further use; abort removes its files.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { assert, BugError } from '../../../base/errors.js';
import { PACK_BYTES_TARGET, SET_RECORDS_TARGET, SMALL_SET_BYTES } from '../../../base/limits.js';
import type { Backend, BackendWriter } from '../backends/backend.js';
import {
  type BlobRecord,
  FILE_CLASSES,
  type FileClass,
  PLANE_CLASSES,
  type PlaneClass,
  type RecordSink,
  type SealedSet,
  type SegmentEntry,
  type SegmentRecord,
  type SetId,
  segmentHeaderBytes,
} from '../types.js';
import { type DataSizes, decodeBlobRow, decodeSegmentRow, IndexBuilder } from './index-rows.js';
import {
  type AbsentPlanes,
  encodeBlobHeader,
  encodeFileHeader,
  encodeSegmentHeader,
  FILE_HEADER_BYTES,
} from './pack-format.js';
import {
  readBlobAt,
  readSegmentAt,
  readSegmentHeadAt,
  type SegmentHeadAt,
} from './read-records.js';

/** Set id of entries of a set that has no name yet. */
export const UNNAMED_SET = '0'.repeat(32) as SetId;
/** Places are not checked while files still grow. */
const ANY_SIZE: DataSizes = { blob: 2 ** 52, hi: 2 ** 52, mid: 2 ** 52, low: 2 ** 52 };

/** Waiting records, heads included, may take this many times what their planes may. */
const WAITING_FACTOR = 4;
/** A header is joined with leading planes of less than this, to be written at once. */
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
  readonly #dir: string;
  readonly #smallSetBytes: number;
  readonly #fullBytes: number;
  readonly #files = new Map<FileClass, BackendWriter>();
  readonly #index = new IndexBuilder();
  /** Segments of a set that is still small, by key; null once the classes are split. */
  #pending: Map<string, SegmentRecord> | null = new Map();
  /** Bytes that the waiting segments will take in `.hi`, and how many of these are planes. */
  #pendingBytes = 0;
  #pendingPlanes = 0;
  #queue: Promise<unknown> = Promise.resolve();
  readonly #absent: readonly PlaneClass[];
  /** Sizes that the files of absent classes have where they are. */
  readonly #elsewhere = { mid: 0, low: 0 };
  #state: 'open' | 'broken' | 'finished' | 'aborted' = 'open';
  #failure: unknown = null;

  private constructor(backend: Backend, dir: string, options: PackSetWriterOptions) {
    this.#backend = backend;
    this.#dir = dir;
    this.#smallSetBytes = options.smallSetBytes ?? SMALL_SET_BYTES;
    this.#fullBytes = options.fullBytes ?? PACK_BYTES_TARGET;
    this.#absent = options.absent ?? [];
    if (this.#absent.length > 0) this.#pending = null;
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
    return this.#enqueue(async () => {
      if (this.#index.hasBlob(record.id)) return;
      const header = encodeBlobHeader(record);
      const file = await this.#file('blob');
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
    return this.#enqueue(async () => {
      if (this.hasSegment(record.id, record.segment)) return;
      if (this.#pending === null) {
        await this.#writeSegment(record, false, absent);
        return;
      }
      this.#pendingBytes += recordBytes(record);
      this.#pendingPlanes += planeBytes(record);
      // Heads are bounded as well: a palette or a mask may be all there is of a segment.
      const isLarge =
        this.#pendingPlanes >= this.#smallSetBytes ||
        this.#pendingBytes >= WAITING_FACTOR * this.#smallSetBytes;
      if (!isLarge) {
        this.#pending.set(keyOf(record.id, record.segment), withOwnMemory(record));
        return;
      }
      // Written now instead of queued: queued records can be read, and this one still points into the
      // caller's buffer.
      await this.#writePending(false);
      await this.#writeSegment(record, false);
    });
  }

  async #writePending(inline: boolean): Promise<void> {
    for (const segment of this.#pending?.values() ?? []) await this.#writeSegment(segment, inline);
    this.#pending = null;
    this.#pendingBytes = 0;
  }

  async #writeSegment(
    record: SegmentRecord,
    inline: boolean,
    absent: AbsentPlanes = {},
  ): Promise<void> {
    const hi = await this.#file('hi');
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
        if (record[plane].length === 0) continue;
        const file = await this.#file(plane);
        places[plane] = file.offset;
        await file.write(record[plane]);
      }
    }
    const header = encodeSegmentHeader(record, inline ? null : places, absent);
    const offset = hi.offset;
    const tail = inline ? [record.hi, record.mid, record.low] : [record.hi];
    if (inline || record.hi.length < JOINED_BYTES_MAX) {
      await hi.write(Buffer.concat([header.bytes, ...tail]));
    } else {
      for (const bytes of [header.bytes, ...tail]) await hi.write(bytes);
    }
    this.#index.addSegment({
      id: record.id,
      segment: record.segment,
      segments: record.segments,
      width: record.width,
      count: record.count,
      base: record.base,
      depth: record.depth,
      headBytes: record.head.length,
      hiBytes: record.hi.length,
      midBytes: absent.mid?.bytes ?? record.mid.length,
      lowBytes: absent.low?.bytes ?? record.low.length,
      set: UNNAMED_SET,
      offset,
      inline,
      midOffset: places.mid,
      lowOffset: places.low,
      crc: header.crc,
    });
  }

  #enqueue(action: () => Promise<void>): Promise<void> {
    const run = this.#queue.then(async () => {
      // Later calls fail with the first failure, such as a full disk, and not as a mistake of dlv.
      if (this.#state === 'broken') throw this.#failure;
      if (this.#state !== 'open') throw new BugError(`the pack set writer is ${this.#state}`);
      try {
        await action();
      } catch (error) {
        this.#state = 'broken';
        this.#failure = error;
        throw error;
      }
    });
    this.#queue = run.catch(() => {});
    return run;
  }

  async #file(fileClass: FileClass): Promise<BackendWriter> {
    let file = this.#files.get(fileClass);
    if (file === undefined) {
      file = await this.#backend.createWriter(this.#name(fileClass));
      this.#files.set(fileClass, file);
      await file.write(encodeFileHeader(fileClass));
    }
    return file;
  }

  #name(fileClass: FileClass): string {
    return `${this.#dir}/set.${fileClass}`;
  }

  hasBlob(id: Id): boolean {
    return this.#index.hasBlob(id);
  }

  hasSegment(id: Id, segment: number): boolean {
    return this.#pending?.has(keyOf(id, segment)) || this.#index.hasSegment(id, segment);
  }

  /** Reads back what was added, also between finish and publish. */
  async readBlob(id: Id): Promise<BlobRecord | null> {
    const row = this.#index.row('blob', id);
    if (row === null) return null;
    const entry = decodeBlobRow(row, UNNAMED_SET, ANY_SIZE, this.#name('idx'));
    return readBlobAt(this.#backend, (c) => this.#name(c), entry);
  }

  async readSegment(
    id: Id,
    segment: number,
    classes: readonly PlaneClass[] = PLANE_CLASSES,
  ): Promise<SegmentRecord | null> {
    const waiting = this.#pending?.get(keyOf(id, segment));
    if (waiting) return { ...waiting, ...unasked(classes) };
    const entry = this.findSegment(id, segment);
    return entry && readSegmentAt(this.#backend, (c) => this.#name(c), entry, classes);
  }

  /** The entry of a segment that was added; the places of one that still waits are not known. */
  findSegment(id: Id, segment: number): SegmentEntry | null {
    const waiting = this.#pending?.get(keyOf(id, segment));
    if (waiting) return waitingEntry(waiting);
    const row = this.#index.row('segment', id, segment);
    return row && decodeSegmentRow(row, UNNAMED_SET, ANY_SIZE, this.#name('idx'));
  }

  /** Header and head of a segment that was added; its planes are read with `readSegment`. */
  async openSegment(id: Id, segment: number): Promise<SegmentHeadAt | null> {
    const waiting = this.#pending?.get(keyOf(id, segment));
    if (waiting) {
      const record = { ...waiting, ...unasked([]) };
      return { entry: waitingEntry(waiting), record, crcs: { hi: 0, mid: 0, low: 0 } };
    }
    const entry = this.findSegment(id, segment);
    return entry && readSegmentHeadAt(this.#backend, (c) => this.#name(c), entry);
  }

  /** Bytes of the largest file so far. */
  get largestClassBytes(): number {
    return Math.max(this.#pendingBytes, ...[...this.#files.values()].map((file) => file.offset));
  }

  /** Bytes of all files so far, without idx: what storedBytes counts. */
  get totalBytes(): number {
    let bytes = this.#pendingBytes;
    for (const [fileClass, file] of this.#files) if (fileClass !== 'idx') bytes += file.offset;
    return bytes;
  }

  /** True if the set should be finished: it has bytes or records (SET_RECORDS_TARGET) enough. */
  get isFull(): boolean {
    const records = this.#index.count + (this.#pending?.size ?? 0);
    return this.largestClassBytes >= this.#fullBytes || records >= SET_RECORDS_TARGET;
  }

  get isEmpty(): boolean {
    return this.#index.count === 0 && (this.#pending?.size ?? 0) === 0;
  }

  /** Completes and fsyncs the files, still in tmp/. Asserts that the set is not empty. */
  async finish(): Promise<SealedSet> {
    let sealed: SealedSet | undefined;
    await this.#enqueue(async () => {
      assert(!this.isEmpty, 'a pack set holds records');
      await this.#writePending(true);
      const size = (fileClass: FileClass): number => this.#files.get(fileClass)?.offset ?? 0;
      const sizes: DataSizes = {
        blob: size('blob'),
        hi: size('hi'),
        mid: this.#elsewhere.mid || size('mid'),
        low: this.#elsewhere.low || size('low'),
      };
      const index = this.#index.finish(sizes);
      for (const file of this.#files.values()) await file.syncAndClose();
      const idx = await this.#backend.createWriter(this.#name('idx'));
      this.#files.set('idx', idx);
      await idx.write(index.bytes);
      await idx.syncAndClose();
      const names: SealedSet['files'] = {};
      for (const fileClass of FILE_CLASSES) {
        if (this.#files.has(fileClass)) names[fileClass] = this.#name(fileClass);
      }
      sealed = {
        info: { id: index.id, bytes: { ...sizes, idx: index.bytes.length } },
        files: names,
      };
      this.#state = 'finished';
    });
    return sealed as SealedSet;
  }

  /** Removes what was written; what was published meanwhile has other names and stays. */
  async abort(): Promise<void> {
    await this.#queue;
    if (this.#state === 'aborted') return;
    this.#state = 'aborted';
    this.#pending = null;
    for (const [fileClass, file] of this.#files) {
      await file.close().catch(() => {});
      await this.#backend.remove(this.#name(fileClass)).catch(() => {});
    }
  }
}

function keyOf(id: Id, segment: number): string {
  return `${id}:${segment}`;
}

function recordBytes(record: SegmentRecord): number {
  return segmentHeaderBytes(record.base !== null, true) + record.head.length + planeBytes(record);
}

function waitingEntry({ head, hi, mid, low, ...place }: SegmentRecord): SegmentEntry {
  const bytes = { hiBytes: hi.length, midBytes: mid.length, lowBytes: low.length };
  const where = { set: UNNAMED_SET, offset: 0, inline: true, midOffset: 0, lowOffset: 0, crc: 0 };
  return { ...place, headBytes: head.length, ...bytes, ...where };
}

function withOwnMemory(record: SegmentRecord): SegmentRecord {
  const copy = { ...record, head: new Uint8Array(record.head) };
  for (const plane of PLANE_CLASSES) copy[plane] = new Uint8Array(record[plane]);
  return copy;
}

function planeBytes({ hi, mid, low }: SegmentRecord): number {
  return hi.length + mid.length + low.length;
}

/** The classes that a reader did not ask for, empty. */
function unasked(classes: readonly PlaneClass[]): Partial<Record<PlaneClass, Uint8Array>> {
  const others = PLANE_CLASSES.filter((plane) => !classes.includes(plane));
  return Object.fromEntries(others.map((plane) => [plane, new Uint8Array(0)]));
}
