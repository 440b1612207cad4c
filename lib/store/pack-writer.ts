/** Writes one pack set into tmp/. */
import type { Id } from '../bytes/hash.js';
import type { Backend } from './backend.js';
import type { BlobRecord, PlaneClass, RecordSink, SealedSet, SegmentRecord } from './types.js';

export declare class PackSetWriter implements RecordSink {
  /** @param tmpDir folder for the files, relative to the backend; made at the first record. */
  static create(backend: Backend, tmpDir: string): Promise<PackSetWriter>;
  /** Adds a blob; one that this set already holds is ignored. Calls may overlap: they queue. */
  addBlob(record: BlobRecord): Promise<void>;
  /** Adds a segment; one that this set already holds is ignored. The buffers may be kept until then. */
  addSegment(record: SegmentRecord): Promise<void>;
  hasBlob(id: Id): boolean;
  hasSegment(id: Id, segment: number): boolean;
  /** Reads back what was added, also between finish and publish. */
  readBlob(id: Id): Promise<BlobRecord | null>;
  readSegment(
    id: Id,
    segment: number,
    classes?: readonly PlaneClass[],
  ): Promise<SegmentRecord | null>;
  /** Bytes of the largest file so far. */
  get largestClassBytes(): number;
  /** Bytes of all files so far, without idx: what storedBytes counts. */
  get totalBytes(): number;
  /** True if the set should be finished: PACK_BYTES_TARGET or SET_RECORDS_TARGET passed. */
  get isFull(): boolean;
  get isEmpty(): boolean;
  /** Completes and fsyncs the files, still in tmp/. Asserts that the set is not empty. */
  finish(): Promise<SealedSet>;
  /** Removes what was written. */
  abort(): Promise<void>;
}
