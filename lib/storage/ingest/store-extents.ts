/**
 * The extents of a file while it is read: each is hashed, and what is new is encoded beside the reading
 * and written to the session in the order of the file.
 */
import type { Id } from '../../base/bytes/hash.js';
import { isUnreadable } from '../../base/errors.js';
import type { ReadFile } from '../../base/files/files.js';
import { ENCODED_AHEAD_BYTES, SEGMENT_ELEMENTS } from '../../base/limits.js';
import { isLater, type Operation } from '../../pure/codec/operation.js';
import { encodeSegment, verifySegment } from '../../pure/codec/segment.js';
import { type DeltaPlace, lendUnder } from '../objects/planes/base-planes.js';
import { type PlaneLease, planePool } from '../objects/planes/plane-pool.js';
import type { PlaneReader } from '../objects/planes/plane-reader.js';
import { encodeSegmentHead, segmentElements } from '../objects/planes/segment-head.js';
import type { PackSession } from '../objects/session.js';
import { OBJECTS_FLAG, QUANTISED_FLAG } from '../repo/format.js';
import { segmentCount } from '../store/types.js';
import { BaseChooser, type ChooserOptions, type ChosenBase } from './bases/choose-base.js';
import { DerivedBases } from './bases/derived-bases.js';
import type { ExtentView } from './bases/derived-extent.js';
import type { BaseFinder, FittedBase } from './bases/named-bases.js';
import type { FileFeed } from './file-feed.js';
import { PlanesInFlight } from './planes-in-flight.js';
import { type ExtentPlace, hashExtent, type ReadExtent, rereadSegment } from './read-extent.js';
import { WorkInFlight, type Write } from './work-in-flight.js';

/** Where extents come from and go to. */
export interface ExtentTarget {
  readonly session: PackSession;
  readonly source: ReadFile;
  readonly feed: FileFeed;
  readonly options: ChooserOptions & { readonly bases: BaseFinder; readonly signal?: AbortSignal };
}

/** A segment to be encoded, and what it may be a delta against. */
interface SegmentJob {
  readonly hashes: ReadExtent;
  readonly segment: number;
  readonly lease: PlaneLease;
  readonly base: FittedBase | null;
  /** What is done to the base first. */
  readonly operation: Operation | undefined;
}

/** An extent to be stored: where it is, and what sees it. */
export interface NewExtentPlace extends ExtentPlace {
  /** Of the tensors that view it, by which bases with its name are found. */
  readonly keys: readonly string[];
  /** How a tensor sees it that is all of it, or null. */
  readonly view: ExtentView | null;
}

export class ExtentStore {
  readonly #target: ExtentTarget;
  readonly #chooser: BaseChooser;
  readonly #derived: DerivedBases;
  readonly #planes = new PlanesInFlight();
  readonly #encoding = new WorkInFlight((error) => this.#planes.fail(error));
  /** The extent read last is stored, after those before it. */
  #storing: Promise<void> = Promise.resolve();
  /** Extents of this file that are being stored or are stored. */
  readonly #started = new Set<Id>();

  constructor(target: ExtentTarget) {
    this.#target = target;
    const { session, options } = target;
    this.#chooser = new BaseChooser(session, options);
    this.#derived = new DerivedBases(session, options.isUsable ?? (() => true));
  }

