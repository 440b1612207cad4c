/** Writes records that arrived from a remote, each with the planes that were wanted of it, into sets of our own. */
import { crc32 } from '../../../base/bytes/checksum.js';
import type { Id } from '../../../base/bytes/hash.js';
import type { Pace } from '../../../base/bytes/pace.js';
import { type OpenedSegment, readBlobOf, readPlanesOf } from '../../objects/records.js';
import { packName } from '../../store/names.js';
import {
  type AbsentPlanes,
  type BlobEntry,
  PLANE_CLASSES,
  type PlaneClass,
  type SealedSet,
  type SegmentEntry,
  type SetId,
} from '../../store/types.js';
import { type ThinRecord, ThinWriters } from '../../upkeep/thin-records.js';
import { disturbedHere } from '../fetching/disturbed.js';
import type { FetchParts } from '../fetching/parts.js';
import { planeRange } from '../fetching/record-ranges.js';
import { damagedRemote, readingRemote } from '../remote/remote-damage.js';
import { classesOf, type Taken, type TakenRecords } from './taken-records.js';

/** Sets that were made of what arrived. */
export interface PartlyDownloaded {
  readonly sealed: readonly SealedSet[];
  /** Classes of planes that are not in some of them. */
  readonly thin: ReadonlyMap<SetId, PlaneClass[]>;
  /** What they hold. */
  readonly blobs: ReadonlyMap<Id, BlobEntry['kind']>;
  readonly extents: ReadonlyMap<Id, number>;
}

/** @throws {CorruptError} if the remote sent something else than it lists. */
export async function copyArrived(
  parts: FetchParts,
  taken: TakenRecords,
  pace: Pace,
): Promise<PartlyDownloaded> {
  const blobs = new Map<Id, BlobEntry['kind']>();
  const extents = new Map<Id, number>();
  const writers = new ThinWriters(parts.repo.store);
  try {
    for (const entry of [...taken.blobs.values()].sort(byPlace)) {
      await pace.step();
      const { remote, shown } = parts;
      await writers.addBlob(await readingRemote(shown, () => readBlobOf(remote.backend, entry)));
      blobs.set(entry.id, entry.kind);
    }
    const given = [...taken.segments.values()].filter(({ planes }) => planes > 0);
    for (const one of given.sort((a, b) => byPlace(a.entry, b.entry))) {
      await pace.step();
      await writers.addSegment(await readArrived(parts, taken, one));
      extents.set(one.entry.id, one.entry.segments);
    }
    await writers.flush();
    return { sealed: writers.sealed, thin: writers.thin, blobs, extents };
  } catch (error) {
    await writers.removeSealed();
    throw error;
  } finally {
    await writers.abort();
  }
}

function byPlace(a: BlobEntry | SegmentEntry, b: BlobEntry | SegmentEntry): number {
  if (a.set !== b.set) return a.set < b.set ? -1 : 1;
  return a.offset - b.offset;
}

/** A record with the planes that arrived and those that were here before. */
async function readArrived(
  parts: FetchParts,
  records: TakenRecords,
  taken: Taken,
): Promise<ThinRecord> {
  const { repo, remote, shown } = parts;
  const { entry, twin } = taken;
  const head = taken.head as OpenedSegment;
  const classes = classesOf(taken);
  const sizes = { hi: entry.hiBytes, mid: entry.midBytes, low: entry.lowBytes };
  const isLocal = (plane: PlaneClass): boolean => records.isLocal(taken, plane);
  const found =
    twin === null
      ? await readingRemote(shown, () => readPlanesOf(remote.backend, head, classes))
      : await repo.store.here.readPlanes(head, PLANE_CLASSES.filter(isLocal));
  if (found === null) throw disturbedHere();
  const record = { ...found };
  const absent: AbsentPlanes = {};
  for (const plane of ['mid', 'low'] as const) {
    if (sizes[plane] === 0) continue;
    if (!classes.includes(plane) && !isLocal(plane)) {
      absent[plane] = { bytes: sizes[plane], crc: head.crcs[plane] };
    } else if (twin !== null && !isLocal(plane)) {
      record[plane] = await readPlanes(parts, taken, plane);
    }
  }
  return { record, absent };
}

/** Planes of a record whose head is here. @throws {CorruptError} if they are others. */
async function readPlanes(
  { remote, shown }: FetchParts,
  { entry, head }: Taken,
  plane: 'mid' | 'low',
): Promise<Uint8Array> {
  const { fileClass, range } = planeRange(entry, plane);
  const name = packName(entry.set, fileClass);
  const bytes = await remote.backend.read(name, range.start, range.end - range.start);
  if (crc32(bytes) === head?.crcs[plane]) return bytes;
  throw damagedRemote(shown, `the ${plane} planes of extent ${entry.id} are others`, entry.id);
}
