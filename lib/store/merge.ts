/** Copies the live records of some sets into others, without re-encoding. */
import type { ObjectStore } from './object-store.js';
import type { BlobEntry, RecordSink, SegmentEntry, SetId } from './types.js';

export interface MergeOptions {
  /** Records for which this is false are dropped. */
  keep?: (entry: BlobEntry | SegmentEntry) => boolean | Promise<boolean>;
  signal?: AbortSignal;
}

/** Copies every live record of the named sets, in manifest and file order. */
export declare function mergeSets(
  store: ObjectStore,
  setIds: readonly SetId[],
  sink: RecordSink,
  options?: MergeOptions,
): Promise<{ blobs: number; segments: number }>;
