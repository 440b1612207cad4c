/**
 * The base of a new extent: the cheapest of those with its name and of those close to it anywhere.
 *
 * Candidates are ranked by the distance of their sketches, which is about the bits that an element of
 * the delta takes; the names of parents come first where distances cannot tell. Of candidates that
 * are nearly equal, blocks are coded and the smaller one is taken. The encoder still compares the
 * winner with no base at all. Chains keep their limits (named-bases.ts).
 */

import type { Id } from '../../../base/bytes/hash.js';
import { minOf } from '../../../base/bytes/many.js';
import { isUnreadable } from '../../../base/errors.js';
import { CANDIDATE_PLANES_BYTES } from '../../../base/limits.js';
import type { Operation } from '../../../pure/codec/operation.js';
import { type CodecLevel, encodeSegment } from '../../../pure/codec/segment.js';
import { sketchDistance } from '../../../pure/codec/sketch.js';
import { linksOf } from '../../objects/chain.js';
import { ChainReader } from '../../objects/planes/chain-reader.js';
import { lendWhole, type PlaneReader } from '../../objects/planes/plane-reader.js';
import type { PackSession } from '../../objects/session.js';
import type { Neighbour } from '../../objects/sketches/sketches.js';
import { segmentKey, storedBytes } from '../../store/types.js';
import type { DerivedBase } from './derived-bases.js';
import { type ChainLink, type FittedBase, fitBase } from './named-bases.js';
import { sampleBlocks, sampleStored } from './sample-blocks.js';

/** A new extent, read and hashed. */
export interface NewExtent {
  id: Id;
  width: number;
  count: number;
  sketch: Uint8Array;
}

/** What is known of a new extent that may help to find its base. */
export interface BaseHints {
  /** Stored extents of its name, the best first. */
  namesakes: readonly Id[];
  /** Its first segment, if that is at hand: lets even candidates be compared. */
  planes: readonly Uint8Array[] | null;
  /** Waits until a stored extent can be read. */
  settle: (id: Id) => Promise<void>;
  /** Looks for a base of another size, order or dtype. @param isLost  as DerivedBases.nearest. */
  derive: (isLost: boolean) => Promise<DerivedBase | null>;
}

/** A stored extent to fit bases from, and what is done to them. */
export interface ChosenBase {
  id: Id;
  operation: Operation | undefined;
}

export interface ChooserOptions {
  chainDepth: number;
  chainCost: number;
  level: CodecLevel;
  /** False for extents that must not become bases; default: all may. */
  isUsable?: (id: Id) => boolean;
}

/** Bits per element by which a stranger has to be nearer than a namesake. */
const NAMESAKE_BITS = 0.5;
/** Candidates whose distances differ by less may be either way round: 24 samples are not many. */
const EVEN_BITS = 1;
/** Below this nearly all elements are equal, and any of the candidates does. */
const EQUAL_BITS = 1;
/** Bits per element by which a base has to be nearer to be worth an operation on every read. */
const DERIVED_BITS = 1;
/** From this share of what strangers differ by, the best candidate tells nothing of the extent. */
const LOST_SHARE = 0.75;
/** Neighbours that are looked at, and of even ones those whose blocks are coded, by level. */
const NEIGHBOURS_MAX = 4;
const CODED_MAX: Record<CodecLevel, number> = { 0: 1, 1: 2, 2: 4 };
/** Share of coded bytes that is no difference between candidates. */
const EQUAL_SHARE = 0.01;

/** Strangers of this distance or more are not related: what unrelated weights have, less a little. */
function unrelatedBits(width: number): number {
  if (width === 1) return 4;
  return width === 2 ? 9.5 : 6 * width;
}

interface Candidate {
  /** What was found. */
  id: Id;
  /** Bits per element, less what its name speaks for. */
  score: number;
  /** The base that keeps the limits of chains: the candidate or one of its ancestors. */
  fitted: FittedBase;
}

export class BaseChooser {
  /**
   * Reads bases. Candidates that were decoded whole to be compared are kept: mostly one depends on the other, and
   * the winner is what the extent is encoded against a moment later.
   */
  readonly planes: PlaneReader;
  readonly #session: PackSession;
  readonly #options: ChooserOptions;
  readonly #signal: AbortSignal | undefined;
  /** Candidates of the extent at hand that are decoded whole. */
  #compared: ReadonlySet<Id> = new Set();
  /** Links of the chains of its candidates, of which one mostly goes through the others. */
  readonly #links = new Map<string, ChainLink>();

