/**
 * Another encoding of a segment that is stored already: what its record keeps, and what it takes.
 *
 * Everything in the head but the codec's own field belongs to the extent and stays: run hashes, the
 * sketch.
 */
import type { Id } from '../../base/bytes/hash.js';
import type { EncodedSegment } from '../../pure/codec/segment.js';
import { type SegmentRecord, segmentHeaderBytes } from '../store/types.js';
import { missingExtent } from './chain.js';
import type { SegmentRecords } from './planes/plane-reader.js';
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

/** The head of a stored segment with another codec field. */
function withCodec(stored: StoredSegment, codec: Uint8Array): Uint8Array {
  return encodeSegmentHead({ ...decodeSegmentHead(stored), codec });
}

/**
 * The record of a stored segment in another encoding.
 * @param base   extent that it is coded against, if the encoder used it.
 * @param depth  links of the chain under the new record.
 */
export function recodedRecord(
  stored: StoredSegment,
  coded: EncodedSegment,
  base: Id | null,
  depth: number,
): SegmentRecord {
  const { hi, mid, low } = coded;
  const under = coded.usesBase ? { base, depth } : { base: null, depth: 0 };
  return { ...stored, ...under, head: withCodec(stored, coded.head), hi, mid, low };
}

/** Bytes of such a record, its planes apart, in a set that has a file for each class. */
export function recodedHeadBytes(stored: StoredSegment, coded: EncodedSegment): number {
  return segmentHeaderBytes(coded.usesBase, false) + withCodec(stored, coded.head).length;
}
