/**
 * The extents of a file while it is read: each is hashed, and what is new is encoded beside the reading
 * and written to the session in the order of the file.
 */
import type { Id } from '../../base/bytes/hash.js';
import type { ReadFile } from '../../base/files/files.js';
import { ENCODED_AHEAD_BYTES, SEGMENT_ELEMENTS } from '../../base/limits.js';
import type { PlaneLease } from '../objects/planes/plane-pool.js';
import { segmentElements } from '../objects/planes/segment-head.js';
import type { PackSession } from '../objects/session.js';
import { segmentCount } from '../store/types.js';
import { BaseChooser, type ChooserOptions, type ChosenBase } from './bases/choose-base.js';
import { DerivedBases } from './bases/derived-bases.js';
import type { ExtentView } from './bases/derived-extent.js';
import type { BaseFinder } from './bases/named-bases.js';
import {
  codeSegment,
  nameOf,
  type SegmentJob,
  type WrittenSegment,
  writeOf,
} from './code-segment.js';
import { type EarlyHost, EarlySegments, type Guessing } from './early-segments.js';
import type { FileFeed } from './file-feed.js';
import { PlanesInFlight } from './planes-in-flight.js';
import { type ExtentPlace, hashExtent, type ReadExtent, rereadSegment } from './read-extent.js';
import { WorkInFlight } from './work-in-flight.js';

/** Where extents come from and go to. */
export interface ExtentTarget {
  readonly session: PackSession;
  readonly source: ReadFile;
  readonly feed: FileFeed;
  readonly options: ChooserOptions & { readonly bases: BaseFinder; readonly signal?: AbortSignal };
}

/** An extent to be stored: where it is, and what sees it. */
export interface NewExtentPlace extends ExtentPlace {
  /** Of the tensors that view it, by which bases with its name are found. */
  readonly keys: readonly string[];
  /** How a tensor sees it that is all of it, or null. */
  readonly view: ExtentView | null;
}

/** An extent that was read: its planes as far as they are kept, and its segments that are written already. */
interface NewExtentRead {
  readonly hashes: ReadExtent;
  readonly early: EarlySegments;
}

/** Planes of the segments of an extent; null where they are not at hand. */
type KeptPlanes = readonly (readonly Uint8Array[] | null)[];

export class ExtentStore {
  readonly #target: ExtentTarget;
  readonly #chooser: BaseChooser;
  readonly #derived: DerivedBases;
  readonly #planes = new PlanesInFlight();
  readonly #encoding = new WorkInFlight((error) => this.#fail(error));
  readonly #host: EarlyHost;
  readonly #guessing: Guessing = { isOver: false };
  /** The extent read last is stored, after those before it. */
  #storing: Promise<void> = Promise.resolve();
  /** Extents that were read and of which not all segments are in flight. */
  #unstored = 0;
  /** True once storing an extent failed. */
  #hasFailed = false;
  /** The extent that is being read. */
  #early: EarlySegments | null = null;
  /** Extents of this file that are being stored or are stored. */
  readonly #started = new Set<Id>();

