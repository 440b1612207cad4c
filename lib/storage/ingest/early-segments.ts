/**
 * Segments of an extent that are encoded while its next ones are read, before its id is known: on a guess which base
 * it will have. What was guessed wrong is encoded again, and then nothing is guessed any more.
 *
 * Without this, reading and encoding take turns wherever planes in flight have room for one extent alone.
 */
import type { Id } from '../../base/bytes/hash.js';
import { SEGMENT_ELEMENTS } from '../../base/limits.js';
import { sketchPositions } from '../../pure/codec/sketch.js';
import type { PlaneLease } from '../objects/planes/plane-pool.js';
import { segmentElements } from '../objects/planes/segment-head.js';
import { segmentCount } from '../store/types.js';
import type { BaseChooser } from './bases/choose-base.js';
import type { BaseFinder, FittedBase } from './bases/named-bases.js';
import {
  type CodedSegment,
  type CodingHost,
  codeSegment,
  type SegmentJob,
} from './code-segment.js';

/** A new extent of which not all was read: how many elements it has, and the tensors that view it. */
export interface UnreadExtent {
  readonly width: number;
  readonly count: number;
  /** By which bases with its name are found. */
  readonly keys: readonly string[];
}

/** What early segments need of the store that they belong to. */
export interface EarlyHost extends CodingHost {
  readonly finder: BaseFinder;
  readonly chooser: BaseChooser;
  /** Counts a segment as in flight, if all extents before are, and there is room for it. */
  takeRoom(bytes: number): boolean;
  giveRoom(bytes: number): void;
}

/** True once a guess of this file was wrong. */
export interface Guessing {
  isOver: boolean;
}

/** A segment that is being encoded. */
export interface BegunSegment {
  readonly coded: Promise<CodedSegment>;
  /** To be called when it is counted elsewhere. */
  giveRoom(): void;
}

interface EarlySegment {
  readonly bytes: number;
  readonly base: Promise<FittedBase | null>;
  readonly coded: Promise<CodedSegment>;
}

/** What the base of an extent is taken to be: `null` for none. */
interface Guess {
  readonly base: Id | null;
}

export class EarlySegments {
  readonly #host: EarlyHost;
  readonly #place: UnreadExtent;
  readonly #guessing: Guessing;
  readonly #started = new Map<number, EarlySegment>();
  /** undefined: not known yet. null: nothing is guessed. */
  #guess: Guess | null | undefined;
  #isAsked = false;

  constructor(host: EarlyHost, place: UnreadExtent, guessing: Guessing) {
    this.#host = host;
    this.#place = place;
    this.#guessing = guessing;
  }

  /**
   * Encodes what was read, as far as there is room. Not the last segment: once it is read, the id is known.
   * @param kept   planes of its segments so far.
   * @param whole  how many of them are filled.
   */
  advance(kept: readonly PlaneLease[], whole: number): void {
    const { width, count } = this.#place;
    if (this.#guessing.isOver || whole === 0 || whole === segmentCount(count)) return;
    if (!this.#isAsked) {
      this.#isAsked = true;
      this.#ask(kept[0] as PlaneLease).then(
        (guess) => {
          this.#guess = guess;
        },
        // Whatever keeps a base from being read is met again by whoever chooses it.
        () => {},
      );
    }
    if (!this.#guess) return;
    for (let segment = this.#started.size; segment < whole; segment++) {
      const bytes = width * segmentElements(count, segment);
      if (!this.#host.takeRoom(bytes)) return;
      this.#start(segment, bytes, this.#guess, kept[segment] as PlaneLease);
    }
  }

  #start(segment: number, bytes: number, guess: Guess, lease: PlaneLease): void {
    const { chooser } = this.#host;
    const { width, count } = this.#place;
    const base =
      guess.base === null
        ? Promise.resolve(null)
        : chooser.fit(null, { id: guess.base, operation: undefined }, segment);
    const coded = base.then((fitted) => {
      const job = { width, count, segment, base: fitted, operation: undefined };
      return codeSegment(this.#host, job, lease.planes, null);
    });
    // Whoever takes it is told.
    coded.catch(() => {});
    this.#started.set(segment, { bytes, base, coded });
  }

  /** The namesake; null where the extent seems to be equal to it, and needs no encoding. */
  async #ask(first: PlaneLease): Promise<Guess | null> {
    const { session, finder, chooser } = this.#host;
    const { keys, width, count } = this.#place;
    const base = finder.namesakes(keys, width, count).find((id) => chooser.isUsable(id));
    if (base === undefined) return { base: null };
    const sketch = await session.sketchOf(base);
    if (sketch === null) return null;
    const samples = sketchPositions(width, count).filter((place) => place < SEGMENT_ELEMENTS);
    const isEqual = samples.every((place, i) =>
      first.planes.every((plane, k) => plane[place] === sketch[i * width + k]),
    );
    return isEqual ? null : { base };
  }

  /** The encoding of a segment, if it was begun with this base. */
  async take({ segment, base, operation }: SegmentJob): Promise<BegunSegment | null> {
    const early = this.#started.get(segment);
    if (early === undefined) return null;
    const guessed = await early.base;
    const isRight = guessed?.id === base?.id && guessed?.depth === base?.depth;
    if (!isRight || operation !== undefined) {
      await this.drop();
      return null;
    }
    this.#started.delete(segment);
    return { coded: early.coded, giveRoom: () => this.#host.giveRoom(early.bytes) };
  }

  /** Gives up segments that nobody took: the guess was wrong. */
  async drop(): Promise<void> {
    for (const [segment, { bytes, coded }] of this.#started) {
      this.#guessing.isOver = true;
      const { room } = await coded;
      room?.release();
      this.#started.delete(segment);
      this.#host.giveRoom(bytes);
    }
  }

  /** Waits until nothing is encoded any more. */
  async settle(): Promise<void> {
    await Promise.allSettled([...this.#started.values()].map(({ coded }) => coded));
  }
}
