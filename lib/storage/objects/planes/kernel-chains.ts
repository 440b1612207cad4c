/**
 * Segments that the kernel decodes straight from pack files, through all links of their chain: it reads,
 * checks and decodes them block by block, so that nothing but the wanted planes, or samples, takes memory.
 *
 * What it cannot do, and what goes wrong, is left to the reader that goes link by link: it meets the
 * same error and names it.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import {
  decodeChain,
  decodesChains,
  isStreamable,
  PLANNED_LINKS_MAX,
  type PlannedLink,
  type Sampling,
  sampleChain,
} from '../../../pure/codec/chain-plan.js';
import type { SegmentHeadAt } from '../../store/packs/read-records.js';
import type { LentPayloads } from '../../store/types.js';
import { linksOf } from '../chain.js';
import type { LinkBase } from './base-planes.js';
import { basePlanesOf, type ChainLink, stopOf } from './chain-link.js';
import { type PlaneLease, planePool } from './plane-pool.js';
import type { NamedExtent, SegmentRecords } from './plane-reader.js';
import { addReadBytes, classesFor, headBytesOf, type RetrievalStats } from './read-counts.js';
import { decodeSegmentHead, segmentElements } from './segment-head.js';

/** Of smaller segments a read for the head and one for the planes take longer than all else. */
const STRAIGHT_ELEMENTS_MIN = 64 * 1024;

interface OpenLink {
  readonly planned: PlannedLink;
  readonly lent: LentPayloads;
}

/** True if the kernel may decode a segment straight from files, as far as can be told before it is opened. */
export function goesStraight(
  records: SegmentRecords,
  { count, segment }: { readonly count: number; readonly segment: number },
): boolean {
  if (records.lendPayloads === undefined || !decodesChains()) return false;
  return segmentElements(count, segment) >= STRAIGHT_ELEMENTS_MIN;
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
  if (last === undefined || !goesStraight(records, last.entry)) return null;
  const count = segmentElements(last.entry.count, last.entry.segment);
  if (links.length > PLANNED_LINKS_MAX) return null;
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

/** Links of the chain of a first segment, from its root on; null if it cannot be followed here. */
async function sampledLinks(
  records: SegmentRecords,
  last: Id,
  sampled: ReadonlySet<Id>,
): Promise<ChainLink[] | null> {
  const links: ChainLink[] = [];
  let planes = WIDTH_MAX;
  for await (const { id, entry } of linksOf(last, (next) => records.findSegment(next, 0))) {
    const head = entry && (await records.openSegment(id, 0));
    if (!head || head.entry.base !== entry.base || links.length === PLANNED_LINKS_MAX) return null;
    const stop = stopOf(entry, head, sampled.has(id) ? entry.width : planes);
    links.unshift({ entry, head, planes: stop });
    planes = basePlanesOf(entry, head, stop);
  }
  return links;
}

/**
 * Samples of the first segment of an extent, and of those that its chain goes through, in one pass and without
 * a whole plane of any. They tell how alike planes are, no more: not all that they are from is checked.
 * @param sampled   extents whose samples are wanted where the chain goes through them; the last one's always are.
 * @returns planes by extent; null if the kernel cannot: decode it whole then.
 * @throws {CorruptError} {AbortedError}
 */
export async function sampleStraight(
  records: SegmentRecords,
  { id, width, count }: NamedExtent,
  sampled: ReadonlySet<Id>,
  { sampling, signal }: { readonly sampling: Sampling; readonly signal: AbortSignal | undefined },
): Promise<Map<Id, Uint8Array[]> | null> {
  const elements = segmentElements(count, 0);
  if (!goesStraight(records, { count, segment: 0 })) return null;
  const wanted = new Set([...sampled, id]);
  const links = await sampledLinks(records, id, wanted);
  const last = links?.at(-1)?.entry;
  if (!links || last?.width !== width || last.count !== count || !areAlike(links, null))
    return null;
  const open = await openLinks(records, links);
  if (open === null) return null;
  try {
    const planned = open.map(({ planned }, i) => {
      return { ...planned, isSampled: wanted.has((links[i] as ChainLink).entry.id) };
    });
    const samples = await sampleChain(planned, elements, sampling, signal);
    const ids = links.map(({ entry }) => entry.id).filter((link) => wanted.has(link));
    return samples && new Map(ids.map((link, i) => [link, samples[i] as Uint8Array[]]));
  } finally {
    release(open);
  }
}
