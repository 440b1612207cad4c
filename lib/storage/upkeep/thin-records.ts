/** Records of segments without some of their low planes, and the sets that hold these. */
import { newWorkName } from '../repo/processes/made-names.js';
import type { ObjectStore } from '../store/object-store.js';
import { RollingWriter, removeSealed } from '../store/packs/rolling-writer.js';
import {
  type AbsentPlanes,
  type BlobRecord,
  PLANE_CLASSES,
  type PlaneClass,
  type SealedSet,
  type SegmentEntry,
  type SegmentRecord,
  type SetId,
} from '../store/types.js';

/** A record, and size and checksum of what it lacks. */
export interface ThinRecord {
  readonly record: SegmentRecord;
  readonly absent: AbsentPlanes;
}

/**
 * Reads the live record of a segment without some planes.
 * @returns null if that is another one now than `entry` says.
 */
export async function readThinRecord(
  { here }: ObjectStore,
  entry: SegmentEntry,
  without: readonly PlaneClass[],
): Promise<ThinRecord | null> {
  const head = await here.openSegment(entry.id, entry.segment);
  const kept = PLANE_CLASSES.filter((plane) => !without.includes(plane));
  const record = head === null ? null : await here.readPlanes(head, kept);
  if (head === null || record === null || record.base !== entry.base) return null;
  const sizes = { mid: entry.midBytes, low: entry.lowBytes };
  const absent: AbsentPlanes = {};
  for (const plane of ['mid', 'low'] as const) {
    if (!without.includes(plane) || sizes[plane] === 0) continue;
    absent[plane] = { bytes: sizes[plane], crc: head.crcs[plane] };
  }
  return { record, absent };
}

/** Writes records into sets of which each lacks the same classes: one writer for each choice of planes. */
export class ThinWriters {
  /** Finished sets; whoever made the writers removes them. */
  readonly sealed: SealedSet[] = [];
  /** Classes that some of them lack. */
  readonly thin = new Map<SetId, PlaneClass[]>();
  readonly #store: ObjectStore;
  readonly #writers = new Map<string, RollingWriter>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  async addBlob(record: BlobRecord): Promise<void> {
    await this.#writer([]).addBlob(record);
  }

  /** @param without  classes that its set lacks; default: those that the record does. */
  async addSegment(
    { record, absent }: ThinRecord,
    without = Object.keys(absent) as PlaneClass[],
  ): Promise<void> {
    await this.#writer(without).addSegment(record, absent);
  }

  #writer(absent: PlaneClass[]): RollingWriter {
    const key = absent.join(' ');
    const known = this.#writers.get(key);
    if (known !== undefined) return known;
    const onSealed = (set: SealedSet): void => {
      this.sealed.push(set);
      if (absent.length > 0) this.thin.set(set.info.id, absent);
    };
    const tmpName = (): string => newWorkName('fetch');
    const writer = new RollingWriter({ backend: this.#store.backend, tmpName, onSealed, absent });
    this.#writers.set(key, writer);
    return writer;
  }

  /** Finishes the open sets. */
  async flush(): Promise<void> {
    for (const writer of this.#writers.values()) await writer.flush();
  }

  /** Removes the open sets. */
  async abort(): Promise<void> {
    for (const writer of this.#writers.values()) await writer.abort();
  }

  /** Removes the files of finished sets that nobody took. */
  async removeSealed(): Promise<void> {
    await removeSealed(this.#store.backend, this.sealed);
  }
}
