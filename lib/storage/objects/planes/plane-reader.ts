/**
 * Reading planes of stored segments, whatever chains they end.
 *
 * Start here: every reader of extents holds a `PlaneReader`. `ChainReader` follows one chain at a
 * time; `ForestReader` reads many segments that were announced, and decodes once what their chains
 * share; `openPlanes` (read-segments.ts) picks. A reader checks the checksums of packs; run-hashes.ts
 * checks planes against the extent's id.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import type { SegmentHeadAt } from '../../store/packs/read-records.js';
import type { LentPayloads, PlaneClass, SegmentEntry, SegmentRecord } from '../../store/types.js';
import type { PlaneLease } from './plane-pool.js';
import { segmentElements } from './segment-head.js';

/** Leading planes of one segment of an extent. */
export interface SegmentRequest {
  readonly id: Id;
  readonly segment: number;
  /** How many; all if undefined or more than there are. */
  readonly planes?: number;
}

export interface PlaneReader {
  /**
   * Lends the leading planes of a segment, exact, not yet checked against the extent's id.
   * @throws {NotFoundError} if a link of its chain is nowhere; {CorruptError} {FormatVersionError}
   *   {AbortedError}. Memory of a reader that failed is not used again.
   */
  lend(request: SegmentRequest): Promise<PlaneLease>;
}

/** Where segment records come from: the object store, or a session that also sees its own sets. */
export interface SegmentRecords {
  /** What the index says; null if the segment is nowhere. */
  findSegment(id: Id, segment: number): Promise<SegmentEntry | null>;
  /** Header and head; null if the segment is nowhere. */
  openSegment(id: Id, segment: number): Promise<SegmentHeadAt | null>;
  /** Header, head and the classes asked for; null if the segment is nowhere. */
  readSegment(id: Id, segment: number, classes: PlaneClass[]): Promise<SegmentRecord | null>;
  /** Classes of an opened segment, or of its live record if that one is gone. */
  readPlanes(head: SegmentHeadAt, classes: PlaneClass[]): Promise<SegmentRecord | null>;
  /** Payloads of an opened segment for the kernel to read; null, or absent, if they are not in files. */
  lendPayloads?(head: SegmentHeadAt, classes: PlaneClass[]): Promise<LentPayloads | null>;
}

/** An extent by what names it. */
export interface NamedExtent {
  readonly id: Id;
  /** Bytes of one element, and elements. */
  readonly width: number;
  readonly count: number;
}

/**
 * Lends all planes of a segment of an extent that is said to have a size.
 * @throws {CorruptError} if it has another; as PlaneReader.lend.
 */
export async function lendWhole(
  reader: PlaneReader,
  { id, width, count }: NamedExtent,
  segment: number,
): Promise<PlaneLease> {
  const lease = await reader.lend({ id, segment });
  const elements = segmentElements(count, segment);
  if (lease.planes.length === width && lease.planes[0]?.length === elements) return lease;
  lease.release();
  throw otherSize(id);
}

/** That an extent is not of the size that a recipe says. */
export function otherSize(id: Id): CorruptError {
  return new CorruptError(`extent '${id}' does not have the size that its reference says`, {
    id,
    hint: "run 'dlv fsck'",
  });
}
