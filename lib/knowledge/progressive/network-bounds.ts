/** Bounds of one network in a process: its graphs, loaded once, and the weights that are known so far. */

import { type Analysis, NoBounds } from '../../pure/bounds/analysis.js';
import type { Claim } from '../../pure/bounds/decisions.js';
import { givenName, refinedNames } from '../../pure/bounds/forward/forward.js';
import {
  depthOf,
  elementProgram,
  intervalOutputs,
  intervalProgram,
  type Program,
  refinable,
  rowProgram,
  scanProgram,
  widestRow,
  workOf,
} from '../../pure/bounds/programs.js';
import { type BoundsOf, weightInput } from '../../pure/bounds/weights.js';
import type { Fed, RunOptions } from '../inference/messages.js';
import type { Workbench } from '../inference/workbench.js';
import { fedFloats, fedInts, WAYS, type Way, wayFeeds } from './feeds.js';
import { KnownWeights, type KnowOptions } from './known-weights.js';

/** Rows of one pass, and elements that they may have at the widest place of their way. */
const ROWS_MAX = 256;
const ROW_ELEMENTS_MAX = 2 ** 22;
/** Name of the part that is run as it is, among the networks of a process. */
const PREFIX = 'prefix';
/** Stands for an end that is not known better. */
const WIDE = 3e38;

/** Intervals of scores of a batch, row-major. */
export interface Scan {
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** How far the best class is above each; null where the last layer is not a matrix. */
  readonly margin: Float64Array | null;
  readonly isFinite: boolean;
}

/** Better ends of values of one example: inputs of its passes. */
export type Refined = Fed[];

export interface RowOptions {
  refined?: Refined | null;
  /** Whether the other ways are tried where the first one gave so much; default: all ways are. */
  isOpen?: (claim: Claim, least: number) => boolean;
}

export class NetworkBounds {
  readonly analysis: Analysis;
  readonly #bench: Workbench;
  readonly #options: RunOptions;
  readonly #programs = new Map<string, Program>();
  readonly #weights: KnownWeights;
  readonly #targets: readonly string[];
  readonly #hasMargins: boolean;
  readonly #rowsMax: number;
  #hasRows = false;

  private constructor(
    bench: Workbench,
    analysis: Analysis,
    { options, hasMargins }: { options: RunOptions; hasMargins: boolean },
  ) {
    this.#bench = bench;
    this.#weights = new KnownWeights(bench);
    this.analysis = analysis;
    this.#options = options;
    this.#hasMargins = hasMargins;
    const widest = widestRow(analysis);
    this.#rowsMax = Math.min(ROWS_MAX, Math.max(8, Math.floor(ROW_ELEMENTS_MAX / widest)));
    // The first layer's intervals are exact: its input is known.
    this.#targets = refinable(analysis).filter((value) => depthOf(analysis, value) > 1);
  }

  /** Builds the graphs of a network. @throws {NoBounds} if an operator has no bounds. */
  static async open(bench: Workbench, analysis: Analysis, threads: number): Promise<NetworkBounds> {
    const program = scanProgram(analysis);
    const made = new NetworkBounds(bench, analysis, {
      options: { threads, optimization: 'basic' },
      hasMargins: program.hasMargins,
    });
    await made.#load('scan', program);
    try {
      // Loaded when the first example needs it.
      rowProgram(analysis, []);
      made.#hasRows = true;
    } catch (error) {
      if (!(error instanceof NoBounds)) throw error;
    }
    return made;
  }