  constructor(session: PackSession, options: ChooserOptions & { readonly signal?: AbortSignal }) {
    const { signal } = options;
    this.#session = session;
    this.#signal = signal;
    this.#options = options;
    this.planes = new ChainReader(session, {
      cacheBytes: CANDIDATE_PLANES_BYTES,
      keeps: (id) => this.#compared.has(id),
      ...(signal ? { signal } : {}),
    });
  }

  /**
   * The candidate to fit each segment's base from, or null: nothing stored is close.
   */
  async choose(extent: NewExtent, hints: BaseHints): Promise<ChosenBase | null> {
    const { namesakes, planes, settle } = hints;
    this.#links.clear();
    const found = await this.#rank(extent, namesakes, settle);
    const best = found[0];
    const derived = await this.#derived(extent, best?.score, hints);
    if (derived !== null) return derived;
    if (best === undefined) return null;
    const id = await this.#bestOf(extent, found, planes);
    return { id, operation: undefined };
  }

  /** A base by an operation, where it promises clearly less than the best without one. */
  async #derived(
    extent: NewExtent,
    best: number | undefined,
    { derive, settle }: BaseHints,
  ): Promise<ChosenBase | null> {
    const unrelated = unrelatedBits(extent.width);
    if (best !== undefined && best < EQUAL_BITS) return null;
    const found = await derive(best === undefined || best >= LOST_SHARE * unrelated);
    if (found === null || found.distance >= Math.min(best ?? unrelated, unrelated) - DERIVED_BITS)
      return null;
    await settle(found.id);
    const { id, operation } = found;
    return (await this.fit(extent.id, { id, operation }, 0)) === null ? null : { id, operation };
  }

  /** Of ranked candidates that are about even, the one against which blocks are smallest. */
  async #bestOf(
    extent: NewExtent,
    found: readonly Candidate[],
    planes: readonly Uint8Array[] | null,
  ): Promise<Id> {
    const best = found[0] as Candidate;
    const even = found.filter(({ score }) => score < best.score + EVEN_BITS);
    const apart = await this.#withoutAncestors(extent, best, even);
    const coded = apart.slice(0, CODED_MAX[this.#options.level]);
    if (planes === null || coded.length < 2 || best.score < EQUAL_BITS) return best.id;
    return (await this.#smallest(extent, coded, planes)).id;
  }

  /**
   * Candidates but for those that the best one depends on: earlier versions of a line, which are further off
   * the longer ago they are. Where no base says much they stay, since a shorter chain may do as well.
   */
  async #withoutAncestors(
    { width }: NewExtent,
    best: Candidate,
    candidates: readonly Candidate[],
  ): Promise<readonly Candidate[]> {
    if (candidates.length < 2 || best.score >= LOST_SHARE * unrelatedBits(width)) return candidates;
    const line = new Set<Id>();
    const find = (next: Id) => this.#link(next, 0);
    for await (const { id } of linksOf(best.fitted.id, find)) line.add(id);
    return candidates.filter((candidate) => candidate === best || !line.has(candidate.fitted.id));
  }

  /**
   * Goes from a candidate to the base of one segment of an extent, or null: materialize.
   * @param extent  its id, if that is known.
   */
  async fit(
    extent: Id | null,
    { id, operation }: ChosenBase,
    segment: number,
  ): Promise<FittedBase | null> {
    const { chainDepth, chainCost } = this.#options;
    // What follows from another kind of extent depends on the end of its chain, however long that is.
    const more = operation === undefined ? 0 : 1;
    const limits = { maxDepth: chainDepth + more, maxCost: chainCost + more };
    const lookup = (next: Id) => this.#link(next, segment);
    const fitted = await fitBase(id, lookup, limits, extent);
    return fitted !== null && this.isUsable(fitted.id) ? fitted : null;
  }

  /** A link of a chain, or null: it is nowhere. */
  async #link(id: Id, segment: number): Promise<ChainLink | null> {
    const key = segmentKey(id, segment);
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const entry = await this.#session.findSegment(id, segment);
    if (entry === null) return null;
    const isDerived = () => this.#session.isDerived(id, segment);
    const link = { base: entry.base, bytes: storedBytes(entry), isDerived };
    this.#links.set(key, link);
    return link;
  }

  /**
   * The stored extent of another name to which one is nearest by its first samples; null if none is clearly close.
   */
  async stranger(samples: Uint8Array, width: number, count: number): Promise<Neighbour | null> {
    const found = await this.#session.sketches.nearest(samples, width, count, NEIGHBOURS_MAX);
    const near = found.find(({ id }) => this.isUsable(id));
    const isClose = near !== undefined && near.distance < LOST_SHARE * unrelatedBits(width);
    return isClose ? near : null;
  }

  /** False for extents that must not become bases. */
  isUsable(id: Id): boolean {
    return this.#options.isUsable?.(id) ?? true;
  }

  /** Candidates with a base that fits, the best first. */
  async #rank(
    extent: NewExtent,
    namesakes: readonly Id[],
    settle: (id: Id) => Promise<void>,
  ): Promise<Candidate[]> {
    const wanted = await this.#distances(extent, namesakes);
    const ranked: Candidate[] = [];
    for (const { id, score } of wanted) {
      await settle(id);
      const fitted = await this.fit(extent.id, { id, operation: undefined }, 0);
      if (fitted === null) continue;
      const first = ranked[0];
      if (fitted.id !== id) {
        const distance = await this.#distanceTo(extent, fitted.id);
        ranked.push({ id, score: Math.max(score, distance ?? score), fitted });
      } else if (first === undefined || this.#isRoomy(fitted) || score < first.score + EVEN_BITS) {
        ranked.push({ id, score, fitted });
      }
    }
    return ranked.sort((a, b) => a.score - b.score);
  }

  /** A chain in which later versions find room: were it full, they would all hang off one ancestor. */
  #isRoomy({ depth }: FittedBase): boolean {
    return depth <= Math.max(1, this.#options.chainDepth >> 1);
  }

  /** Namesakes and neighbours with their scores, ascending. */
  async #distances(
    extent: NewExtent,
    namesakes: readonly Id[],
  ): Promise<{ id: Id; score: number }[]> {
    const { id: own, width, count, sketch } = extent;
    const scores = new Map<Id, number>();
    for (const id of namesakes) {
      if (id === own || !this.isUsable(id)) continue;
      // An extent of the same name and without a sketch counts as close.
      const distance = (await this.#distanceTo(extent, id)) ?? 4 * width;
      scores.set(id, Math.max(0, distance - NAMESAKE_BITS));
    }
    const near = minOf(scores.values()) < EQUAL_BITS;
    if (!near && (this.#options.level > 0 || scores.size === 0)) {
      const found = await this.#session.sketches.nearest(sketch, width, count, NEIGHBOURS_MAX);
      for (const { id, distance } of found) {
        const isNew = id !== own && !scores.has(id) && this.isUsable(id);
        if (isNew && distance < unrelatedBits(width)) scores.set(id, distance);
      }
    }
    return [...scores].map(([id, score]) => ({ id, score })).sort((a, b) => a.score - b.score);
  }

  /** Distance to a stored extent; null if it has no sketch or cannot be read. */
  async #distanceTo(extent: NewExtent, id: Id): Promise<number | null> {
    try {
      const sketch = await this.#session.sketchOf(id);
      if (sketch === null || sketch.length !== extent.sketch.length) return null;
      return sketch.length === 0 ? null : sketchDistance(extent.sketch, sketch, extent.width);
    } catch (error) {
      if (isUnreadable(error)) return null;
      throw error;
    }
  }

  /** The candidate against which blocks of the first segment are smallest; of equal ones, by a
   *  hundredth, the one with the shorter chain. */
  async #smallest(
    extent: NewExtent,
    candidates: readonly Candidate[],
    planes: readonly Uint8Array[],
  ): Promise<Candidate> {
    const child = sampleBlocks(planes);
    let best = { candidate: candidates[0] as Candidate, bytes: Number.POSITIVE_INFINITY };
    // From the root on: what one depends on is kept when its turn comes.
    const ordered = [...candidates].sort((a, b) => a.fitted.depth - b.fitted.depth);
    const ids = ordered.map(({ fitted }) => fitted.id);
    const sampled = await sampleStored(this.#session, extent, ids, this.#signal);
    this.#compared = new Set(ids.filter((id) => !sampled.has(id)));
    for (const candidate of ordered) {
      const { id } = candidate.fitted;
      try {
        const under = sampled.get(id) ?? (await this.#sampleOfWhole(extent, id));
        const { head, hi, mid, low } = await encodeSegment(child, under);
        const bytes = head.length + hi.length + mid.length + low.length;
        // Those that come later have longer chains, or equal ones.
        if (bytes < best.bytes * (1 - EQUAL_SHARE)) {
          best = { candidate, bytes };
        }
      } catch (error) {
        if (!isUnreadable(error)) throw error;
      }
    }
    return best.candidate;
  }

  /** Blocks of a candidate that is decoded whole. @throws as PlaneReader.lend. */
  async #sampleOfWhole({ width, count }: NewExtent, id: Id): Promise<Uint8Array[]> {
    const lease = await lendWhole(this.planes, { id, width, count }, 0);
    const sample = sampleBlocks(lease.planes);
    lease.release();
    return sample;
  }
}
