/**
 * Segments that the kernel decodes straight from pack files, through all links of their chain: it reads,
 * checks and decodes them block by block, so that nothing but the wanted planes takes memory.
 *
 * What it cannot do, and what goes wrong, is left to the reader that goes link by link: it meets the
 * same error and names it.
 */
import {
  decodeChain,
  decodesChains,
  isStreamable,
  PLANNED_LINKS_MAX,
  type PlannedLink,
} from '../../../pure/codec/chain-plan.js';
import type { SegmentHeadAt } from '../../store/packs/read-records.js';
import type { LentPayloads } from '../../store/types.js';
import type { LinkBase } from './base-planes.js';
import type { ChainLink } from './chain-link.js';
import { type PlaneLease, planePool } from './plane-pool.js';
import type { SegmentRecords } from './plane-reader.js';
import { addReadBytes, classesFor, headBytesOf, type RetrievalStats } from './read-counts.js';
import { decodeSegmentHead, segmentElements } from './segment-head.js';

/** Of smaller segments a read for the head and one for the planes take longer than all else. */
const STRAIGHT_ELEMENTS_MIN = 64 * 1024;

interface OpenLink {
  readonly planned: PlannedLink;
  readonly lent: LentPayloads;
}

/** True if every link has the size that the one before it has: the kernel does nothing to a base. */
function areAlike(links: readonly ChainLink[], base: LinkBase | null): boolean {
  const sizes = links.map(({ entry }) => entry);
  const [first] = sizes;
  if (first === undefined) return false;
  const elements = segmentElements(first.count, first.segment);
  if (base !== null && (base.width !== first.width || base.planes[0]?.length !== elements)) {
    return false;
  }
  return sizes.every(
    ({ width, count, segment }) =>
      width === first.width && segmentElements(count, segment) === elements,
  );
}

async function openLink(
  records: SegmentRecords,
  { entry, planes }: ChainLink,
  head: SegmentHeadAt,
): Promise<OpenLink | null> {
  const { codec, operation } = decodeSegmentHead(head.record);
  if (operation !== undefined || !isStreamable(codec)) return null;
  const lent = await records.lendPayloads?.(head, classesFor(entry.width, planes));
  if (!lent) return null;
  const { hi, mid, low } = lent.payloads;
  return {
    planned: { width: entry.width, planes, head: codec, classes: [hi, mid, low] },
    lent,
  };
}

/** Links as the kernel reads them; null if one is not for it. */
async function openLinks(
  records: SegmentRecords,
  links: readonly ChainLink[],
): Promise<OpenLink[] | null> {
  const open: OpenLink[] = [];
  try {
    for (const link of links) {
      const { id, segment, base } = link.entry;
      const head = link.head ?? (await records.openSegment(id, segment));
      // A record that was replaced since its chain was looked up stands on another base.
      const isSame = head !== null && head.entry.base === base && head.record.base === base;
      const opened = isSame ? await openLink(records, link, head) : null;
      if (opened === null) {
        release(open);
        return null;
      }
      open.push(opened);
    }
    return open;
  } catch (error) {
    release(open);
    throw error;
  }
}

function release(open: readonly OpenLink[]): void {
  for (const { lent } of open) lent.release();
}

/**
 * Decodes the last of some links, through all of them.
 * @param links  from the root, or the one that depends on `base`, to the wanted one.
 * @returns null if the kernel cannot: go link by link then.
 * @throws {AbortedError}
 */
export async function decodeStraight(
  records: SegmentRecords,
  links: readonly ChainLink[],
  base: LinkBase | null,
  { stats, signal }: { readonly stats: RetrievalStats; readonly signal: AbortSignal | undefined },
): Promise<PlaneLease | null> {
  const last = links.at(-1);
  if (last === undefined || records.lendPayloads === undefined || !decodesChains()) return null;
  const count = segmentElements(last.entry.count, last.entry.segment);
  if (count < STRAIGHT_ELEMENTS_MIN || links.length > PLANNED_LINKS_MAX) return null;
  if (!areAlike(links, base)) return null;
  const open = await openLinks(records, links);
  if (open === null) return null;
  const lease = planePool.lend(last.planes, count);
  const chain = { links: open.map(({ planned }) => planned), base: base?.planes ?? null };
  try {
    if (!(await decodeChain(chain, lease.planes, signal))) {
      lease.release();
      return null;
    }
  } finally {
    release(open);
  }
  for (const { entry, planes, head } of links) {
    addReadBytes(stats.bytes, entry, planes, true);
    // A head that was read before is counted already.
    if (head === null) stats.bytes.head += headBytesOf(entry);
  }
  stats.decodes += links.length;
  stats.decodedElements += links.length * count;
  return lease;
}
