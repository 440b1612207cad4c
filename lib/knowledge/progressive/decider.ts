/**
 * The way back for examples that intervals leave open, and which planes are read next: chosen by a few of them, and
 * read while bounds of the others are computed.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { type Claim, gapOf } from '../../pure/bounds/decisions.js';
import type { NetworkBounds } from './network-bounds.js';
import { nextDepths } from './next-depths.js';
import { type Patience, timed } from './patience.js';
import { type Depths, deeperThan } from './plane-source.js';
import { Prover } from './prover.js';
import type { Queries } from './queries.js';
import type { CascadeOptions, Settle, Stage, Undecided } from './stages.js';

/** Examples that show whether a depth is worth its bounds, and which weights are worth more planes. */
const SAMPLES = 6;
/** After so many examples without proof, others whose scores leave less are not tried; and after fewer of them where */
const FRUITLESS_MAX = 40;
/** none comes this near to it: 1 is proof. */
const NEAR = 2.5;

/** One example takes so many times the mean effort at most. */
const EFFORT_TIMES_MAX = 10;
export class Decider {
  readonly #bounds: NetworkBounds;
  readonly #queries: Queries;
  readonly #o: CascadeOptions;
  readonly #settle: Settle;
  readonly #patience: Patience;
  readonly #prover: Prover;
  /** Planes that are being read for the next depth. */
  #ahead: Promise<void> | null = null;

  constructor(
    bounds: NetworkBounds,
    queries: Queries,
    options: CascadeOptions,
    { settle, patience }: { settle: Settle; patience: Patience },
  ) {
    this.#bounds = bounds;
    this.#queries = queries;
    this.#o = options;
    this.#settle = settle;
    this.#patience = patience;
    this.#prover = new Prover(bounds, options.margin);
  }

  /** Ends when nothing is being read any more. */
  async idle(): Promise<void> {
    await this.#ahead;
    this.#ahead = null;
  }

  /**
   * Backward bounds of open examples: of a few that stand for all, and then of those whose scores leave most. Once
   * enough of them stay open, the next depths are chosen by these and read while bounds of the others are computed.
   * @returns  the next depths, if they were chosen; null: they were not, or are all of the weights.
   */
  async decide(stage: Stage, { left, scores }: Undecided): Promise<Depths | null> {
    const samples = spread([...left.keys()], SAMPLES);
    const gap = (example: number): number =>
      gapOf(this.#o.decision, scores[example] as readonly number[]);
    const rest = [...left.keys()].filter((example) => !samples.includes(example));
    const byGap = rest.sort((a, b) => gap(b) - gap(a));
    let next: Depths | null = null;
    let tried = 0;
    /** Since the last proof. */
    let fruitless = 0;
    let nearest = Number.POSITIVE_INFINITY;
    const failed = new Map<number, Claim[]>();
    for (const example of [...samples, ...byGap]) {
      throwIfAborted(this.#o.signal);
      if (this.#patience.isOver) break;
      const claims = left.get(example) as Claim[];
      const row = scores[example] as number[];
      const { method, distance } = await this.#prover.prove(
        await this.#queries.one(this.#bounds, example),
        { claims, scores: row, effort: this.#effortOf(stage) },
        stage.milliseconds,
      );
      tried++;
      fruitless++;
      nearest = fruitless === 1 ? distance : Math.min(nearest, distance);
      if (method === null) {
        failed.set(example, claims);
      } else {
        left.delete(example);
        this.#settle(example, row, method);
        fruitless = 0;
      }
      // Scores of the others leave less: bounds of them would be wasted.
      const isEnough = fruitless >= FRUITLESS_MAX || (fruitless >= 2 * SAMPLES && nearest > NEAR);
      if (tried > SAMPLES && isEnough) break;
      if (next === null && failed.size === SAMPLES && tried < samples.length + rest.length) {
        next = await this.plan(stage, { left: failed, scores });
        if (next !== null) this.#ahead = this.#readAhead(next);
      }
    }
    return next;
  }

  /** Where few examples are left, each may take what the others did not. */
  #effortOf({ open }: Stage): number {
    const { effort, set } = this.#o;
    return effort * Math.min(EFFORT_TIMES_MAX, set.examples / open);
  }

  /** Reads planes while bounds are computed. */
  async #readAhead(depths: Depths): Promise<void> {
    try {
      await this.#o.source.load(depths);
    } catch {
      // Reading them in their turn says what is wrong.
    }
  }

  /** The next depths, by some of the examples that are open; null: all of the weights. */
  plan(stage: Stage, { left, scores }: Undecided): Promise<Depths | null> {
    return timed(stage.milliseconds, 'plan', async () => {
      const deeper = deeperThan(stage.depths, this.#o.source.parameters);
      if (deeper === null) return null;
      return nextDepths({
        from: stage.depths,
        to: deeper,
        source: this.#o.source,
        samples: spread([...left.keys()], SAMPLES),
        suppose: (parameters, bits, { samples, missing }) =>
          this.#bounds.supposing(parameters, bits, async () => {
            const proven: number[] = [];
            for (const [i, example] of samples.entries()) {
              const { method } = await this.#prover.prove(
                await this.#queries.one(this.#bounds, example),
                {
                  claims: left.get(example) as Claim[],
                  scores: scores[example] as number[],
                  effort: this.#effortOf(stage),
                },
              );
              if (method !== null) proven.push(example);
              if (i + 1 - proven.length > missing) break;
            }
            return proven;
          }),
      });
    });
  }
}

/** Some of a list, evenly. */
function spread<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)] as T);
}
