/** Records, sets and stores for the tests of the store. */
import { type BlobKind, type Id, objectId } from '../../../../lib/base/bytes/hash.js';
import { SEGMENT_ELEMENTS } from '../../../../lib/base/limits.js';
import type { Backend } from '../../../../lib/storage/store/backends/backend.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../../../lib/storage/store/packs/pack-writer.js';
import {
  type BlobRecord,
  FILE_CLASSES,
  PLANE_CLASSES,
  type Problem,
  type SealedSet,
  type SegmentRecord,
  type SetInfo,
  segmentCount,
} from '../../../../lib/storage/store/types.js';
import { verifySet } from '../../../../lib/storage/store/verify.js';
import { randomBytes } from '../../../helpers/rng.js';

/** A set id that no set has. */
export const NO_SET = '0'.repeat(32) as SetInfo['id'];

/** An id that depends on `name` alone. */
export function idOf(name: string): Id {
  return objectId('blob', Buffer.from(name));
}

/** A blob whose bytes are `text`, against the blob named `base` if given. */
export function blobOf(text: string, base?: string, kind: BlobKind = 'blob'): BlobRecord {
  return {
    id: idOf(text),
    kind,
    codec: base === undefined ? 0 : 7,
    base: base === undefined ? null : idOf(base),
    depth: base === undefined ? 0 : 1,
    rawBytes: 2 * text.length,
    payload: Buffer.from(text),
  };
}

export interface SegmentOptions {
  base?: string;
  segment?: number;
  width?: number;
  /** Elements of the whole extent. */
  count?: number;
  hi?: number;
  mid?: number;
  low?: number;
  seed?: number;
}

/** A segment of the extent `name`, with random planes of the given lengths. */
export function segmentOf(name: string, options: SegmentOptions = {}): SegmentRecord {
  const { base, segment = 0, width = 4, count = 10, hi = 6, mid = 3, low = 4, seed = 1 } = options;
  return {
    id: idOf(name),
    segment,
    segments: segmentCount(count),
    width,
    count,
    base: base === undefined ? null : idOf(base),
    depth: base === undefined ? 0 : 1,
    head: Buffer.from(`head of ${name}`),
    hi: randomBytes(hi, seed),
    mid: randomBytes(mid, seed + 1),
    low: randomBytes(low, seed + 2),
  };
}

let folders = 0;

/** Writes records into one set in tmp/. @param split gives every class a file of its own. */
export async function writeSet(
  backend: Backend,
  records: readonly (BlobRecord | SegmentRecord)[],
  split = false,
): Promise<SealedSet> {
  const options = split ? { smallSetBytes: 0 } : {};
  const writer = await PackSetWriter.create(backend, `tmp/${folders++}`, options);
  for (const record of records) {
    if ('payload' in record) await writer.addBlob(record);
    else await writer.addSegment(record);
  }
  return writer.finish();
}

/** The records of the two sets that `sampleStore` publishes. */
export const SMALL_SET = [
  blobOf('alpha'),
  blobOf('beta', 'alpha', 'recipe'),
  segmentOf('wide', { width: 8, seed: 11 }),
  segmentOf('narrow', { width: 2, mid: 0, low: 0, seed: 12 }),
];
export const SPLIT_SET = [
  segmentOf('tall', { count: SEGMENT_ELEMENTS + 1, hi: 9, seed: 21 }),
  segmentOf('tall', { count: SEGMENT_ELEMENTS + 1, segment: 1, hi: 1, mid: 1, low: 1, seed: 22 }),
  segmentOf('narrow too', { width: 1, hi: 5, mid: 0, low: 0, seed: 23 }),
  segmentOf('child', { base: 'wide', hi: 2, mid: 0, low: 3, seed: 24 }),
];
export const SAMPLE = [...SMALL_SET, ...SPLIT_SET];

/** A store with one small and one split set. */
export async function sampleStore(
  backend: Backend = new MemoryBackend(),
): Promise<{ backend: Backend; store: ObjectStore }> {
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  await store.publish([
    await writeSet(backend, SMALL_SET),
    await writeSet(backend, SPLIT_SET, true),
  ]);
  return { backend, store };
}

/** The record as plain bytes, so that a Buffer equals a Uint8Array of the same bytes. */
export function plain<T extends BlobRecord | SegmentRecord>(record: T | null): T | null {
  if (record === null) return null;
  const names =
    'payload' in record ? (['payload'] as const) : (['head', ...PLANE_CLASSES] as const);
  const copies = names.map((name) => [name, Uint8Array.from((record as never)[name])]);
  return { ...record, ...Object.fromEntries(copies) };
}

/** What `store` gives for the key of `record`. */
export async function readSame(
  store: Pick<ObjectStore, 'readBlob' | 'readSegment'>,
  record: BlobRecord | SegmentRecord,
): Promise<BlobRecord | SegmentRecord | null> {
  return 'payload' in record
    ? plain(await store.readBlob(record.id))
    : plain(await store.readSegment(record.id, record.segment, PLANE_CLASSES));
}

/** All problems that the verifier finds in the listed sets. */
export async function problemsOf(backend: Backend, sets: readonly SetInfo[]): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const info of sets) for await (const one of verifySet(backend, info)) problems.push(one);
  return problems;
}

/** The names of the files of a listed set. */
export function filesOf(info: SetInfo): string[] {
  return FILE_CLASSES.filter((name) => info.bytes[name] > 0).map(
    (name) => `packs/${info.id}.${name}`,
  );
}
