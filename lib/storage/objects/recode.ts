/**
 * Another encoding of a segment that is stored already: what its record keeps, and what it takes.
 *
 * Everything in the head but the fields of the codec and the operation belongs to the extent and stays:
 * run hashes, the sketch.
 */
import type { Id } from '../../base/bytes/hash.js';
import type { Operation } from '../../pure/codec/operation.js';
import type { EncodedSegment } from '../../pure/codec/segment.js';
import { type SegmentRecord, segmentHeaderBytes } from '../store/types.js';
import { missingExtent } from './chain.js';
import type { NamedExtent, SegmentRecords } from './planes/plane-reader.js';
import { decodeSegmentHead, encodeSegmentHead } from './planes/segment-head.js';

/** A stored segment, its planes apart. */
export type StoredSegment = Omit<SegmentRecord, 'hi' | 'mid' | 'low'>;

/** @throws {NotFoundError} if the segment is nowhere; {CorruptError}. */
export async function storedSegment(
  records: Pick<SegmentRecords, 'readSegment'>,
  id: Id,
  segment: number,
): Promise<StoredSegment> {
  const record = await records.readSegment(id, segment, []);
  if (record === null) throw missingExtent(id);
  const { hi: _hi, mid: _mid, low: _low, ...stored } = record;
  return stored;
}

/** What a segment may be coded against, and what is done to that first. */
export interface RecodeBase {
  readonly id: Id;
  readonly operation?: Operation | undefined;
}

/**
 * The way in which a stored segment can depend on an extent: as it does now, or as its own if that has its
 * size, or with rows cut off or added at the end; null if there is none.
 */
export function recodeBase(stored: StoredSegment, base: NamedExtent): RecodeBase | null {
  const { id } = base;
  if (stored.base === id) return { id, operation: decodeSegmentHead(stored).operation };
  if (stored.width !== base.width) return null;
  return stored.count === base.count ? { id } : { id, operation: { shift: 0 } };
}

/** The head of a stored segment with other fields of the codec. */
function withCodec(
  stored: StoredSegment,
  coded: EncodedSegment,
  base: RecodeBase | null,
): Uint8Array {
  const operation = coded.usesBase ? base?.operation : undefined;
  return encodeSegmentHead({ ...decodeSegmentHead(stored), codec: coded.head, operation });
}

/**
 * The record of a stored segment in another encoding.
 * @param base   what it is coded against, if the encoder used it.
 * @param depth  links of the chain under the new record.
 */
export function recodedRecord(
  stored: StoredSegment,
  coded: EncodedSegment,
  base: RecodeBase | null,
  depth: number,
): SegmentRecord {
  const { hi, mid, low } = coded;
  const under = coded.usesBase ? { base: base?.id ?? null, depth } : { base: null, depth: 0 };
  return { ...stored, ...under, head: withCodec(stored, coded, base), hi, mid, low };
}

/** Bytes of such a record, its planes apart, in a set that has a file for each class. */
export function recodedHeadBytes(
  stored: StoredSegment,
  coded: EncodedSegment,
  base: RecodeBase | null,
): number {
  return segmentHeaderBytes(coded.usesBase, false) + withCodec(stored, coded, base).length;
}
