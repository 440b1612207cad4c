/** All pack sets of a repository behind one look-up. */
import type { BlobKind, Id } from '../bytes/hash.js';
import type { Backend } from './backend.js';
import type {
  BlobEntry,
  BlobRecord,
  PlaneClass,
  SealedSet,
  SegmentEntry,
  SegmentRecord,
  SetId,
  SetInfo,
} from './types.js';

export interface ObjectStoreOptions {
  /** Bytes of index kept in memory; default 64 MiB. */
  indexCacheBytes?: number;
}

export declare class ObjectStore {
  readonly backend: Backend;
  /** Writes the manifest of a new repository, generation 0, no sets. @throws {ExistsError} */
  static init(backend: Backend): Promise<void>;
  static open(backend: Backend, options?: ObjectStoreOptions): Promise<ObjectStore>;
  get generation(): number;
  sets(): readonly SetInfo[];
  /** Reads the manifest again; true if it changed. */
  reload(): Promise<boolean>;
  /** The live entry; on a miss the manifest is read again once. */
  findBlob(id: Id): Promise<BlobEntry | null>;
  readBlob(id: Id): Promise<BlobRecord | null>;
  findSegment(id: Id, segment: number): Promise<SegmentEntry | null>;
  /** True if listed in the manifest as last read (no reload: cheap for ingest). */
  hasBlob(id: Id): Promise<boolean>;
  /** True if all segments are live in the manifest as last read. */
  hasExtent(id: Id): Promise<boolean>;
  /** Header, head and the classes asked for, verified; other classes are empty. */
  readSegment(
    id: Id,
    segment: number,
    classes: readonly PlaneClass[],
  ): Promise<SegmentRecord | null>;
  readSegmentHead(id: Id, segment: number): Promise<SegmentRecord | null>;
  /** Ids of live blobs of one kind that start with `hexPrefix`, sorted, at most `max`. */
  resolveIdPrefix(kind: BlobKind, hexPrefix: string, max?: number): Promise<Id[]>;
  /** Live blobs in order of id. */
  blobs(kind?: BlobKind): AsyncIterable<BlobEntry>;
  /** Live segments in order of (id, segment). */
  segments(): AsyncIterable<SegmentEntry>;
  /**
   * Renames finished sets into packs/ and swaps the manifest. The caller holds the lock.
   * @param edit gets the current list with the new sets appended, returns the list to write.
   */
  publish(
    sealed: readonly SealedSet[],
    edit?: (sets: readonly SetInfo[]) => readonly SetInfo[],
  ): Promise<void>;
  /** Moves sets that the manifest no longer lists to trash/. The caller holds the lock. */
  retire(setIds: readonly SetId[]): Promise<void>;
  close(): Promise<void>;
}
