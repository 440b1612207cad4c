/** Which low planes of records here can go: nothing here needs them, and a remote keeps them as they are. */
import type { Id } from '../../../base/bytes/hash.js';
import { Pace } from '../../../base/bytes/pace.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import { basePlanesOf, stopOf, wantsHead } from '../../objects/planes/chain-link.js';
import { classesFor } from '../../objects/planes/read-counts.js';
import { planesHere } from '../../store/promised.js';
import { isSameCoding, recordKey, type SegmentEntry, segmentKey } from '../../store/types.js';
import type { FetchingRepository } from '../fetch-plan.js';
import type { TransferOptions } from '../transports/transport.js';
import type { Kept } from './keeper.js';

/** Classes of planes that can go, of a record that has them. */
const LOW_CLASSES = ['mid', 'low'] as const;
type LowClass = (typeof LOW_CLASSES)[number];

/** A record, and the classes of its planes that are given up. */
export interface Leaving {
  readonly entry: SegmentEntry;
  /** The same record at the remote. */
  readonly there: SegmentEntry;
  readonly classes: LowClass[];
}

export interface LeavingOptions extends TransferOptions {
  /** Leading planes of an extent that stay here. */
  planesOf(extent: Id): number;
}

/** Bytes that are freed. */
export function leavingBytes({ entry, classes }: Leaving): number {
  return classes.reduce((sum, plane) => sum + sizeOf(entry, plane), 0);
}

function sizeOf({ midBytes, lowBytes }: SegmentEntry, plane: LowClass): number {
  return plane === 'mid' ? midBytes : lowBytes;
}

/**
 * @returns what can go, and the bytes of low planes that stay since the remote does not keep them as they are here.
 */
export async function findLeaving(
  store: FetchingRepository['store'],
  { segments }: Kept,
  { planesOf, signal }: LeavingOptions,
): Promise<{ leaving: Leaving[]; keptBytes: number }> {
  const pace = new Pace(signal);
  const there = new Map<string, SegmentEntry>();
  const needs = new Map<string, number>();
  const entries: SegmentEntry[] = [];
  let keptBytes = 0;
  for await (const entry of store.segments()) {
    await pace.step();
    entries.push(entry);
    const twin = segments.get(recordKey(entry));
    const isThere = twin !== undefined && isSameCoding(entry, twin);
    if (isThere) there.set(recordKey(entry), twin);
    const few = planesOf(entry.id);
    if (!isThere && few < entry.width && planesHere(entry, []) > few) {
      const classes = classesFor(entry.width, few);
      for (const plane of LOW_CLASSES) {
        if (!classes.includes(plane)) keptBytes += sizeOf(entry, plane);
      }
    }
  }
  for (const { id, segment, width } of entries) {
    const few = there.has(segmentKey(id, segment)) ? planesOf(id) : width;
    await noteNeeds(store, needs, { id, segment, planes: Math.min(few, width) }, pace);
  }
  const leaving: Leaving[] = [];
  for (const entry of entries) {
    const key = recordKey(entry);
    const twin = there.get(key);
    if (twin === undefined) continue;
    const kept = classesFor(entry.width, needs.get(key) ?? WIDTH_MAX);
    const absent = store.promised?.absent(entry.set) ?? [];
    const classes = LOW_CLASSES.filter(
      (plane) => !kept.includes(plane) && !absent.includes(plane) && sizeOf(entry, plane) > 0,
    );
    if (classes.length > 0) leaving.push({ entry, there: twin, classes });
  }
  return { leaving, keptBytes };
}

/** Notes what planes of a record, and of those under it, are needed. */
async function noteNeeds(
  store: FetchingRepository['store'],
  needs: Map<string, number>,
  want: { id: Id; segment: number; planes: number },
  pace: Pace,
): Promise<void> {
  let { id, planes } = want;
  const { segment } = want;
  for (;;) {
    await pace.step();
    const entry = await store.here.findSegment(id, segment);
    if (entry === null) return;
    const wanted = Math.min(planes, entry.width);
    const head = wantsHead(entry, wanted) ? await store.here.openSegment(id, segment) : null;
    const stop = stopOf(entry, head, wanted);
    const key = segmentKey(id, segment);
    if ((needs.get(key) ?? 0) >= stop) return;
    needs.set(key, stop);
    if (entry.base === null) return;
    planes = basePlanesOf(entry, head, stop);
    id = entry.base;
  }
}