  /**
   * Reads the next bytes of the file as an extent, which is stored if it is new while reading goes on.
   * @throws what storing one of those before failed with.
   */
  async read(part: NewExtentPlace): Promise<Id> {
    this.#planes.check();
    const { hashes, kept } = await hashExtent(this.#target.feed, part, this.#planes);
    this.#storing = this.#storing
      .then(() => this.#store(part, hashes, kept))
      .catch((error: unknown) => this.#planes.fail(error));
    // What is read twice has to be in the page cache still.
    if (kept.length === 0) {
      await this.#storing;
      this.#planes.check();
    }
    return hashes.id;
  }

  /** Stores an extent unless it is there; the extents before it are stored or being encoded. */
  async #store(
    part: NewExtentPlace,
    hashes: ReadExtent,
    kept: readonly PlaneLease[],
  ): Promise<void> {
    this.#planes.check();
    const { id, width, count, sketch } = hashes;
    const { session, source, options } = this.#target;
    const segments = segmentCount(count);
    if (this.#started.has(id) || (await session.hasExtent(id, segments))) {
      for (const lease of kept) lease.release();
      return;
    }
    this.#started.add(id);
    const candidate = await this.#choose(part, hashes, kept);
    session.sketches.add(id, width, count, sketch);
    for (let segment = 0; segment < segments; segment++) {
      const base = candidate === null ? null : await this.#chooser.fit(id, candidate, segment);
      const lease =
        kept[segment] ?? (await rereadSegment(source, part, { segment, hashes }, options.signal));
      await this.#encodeSoon({ hashes, segment, lease, base, operation: candidate?.operation });
    }
  }

  /** The candidate for its base. Segments of one extent may have different bases from its chain. */
  async #choose(
    part: NewExtentPlace,
    extent: ReadExtent,
    kept: readonly PlaneLease[],
  ): Promise<ChosenBase | null> {
    const { width, count } = extent;
    const { keys, view } = part;
    const { bases } = this.#target.options;
    const elementAt = (place: number) => this.#elementAt(part, kept, place);
    const planes = kept.map((lease) => lease.planes);
    const candidate = await this.#chooser.choose(extent, {
      namesakes: bases.namesakes(keys, width, count),
      planes: kept[0]?.planes ?? null,
      // A candidate that this file brought may still be at work; if it failed, the check below says so.
      settle: (base) => this.#encoding.written(base),
      derive: (isLost) => {
        const relatives = bases.relatives(keys, { width, count, view });
        return this.#derived.nearest(
          { ...extent, view, kept: planes, elementAt },
          relatives,
          isLost,
        );
      },
    });
    this.#encoding.check();
    return candidate;
  }

  /** Bytes of one element, the most significant first: from planes at hand, else from the file. */
  async #elementAt(
    { width, offset, byteSwap }: ExtentPlace,
    kept: readonly PlaneLease[],
    place: number,
  ): Promise<Uint8Array> {
    const planes = kept[Math.floor(place / SEGMENT_ELEMENTS)]?.planes;
    const bytes = new Uint8Array(width);
    if (planes) {
      for (let k = 0; k < width; k++) bytes[k] = planes[k]?.[place % SEGMENT_ELEMENTS] ?? 0;
      return bytes;
    }
    await this.#target.source.readInto(bytes, offset + place * width);
    return byteSwap ? bytes : bytes.reverse();
  }

  /** Starts the encoding of a segment; waits while too many are in flight. Records stay in order. */
  async #encodeSoon(job: SegmentJob): Promise<void> {
    const { hashes, segment } = job;
    const bytes = hashes.width * segmentElements(hashes.count, segment);
    await this.#encoding.roomFor(bytes, ENCODED_AHEAD_BYTES);
    this.#encoding.start(hashes.id, bytes, encodeJob(this.#target, this.#chooser.planes, job));
  }

  /** Waits for all that is being stored: it is written into the session, and must not outlive a failure. */
  async settle(): Promise<void> {
    await this.#storing;
    await this.#encoding.settle();
  }

  /** @throws what storing an extent failed with. */
  check(): void {
    this.#planes.check();
    this.#encoding.check();
  }
}

/** Planes of a base; null if it is damaged, which must not keep new work from being stored. */
async function basePlanes(
  session: PackSession,
  reader: PlaneReader,
  place: DeltaPlace,
): Promise<PlaneLease | null> {
  try {
    return await lendUnder(session, reader, place);
  } catch (error) {
    if (isUnreadable(error)) return null;
    throw error;
  }
}

/** Encodes a segment and checks what it decodes to. @returns  what writes it, once it is its turn. */
async function encodeJob(
  { session, source, options }: ExtentTarget,
  bases: PlaneReader,
  { hashes, segment, lease, base, operation }: SegmentJob,
): Promise<Write> {
  const { width, count, id } = hashes;
  const { level, signal } = options;
  const elements = segmentElements(count, segment);
  const baseLease =
    base === null
      ? null
      : await basePlanes(session, bases, { id, width, count, segment, base: base.id, operation });
  const room = planePool.lendRoom(width, elements);
  const { planes } = lease;
  const under = baseLease?.planes ?? null;
  const coded = await encodeSegment(planes, under, {
    level,
    signal,
    room: room?.planes[0],
    sharesPlanes: true,
  });
  const scratch = planePool.lend.bind(planePool);
  const crcs = await verifySegment(coded, planes, under, { file: source.name, scratch });
  baseLease?.release();
  // Planes that are stored as they are may be payloads.
  const isShared = [coded.hi, coded.mid, coded.low].some((payload) => planes.includes(payload));
  if (!isShared) lease.release();
  const head = encodeSegmentHead({
    codec: coded.head,
    ...(segment === 0 ? { runHashes: Buffer.concat(hashes.hashes), sketch: hashes.sketch } : {}),
    ...(coded.usesBase ? { operation } : {}),
  });
  return async () => {
    if (coded.usesBase && operation !== undefined) {
      session.needsFlag(isLater(operation) ? QUANTISED_FLAG : OBJECTS_FLAG);
    }
    await session.putSegment({
      id,
      segment,
      segments: segmentCount(count),
      width,
      count,
      base: coded.usesBase ? (base as FittedBase).id : null,
      depth: coded.usesBase ? (base as FittedBase).depth : 0,
      head,
      hi: coded.hi,
      mid: coded.mid,
      low: coded.low,
      ...(crcs ? { crcs } : {}),
    });
    if (isShared) lease.release();
    room?.release();
  };
}