  constructor(target: ExtentTarget) {
    this.#target = target;
    const { session, options } = target;
    this.#chooser = new BaseChooser(session, options);
    this.#derived = new DerivedBases(session, options.isUsable ?? (() => true));
    const { bases: finder, level, signal } = options;
    this.#host = {
      ...{ session, finder, level, file: target.source.name, chooser: this.#chooser },
      ...{ derived: this.#derived, bases: this.#chooser.planes, ...(signal ? { signal } : {}) },
      ...{ planes: this.#planes, encoding: this.#encoding, encodedBytes: ENCODED_AHEAD_BYTES },
      isNext: () => this.#unstored === 0,
      next: () => this.#storing,
    };
  }

  /**
   * Reads the next bytes of the file as an extent, which is stored if it is new while reading goes on.
   * @throws what storing one of those before failed with.
   */
  async read(part: NewExtentPlace): Promise<Id> {
    this.#planes.check();
    const early = new EarlySegments(this.#host, part, this.#guessing);
    this.#early = early;
    const hashes = await hashExtent(this.#target.feed, part, early);
    this.#unstored++;
    this.#storing = this.#storing
      .then(() => this.#storeRead(part, { hashes, early }))
      .catch((error: unknown) => this.#fail(error));
    // What is read twice has to be in the page cache still.
    if (early.hasGaps) {
      await this.#storing;
      this.#planes.check();
    }
    return hashes.id;
  }

  #fail(error: unknown): void {
    this.#hasFailed = true;
    this.#planes.fail(error);
  }

  async #storeRead(part: NewExtentPlace, read: NewExtentRead): Promise<void> {
    try {
      await this.#store(part, read);
    } finally {
      this.#unstored--;
      // Nothing that reads its planes outlives a failure.
      await read.early.settle();
    }
  }

  /** Stores an extent unless it is there; the extents before it are stored or being encoded. */
  async #store(part: NewExtentPlace, { hashes, early }: NewExtentRead): Promise<void> {
    this.#planes.check();
    const { id, width, count, sketch } = hashes;
    const { kept } = early;
    const { session, source, options } = this.#target;
    const segments = segmentCount(count);
    if (this.#started.has(id) || (await session.hasExtent(id, segments))) {
      await early.drop();
      for (const lease of kept) lease?.release();
      return;
    }
    // What an attempt that failed left in this set is not written again.
    for (let s = 0; s < segments; s++) if (session.isOpen(id, s)) await early.drop();
    this.#started.add(id);
    const candidate = await this.#choose(part, hashes, early);
    session.sketches.add(id, width, count, sketch);
    const jobs: SegmentJob[] = [];
    for (let segment = 0; segment < segments; segment++) {
      const base = candidate === null ? null : await this.#chooser.fit(id, candidate, segment);
      jobs.push({ width, count, segment, base, operation: candidate?.operation });
    }
    const written = await early.take(jobs);
    for (const [segment, job] of jobs.entries()) {
      const ready = written.get(segment);
      if (ready) {
        await this.#nameSoon(hashes, ready);
        continue;
      }
      const lease =
        kept[segment] ?? (await rereadSegment(source, part, { segment, hashes }, options.signal));
      await this.#encodeSoon(hashes, lease, job);
    }
  }

  /** The candidate for its base. Segments of one extent may have different bases from its chain. */
  async #choose(
    part: NewExtentPlace,
    extent: ReadExtent,
    early: EarlySegments,
  ): Promise<ChosenBase | null> {
    const { width, count } = extent;
    const { keys, view } = part;
    const { bases } = this.#target.options;
    const kept = early.held;
    const elementAt = (place: number) => this.#elementAt(part, kept, place);
    const candidate = await this.#chooser.choose(extent, {
      namesakes: bases.namesakes(keys, width, count),
      planes: kept[0] ?? null,
      // A candidate that this file brought may still be at work; if it failed, the check below says so.
      settle: (base) => this.#encoding.written(base),
      derive: (isLost) => {
        const relatives = bases.relatives(keys, { width, count, view });
        return this.#derived.nearest({ ...extent, view, kept, elementAt }, relatives, isLost);
      },
    });
    this.#encoding.check();
    return candidate;
  }

  /** Bytes of one element, the most significant first: from planes at hand, else from the file. */
  async #elementAt(
    { width, offset, byteSwap }: ExtentPlace,
    kept: KeptPlanes,
    place: number,
  ): Promise<Uint8Array> {
    const planes = kept[Math.floor(place / SEGMENT_ELEMENTS)];
    const bytes = new Uint8Array(width);
    if (planes) {
      for (let k = 0; k < width; k++) bytes[k] = planes[k]?.[place % SEGMENT_ELEMENTS] ?? 0;
      return bytes;
    }
    await this.#target.source.readInto(bytes, offset + place * width);
    return byteSwap ? bytes : bytes.reverse();
  }

  /** Starts the encoding of a segment; waits while too many are in flight. Records stay in order. */
  async #encodeSoon(hashes: ReadExtent, lease: PlaneLease, job: SegmentJob): Promise<void> {
    const { session } = this.#target;
    const bytes = job.width * segmentElements(job.count, job.segment);
    await this.#encoding.roomFor(bytes, ENCODED_AHEAD_BYTES);
    const coding = codeSegment(this.#host, job, lease.planes, hashes.id);
    const work = coding.then((coded) => writeOf(session, hashes, coded, lease));
    this.#encoding.start(hashes.id, bytes, work);
  }

  /** The same of one that is being written without an id. */
  async #nameSoon(hashes: ReadExtent, written: Promise<WrittenSegment>): Promise<void> {
    const { session } = this.#target;
    await this.#encoding.roomFor(0, ENCODED_AHEAD_BYTES);
    const work = written.then((segment) => nameOf(session, hashes, segment));
    this.#encoding.start(hashes.id, 0, work);
  }

  /**
   * Waits for all that is being stored: it is written into the session, and must not outlive a failure.
   * @throws what keeps segments without an id from being taken back: then nothing that the session has is stored.
   */
  async settle(): Promise<void> {
    await this.#storing;
    await this.#early?.settle();
    await this.#encoding.settle();
    // What is left was being read, or about to be stored, when something failed.
    await this.#early?.drop();
    if (this.#hasFailed) await this.#target.session.dropUnnamed();
  }

  /** @throws what storing an extent failed with. */
  check(): void {
    this.#planes.check();
    this.#encoding.check();
  }
}
