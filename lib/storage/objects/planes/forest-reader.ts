/**
 * Many segments that were announced, read in about their order: what their chains share is decoded
 * once, in bounded memory.
 *
 * The kernel reads records from their files where it can; others are read ahead of their decoding.
 * Planes of bases that are used again are kept within `cacheBytes`. Future uses are known, so the
 * planes that are needed furthest in the future are evicted; they are decoded again when their time
 * comes. What was not announced, and a record that was re-encoded since its chain was laid out, is
 * read through its own chain.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { SHARED_PLANES_BYTES } from '../../../base/limits.js';
import { type SegmentRecord, segmentKey } from '../../store/types.js';
import type { LinkBase } from './base-planes.js';
import type { ChainForest, ChainNode, PlannedSegment } from './chain-forest.js';
import { decodeLink, readLink } from './chain-link.js';
import { ChainReader } from './chain-reader.js';
import { decodeStraight, goesStraight } from './kernel-chains.js';
import { leadingPlanes, leaseOf, type PlaneLease } from './plane-pool.js';
import type { PlaneReader, SegmentRecords, SegmentRequest } from './plane-reader.js';
import { newStats, type RetrievalStats } from './read-counts.js';

export interface ForestReaderOptions {
  /** Bytes of planes kept for later use; default 64 MiB. 0: nothing is kept. */
  readonly cacheBytes?: number;
  /** Added to. */
  readonly stats?: RetrievalStats;
  readonly signal?: AbortSignal;
}

/** Planes of a node: being decoded, in use, or kept. */
class Held {
  readonly node: ChainNode;
  readonly ready: Promise<readonly Uint8Array[]>;
  lease: PlaneLease | null = null;
  /** How many read them now, or wait for them. */
  users = 1;
  settle!: { resolve(planes: readonly Uint8Array[]): void; reject(error: unknown): void };

  constructor(node: ChainNode) {
    this.node = node;
    this.ready = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.ready.catch(() => {});
  }
}

/** Reads the segments of a forest, each as often as it was announced, in about its order. */
export class ForestReader implements PlaneReader {
  readonly stats: RetrievalStats;
  readonly #records: SegmentRecords;
  readonly #forest: ChainForest;
  readonly #cacheBytes: number;
  readonly #signal: AbortSignal | undefined;
  /** Reads what is not in the forest. */
  readonly #single: ChainReader;
  /** Places of the order that are still to be read, by segment. */
  readonly #places = new Map<string, number[]>();
  /** What is decoded, being decoded or in use, by node. */
  readonly #held = new Map<ChainNode, Held>();
  /** Those of them that are kept although no reader uses them, or were until a reader came. */
  readonly #kept = new Map<ChainNode, number>();
  #keptBytes = 0;

  constructor(records: SegmentRecords, forest: ChainForest, options: ForestReaderOptions = {}) {
    const { cacheBytes = SHARED_PLANES_BYTES, stats = newStats(), signal } = options;
    this.#records = records;
    this.#forest = forest;
    this.#cacheBytes = cacheBytes;
    this.#signal = signal;
    this.stats = stats;
    this.stats.bytes.head += forest.headBytes;
    this.#single = new ChainReader(records, { stats, ...(signal ? { signal } : {}) });
    for (const [place, { id, segment }] of forest.order.entries()) {
      const key = segmentKey(id, segment);
      const places = this.#places.get(key);
      if (places) places.push(place);
      else this.#places.set(key, [place]);
    }
  }

  async lend(request: SegmentRequest): Promise<PlaneLease> {
    const { id, segment, planes = Number.POSITIVE_INFINITY } = request;
    const places = this.#places.get(segmentKey(id, segment));
    const announced = this.#forest.order[places?.[0] ?? -1];
    const isPlanned =
      announced !== undefined && announced.planes >= Math.min(planes, announced.node.entry.width);
    if (!isPlanned) return this.#single.lend(request);
    return leadingPlanes(await this.lendAt(places?.shift() as number), planes);
  }

