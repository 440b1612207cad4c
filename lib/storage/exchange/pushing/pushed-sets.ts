/** Which sets records travel in: a set as it is, where that is possible, and new ones for all other records. */
import type { ObjectStore } from '../../store/object-store.js';
import {
  type BlobEntry,
  recordKey,
  type SegmentEntry,
  type SetId,
  type SetInfo,
  setBytes,
} from '../../store/types.js';
import { changedMeanwhile } from './push-ends.js';

/** A pack set here of which records are pushed. */
export interface PushedSet {
  readonly info: SetInfo;
  readonly entries: (BlobEntry | SegmentEntry)[];
  /** True if the set travels as it is: all its records are pushed, each as it is stored. */
  whole: boolean;
}

/** Small sets travel as one if there are more than this. */
const SMALL_SETS_MAX = 2;
const SMALL_SET_BYTES = 32 * 1024 * 1024;

/**
 * Records by the set that they stand in, in the order of the manifest and of the files.
 * @param alone  records that travel without their base, by `recordKey`.
 * @throws {NotFoundError} if a set was merged away since.
 */
export async function pushedSets(
  store: ObjectStore,
  entries: readonly (BlobEntry | SegmentEntry)[],
  alone: ReadonlySet<string>,
): Promise<PushedSet[]> {
  const groups = new Map<SetId, (BlobEntry | SegmentEntry)[]>();
  for (const entry of entries) {
    const group = groups.get(entry.set);
    if (group) group.push(entry);
    else groups.set(entry.set, [entry]);
  }
  const sets: PushedSet[] = [];
  for (const info of store.sets()) {
    const group = groups.get(info.id);
    if (group === undefined) continue;
    groups.delete(info.id);
    const isPlain = group.every((entry) => !alone.has(recordKey(entry)));
    const isThin = (store.promised?.absent(info.id) ?? []).length > 0;
    const whole = isPlain && !isThin && (await countRecords(store, info)) === group.length;
    sets.push({ info, entries: group.sort(byPlace), whole });
  }
  if (groups.size > 0) throw changedMeanwhile();
  const small = sets.filter(({ whole, info }) => whole && setBytes(info) < SMALL_SET_BYTES);
  if (small.length > SMALL_SETS_MAX) for (const set of small) set.whole = false;
  return sets;
}

async function countRecords(store: ObjectStore, info: SetInfo): Promise<number> {
  let count = 0;
  for await (const _ of store.recordsIn(info)) count++;
  return count;
}

function byPlace(a: BlobEntry | SegmentEntry, b: BlobEntry | SegmentEntry): number {
  return Number('segment' in a) - Number('segment' in b) || a.offset - b.offset;
}
