/** Records and sets for the tests of the store: seeded, with every shape of record. */
import { type Id, objectId, sha256Hex } from '../../../../lib/base/bytes/hash.js';
import type { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import type {
  BlobRecord,
  RecordSink,
  SegmentRecord,
  SetInfo,
} from '../../../../lib/storage/store/types.js';
import { randomBytes } from '../../../helpers/rng.js';
import { writeSet } from './sample.js';

export type AnyRecord = BlobRecord | SegmentRecord;

/** An extent's id: any text gives one. */
export function extentId(name: string): Id {
  return sha256Hex(`extent ${name}`) as Id;
}

/** A blob whose payload is its content. */
export function blob(content: string, more: Partial<BlobRecord> = {}): BlobRecord {
  const payload = Buffer.from(content);
  const kind = more.kind ?? 'blob';
  const id = objectId(kind, payload);
  return { id, kind, codec: 0, base: null, depth: 0, rawBytes: payload.length, payload, ...more };
}

/** A segment with random planes; `name` gives its id, `seed` its bytes. */
export function segment(name: string, more: Partial<SegmentRecord> = {}, seed = 1): SegmentRecord {
  const count = more.count ?? 40;
  return {
    id: extentId(name),
    segment: 0,
    segments: 1,
    width: 4,
    count,
    base: null,
    depth: 0,
    head: randomBytes(9, seed + 1000),
    hi: randomBytes(2 * Math.min(count, 40), seed),
    mid: randomBytes(Math.min(count, 40), seed + 1),
    low: randomBytes(Math.min(count, 40), seed + 2),
    ...more,
  };
}

/** A small set with every shape of record: deltas, empty payloads, several segments. */
export function sampleRecords(): AnyRecord[] {
  const first = blob('the first blob');
  const big = { count: 5 * 1024 * 1024, segments: 2 };
  return [
    first,
    blob('', { kind: 'recipe' }),
    blob('the second blob', { base: first.id, depth: 1, codec: 3 }),
    blob('version', { kind: 'version' }),
    segment('a'),
    segment('b', { base: extentId('a'), depth: 1 }, 20),
    segment('big', { ...big, segment: 0 }, 30),
    segment('big', { ...big, segment: 1, head: new Uint8Array(0) }, 40),
    segment('half', { width: 2, mid: new Uint8Array(0), low: new Uint8Array(0) }, 50),
    segment('empty', {
      count: 0,
      hi: new Uint8Array(0),
      mid: new Uint8Array(0),
      low: new Uint8Array(0),
    }),
  ];
}

/** True for a blob. */
export function isBlob(record: AnyRecord): record is BlobRecord {
  return 'kind' in record;
}

/** Puts records into a sink, in order. */
export async function addAll(sink: RecordSink, records: readonly AnyRecord[]): Promise<void> {
  for (const record of records) {
    if (isBlob(record)) await sink.addBlob(record);
    else await sink.addSegment(record);
  }
}

/** Writes a set and lists it. */
export async function addSet(
  store: ObjectStore,
  records: readonly AnyRecord[],
  split = false,
): Promise<SetInfo> {
  const sealed = await writeSet(store.backend, records, split);
  await store.publish([sealed]);
  return sealed.info;
}

/** A record in a form that deepEqual compares: buffers of one class. */
export function plain(record: AnyRecord | null): unknown {
  if (record === null) return null;
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [
      key,
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ]),
  );
}
