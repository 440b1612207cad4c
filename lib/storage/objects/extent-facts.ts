/** What the heads of an extent's records say of it, without its planes. */
import type { Id } from '../../base/bytes/hash.js';
import type { SegmentRecords } from './planes/plane-reader.js';
import { decodeSegmentHead } from './planes/segment-head.js';

type Heads = Pick<SegmentRecords, 'findSegment' | 'openSegment'>;

/** The sketch of an extent (codec/sketch.ts); null if it has none. */
export async function readSketch(records: Heads, id: Id): Promise<Buffer | null> {
  const found = await records.openSegment(id, 0);
  const sketch = found && decodeSegmentHead(found.record).sketch;
  return sketch ? Buffer.from(sketch) : null;
}

/** Where a codec head has its transform, its flags and the count of its mask (docs/format/codec.md). */
const [TRANSFORM_AT, FLAGS_AT, COUNT_AT] = [1, 2, 3];
/** The segment equals its base. */
const TRANSFORM_SAME = 5;
const MASK_FLAG = 1;

/**
 * Elements in which an extent differs from its base, where it is stored as a delta with masks: they say how
 * many elements they hold. null where it has another base, or some segment has no mask.
 */
export async function countMasked(records: Heads, own: Id, base: Id): Promise<number | null> {
  let changed = 0;
  for (let segment = 0; ; segment++) {
    const entry = await records.findSegment(own, segment);
    if (entry === null) return segment > 0 ? changed : null;
    if (entry.base !== base) return null;
    const head = await records.openSegment(own, segment);
    const found = head && decodeSegmentHead(head.record);
    const count = found?.operation === undefined && found ? maskCount(found.codec) : null;
    if (count === null) return null;
    changed += count;
  }
}

function maskCount(codec: Uint8Array): number | null {
  if (codec[TRANSFORM_AT] === TRANSFORM_SAME) return 0;
  if (((codec[FLAGS_AT] ?? 0) & MASK_FLAG) === 0) return null;
  let count = 0;
  for (let at = COUNT_AT, unit = 1; at < COUNT_AT + 8; at++, unit *= 128) {
    const byte = codec[at] ?? 0;
    count += (byte & 0x7f) * unit;
    if (byte < 0x80) return count;
  }
  return null;
}
