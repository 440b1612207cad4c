/**
 * The tagged head of a stored segment: what encoders write besides the planes.
 *
 * Segment 0 carries the run hashes of the whole extent and its sketch. @see docs/format/codec.md
 */

import { CorruptError } from '../../../base/errors.js';
import { SEGMENT_ELEMENTS } from '../../../base/limits.js';
import { decodeOperation, encodeOperation, type Operation } from '../../../pure/codec/operation.js';
import {
  decodeTags,
  encodeTags,
  TAG_CODEC,
  TAG_OPERATION,
  TAG_RUN_HASHES,
  TAG_SKETCH,
} from '../../../pure/codec/tags.js';
import type { SegmentRecord } from '../../store/types.js';

/** Fields of a head; an empty or missing one is not written. */
export interface SegmentHead {
  /** Head of the codec (codec/segment.ts). */
  codec: Uint8Array;
  /** Run hashes of every plane, concatenated; segment 0 only. */
  runHashes?: Uint8Array | undefined;
  /** codec/sketch.ts; segment 0 only. */
  sketch?: Uint8Array | undefined;
  /** What is done to the base first. */
  operation?: Operation | undefined;
}

/** The bytes of `record.head`. */
export function encodeSegmentHead({
  codec,
  runHashes,
  sketch,
  operation,
}: SegmentHead): Uint8Array {
  return encodeTags([
    { tag: TAG_CODEC, required: true, value: codec },
    ...(runHashes ? [{ tag: TAG_RUN_HASHES, required: true, value: runHashes }] : []),
    ...(sketch?.length ? [{ tag: TAG_SKETCH, required: false, value: sketch }] : []),
    ...(operation
      ? [{ tag: TAG_OPERATION, required: true, value: encodeOperation(operation) }]
      : []),
  ]);
}

const KNOWN_TAGS = [TAG_CODEC, TAG_RUN_HASHES, TAG_SKETCH, TAG_OPERATION];

/** By the bytes: those of a link of a chain are asked for its stops, for what it takes of its base, and to decode it. */
const decodedHeads = new WeakMap<Uint8Array, SegmentHead>();

/** Reads `record.head`, which nobody changes. @throws {CorruptError} {FormatVersionError} */
export function decodeSegmentHead(
  record: Pick<SegmentRecord, 'id' | 'head'>,
): Readonly<SegmentHead> {
  const known = decodedHeads.get(record.head);
  if (known !== undefined) return known;
  const head = decodeHead(record);
  decodedHeads.set(record.head, head);
  return head;
}

function decodeHead(record: Pick<SegmentRecord, 'id' | 'head'>): SegmentHead {
  const file = `extent ${record.id}`;
  const tags = decodeTags(record.head, KNOWN_TAGS, file);
  const codec = tags.get(TAG_CODEC);
  if (!codec) throw new CorruptError(`'${file}' has no codec field`, { file, id: record.id });
  const operation = tags.get(TAG_OPERATION);
  return {
    codec,
    runHashes: tags.get(TAG_RUN_HASHES),
    sketch: tags.get(TAG_SKETCH),
    operation: operation && decodeOperation(operation, file),
  };
}

/** Elements of segment `segment` of an extent of `count`. */
export function segmentElements(count: number, segment: number): number {
  return Math.min(SEGMENT_ELEMENTS, count - segment * SEGMENT_ELEMENTS);
}
