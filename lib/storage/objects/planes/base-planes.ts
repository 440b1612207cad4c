/**
 * The planes of a base as its delta takes them: as they are, or after an operation (codec/operation.ts).
 */
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import { SEGMENT_ELEMENTS } from '../../../base/limits.js';
import {
  fitsOperation,
  keepsPlanes,
  movesNothing,
  type Operation,
  operate,
} from '../../../pure/codec/operation.js';
import { type PlaneLease, planePool } from './plane-pool.js';
import type { NamedExtent, PlaneReader, SegmentRecords } from './plane-reader.js';
import { segmentElements } from './segment-head.js';

/** Planes of a segment of a base, and the base's size. */
export interface LinkBase {
  readonly id: Id;
  readonly width: number;
  /** Elements of the whole base. */
  readonly count: number;
  readonly planes: readonly Uint8Array[];
}

/** A segment of the extent that depends on a base. */
export interface SegmentOnBase {
  readonly id: Id;
  readonly width: number;
  /** Elements of the segment. */
  readonly elements: number;
  /** Leading planes that are wanted. */
  readonly planes: number;
}

/**
 * Planes of a base as its delta takes them; null if they are the base's own, as they are.
 * @throws {CorruptError} if the base does not fit.
 */
export function underOperation(
  operation: Operation | undefined,
  base: LinkBase,
  result: SegmentOnBase,
  segment: number,
): PlaneLease | null {
  const { width, count, planes } = base;
  const elements = (planes[0] as Uint8Array).length;
  const isAlike = width === result.width && elements === result.elements;
  if (operation === undefined) {
    if (!isAlike) throw otherBase(base.id, result.id);
    return null;
  }
  const from = { planes, count, first: segment * SEGMENT_ELEMENTS };
  const isKept = keepsPlanes(operation);
  const hasPlanes = isKept ? width === result.width : planes.length === width;
  if (!hasPlanes || !fitsOperation(operation, from, result)) throw otherBase(base.id, result.id);
  if (isAlike && movesNothing(operation)) return null;
  // A delta may take fewer planes of its base than it gives.
  const given = isKept ? Math.min(result.planes, planes.length) : result.planes;
  const lease = planePool.lend(given, result.elements);
  operate(operation, from, lease.planes);
  return lease;
}

function otherBase(base: Id, child: Id): CorruptError {
  return new CorruptError(`base '${base}' of extent '${child}' has another size`, {
    id: base,
    hint: "run 'dlv fsck'",
  });
}

/** A segment that is about to be a delta, and what it is to depend on. */
export interface DeltaPlace extends NamedExtent {
  readonly segment: number;
  readonly base: Id;
  readonly operation: Operation | undefined;
}

/**
 * Lends the planes of a base as a delta takes them; null if the base has no such segment.
 * @throws {CorruptError} if it does not fit; as PlaneReader.lend.
 */
export async function lendUnder(
  records: Pick<SegmentRecords, 'findSegment'>,
  reader: PlaneReader,
  { id, width, count, segment, base, operation }: DeltaPlace,
): Promise<PlaneLease | null> {
  const entry = await records.findSegment(base, segment);
  if (entry === null) return null;
  const lease = await reader.lend({ id: base, segment });
  const from = { id: base, width: entry.width, count: entry.count, planes: lease.planes };
  const elements = segmentElements(count, segment);
  const under = underOperation(operation, from, { id, width, elements, planes: width }, segment);
  if (under === null) return lease;
  lease.release();
  return under;
}
