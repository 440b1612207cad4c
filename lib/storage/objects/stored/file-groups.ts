/** Which files are rebuilt together, and the segments that they ask for. */
import { extentsOf } from '../../../pure/tensor/recipe-extents.js';
import { segmentCount } from '../../store/types.js';
import type { SegmentRequest } from '../planes/plane-reader.js';
import { SEGMENTS_MAX } from '../planes/read-segments.js';
import { namedObjects, type StoredFile } from './stored-file.js';

/** Files rebuilt side by side: each has an unfinished file open. */
const FILES_AT_ONCE = 16;

/** A file that may be rebuilt together with others. */
export interface GroupMember {
  readonly stored: StoredFile;
  /** By `weightOf`. */
  readonly weight: number;
}

/** What a file takes of the room of a group: its segments, and a little for each tensor and part. */
export function weightOf(file: StoredFile): number {
  let weight = 0;
  for (const { count } of extentsOf(file)) weight += segmentCount(count);
  const { recipe, skeleton } = file;
  const chunks = recipe?.chunks.reduce((sum, run) => sum + run.length, 0) ?? 0;
  // A file has a few parts for each tensor; one of nothing but parts takes as much memory.
  const values = Math.max(skeleton?.tensors.length ?? 0, (skeleton?.parts.length ?? 0) >> 2);
  return weight + ((values + (chunks >> 2)) >> 2);
}

/** True if a group has room for one more file. */
export function fitsGroup(group: readonly GroupMember[], file: StoredFile): boolean {
  if (group.length === 0) return true;
  const before = group.reduce((sum, member) => sum + member.weight, 0);
  return group.length < FILES_AT_ONCE && before + weightOf(file) <= SEGMENTS_MAX;
}

/** Segments of the extents of a file, in its order. */
export function segmentsOfFile(file: StoredFile): SegmentRequest[] {
  const requests: SegmentRequest[] = [];
  for (const { kind, id, count = 0 } of namedObjects(file)) {
    if (kind !== 'extent') continue;
    for (let segment = 0; segment < segmentCount(count); segment++) requests.push({ id, segment });
  }
  return requests;
}

/** An element of each list in turn. */
export function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = lists.reduce((most, list) => Math.max(most, list.length), 0);
  const all: T[] = [];
  for (let at = 0; at < longest; at++) {
    for (const list of lists) if (at < list.length) all.push(list[at] as T);
  }
  return all;
}
