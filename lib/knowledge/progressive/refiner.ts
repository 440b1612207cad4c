/** Better ends of values of one example that bend, by the way back from each layer. */
import type { Analysis } from '../../pure/bounds/analysis.js';
import { refinedNames } from '../../pure/bounds/forward/forward.js';
import {
  depthOf,
  elementProgram,
  intervalOutputs,
  intervalProgram,
  refinable,
  workOf,
} from '../../pure/bounds/programs.js';
import type { Fed } from '../inference/messages.js';
import type { BoundPasses } from './bound-passes.js';
import { fedFloats, fedInts, WAYS, wayFeeds } from './feeds.js';

/** Stands for an end that is not known better. */
const WIDE = 3e38;

/** Better ends of values of one example: inputs of its passes. */
export type Refined = Fed[];

export class Refiner {
  /** Values that are refined, in the order of the network. */
  readonly targets: readonly string[];
  readonly #analysis: Analysis;
  readonly #passes: BoundPasses;
  readonly #rowsMax: number;

  /** @param rowsMax  rows of one pass. */
  constructor(analysis: Analysis, passes: BoundPasses, rowsMax: number) {
    this.#analysis = analysis;
    this.#passes = passes;
    this.#rowsMax = rowsMax;
    // The first layer's intervals are exact: its input is known.
    this.targets = refinable(analysis).filter((value) => depthOf(analysis, value) > 1);
  }

  /**
   * Better ends of the values that bend, layer by layer: by the way back for elements whose sign is open.
   * @param work  multiplications that it may take; layers beyond it keep their intervals.
   * @returns  null if there is nothing to refine within it.
   */
  async refine(given: Fed[], work: number): Promise<Refined | null> {
    const refined: Refined = [];
    let left = work;
    let hasRefined = false;
    const first = await this.#passes.run(
      'intervals',
      () => intervalProgram(this.#analysis, this.targets, []),
      given,
      intervalOutputs(this.targets),
    );
    for (const [k, target] of this.targets.entries()) {
      const before = this.targets.slice(0, k);
      const feeds = [...given, ...refined];
      const [low, high] = hasRefined
        ? await this.#passes.run(
            `interval ${k}`,
            () => intervalProgram(this.#analysis, [target], before),
            feeds,
            intervalOutputs([target]),
          )
        : first.slice(2 * k, 2 * k + 2);
      const names = refinedNames(target);
      const dims = low?.dims ?? [];
      const ends = {
        low: low?.values ?? new Float64Array(0),
        high: high?.values ?? new Float64Array(0),
      };
      const open: number[] = [];
      for (const [i, end] of ends.low.entries()) {
        if (end < 0 && (ends.high[i] as number) > 0) open.push(i);
      }
      const cost = 2 * open.length * workOf(this.#analysis, target);
      if (open.length > 0 && cost <= left) {
        left -= cost;
        hasRefined = true;
        await this.#refineElements({ target, k, before, open }, feeds, ends);
        refined.push(
          fedFloats(names.low, Float32Array.from(ends.low, outward(-1)), dims),
          fedFloats(names.high, Float32Array.from(ends.high, outward(1)), dims),
        );
      } else {
        const ones = dims.map(() => 1);
        refined.push(
          fedFloats(names.low, Float32Array.of(-WIDE), ones),
          fedFloats(names.high, Float32Array.of(WIDE), ones),
        );
      }
    }
    return hasRefined ? refined : null;
  }

  async #refineElements(
    at: { target: string; k: number; before: readonly string[]; open: readonly number[] },
    feeds: Fed[],
    ends: { low: Float64Array; high: Float64Array },
  ): Promise<void> {
    const each = Math.max(1, Math.floor(this.#rowsMax / 2));
    for (let from = 0; from < at.open.length; from += each) {
      const part = at.open.slice(from, from + each);
      const places = BigInt64Array.from([...part, ...part], BigInt);
      const signs = Float32Array.from(places, (_, i) => (i < part.length ? 1 : -1));
      const count = places.length;
      const [found] = await this.#passes.run(
        `elements ${at.k}`,
        () => elementProgram(this.#analysis, at.target, at.before),
        [
          ...feeds,
          fedInts('places', places, [count]),
          fedFloats('signs', signs, [count, 1]),
          ...wayFeeds(count, WAYS.slice(0, 1)),
        ],
        ['least'],
      );
      for (const [i, place] of part.entries()) {
        const low = found?.values[i] ?? Number.NaN;
        const high = -(found?.values[part.length + i] ?? Number.NaN);
        if (low > (ends.low[place] as number)) ends.low[place] = low;
        if (high < (ends.high[place] as number)) ends.high[place] = high;
      }
    }
  }
}

/** Rounds to float32, away from the interval. */
function outward(direction: 1 | -1): (value: number) => number {
  return (value) => {
    const near = Math.fround(value);
    return near === value ? near : near + direction * (Math.abs(near) * 2 ** -22 + 1e-40);
  };
}
