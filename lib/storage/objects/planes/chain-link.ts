/** One link of a chain of segments: looked up, opened, read, decoded over its base. */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import { recyclePayload } from '../../../base/bytes/memory/memory.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import { keepsPlanes } from '../../../pure/codec/operation.js';
import { decodeSegment, segmentBasePlanes, segmentStop } from '../../../pure/codec/segment.js';
import type { SegmentHeadAt } from '../../store/packs/read-records.js';
import type { SegmentEntry, SegmentRecord } from '../../store/types.js';
import { missingExtent } from '../chain.js';
import { type LinkBase, underOperation } from './base-planes.js';
import { type PlaneLease, planePool } from './plane-pool.js';
import type { SegmentRecords } from './plane-reader.js';
import { addReadBytes, classesFor, type RetrievalStats } from './read-counts.js';
import { decodeSegmentHead, segmentElements } from './segment-head.js';

/** A link as it is read. */
export interface ChainLink {
  readonly entry: SegmentEntry;
  /** Its head, if that was read to know its stops and what it takes of its base. */
  readonly head: SegmentHeadAt | null;
  /** Leading planes that it has to give. */
  readonly planes: number;
}

/** A smaller segment is read whole sooner than its head is read for its own sake. */
const OPENED_ELEMENTS_MIN = 64 * 1024;

/**
 * True if the head of a link is worth reading before its base is: it says where the leading `wanted`
 * planes stop, or how few planes of the base all of them take. A low plane that is stored whole may be the
 * link's own.
 */
export function wantsHead(entry: SegmentEntry, wanted: number): boolean {
  const { width, count, segment, base, lowBytes } = entry;
  if (wanted < width) return true;
  const elements = segmentElements(count, segment);
  return base !== null && width >= 4 && elements >= OPENED_ELEMENTS_MIN && lowBytes >= elements;
}

/**
 * Leading planes that a link has to give so that `wanted` of them are exact.
 * @param head  of the link; not needed if all planes are wanted.
 */
export function stopOf(entry: SegmentEntry, head: SegmentHeadAt | null, wanted: number): number {
  const { width, id } = entry;
  if (wanted >= width || head === null) return width;
  return segmentStop(decodeSegmentHead(head.record).codec, width, wanted, `extent ${id}`);
}

/**
 * Leading planes that a link which gives `planes`, a stop, takes of its base: all of them without its head,
 * and where values are changed first.
 */
export function basePlanesOf(
  entry: SegmentEntry,
  head: SegmentHeadAt | null,
  planes: number,
): number {
  if (head === null) return WIDTH_MAX;
  const { codec, operation } = decodeSegmentHead(head.record);
  if (operation !== undefined && !keepsPlanes(operation)) return WIDTH_MAX;
  return segmentBasePlanes(codec, planes, `extent ${entry.id}`);
}

/**
 * Reads the record of a link with the classes of the planes that it has to give. It starts at once; a failure
 * is thrown where the promise is awaited.
 */
export function readLink(
  records: SegmentRecords,
  { entry, planes, head }: ChainLink,
  stats: RetrievalStats,
): Promise<SegmentRecord> {
  const { id, segment, width } = entry;
  const classes = classesFor(width, planes);
  const reading =
    head === null ? records.readSegment(id, segment, classes) : records.readPlanes(head, classes);
  const record = reading.then((found) => {
    if (found === null) throw missingExtent(id);
    addReadBytes(stats.bytes, entry, planes, head !== null);
    return found;
  });
  record.catch(() => {});
  return record;
}

/**
 * Decodes the leading planes of a record into memory of the pool. The memory of its payloads is used
 * again: nothing else may read the record's bytes afterwards.
 * @param base  as many planes of its base as it takes, or more.
 * @throws {CorruptError} {FormatVersionError} {AbortedError}
 */
export async function decodeLink(
  record: SegmentRecord,
  planes: number,
  base: LinkBase | null,
  how: { readonly stats: RetrievalStats; readonly signal: AbortSignal | undefined },
): Promise<PlaneLease> {
  throwIfAborted(how.signal);
  const { id, width, segment, hi, mid, low } = record;
  const count = segmentElements(record.count, segment);
  const { codec, operation } = decodeSegmentHead(record);
  const result = { id, width, elements: count, planes };
  const operated = base === null ? null : underOperation(operation, base, result, segment);
  const lease = planePool.lend(planes, count);
  const under = operated?.planes ?? base?.planes ?? null;
  const file = `extent ${id}`;
  const options = { width, count, wanted: planes, base: under, file, signal: how.signal };
  await decodeSegment({ head: codec, hi, mid, low }, options, lease.planes);
  // The record was read for this link alone, and its planes are known now.
  for (const payload of [hi, mid, low]) recyclePayload(payload);
  operated?.release();
  how.stats.decodes++;
  how.stats.decodedElements += count;
  return lease;
}
