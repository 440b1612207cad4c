/** Copies the live records of some sets into others, without re-encoding. */
import { throwIfAborted } from '../bytes/files.js';
import type { ObjectStore } from './object-store.js';
import { packName } from './pack-format.js';
import { readBlobAt, readSegmentAt } from './read-records.js';
import {
  type BlobEntry,
  PLANE_CLASSES,
  type RecordSink,
  type SegmentEntry,
  type SetId,
} from './types.js';

export interface MergeOptions {
  /** Records for which this is false are dropped. */
  keep?: (entry: BlobEntry | SegmentEntry) => boolean | Promise<boolean>;
  signal?: AbortSignal;
}

/** Copies every live record of the named sets, in manifest and file order. */
export async function mergeSets(
  store: ObjectStore,
  setIds: readonly SetId[],
  sink: RecordSink,
  options: MergeOptions = {},
): Promise<{ blobs: number; segments: number }> {
  const wanted = new Map(
    store
      .sets()
      .filter((s) => setIds.includes(s.id))
      .map((s, i) => [s.id, i]),
  );
  const byPlace = (a: BlobEntry | SegmentEntry, b: BlobEntry | SegmentEntry): number =>
    (wanted.get(a.set) as number) - (wanted.get(b.set) as number) || a.offset - b.offset;
  const keep = options.keep ?? (() => true);
  const blobs: BlobEntry[] = [];
  for await (const entry of store.blobs())
    if (wanted.has(entry.set) && (await keep(entry))) blobs.push(entry);
  const segments: SegmentEntry[] = [];
  for await (const entry of store.segments())
    if (wanted.has(entry.set) && (await keep(entry))) segments.push(entry);
  for (const entry of blobs.sort(byPlace)) {
    throwIfAborted(options.signal);
    await sink.addBlob(await readBlobAt(store.backend, (c) => packName(entry.set, c), entry));
  }
  for (const entry of segments.sort(byPlace)) {
    throwIfAborted(options.signal);
    await sink.addSegment(
      await readSegmentAt(store.backend, (c) => packName(entry.set, c), entry, PLANE_CLASSES),
    );
  }
  return { blobs: blobs.length, segments: segments.length };
}
