/**
 * Planes of an extent while it is read. Its first segments are encoded and written before all of it was read and its id
 * is known: on a guess which base it will have. What was guessed wrong is taken back, read again and encoded again,
 * and then nothing is guessed any more in this file.
 *
 * So an extent of any length passes through bounded memory while it is read once.
 */
import type { Id } from '../../base/bytes/hash.js';
import {
  EARLY_PLANES_BYTES,
  KEPT_EXTENT_BYTES,
  RUN_ELEMENTS,
  SEGMENT_ELEMENTS,
} from '../../base/limits.js';
import { sketchPositions } from '../../pure/codec/sketch.js';
import { runHash } from '../../pure/tensor/extent-id.js';
import type { PlaneLease } from '../objects/planes/plane-pool.js';
import { segmentElements } from '../objects/planes/segment-head.js';
import { segmentCount } from '../store/types.js';
import type { BaseChooser } from './bases/choose-base.js';
import type { DerivedBases } from './bases/derived-bases.js';
import type { ExtentView } from './bases/derived-extent.js';
import type { BaseFinder, FittedBase } from './bases/named-bases.js';
import {
  type CodingHost,
  codeSegment,
  type SegmentJob,
  type WrittenSegment,
  writeUnnamed,
} from './code-segment.js';
import type { PlanesInFlight } from './planes-in-flight.js';
import type { SegmentPlanes } from './read-extent.js';
import type { WorkInFlight } from './work-in-flight.js';

/** A new extent of which not all was read: how many elements it has, and the tensors that view it. */
export interface UnreadExtent {
  readonly width: number;
  readonly count: number;
  /** By which bases with its name are found. */
  readonly keys: readonly string[];
  /** How a tensor sees it that is all of it, or null. */
  readonly view: ExtentView | null;
}

/** What early segments need of the store that they belong to. */
export interface EarlyHost extends CodingHost {
  readonly finder: BaseFinder;
  readonly chooser: BaseChooser;
  readonly derived: DerivedBases;
  readonly planes: PlanesInFlight;
  readonly encoding: WorkInFlight;
  /** Bytes of planes that may be encoded at once. */
  readonly encodedBytes: number;
  /** True once all segments of the extents before are in flight: records are in the order of the file. */
  isNext(): boolean;
  /** Waits for that. */
  next(): Promise<void>;
}

/** True once a guess of this file was wrong. */
export interface Guessing {
  isOver: boolean;
}

interface EarlySegment {
  readonly base: Promise<FittedBase | null>;
  readonly written: Promise<WrittenSegment>;
}

/** What the base of an extent is taken to be: `null` for none. */
interface Guess {
  readonly base: Id | null;
}

export class EarlySegments implements SegmentPlanes {
  /** Planes by segment: null where they are not at hand. The first one's are kept while there are any: bases are chosen by them. */
  readonly kept: (PlaneLease | null)[] = [];
  readonly #host: EarlyHost;
  readonly #place: UnreadExtent;
  readonly #guessing: Guessing;
  /** All planes are kept that are not written: there are few enough. */
  readonly #keepsAll: boolean;
  readonly #started = new Map<number, EarlySegment>();
  /** undefined: not known yet. null: nothing is guessed. */
  #guess: Guess | null | undefined;
  #asked: Promise<void> | null = null;
  #bytes = 0;

  constructor(host: EarlyHost, place: UnreadExtent, guessing: Guessing) {
    this.#host = host;
    this.#place = place;
    this.#guessing = guessing;
    this.#keepsAll = place.count * place.width <= KEPT_EXTENT_BYTES;
  }

  /** Memory for the planes of a segment; null: it is hashed and read again. */
  async lend(segment: number): Promise<PlaneLease | null> {
    const { width, count } = this.#place;
    const isWanted = this.#keepsAll || (this.#mayStart() && this.#started.size === segment);
    const elements = segmentElements(count, segment);
    const lease = isWanted ? await this.#host.planes.lend(width, elements, this.#own()) : null;
    this.kept[segment] = lease;
    return lease;
  }