  async #load(name: string, program: Program): Promise<void> {
    await this.#bench.add(name, program.bytes, this.#options);
    this.#programs.set(name, program);
    await this.#weights.keep(program.weights);
  }

  /** Takes what is known of parameters now. @see KnownWeights.know */
  know(boundsOf: BoundsOf, options: KnowOptions = {}): Promise<void> {
    return this.#weights.know(boundsOf, options);
  }

  /** Keeps the middles of parameters. @returns  the names under which they are kept, by parameter. */
  async keepCenters(
    parameters: ReadonlyMap<string, readonly number[]>,
  ): Promise<Record<string, string>> {
    const inputs = [...parameters].map(([name, dims]) => weightInput(name, 'center', dims));
    await this.#weights.keepNew(inputs);
    return Object.fromEntries(inputs.map(({ name, parameters: [of] }) => [of, name]));
  }

  /** Runs an action as if the radii of some parameters were 2^bits times smaller. */
  supposing<T>(
    parameters: ReadonlySet<string>,
    bits: number,
    action: () => Promise<T>,
  ): Promise<T> {
    return this.#weights.supposing(parameters, bits, action);
  }

  async #pass(name: string, make: () => Program, feeds: Fed[], outputs: string[]) {
    if (!this.#programs.has(name)) await this.#load(name, make());
    const program = this.#programs.get(name) as Program;
    const wanted = new Set(program.inputs);
    return this.#bench.pass({
      name,
      inputs: feeds.filter((fed) => wanted.has(fed.name)),
      kept: program.weights.map((input) => input.name),
      outputs,
    });
  }

  /** Loads the part of the network that is run as it is. @param file  of its weights, whole. */
  async loadPrefix(file: string, options: RunOptions): Promise<void> {
    await this.#bench.add(PREFIX, file, options);
  }

  /** What graphs of bounds are fed with: the network's input, and what its first part makes of it. */
  async given(inputs: Fed[]): Promise<Fed[]> {
    const { prefix, given } = this.analysis;
    const named = inputs
      .filter(({ name }) => given.includes(name))
      .map((fed) => ({ ...fed, name: givenName(fed.name) }));
    if (prefix === null) return named;
    const made = await this.#bench.pass({
      name: PREFIX,
      inputs,
      kept: [],
      outputs: [...prefix.outputs],
    });
    return [
      ...named,
      ...made.map(({ dims, values }, i) =>
        // Values of float32 pass through float64 unchanged.
        fedFloats(givenName(prefix.outputs[i] as string), Float32Array.from(values), dims),
      ),
    ];
  }

  /** Intervals of a batch. @param best  the class of each example that margins are from. */
  async scan(given: Fed[], best: readonly number[]): Promise<Scan> {
    const outputs = ['low', 'high', 'guard', ...(this.#hasMargins ? ['margin'] : [])];
    const feeds = [...given, fedInts('best', BigInt64Array.from(best, BigInt), [best.length, 1])];
    const results = await this.#pass('scan', () => scanProgram(this.analysis), feeds, outputs);
    const [low, high, guard, margin] = results.map(({ values }) => values) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array | undefined,
    ];
    return { low, high, margin: margin ?? null, isFinite: Number.isFinite(guard[0]) };
  }

  /** Least values of claims for one example: by the first way, and where that is not enough the best of all. */
  async rows(
    given: Fed[],
    claims: readonly Claim[],
    { refined = null, isOpen = () => true }: RowOptions = {},
  ): Promise<number[]> {
    const least = claims.map(() => Number.NEGATIVE_INFINITY);
    if (!this.#hasRows) return least;
    for (const ways of [WAYS.slice(0, 1), WAYS.slice(1)]) {
      const isFirst = ways.length === 1;
      const open = claims.flatMap((claim, at) =>
        isFirst || isOpen(claim, least[at] as number) ? [{ claim, at }] : [],
      );
      const each = Math.max(1, Math.floor(this.#rowsMax / ways.length));
      for (let from = 0; from < open.length; from += each) {
        const part = open.slice(from, from + each);
        const found = await this.#rowsOf(
          given,
          part.map(({ claim }) => claim),
          { refined, ways },
        );
        for (const [i, { at }] of part.entries()) {
          least[at] = Math.max(least[at] as number, found[i] as number);
        }
      }
    }
    return least;
  }

  /** Least values of a few claims: the best of some ways. */
  async #rowsOf(
    given: Fed[],
    claims: readonly Claim[],
    { refined, ways }: { refined: Refined | null; ways: readonly Way[] },
  ): Promise<number[]> {
    const classes = this.#scores;
    const count = claims.length * ways.length;
    const rows = new Float32Array(count * classes);
    for (let s = 0; s < ways.length; s++) {
      for (const [i, { terms }] of claims.entries()) {
        for (const [score, weight] of terms) {
          (rows[(s * claims.length + i) * classes + score] as number) += weight;
        }
      }
    }
    const feeds = [
      ...given,
      ...(refined ?? []),
      fedFloats('rows', rows, [count, classes]),
      ...wayFeeds(claims.length, ways),
    ];
    const name = refined === null ? 'rows' : 'refined rows';
    const targets = refined === null ? [] : this.#targets;
    const [found] = await this.#pass(name, () => rowProgram(this.analysis, targets), feeds, [
      'least',
    ]);
    return claims.map(({ offset }, i) => {
      const values = ways.map((_, s) => found?.values[s * claims.length + i] ?? Number.NaN);
      return (
        Math.max(...values.filter((one) => !Number.isNaN(one)), Number.NEGATIVE_INFINITY) +
        offset -
        1e-9 * Math.abs(offset)
      );
    });
  }

  get #scores(): number {
    const shape = this.analysis.shapes.get(this.analysis.scores) as readonly number[];
    return shape.slice(1).reduce((product, size) => product * size, 1);
  }

  /** True if there are values whose ends can be refined. */
  get canRefine(): boolean {
    return this.#targets.length > 0 && this.#hasRows;
  }

  /**
   * Better ends of the values that bend, layer by layer: by the way back for elements whose sign is open.
   * @param work  multiplications that it may take; layers beyond it keep their intervals.
   * @returns  null if there is none, or none within it.
   */
  async refine(given: Fed[], work: number): Promise<Refined | null> {
    if (!this.canRefine) return null;
    const refined: Refined = [];
    let left = work;
    let hasRefined = false;
    const first = await this.#pass(
      'intervals',
      () => intervalProgram(this.analysis, this.#targets, []),
      given,
      intervalOutputs(this.#targets),
    );
    for (const [k, target] of this.#targets.entries()) {
      const before = this.#targets.slice(0, k);
      const feeds = [...given, ...refined];
      const [low, high] = hasRefined
        ? await this.#pass(
            `interval ${k}`,
            () => intervalProgram(this.analysis, [target], before),
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
      const cost = 2 * open.length * workOf(this.analysis, target);
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
      const [found] = await this.#pass(
        `elements ${at.k}`,
        () => elementProgram(this.analysis, at.target, at.before),
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
