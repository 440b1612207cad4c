/**
 * The materializer: rebuilds extents, or their leading planes, from chains of encoded segments.
 *
 * Start here: `readPlanes` gives the leading planes of one segment; `verifiedPlanes` also checks them
 * against the extent id by the run hashes that the head of segment 0 carries.
 */
import type { Id } from '../../base/bytes/hash.js';
import { LruCache } from '../../base/bytes/lru-cache.js';
import { CorruptError } from '../../base/errors.js';
import {
  CHAIN_DEPTH_MAX,
  HASH_CACHE_BYTES,
  RUN_ELEMENTS,
  SEGMENT_ELEMENTS,
  WIDTH_MAX,
} from '../../base/limits.js';
import { mergeFast } from '../../pure/codec/planes.js';
import { decodeSegment, segmentStop } from '../../pure/codec/segment.js';
import { idOfHashes, runCount, runHashes } from '../../pure/tensor/extent-id.js';
import type { PlaneClass, SegmentRecord } from '../store/types.js';
import { classesFor, missingExtent } from './chain-forest.js';
import { type PlaneLease, planePool } from './plane-pool.js';
import { decodeSegmentHead } from './segment-head.js';

/** Where segment records come from: the object store, or a pack session that also sees its own sets. */
export interface SegmentRecords {
  readSegment(id: Id, segment: number, classes: PlaneClass[]): Promise<SegmentRecord | null>;
}

/** Planes that others decode, for as long as `use` runs; null if they have none of this segment. */
export interface PlaneSource {
  use<T>(
    id: Id,
    segment: number,
    use: (planes: readonly Uint8Array[]) => T,
  ): Promise<{ result: T } | null>;
}

/** Elements of segment `segment` of an extent of `count`. */
export function segmentElements(count: number, segment: number): number {
  return Math.min(SEGMENT_ELEMENTS, count - segment * SEGMENT_ELEMENTS);
}

/** Looks at a chain that others keep encoding anew before it counts as damaged. */
const REREADS_MAX = 5;

/** Planes that every link of a chain has to give so that the first `wanted` of the child are exact. */
function chainStop(chain: readonly SegmentRecord[], wanted: number): number {
  return chain.reduce((stop, record) => {
    const file = `extent ${record.id}`;
    const depth = Math.min(stop, record.width);
    return segmentStop(decodeSegmentHead(record).codec, record.width, depth, file);
  }, wanted);
}

/** @throws {CorruptError} unless the planes of a segment fit the memory that was given for them. */
function checkSize(
  record: SegmentRecord,
  segment: number,
  wanted: number,
  target?: readonly Uint8Array[],
): void {
  if (target === undefined) return;
  const elements = segmentElements(record.count, segment);
  if (record.width < wanted || target.some((plane) => plane.length !== elements)) {
    throw otherSize(record.id);
  }
}

/** Leading planes in memory of the caller's own. @throws {CorruptError} if they do not fit it. */
function copyPlanes(
  id: Id,
  planes: readonly Uint8Array[],
  wanted: number,
  target?: readonly Uint8Array[],
): Uint8Array[] {
  if (target === undefined) return planes.slice(0, wanted).map((plane) => plane.slice());
  if (planes.length < wanted) throw otherSize(id);
  return target.slice(0, wanted).map((into, k) => {
    const plane = planes[k] as Uint8Array;
    if (into.length !== plane.length) throw otherSize(id);
    into.set(plane);
    return into;
  });
}

function otherSize(id: Id): CorruptError {
  return new CorruptError(`extent '${id}' has another size than what names it says`, {
    id,
    hint: "run 'dlv fsck'",
  });
}

export class Extents {
  readonly #records: SegmentRecords;
  readonly #signal: AbortSignal | undefined;
  readonly #source: PlaneSource | undefined;
  /** Run hashes of the extents read last. */
  readonly #hashes = new LruCache<Id, Uint8Array[]>(HASH_CACHE_BYTES);

  /**
   * @param signal  once it is aborted, what was not begun is not decoded: AbortedError.
   * @param source  is asked first.
   */
  constructor(records: SegmentRecords, signal?: AbortSignal, source?: PlaneSource) {
    this.#records = records;
    this.#signal = signal;
    this.#source = source;
  }