  /** Planes that are given back only when the id is known. */
  #own(): PlaneLease[] {
    const isKept = (_: unknown, segment: number) => segment === 0 || !this.#started.has(segment);
    return this.kept.filter(isKept).filter((lease) => lease !== null);
  }

  /**
   * Encodes what was read, as far as there is room. Not the last segment: once it is read, the id is known.
   * @param whole  how many segments are filled.
   */
  advance(whole: number): void {
    if (this.#guessing.isOver || whole === 0 || whole === segmentCount(this.#place.count)) return;
    this.#asked ??= this.#ask(this.kept[0] as PlaneLease).then(
      (guess) => {
        this.#guess = guess;
      },
      // Whatever keeps a base from being read is met again by whoever chooses it.
      () => {
        this.#guess = null;
      },
    );
    for (let segment = this.#started.size; segment < whole; segment++) {
      if (!this.#guess || !this.#mayStart() || !this.#host.isNext()) return;
      const bytes = this.#bytesOf(segment);
      if (!this.#host.encoding.hasRoom(bytes, this.#host.encodedBytes)) return;
      this.#start(segment, bytes, this.#guess);
    }
  }

  /** Where planes are not kept: waits until those of a segment are being encoded, or gives them back. */
  async filled(segment: number): Promise<void> {
    const isLast = segment + 1 === segmentCount(this.#place.count);
    if (this.#keepsAll || isLast || this.kept[segment] === null) return;
    await this.#asked;
    if (this.#guess && this.#mayStart() && segment === this.#started.size) {
      await this.#host.next();
      const bytes = this.#bytesOf(segment);
      await this.#host.encoding.roomFor(bytes, this.#host.encodedBytes);
      this.#start(segment, bytes, this.#guess);
    }
    // The first one's would be the only ones: bases of long extents that are read twice are chosen without.
    if (!this.#started.has(segment)) this.#release(segment);
  }

  #bytesOf(segment: number): number {
    return this.#place.width * segmentElements(this.#place.count, segment);
  }

  /** False once a guess was wrong, or so much was begun that a set would become too large. */
  #mayStart(): boolean {
    const isGuessed = this.#guess !== null && !this.#guessing.isOver;
    return isGuessed && this.#bytes < EARLY_PLANES_BYTES;
  }

  #start(segment: number, bytes: number, guess: Guess): void {
    const { chooser, encoding, session } = this.#host;
    const { width, count } = this.#place;
    const { planes } = this.kept[segment] as PlaneLease;
    const base =
      guess.base === null
        ? Promise.resolve(null)
        : chooser.fit(null, { id: guess.base, operation: undefined }, segment);
    const coded = base.then((fitted) => {
      const job = { width, count, segment, base: fitted, operation: undefined };
      return codeSegment(this.#host, job, planes, null);
    });
    const written = encoding.startFor(bytes, coded, async (segmentCoded) => {
      const found = await writeUnnamed(session, segmentCoded);
      if (segment > 0) this.#release(segment);
      return found;
    });
    // Whoever takes it is told.
    written.catch(() => {});
    this.#bytes += bytes;
    this.#started.set(segment, { base, written });
  }

  #release(segment: number): void {
    this.kept[segment]?.release();
    this.kept[segment] = null;
  }

  /** The namesake, or who is close to it; null where the extent seems to be equal to that, or may follow from one of another kind. */
  async #ask(first: PlaneLease): Promise<Guess | null> {
    const { session, finder, chooser, derived } = this.#host;
    const { keys, width, count, view } = this.#place;
    // What follows from another kind is found by all planes.
    if (finder.relatives(keys, { width, count, view }).length > 0) return null;
    const base = finder.namesakes(keys, width, count).find((id) => chooser.isUsable(id));
    // The same of quantised copies, whatever their names; those before it in this file may be among them.
    if (base === undefined || width === 1) {
      await this.#host.next();
      if (await derived.readsPlanes({ width, count, view })) return null;
    }
    const places = sketchPositions(width, count).filter((place) => place < SEGMENT_ELEMENTS);
    const samples = Uint8Array.from(
      places.flatMap((place) => first.planes.map((plane) => plane[place] as number)),
    );
    if (base === undefined) {
      const near = await chooser.stranger(samples, width, count);
      return near?.distance === 0 ? null : { base: near?.id ?? null };
    }
    const sketch = await session.sketchOf(base);
    if (sketch === null) return null;
    // Samples of a very long extent are so far apart that none may be in its first segment.
    const isEqual =
      samples.length === 0
        ? await this.#beginsAs(base, first)
        : Buffer.compare(samples, sketch.subarray(0, samples.length)) === 0;
    return isEqual ? null : { base };
  }

  /** True if the first run of the least significant plane is that of a stored extent. */
  async #beginsAs(base: Id, { planes }: PlaneLease): Promise<boolean> {
    const hashes = (await this.#host.session.hashes.of(base)).at(-1);
    const own = runHash((planes.at(-1) as Uint8Array).subarray(0, RUN_ELEMENTS));
    return hashes !== undefined && Buffer.compare(own, hashes.subarray(0, own.length)) === 0;
  }

  /** Planes by segment, null where they are not at hand or are given back as soon as they are written. */
  get held(): (readonly Uint8Array[] | null)[] {
    return this.kept.map((lease, segment) => {
      return lease !== null && (segment === 0 || !this.#started.has(segment)) ? lease.planes : null;
    });
  }

  /** True if what is not at hand has to be read again. */
  get hasGaps(): boolean {
    return this.kept.some((lease, segment) => lease === null && !this.#started.has(segment));
  }

  /**
   * What was written of an extent, by segment, if all of it was begun with the right base; else nothing, and it is
   * taken back.
   */
  async take(jobs: readonly SegmentJob[]): Promise<ReadonlyMap<number, Promise<WrittenSegment>>> {
    const taken = new Map<number, Promise<WrittenSegment>>();
    for (const [segment, { base, written }] of this.#started) {
      const job = jobs[segment] as SegmentJob;
      const guessed = await base;
      const isRight = guessed?.id === job.base?.id && guessed?.depth === job.base?.depth;
      if (!isRight || job.operation !== undefined) {
        await this.drop();
        return new Map();
      }
      taken.set(segment, written);
    }
    // Nobody chooses a base by it any more.
    taken.get(0)?.then(
      () => this.#release(0),
      () => {},
    );
    this.#started.clear();
    return taken;
  }

  /** Takes back what nobody took: the guess was wrong. */
  async drop(): Promise<void> {
    if (this.#started.size === 0) return;
    this.#guessing.isOver = true;
    await this.settle();
    this.#started.clear();
    await this.#host.session.dropUnnamed();
  }

  /** Waits until nothing is encoded any more. */
  async settle(): Promise<void> {
    await Promise.allSettled([...this.#started.values()].map(({ written }) => written));
  }
}
