/** Proves answers of one example at a time by the way back: rows first, then with refined ends of what bends. */
import type { Claim } from '../../pure/bounds/decisions.js';
import type { Fed } from '../inference/messages.js';
import type { NetworkBounds } from './network-bounds.js';

/** How an answer became final. */
export type Method = 'intervals' | 'rows' | 'refined' | 'approximate' | 'full';

/** After so many refined examples of which none is proven, no other one is refined. */
const FRUITLESS_MAX = 12;

export interface ProverOptions {
  /** How far claims have to hold. */
  margin: number;
  /** Multiplications that refining one example may take. */
  effort: number;
  /** Told of milliseconds by what they were spent on. */
  spend: (what: 'rows' | 'refined', milliseconds: number) => void;
}

/** Proofs at one depth of the weights. */
export class Prover {
  readonly #bounds: NetworkBounds;
  readonly #o: ProverOptions;
  #refined = 0;
  #proven = 0;

  constructor(bounds: NetworkBounds, options: ProverOptions) {
    this.#bounds = bounds;
    this.#o = options;
  }

  /**
   * How one example is proved, and how far its best bounds are from proof, in multiples of what the scores leave:
   * below 1 is proof.
   * @param scores  by the weights as far as they are read; empty where the distance does not matter.
   */
  async prove(
    fed: Fed[],
    claims: readonly Claim[],
    scores: readonly number[],
  ): Promise<{ method: Method | null; distance: number }> {
    const { margin, effort } = this.#o;
    const bounds = this.#bounds;
    const far = (least: readonly number[], of: readonly Claim[]): number =>
      Math.max(...of.map((claim, i) => distanceOf(claim, scores, (least[i] as number) - margin)));
    const least = await this.#timed('rows', () => bounds.rows(fed, claims, null));
    const unsure = claims.filter((_, i) => !((least[i] as number) > margin));
    if (unsure.length === 0) return { method: 'rows', distance: 0 };
    const plain = { method: null, distance: far(least, claims) };
    const isFruitless = this.#refined >= FRUITLESS_MAX && this.#proven === 0;
    if (!bounds.canRefine || effort <= 0 || isFruitless) return plain;
    const better = await this.#timed('refined', async () => {
      const refined = await bounds.refine(fed, effort);
      return refined === null ? null : bounds.rows(fed, unsure, refined);
    });
    if (better === null) return plain;
    this.#refined++;
    const distance = far(better, unsure);
    if (!better.every((value) => value > margin)) return { method: null, distance };
    this.#proven++;
    return { method: 'refined', distance };
  }

  async #timed<T>(what: 'rows' | 'refined', action: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await action();
    } finally {
      this.#o.spend(what, performance.now() - started);
    }
  }
}

/** How far the bound of a claim is below what scores give, of what is needed. */
function distanceOf({ terms, offset }: Claim, scores: readonly number[], least: number): number {
  const value = terms.reduce((sum, [i, weight]) => sum + weight * (scores[i] ?? 0), offset);
  return (value - least) / Math.max(value, Number.MIN_VALUE);
}