  /**
   * Leading planes of one segment, exact, not yet checked against the extent id.
   * @param wanted  1 … width planes.
   * @param target  planes to write into, of the size of the segment. Default: fresh memory.
   * @throws {NotFoundError} if a link of the chain is nowhere; {CorruptError}.
   */
  async readPlanes(
    id: Id,
    segment: number,
    wanted: number,
    target?: readonly Uint8Array[],
  ): Promise<Uint8Array[]> {
    const given = await this.#source?.use(id, segment, (planes) =>
      copyPlanes(id, planes, wanted, target),
    );
    if (given) return given.result;
    for (let attempt = 0; attempt < REREADS_MAX; attempt++) {
      const chain = await this.#readChain(id, segment);
      checkSize(chain[0] as SegmentRecord, segment, wanted, target);
      const stop = chainStop(chain, wanted);
      const into = stop === wanted ? target : undefined;
      const planes = await this.#decodeChain(chain, segment, stop, into);
      if (planes === null) continue;
      if (stop === wanted) return planes;
      if (target === undefined) return planes.slice(0, wanted);
      for (const [k, plane] of target.slice(0, wanted).entries())
        plane.set(planes[k] as Uint8Array);
      return target.slice(0, wanted);
    }
    throw new CorruptError(`the base of extent '${id}' is another at every look`, { id });
  }

  /** Heads of the links of a chain, from the extent itself to the root. */
  async #readChain(id: Id, segment: number): Promise<SegmentRecord[]> {
    const chain: SegmentRecord[] = [];
    for (let next: Id | null = id; next !== null; ) {
      if (chain.length > CHAIN_DEPTH_MAX)
        throw new CorruptError(`chain of extent '${id}' does not end`, { id });
      const record: SegmentRecord = await this.#readRecord(next, segment, 0, chain.at(-1));
      chain.push(record);
      next = record.base;
    }
    return chain;
  }

  /**
   * Decodes a chain from its root: one of any length takes the memory of two sets of planes and of
   * two payloads.
   * @returns null if a record was replaced by one with another base meanwhile.
   */
  async #decodeChain(
    chain: readonly SegmentRecord[],
    segment: number,
    wanted: number,
    target?: readonly Uint8Array[],
  ): Promise<Uint8Array[] | null> {
    const read = (link: number): Promise<SegmentRecord> | null => {
      const head = chain[link];
      if (head === undefined) return null;
      const record = this.#readRecord(head.id, segment, Math.min(wanted, head.width), head);
      record.catch(() => {});
      return record;
    };
    let planes: Uint8Array[] | null = null;
    let lease: PlaneLease | null = null;
    let ahead = read(chain.length - 1);
    for (let link = chain.length - 1; link >= 0; link--) {
      const record = (await ahead) as SegmentRecord;
      if (record.base !== (chain[link] as SegmentRecord).base) return null;
      ahead = read(link - 1);
      const { width, hi, mid, low } = record;
      const file = `extent ${record.id}`;
      const count = segmentElements(record.count, segment);
      const leading = Math.min(wanted, width);
      const own: PlaneLease | null = link === 0 ? null : planePool.lend(leading, count);
      planes = await decodeSegment(
        { head: decodeSegmentHead(record).codec, hi, mid, low },
        { width, count, wanted: leading, base: planes, file, signal: this.#signal },
        own?.planes ?? target,
      );
      lease?.release();
      lease = own;
    }
    return planes;
  }

  /** A record with the classes of its leading `wanted` planes; 0: only its head. */
  async #readRecord(
    id: Id,
    segment: number,
    wanted: number,
    child?: SegmentRecord,
  ): Promise<SegmentRecord> {
    const width = child?.width ?? (wanted <= 2 ? wanted : await this.#width(id, segment));
    const classes = wanted === 0 ? [] : classesFor(width, Math.min(wanted, width));
    const record = await this.#records.readSegment(id, segment, classes);
    if (record === null) throw missingExtent(id);
    if (child && (record.width !== child.width || record.count !== child.count)) {
      throw new CorruptError(`base '${id}' of extent '${child.id}' has another size`, { id });
    }
    return record;
  }

  async #width(id: Id, segment: number): Promise<number> {
    return (await this.#records.readSegment(id, segment, []))?.width ?? 1;
  }

  /** Leading planes of one segment, checked against the extent id. @throws {CorruptError} */
  async verifiedPlanes(id: Id, segment: number, wanted: number): Promise<Uint8Array[]> {
    const planes = await this.readPlanes(id, segment, wanted);
    await this.verify(id, segment, planes);
    return planes;
  }

  /**
   * All planes of one segment whose base was read already, checked against the extent id.
   * @param base  planes of that segment of the record's base; left as they are.
   * @throws {NotFoundError} {CorruptError}
   */
  async verifiedLink(id: Id, segment: number, base: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const planes = await this.#link(await this.#readRecord(id, segment, WIDTH_MAX), segment, base);
    await this.verify(id, segment, planes);
    return planes;
  }

  /**
   * As verifiedLink, not checked.
   * @param baseId  extent that `base` is of.
   * @returns null if the segment is stored against another base by now.
   */
  async linkPlanes(
    id: Id,
    segment: number,
    baseId: Id,
    base: readonly Uint8Array[],
  ): Promise<Uint8Array[] | null> {
    const record = await this.#readRecord(id, segment, WIDTH_MAX);
    return record.base === baseId ? this.#link(record, segment, base) : null;
  }

  #link(
    record: SegmentRecord,
    segment: number,
    base: readonly Uint8Array[],
  ): Promise<Uint8Array[]> {
    const { id, width, hi, mid, low } = record;
    const count = segmentElements(record.count, segment);
    const file = `extent ${id}`;
    if (base.length !== width || base.some((plane) => plane.length !== count)) {
      throw new CorruptError(`the base of '${file}' has another size`, { id });
    }
    const payload = { head: decodeSegmentHead(record).codec, hi, mid, low };
    const options = { width, count, wanted: width, base, file, signal: this.#signal };
    return decodeSegment(payload, options);
  }

  /**
   * Little-endian bytes of one segment, checked against the extent id.
   * @param size  width and count of the extent as what names it says.
   * @throws {CorruptError} also if the extent has another size.
   */
  async verifiedBytes(
    id: Id,
    segment: number,
    { width, count }: { width: number; count: number },
  ): Promise<Uint8Array> {
    // Widths are told apart by the number of hash planes: fewer planes would pass as other numbers.
    if ((await this.runHashes(id)).length !== width) throw otherSize(id);
    const planes = await this.verifiedPlanes(id, segment, width);
    if (planes.some((plane) => plane.length !== segmentElements(count, segment))) {
      throw otherSize(id);
    }
    const bytes = new Uint8Array(width * (planes[0] as Uint8Array).length);
    mergeFast(planes, bytes);
    return bytes;
  }

  /** Checks leading planes of a segment. @throws {CorruptError} unless they are what the id stands for. */
  async verify(id: Id, segment: number, planes: readonly Uint8Array[]): Promise<void> {
    const hashes = await this.runHashes(id);
    const first = (segment * SEGMENT_ELEMENTS) / RUN_ELEMENTS;
    const length = (planes[0] as Uint8Array).length;
    for (let run = 0; run * RUN_ELEMENTS < length; run++) {
      const from = run * RUN_ELEMENTS;
      const found = await runHashes(planes.map((p) => p.subarray(from, from + RUN_ELEMENTS)));
      const at = 32 * (first + run);
      for (let k = 0; k < planes.length; k++) {
        const known = (hashes[k] as Uint8Array).subarray(at, at + 32);
        if (Buffer.compare(found.subarray(32 * k, 32 * (k + 1)), known) === 0) continue;
        throw new CorruptError(`extent '${id}' is damaged in plane ${k}, run ${first + run}`, {
          id,
          hint: "run 'dlv fsck'",
        });
      }
    }
  }

  /** Run hashes of every plane of an extent, checked against its id. @throws {CorruptError} */
  async runHashes(id: Id): Promise<Uint8Array[]> {
    const hit = this.#hashes.get(id);
    if (hit) return hit;
    const record = await this.#records.readSegment(id, 0, []);
    if (record === null) throw missingExtent(id);
    const file = `extent ${id}`;
    const { runHashes: packed } = decodeSegmentHead(record);
    const perPlane = 32 * runCount(record.count);
    if (packed?.length !== perPlane * record.width) {
      throw new CorruptError(`'${file}' has no run hashes in its head`, {
        file,
        hint: "run 'dlv fsck'",
      });
    }
    const hashes = Array.from({ length: record.width }, (_, k) =>
      packed.subarray(k * perPlane, (k + 1) * perPlane),
    );
    if (idOfHashes(record.width, record.count, hashes) !== id) {
      throw new CorruptError(`'${file}' is damaged: its run hashes give another id`, {
        file,
        hint: "run 'dlv fsck'",
      });
    }
    this.#hashes.set(id, hashes, packed.length);
    return hashes;
  }
}
