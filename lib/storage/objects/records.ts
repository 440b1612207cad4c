/**
 * Records as they lie in packs: for checks that ask what in a chain is damaged, and for what copies them from
 * elsewhere.
 */
import type { Id } from '../../base/bytes/hash.js';
import type { Backend } from '../store/backends/backend.js';
import { packName } from '../store/names.js';
import {
  decodeBlobOf,
  readBlobAt,
  readPlanesAt,
  readSegmentHeadAt,
  type SegmentHeadAt,
} from '../store/packs/read-records.js';
import {
  type BlobEntry,
  type BlobRecord,
  type FileClass,
  PLANE_CLASSES,
  type PlaneClass,
  type SegmentEntry,
  type SegmentRecord,
  type SetId,
} from '../store/types.js';
import type { ObjectAccess } from './access.js';

/** A record as it lies in its pack, compared with its checksums. */
export type StoredRecord = BlobRecord | SegmentRecord | null;

/**
 * Reads the live record of a blob (`segment` null) or of a segment. Nothing is decoded.
 * @throws {CorruptError} if a checksum does not match; {IoError}
 */
export function readRecord(
  { store }: Pick<ObjectAccess, 'store'>,
  { id, segment }: { readonly id: Id; readonly segment: number | null },
): Promise<StoredRecord> {
  return segment === null ? store.readBlob(id) : store.readSegment(id, segment, PLANE_CLASSES);
}

/** Header and head of a segment, without planes. */
export type OpenedSegment = SegmentHeadAt;

/** A blob where an entry says, live or not. @throws {CorruptError} */
export function readBlobOf(backend: Backend, entry: BlobEntry): Promise<BlobRecord> {
  return readBlobAt(backend, namesOf(entry), entry);
}

/** The blob of an entry, given the bytes of its record. @throws {CorruptError} if it is another one. */
export function blobOf(entry: BlobEntry, bytes: Uint8Array): BlobRecord {
  return decodeBlobOf(entry, bytes, packName(entry.set, 'blob'));
}

/** Header and head of a segment where an entry says, live or not. @throws {CorruptError} */
export function openSegmentOf(backend: Backend, entry: SegmentEntry): Promise<SegmentHeadAt> {
  return readSegmentHeadAt(backend, namesOf(entry), entry);
}

/** Classes of planes of a segment that was opened so. @throws {CorruptError} */
export function readPlanesOf(
  backend: Backend,
  head: SegmentHeadAt,
  classes: readonly PlaneClass[],
): Promise<SegmentRecord> {
  return readPlanesAt(backend, namesOf(head.entry), head, classes);
}

function namesOf({ set }: { set: SetId }): (fileClass: FileClass) => string {
  return (fileClass) => packName(set, fileClass);
}
