/**
 * Rebuilds many segments at once: alone, several at a time, or with what their chains share decoded
 * once, in bounded memory.
 *
 * Start at `materialize`, which rebuilds in the order that suits the chains; whoever needs an order of
 * its own (a file is written front to back) holds a `Materializer` over a forest that keeps it. Planes
 * of bases that are used again are kept within `cacheBytes`; those that are used again last are let
 * go, and decoded again when their time comes. What is counted is what was read.
 */
import { throwIfAborted } from '../../base/bytes/files.js';
import { decodeSegment } from '../../pure/codec/segment.js';
import type { SegmentRecord } from '../store/types.js';
import { atOnce } from './at-once.js';
import {
  addReadBytes,
  type ChainForest,
  type ChainNode,
  classesFor,
  missingExtent,
  type PlannedSegment,
  planChains,
  type ReadBytes,
  type RetrievalScheme,
  type SegmentRequest,
  type SegmentStore,
} from './chain-forest.js';
import { Extents, segmentElements } from './extents.js';
import { type PlaneLease, planePool } from './plane-pool.js';
import { decodeSegmentHead } from './segment-head.js';

/** Planes of bases kept by default. */
const CACHE_BYTES = 64 * 1024 * 1024;
/** Segments rebuilt at once where several may be: each holds its planes and those of its base. */
const LANES = 2;
/** Wanted segments that are laid out together: their chains are some 10 times as many records. */
const WINDOW_SEGMENTS = 8192;

/** What rebuilding took. */
export interface RetrievalStats {
  readonly bytes: ReadBytes;
  /** Segments decoded, those of bases and those decoded again included, and their elements. */
  decodes: number;
  decodedElements: number;
  /** Most bytes of planes that were kept for later at one time. */
  keptBytesMax: number;
}

/** Zeros. */
export function newStats(): RetrievalStats {
  const bytes = { head: 0, hi: 0, mid: 0, low: 0 };
  return { bytes, decodes: 0, decodedElements: 0, keptBytesMax: 0 };
}

export interface MaterializerOptions {
  /** Bytes of planes kept for later use; default 64 MiB. 0: nothing is kept. */
  readonly cacheBytes?: number;
  /** Added to. */
  readonly stats?: RetrievalStats;
  readonly signal?: AbortSignal;
}

export interface MaterializeOptions extends MaterializerOptions {
  /** Default: reusable. */
  readonly scheme?: RetrievalScheme;
  /** Segments rebuilt at once; default: 2, for `independent` always 1. */
  readonly lanes?: number;
  /**
   * Takes the leading planes of a segment; they are used again once the promise is fulfilled.
   * @param request  its place among the requests.
   */
  readonly onSegment?: (planes: readonly Uint8Array[], request: number) => Promise<void> | void;
}

/**
 * Rebuilds leading planes of segments in the order that suits their chains.
 * @throws {NotFoundError} {CorruptError} {FormatVersionError}; {AbortedError} between segments.
 */
export async function materialize(
  store: SegmentStore,
  requests: readonly SegmentRequest[],
  options: MaterializeOptions = {},
): Promise<RetrievalStats> {
  const { scheme = 'reusable', stats = newStats(), signal } = options;
  const shared = { ...options, stats };
  if (scheme === 'reusable') {
    for (let from = 0; from < requests.length; from += WINDOW_SEGMENTS) {
      const window = requests.slice(from, from + WINDOW_SEGMENTS);
      await materializeWindow(store, window, from, shared);
    }
    return stats;
  }
  const lanes = scheme === 'independent' ? 1 : (options.lanes ?? LANES);
  await atOnce(requests, lanes, async (request, at) => {
    throwIfAborted(signal);
    const forest = await planChains(store, [request], signal ? { signal } : {});
    const alone = new Materializer(store, forest, { ...shared, cacheBytes: 0 });
    await alone.use(0, (planes) => options.onSegment?.(planes, at));
  });
  return stats;
}

/** Trees of chains, some at a time; each from its root, so that what is shared is decoded once. */
async function materializeWindow(
  store: SegmentStore,
  requests: readonly SegmentRequest[],
  first: number,
  options: MaterializeOptions,
): Promise<void> {
  const { signal, onSegment } = options;
  const forest = await planChains(store, requests, signal ? { signal } : {});
  const materializer = new Materializer(store, forest, options);
  try {
    const trees = Array.from({ length: forest.starts.length - 1 }, (_, tree) => tree);
    await atOnce(trees, options.lanes ?? LANES, async (tree) => {
      const end = forest.starts[tree + 1] as number;
      for (let place = forest.starts[tree] as number; place < end; place++) {
        const { request } = forest.order[place] as PlannedSegment;
        await materializer.use(place, (planes) => onSegment?.(planes, first + request));
      }
    });
  } finally {
    materializer.close();
  }
}

