/**
 * Extents as they are read from a file: once to hash them, and a second time for segments that were neither kept in
 * memory nor written before their id was known.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { ChangedError } from '../../base/errors.js';
import type { ReadFile } from '../../base/files/files.js';
import { RUN_ELEMENTS, SEGMENT_ELEMENTS } from '../../base/limits.js';
import { splitFast } from '../../pure/codec/planes.js';
import { Sketcher } from '../../pure/codec/sketch.js';
import { ExtentHasher, type ExtentHashes } from '../../pure/tensor/extent-id.js';
import { swapBytes } from '../../pure/tensor/planes.js';
import { type PlaneLease, planePool } from '../objects/planes/plane-pool.js';
import { segmentElements } from '../objects/planes/segment-head.js';
import { segmentCount } from '../store/types.js';
import type { FileFeed } from './file-feed.js';
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

/** Where the planes of an extent are kept while it is read, segment after segment. */
export interface SegmentPlanes {
  /** Memory for the planes of the next segment; null: they are hashed, and not kept. */
  lend(segment: number): Promise<PlaneLease | null>;
  /** Called when more was read: so many segments are filled. Does not wait. */
  advance(whole: number): void;
  /** Called when a segment is filled, before the next one. */
  filled(segment: number): Promise<void>;
}

/**
 * Reads an extent.
 * @returns its hashes.
 */
export async function hashExtent(
  feed: FileFeed,
  part: ExtentPlace,
  segments: SegmentPlanes,
): Promise<ReadExtent> {
  const { width, count, byteSwap } = part;
  const hasher = new ExtentHasher(width, count);
  const sketcher = new Sketcher(width, count);
  // Two in turn: the run before the one being read is still being hashed.
  const passing: PlaneLease[] = [];
  for (let segment = 0; segment < segmentCount(count); segment++) {
    const elements = segmentElements(count, segment);
    const lease = await segments.lend(segment);
    while (lease === null && passing.length < 2) passing.push(planePool.lend(width, RUN_ELEMENTS));
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
      const isFilled = first + run === elements;
      // Whoever has the planes of a segment may give them back.
      if (isFilled && lease !== null) await hasher.settle();
      segments.advance(isFilled ? segment + 1 : segment);
    }
    await segments.filled(segment);
  }
  const hashes = { ...(await hasher.finish()), sketch: sketcher.finish() };
  for (const lease of passing) lease.release();
  return hashes;
}

/** Reads a segment of an extent again and checks that it still has the hashes of pass 1. */
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
