/**
 * Blocks from all over the first segment of an extent: enough to tell which of several bases gives the smaller
 * delta. Those of stored extents are decoded without a whole plane of any link, where the kernel can.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { isUnreadable } from '../../../base/errors.js';
import type { Sampling } from '../../../pure/codec/chain-plan.js';
import { sampleStraight } from '../../objects/planes/kernel-chains.js';
import type { SegmentRecords } from '../../objects/planes/plane-reader.js';
import { segmentElements } from '../../objects/planes/segment-head.js';

/** Elements of a block, and how many there are. */
const BLOCK_ELEMENTS = 2048;
const BLOCKS = 16;

/** Where the blocks of a segment are; null for a short one, of which all is taken. */
function blocksOf(count: number): Sampling | null {
  if (count <= BLOCK_ELEMENTS * BLOCKS) return null;
  const step = Math.floor((count - BLOCK_ELEMENTS) / (BLOCKS - 1));
  return { length: BLOCK_ELEMENTS, step, pieces: BLOCKS };
}

/** Blocks of the planes of a segment, in memory of their own. */
export function sampleBlocks(planes: readonly Uint8Array[]): Uint8Array[] {
  const sampling = blocksOf((planes[0] as Uint8Array).length);
  if (sampling === null) return planes.map((plane) => plane.slice());
  const { length, step, pieces } = sampling;
  return planes.map((plane) => {
    const sample = new Uint8Array(length * pieces);
    for (let i = 0; i < pieces; i++) {
      sample.set(plane.subarray(i * step, i * step + length), i * length);
    }
    return sample;
  });
}

/**
 * The same of stored extents of one size, decoded in as few passes as their chains allow.
 * @param ids  those with the longest chains last.
 * @returns planes of those that the kernel can sample.
 * @throws {AbortedError}
 */
export async function sampleStored(
  records: SegmentRecords,
  { width, count }: { readonly width: number; readonly count: number },
  ids: readonly Id[],
  signal: AbortSignal | undefined,
): Promise<Map<Id, Uint8Array[]>> {
  const sampled = new Map<Id, Uint8Array[]>();
  const sampling = blocksOf(segmentElements(count, 0));
  if (sampling === null) return sampled;
  for (const id of ids.toReversed()) {
    if (sampled.has(id)) continue;
    const others = new Set(ids.filter((other) => !sampled.has(other)));
    try {
      const extent = { id, width, count };
      const found = await sampleStraight(records, extent, others, { sampling, signal });
      for (const [link, planes] of found ?? []) sampled.set(link, planes);
    } catch (error) {
      // Whoever decodes it whole meets the same.
      if (!isUnreadable(error)) throw error;
    }
  }
  return sampled;
}
