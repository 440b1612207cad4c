/**
 * Planes of one segment at a time, through its chain: decoded from the root on, the next record being
 * read meanwhile, in the memory of two sets of planes and two payloads.
 *
 * Work that goes along chains in about their order, and checks of a whole repository, keep planes:
 * then a delta whose base was read a moment ago costs one link and not its chain.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { CorruptError } from '../../../base/errors.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import type { SegmentHeadAt } from '../../store/packs/read-records.js';
import { type SegmentEntry, type SegmentRecord, segmentKey } from '../../store/types.js';
import { linksOf, missingExtent } from '../chain.js';
import {
  basePlanesOf,
  type ChainLink,
  decodeLink,
  readLink,
  stopOf,
  wantsHead,
} from './chain-link.js';
import { decodeStraight } from './kernel-chains.js';
import { PlaneCache } from './plane-cache.js';
import { leadingPlanes, type PlaneLease } from './plane-pool.js';
import type { PlaneReader, SegmentRecords, SegmentRequest } from './plane-reader.js';
import { headBytesOf, newStats, type RetrievalStats } from './read-counts.js';

export interface ChainReaderOptions {
  /** Once it is aborted, what was not begun is not decoded: AbortedError. */
  readonly signal?: AbortSignal;
  /** Added to. */
  readonly stats?: RetrievalStats;
  /** Bytes of planes of whole segments that are kept, those used last; default 0. */
  readonly cacheBytes?: number;
  /** False for segments that are not worth keeping; default: all are. */
  keeps?(id: Id, segment: number): boolean;
}

/** Looks at a chain that others keep re-encoding before it counts as damaged. */
const REREADS_MAX = 5;

/** Links to be decoded, the wanted segment first, and the planes under the last one. */
interface LaidOut {
  readonly links: readonly ChainLink[];
  readonly under: PlaneLease | null;
  /** What the index says of it. */
  readonly underEntry: SegmentEntry | null;
}

export class ChainReader implements PlaneReader {
  readonly #records: SegmentRecords;
  readonly #how: { readonly signal: AbortSignal | undefined; readonly stats: RetrievalStats };
  readonly #cache: PlaneCache | null;
  readonly #keeps: (id: Id, segment: number) => boolean;

  constructor(records: SegmentRecords, options: ChainReaderOptions = {}) {
    const { signal, stats = newStats(), cacheBytes = 0, keeps = () => true } = options;
    this.#records = records;
    this.#how = { signal, stats };
    this.#cache = cacheBytes > 0 ? new PlaneCache(cacheBytes) : null;
    this.#keeps = keeps;
  }

  async lend({ id, segment, planes = WIDTH_MAX }: SegmentRequest): Promise<PlaneLease> {
    for (let attempt = 0; attempt < REREADS_MAX; attempt++) {
      try {
        const lease =
          (await this.#kept(id, segment)) ??
          (await this.#decode(await this.#layOut(id, segment, planes)));
        return leadingPlanes(lease, planes);
      } catch (error) {
        if (!(error instanceof ReplacedRecord)) throw error;
      }
    }
    throw new CorruptError(`the base of extent '${id}' keeps changing`, { id });
  }

  /** Links from the segment to its root, or to the one whose base is kept, and that base. */
  async #layOut(id: Id, segment: number, wanted: number): Promise<LaidOut> {
    const links: ChainLink[] = [];
    let planes = wanted;
    const find = (next: Id) => this.#records.findSegment(next, segment);
    for await (const { id: at, entry } of linksOf(id, find)) {
      if (entry === null) throw missingExtent(at);
      const head = wantsHead(entry, planes) ? await this.#open(entry) : null;
      const stop = stopOf(entry, head, planes);
      links.push({ entry, head, planes: stop });
      const kept = this.#kept(entry.base, segment);
      if (kept !== null) {
        const underEntry = await this.#records.findSegment(entry.base as Id, segment);
        return { links, under: await kept, underEntry };
      }
      planes = basePlanesOf(entry, head, stop);
    }
    return { links, under: null, underEntry: null };
  }

  /** @throws {ReplacedRecord} if it has another base than its chain was laid out with. */
  async #open({ id, segment, base }: SegmentEntry): Promise<SegmentHeadAt> {
    const head = await this.#records.openSegment(id, segment);
    if (head === null) throw missingExtent(id);
    this.#how.stats.bytes.head += headBytesOf(head.entry);
    if (head.entry.base !== base) throw new ReplacedRecord();
    return head;
  }

  /** Decodes all links at once, by the kernel; null if it cannot, or some of them are to be kept. */
  async #decodeStraight({ links, under, underEntry }: LaidOut): Promise<PlaneLease | null> {
    const [wanted] = links as [ChainLink, ...ChainLink[]];
    if (links.slice(1).some((link) => this.#isKept(link.entry, link.planes))) return null;
    const base =
      under === null || underEntry === null ? null : { ...underEntry, planes: under.planes };
    const reversed = links.slice().reverse();
    const decode = () => decodeStraight(this.#records, reversed, base, this.#how);
    const { entry, planes } = wanted;
    if (!this.#isKept(entry, planes)) return decode();
    const lease = await decode();
    return lease === null ? null : this.#keep(entry, planes, async () => lease);
  }

  /** Decodes links from the last one on; the record of the next is read meanwhile. */
  async #decode(laidOut: LaidOut): Promise<PlaneLease> {
    const straight = await this.#decodeStraight(laidOut);
    const { links, under: kept, underEntry } = laidOut;
    if (straight !== null) {
      kept?.release();
      return straight;
    }
    const read = (at: number): Promise<SegmentRecord> | null => {
      const link = links[at];
      return link === undefined ? null : readLink(this.#records, link, this.#how.stats);
    };
    let at = links.length - 1;
    let under = kept;
    let below = underEntry;
    let ahead = read(at);
    try {
      for (; at >= 0; at--) {
        const { entry, planes } = links[at] as ChainLink;
        const record = (await ahead) as SegmentRecord;
        if (record.base !== entry.base) throw new ReplacedRecord();
        ahead = read(at - 1);
        const base: PlaneLease | null = under;
        const from = below === null || base === null ? null : { ...below, planes: base.planes };
        under = await this.#keep(entry, planes, () => decodeLink(record, planes, from, this.#how));
        base?.release();
        below = entry;
      }
      return under as PlaneLease;
    } finally {
      await ahead?.catch(() => {});
    }
  }

  /** All planes of a segment if they are kept, or being decoded to be kept; else null. */
  #kept(id: Id | null, segment: number): Promise<PlaneLease> | null {
    return (id !== null && this.#cache?.lendKept(segmentKey(id, segment))) || null;
  }

  /** True if planes of a link are worth keeping. */
  #isKept({ id, segment, width }: SegmentEntry, planes: number): boolean {
    return this.#cache !== null && planes >= width && this.#keeps(id, segment);
  }

  /** Decodes planes of a link, and keeps them where that is worth it. */
  #keep(
    entry: SegmentEntry,
    planes: number,
    decode: () => Promise<PlaneLease>,
  ): Promise<PlaneLease> {
    if (this.#cache === null || !this.#isKept(entry, planes)) return decode();
    return this.#cache.lend(segmentKey(entry.id, entry.segment), decode);
  }
}

/** A record was re-encoded, on another base, after its chain was looked up. */
class ReplacedRecord extends Error {}
