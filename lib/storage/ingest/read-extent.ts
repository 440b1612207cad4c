/**
 * Extents as they are read from a file: once to hash them, and a second time for the segments of those
 * that are too long to be kept in memory until their id is known.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { ChangedError } from '../../base/errors.js';
import type { ReadFile } from '../../base/files/files.js';
import { KEPT_EXTENT_BYTES, RUN_ELEMENTS, SEGMENT_ELEMENTS } from '../../base/limits.js';
import { splitFast } from '../../pure/codec/planes.js';
import { Sketcher } from '../../pure/codec/sketch.js';
import { ExtentHasher, type ExtentHashes } from '../../pure/tensor/extent-id.js';
import { swapBytes } from '../../pure/tensor/planes.js';
import { type PlaneLease, planePool } from '../objects/planes/plane-pool.js';
import { segmentElements } from '../objects/planes/segment-head.js';
import { segmentCount } from '../store/types.js';
import type { FileFeed } from './file-feed.js';
import type { PlanesInFlight } from './planes-in-flight.js';
import { splitNext } from './split-next.js';

/** An extent that was read: its hashes and its sketch. */
export interface ReadExtent extends ExtentHashes {
  sketch: Uint8Array;
}

/** The part of a file that an extent is. */
export interface ExtentPlace {
  width: number;
  count: number;
  byteSwap: boolean;
  offset: number;
}

/** Called when more of an extent was read, with the planes of its segments so far and how many of them are filled. */
export type OnRead = (kept: readonly PlaneLease[], whole: number) => void;

/**
 * Reads an extent.
 * @param onRead  not called for one that is not kept.
 * @returns its hashes, and the planes of its segments: none of them if they are too many.
 */
export async function hashExtent(
  feed: FileFeed,
  part: ExtentPlace,
  inFlight: PlanesInFlight,
  onRead: OnRead = () => {},
): Promise<{ hashes: ReadExtent; kept: PlaneLease[] }> {
  const { width, count, byteSwap } = part;
  const hasher = new ExtentHasher(width, count);
  const sketcher = new Sketcher(width, count);
  const keep = count * width <= KEPT_EXTENT_BYTES;
  // Two in turn: the run before the one being read is still being hashed.
  const passing = keep
    ? []
    : [planePool.lend(width, RUN_ELEMENTS), planePool.lend(width, RUN_ELEMENTS)];
  const kept: PlaneLease[] = [];
  for (let segment = 0; segment < segmentCount(count); segment++) {
    const elements = segmentElements(count, segment);
    const lease = keep ? await inFlight.lend(width, elements, kept) : null;
    if (lease) kept.push(lease);
    for (let first = 0; first < elements; first += RUN_ELEMENTS) {
      const run = Math.min(RUN_ELEMENTS, elements - first);
      const memory = lease ?? passing[(first / RUN_ELEMENTS) % 2];
      const from = lease ? first : 0;
      const target = memory?.planes.map((plane) =>
        plane.subarray(from, from + run),
      ) as Uint8Array[];
      const digests = await feed.readRun(target, byteSwap);
      if (digests === undefined) await splitNext(feed, target, byteSwap);
      sketcher.add(target);
      await (digests ? hasher.addHashed(digests) : hasher.addRun(target));
      if (keep) onRead(kept, first + run < elements ? segment : segment + 1);
    }
  }
  const hashes = { ...(await hasher.finish()), sketch: sketcher.finish() };
  for (const lease of passing) lease.release();
  return { hashes, kept };
}

/** Reads a segment of a long extent again and checks that it still has the hashes of pass 1. */
export async function rereadSegment(
  source: ReadFile,
  part: ExtentPlace,
  { segment, hashes }: { segment: number; hashes: ExtentHashes },
  signal?: AbortSignal,
): Promise<PlaneLease> {
  const { width } = part;
  const elements = segmentElements(part.count, segment);
  const lease = planePool.lend(width, elements);
  const check = new ExtentHasher(width, elements);
  const runBytes = new Uint8Array(Math.min(elements, RUN_ELEMENTS) * width);
  const from = part.offset + segment * SEGMENT_ELEMENTS * width;
  for (let first = 0; first < elements; first += RUN_ELEMENTS) {
    throwIfAborted(signal);
    const run = Math.min(RUN_ELEMENTS, elements - first);
    const bytes = runBytes.subarray(0, run * width);
    await source.readInto(bytes, from + first * width);
    if (part.byteSwap) swapBytes(bytes, width);
    const target = lease.planes.map((plane) => plane.subarray(first, first + run));
    splitFast(bytes, target);
    await check.addRun(target);
  }
  const found = await check.finish();
  const start = (32 * segment * SEGMENT_ELEMENTS) / RUN_ELEMENTS;
  const same = found.hashes.every(
    (run, k) =>
      Buffer.compare(run, (hashes.hashes[k] as Uint8Array).subarray(start, start + run.length)) ===
      0,
  );
  if (!same) {
    throw new ChangedError(`'${source.name}' changed while it was being read`, {
      file: source.name,
      hint: 'wait until no other program writes to the file, then run the command again',
    });
  }
  return lease;
}
