/** Proves answers of one example at a time by the way back: rows first, then with refined ends of what bends. */
import { maxOf } from '../../base/bytes/many.js';
import type { Claim } from '../../pure/bounds/decisions.js';
import type { Fed } from '../inference/messages.js';
import type { NetworkBounds } from './network-bounds.js';
import { timed } from './patience.js';

/** How an answer became final. */
export type Method = 'intervals' | 'rows' | 'refined' | 'approximate' | 'full';

/** So many examples are refined whatever their rows gave. */
const TRIED_MIN = 3;
/** Beyond what refining has brought so far, it is tried where so much more is missing. */
const HOPE = 1.5;
/** Rows that are farther from proof by the first way are not tried by others. */
const NEAR = 4;
/** Beyond it a distance is of scores that leave nothing. */
const DISTANCE_MAX = 1e9;

/** What is to be proved of an example. */
export interface Asked {
  claims: readonly Claim[];
  /** By the weights as far as they are read. */
  scores: readonly number[];
  /** Multiplications that refining it may take. */
  effort: number;
}

/** Milliseconds by what they were spent on. */
type Spent = Record<'rows' | 'refined', number>;

/** Proofs of examples, one after another. */
export class Prover {
  readonly #bounds: NetworkBounds;
  readonly #margin: number;
  #refined = 0;
  /** By what factor refining has brought bounds nearer to what scores leave, at most. */
  #gain = 1;

  /** @param margin  how far claims have to hold. */
  constructor(bounds: NetworkBounds, margin: number) {
    this.#bounds = bounds;
    this.#margin = margin;
  }

  /**
   * How one example is proved, and how far its best bounds are from proof, in multiples of what the scores leave:
   * below 1 is proof.
   * @param spent  counts what this takes.
   */
  async prove(
    fed: Fed[],
    { claims, scores, effort }: Asked,
    spent: Spent = { rows: 0, refined: 0 },
  ): Promise<{ method: Method | null; distance: number }> {
    const margin = this.#margin;
    const bounds = this.#bounds;
    const far = (least: readonly number[], of: readonly Claim[]): number =>
      maxOf(of.map((claim, i) => distanceOf(claim, scores, (least[i] as number) - margin)));
    const isOpen = (claim: Claim, found: number): boolean =>
      !(found > margin) && distanceOf(claim, scores, found - margin) < NEAR;
    const least = await timed(spent, 'rows', () => bounds.rows(fed, claims, { isOpen }));
    const unsure = claims.filter((_, i) => !((least[i] as number) > margin));
    if (unsure.length === 0) return { method: 'rows', distance: 0 };
    const distance = far(least, claims);
    const plain = { method: null, distance };
    const isFar = this.#refined >= TRIED_MIN && !(distance < HOPE * this.#gain);
    if (!bounds.canRefine || effort <= 0 || isFar) return plain;
    const better = await timed(spent, 'refined', async () => {
      const refined = await bounds.refine(fed, effort);
      return refined === null ? null : bounds.rows(fed, unsure, { refined, isOpen });
    });
    if (better === null) return plain;
    this.#refined++;
    const nearer = far(better, unsure);
    const gain = distance / nearer;
    if (gain > this.#gain && distance < DISTANCE_MAX) this.#gain = gain;
    if (!better.every((value) => value > margin)) return { method: null, distance: nearer };
    return { method: 'refined', distance: nearer };
  }
}

/** How far the bound of a claim is below what scores give, of what is needed. */
function distanceOf({ terms, offset }: Claim, scores: readonly number[], least: number): number {
  const value = terms.reduce((sum, [i, weight]) => sum + weight * (scores[i] ?? 0), offset);
  return (value - least) / Math.max(value, Number.MIN_VALUE);
}