/** Planes of a node: being decoded, in use, or kept. */
class Held {
  readonly node: ChainNode;
  readonly ready: Promise<readonly Uint8Array[]>;
  lease: PlaneLease | null = null;
  /** Who reads them now, or waits for them. */
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

/** Rebuilds the segments of a forest, one call for each, in about its order. */
export class Materializer {
  readonly stats: RetrievalStats;
  readonly #store: SegmentStore;
  readonly #forest: ChainForest;
  readonly #cacheBytes: number;
  readonly #signal: AbortSignal | undefined;
  /** What is decoded, being decoded or in use, by node. */
  readonly #held = new Map<ChainNode, Held>();
  /** Those of them that are kept with nobody reading them, or were when a reader came. */
  readonly #kept = new Map<ChainNode, number>();
  #keptBytes = 0;

  constructor(store: SegmentStore, forest: ChainForest, options: MaterializerOptions = {}) {
    this.#store = store;
    this.#forest = forest;
    this.#cacheBytes = options.cacheBytes ?? CACHE_BYTES;
    this.#signal = options.signal;
    this.stats = options.stats ?? newStats();
    this.stats.bytes.head += forest.headBytes;
  }

  /**
   * Gives the leading planes of the segment at a place of the order, once for each place.
   * @param use  reads them; they are used again once its promise is fulfilled.
   * @throws {NotFoundError} {CorruptError}; {AbortedError}
   */
  async use<T>(place: number, use: (planes: readonly Uint8Array[]) => Promise<T> | T): Promise<T> {
    throwIfAborted(this.#signal);
    const { node, planes } = this.#forest.order[place] as PlannedSegment;
    const held = await this.#take(node);
    removeUse(node, place);
    try {
      return await use((held.lease as PlaneLease).planes.slice(0, planes));
    } finally {
      this.#release(held);
    }
  }

  /** Bytes of planes that wait to be used again. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Lets go of what is kept. */
  close(): void {
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
    // All of the path is announced at once: whoever wants part of it meanwhile waits for it.
    const made = path.reverse().map((link) => {
      const held = new Held(link);
      this.#held.set(link, held);
      return held;
    });
    let link = 0;
    let ahead: Promise<SegmentRecord> | null = null;
    try {
      ahead = made.length > 0 ? this.#read((made[0] as Held).node) : null;
      for (; link < made.length; link++) {
        const held = made[link] as Held;
        const basePlanes = base === null ? null : await base.ready;
        const record = (await ahead) as SegmentRecord;
        throwIfAborted(this.#signal);
        const next = made[link + 1];
        ahead = next === undefined ? null : this.#read(next.node);
        held.lease = await this.#decode(held.node, record, basePlanes);
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

  /** The record of a node with the classes of the planes that it has to give; starts at once. */
  #read(node: ChainNode): Promise<SegmentRecord> {
    const { entry, planes, head } = node;
    const classes = classesFor(entry.width, planes);
    const reading =
      head === null
        ? this.#store.readSegment(entry.id, entry.segment, classes)
        : this.#store.readPlanes(head, classes);
    const record = reading.then((found) => {
      if (found === null) throw missingExtent(entry.id);
      addReadBytes(this.stats.bytes, entry, planes, head !== null);
      return found;
    });
    record.catch(() => {});
    return record;
  }

  async #decode(
    node: ChainNode,
    record: SegmentRecord,
    base: readonly Uint8Array[] | null,
  ): Promise<PlaneLease> {
    const { id, segment, width } = node.entry;
    const count = segmentElements(node.entry.count, segment);
    const lease = planePool.lend(node.planes, count);
    this.stats.decodes++;
    this.stats.decodedElements += count;
    if (record.base !== node.entry.base) {
      // Encoded anew since the chains were laid out: this one is read through its own chain.
      await new Extents(this.#store).readPlanes(id, segment, node.planes, lease.planes);
      return lease;
    }
    const { hi, mid, low } = record;
    const options = { width, count, wanted: node.planes, base, file: `extent ${id}` };
    const { codec } = decodeSegmentHead(record);
    await decodeSegment({ head: codec, hi, mid, low }, options, lease.planes);
    return lease;
  }

  /** Ends one use: planes that nobody reads are kept if they are used again and there is room. */
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
