/** Copies records of some sets into others, without re-encoding: the live ones, or those that are named. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { ConflictError } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
import type { Backend } from './backends/backend.js';
import { packName } from './names.js';
import type { ObjectStore } from './object-store.js';
import { readBlobAt, readSegmentAt } from './packs/read-records.js';
import {
  type BlobEntry,
  type BlobRecord,
  type FileClass,
  PLANE_CLASSES,
  type RecordSink,
  type SegmentEntry,
  type SegmentRecord,
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
    await sink.addBlob(await readEntry(store, entry));
  }
  for (const entry of segments.sort(byPlace)) {
    throwIfAborted(options.signal);
    await sink.addSegment(await readEntry(store, entry));
  }
  return { blobs: blobs.length, segments: segments.length };
}

/** Copies the records that entries name, live or hidden, in the order given. @throws {CorruptError} */
export async function copyRecords(
  backend: Backend,
  entries: Iterable<BlobEntry | SegmentEntry>,
  sink: RecordSink,
  signal?: AbortSignal,
): Promise<void> {
  for (const entry of entries) {
    throwIfAborted(signal);
    const names = (fileClass: FileClass): string => packName(entry.set, fileClass);
    if ('segment' in entry) {
      await sink.addSegment(await readSegmentAt(backend, names, entry, PLANE_CLASSES));
    } else await sink.addBlob(await readBlobAt(backend, names, entry));
  }
}

/** The record of an entry; if another process merged its set away meanwhile, from where it is now. */
async function readEntry<E extends BlobEntry | SegmentEntry>(
  store: ObjectStore,
  entry: E,
): Promise<E extends BlobEntry ? BlobRecord : SegmentRecord>;
async function readEntry(
  store: ObjectStore,
  entry: BlobEntry | SegmentEntry,
): Promise<BlobRecord | SegmentRecord> {
  const names = (fileClass: FileClass): string => packName(entry.set, fileClass);
  try {
    return 'segment' in entry
      ? await readSegmentAt(store.backend, names, entry, PLANE_CLASSES)
      : await readBlobAt(store.backend, names, entry);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const record =
    'segment' in entry
      ? await store.readSegment(entry.id, entry.segment)
      : await store.readBlob(entry.id);
  if (record !== null) return record;
  throw new ConflictError(`object '${entry.id}' was deleted while its pack was merged`, {
    id: entry.id,
    hint: 'run the command again',
  });
}