  /**
   * Lends the planes of the segment at a place of the order, once for each place.
   * @throws as `lend`.
   */
  async lendAt(place: number): Promise<PlaneLease> {
    throwIfAborted(this.#signal);
    const { node, planes } = this.#forest.order[place] as PlannedSegment;
    const held = await this.#take(node);
    removeUse(node, place);
    const lent = (held.lease as PlaneLease).planes.slice(0, planes);
    return leaseOf(lent, () => this.#release(held));
  }

  /** Bytes of planes that wait to be used again. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Releases the planes that are kept; whatever is read from now on is read through its own chain. */
  close(): void {
    this.#places.clear();
    for (const node of [...this.#kept.keys()]) {
      const held = this.#held.get(node);
      if (held !== undefined && held.users === 0) this.#drop(held);
    }
  }

  /** Planes of a node with the caller as a user of them. */
  async #take(node: ChainNode): Promise<Held> {
    const path: ChainNode[] = [];
    let at: ChainNode | null = node;
    for (; at !== null && !this.#held.has(at); at = at.base) path.push(at);
    let base: Held | null = at === null ? null : (this.#held.get(at) as Held);
    if (base !== null) base.users++;
    // The whole path is registered at once: another reader that needs part of it waits for it.
    const made = path.reverse().map((link) => {
      const held = new Held(link);
      this.#held.set(link, held);
      return held;
    });
    let link = 0;
    let ahead: Promise<SegmentRecord> | null = null;
    try {
      const first = made[0]?.node;
      if (first && !goesStraight(this.#records, first.entry)) ahead = this.#read(first);
      for (; link < made.length; link++) {
        const held = made[link] as Held;
        const basePlanes = base === null ? null : await base.ready;
        throwIfAborted(this.#signal);
        const from = base === null ? null : { ...base.node.entry, planes: basePlanes ?? [] };
        const straight = ahead === null ? await this.#decodeStraight(held.node, from) : null;
        if (straight !== null) {
          held.lease = straight;
        } else {
          const record = await (ahead ?? this.#read(held.node));
          throwIfAborted(this.#signal);
          const next = made[link + 1];
          ahead = next === undefined ? null : this.#read(next.node);
          held.lease = await this.#decode(held.node, record, from);
        }
        held.settle.resolve(held.lease.planes);
        if (base !== null) {
          endDue(held.node);
          this.#release(base);
        }
        base = held;
      }
      const own = base as Held;
      await own.ready;
      return own;
    } catch (error) {
      await ahead?.catch(() => {});
      for (const held of made.slice(link)) {
        this.#held.delete(held.node);
        held.settle.reject(error);
      }
      if (base !== null) this.#release(base);
      throw error;
    }
  }

  #read(node: ChainNode): Promise<SegmentRecord> {
    return readLink(this.#records, node, this.stats);
  }

  /** Planes of a link over those of its base, read by the kernel; null if it cannot. */
  #decodeStraight(node: ChainNode, base: LinkBase | null): Promise<PlaneLease | null> {
    return decodeStraight(this.#records, [node], base, { stats: this.stats, signal: this.#signal });
  }

  #decode(
    { entry, planes }: ChainNode,
    record: SegmentRecord,
    base: LinkBase | null,
  ): Promise<PlaneLease> {
    if (record.base === entry.base) {
      return decodeLink(record, planes, base, { stats: this.stats, signal: this.#signal });
    }
    return this.#single.lend({ id: entry.id, segment: entry.segment, planes });
  }

  /** Ends one use: planes without a reader are kept if they will be used again and there is room. */
  #release(held: Held): void {
    held.users--;
    if (held.users > 0) return;
    const { node } = held;
    if (held.lease === null || this.#held.get(node) !== held) return;
    if (node.uses.length === 0) {
      this.#drop(held);
      return;
    }
    if (this.#kept.has(node)) return;
    const bytes = held.lease.planes.reduce((sum, plane) => sum + plane.length, 0);
    if (bytes > this.#cacheBytes || !this.#makeRoom(node, bytes)) {
      this.#evict(held);
      return;
    }
    this.#kept.set(node, bytes);
    this.#keptBytes += bytes;
    this.stats.keptBytesMax = Math.max(this.stats.keptBytesMax, this.#keptBytes);
  }

  /** Evicts what is used again later than `node`, the last first. @returns false if that is too little. */
  #makeRoom(node: ChainNode, bytes: number): boolean {
    const due = node.uses[0] as number;
    while (this.#keptBytes + bytes > this.#cacheBytes) {
      let last: Held | null = null;
      for (const kept of this.#kept.keys()) {
        const held = this.#held.get(kept) as Held;
        if (held.users > 0 || (kept.uses[0] as number) <= due) continue;
        if (last === null || (kept.uses[0] as number) > (last.node.uses[0] as number)) last = held;
      }
      if (last === null) return false;
      this.#evict(last);
    }
    return true;
  }

  /** Drops planes that will be wanted again: then what is below them will be as well. */
  #evict(held: Held): void {
    this.#drop(held);
    for (let at = held.node; at.base !== null && !this.#held.has(at); at = at.base) {
      const due = at.uses[0];
      if (due === undefined || due === at.due) break;
      endDue(at);
      at.due = due;
      insertUse(at.base, due);
    }
  }

  #drop(held: Held): void {
    const bytes = this.#kept.get(held.node);
    if (bytes !== undefined) {
      this.#kept.delete(held.node);
      this.#keptBytes -= bytes;
    }
    this.#held.delete(held.node);
    held.lease?.release();
    held.lease = null;
  }
}

/** Where a place stands, or would stand, in the uses of a node. */
function placeOf(uses: readonly number[], place: number): number {
  let low = 0;
  let high = uses.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((uses[middle] as number) < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

function removeUse(node: ChainNode, place: number): void {
  const at = placeOf(node.uses, place);
  if (node.uses[at] === place) node.uses.splice(at, 1);
}

function insertUse(node: ChainNode, place: number): void {
  node.uses.splice(placeOf(node.uses, place), 0, place);
}

/** Takes the use that a node makes of its base from the base's. */
function endDue(node: ChainNode): void {
  if (node.base !== null && node.due !== null) removeUse(node.base, node.due);
  node.due = null;
}
