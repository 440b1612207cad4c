/** Whether a record can be read at all: for checks that ask what in a chain is damaged. */
import type { Id } from '../../base/bytes/hash.js';
import { type BlobRecord, PLANE_CLASSES, type SegmentRecord } from '../store/types.js';
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
