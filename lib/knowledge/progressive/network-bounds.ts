/** Bounds of one network in a process: its graphs, loaded once, and the weights that are known so far. */

import { maxOf } from '../../base/bytes/many.js';
import { type Analysis, NoBounds } from '../../pure/bounds/analysis.js';
import type { Claim } from '../../pure/bounds/decisions.js';
import { givenName } from '../../pure/bounds/forward/forward.js';
import { rowProgram, scanProgram, widestRow } from '../../pure/bounds/programs.js';
import { type BoundsOf, weightInput } from '../../pure/bounds/weights.js';
import type { Fed, RunOptions } from '../inference/messages.js';
import type { Workbench } from '../inference/workbench.js';
import { BoundPasses } from './bound-passes.js';
import { fedFloats, fedInts, WAYS, type Way, wayFeeds } from './feeds.js';
import type { KnowOptions } from './known-weights.js';
import { type Refined, Refiner } from './refiner.js';

/** Rows of one pass, and elements that they may have at the widest place of their way. */
const ROWS_MAX = 256;
const ROW_ELEMENTS_MAX = 2 ** 22;
/** Name of the part that is run as it is, among the networks of a process. */
const PREFIX = 'prefix';

/** Intervals of scores of a batch, row-major. */
export interface Scan {
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** How far the best class is above each; null where the last layer is not a matrix. */
  readonly margin: Float64Array | null;
  readonly isFinite: boolean;
}

export interface RowOptions {
  refined?: Refined | null;
  /** Whether the other ways are tried where the first one gave so much; default: all ways are. */
  isOpen?: (claim: Claim, least: number) => boolean;
}

export class NetworkBounds {
  readonly analysis: Analysis;
  readonly #bench: Workbench;
  readonly #passes: BoundPasses;
  readonly #refiner: Refiner;
  readonly #hasMargins: boolean;
  readonly #rowsMax: number;
  #hasRows = false;

  private constructor(
    bench: Workbench,
    analysis: Analysis,
    { passes, hasMargins }: { passes: BoundPasses; hasMargins: boolean },
  ) {
    this.#bench = bench;
    this.analysis = analysis;
    this.#passes = passes;
    this.#hasMargins = hasMargins;
    const widest = widestRow(analysis);
    this.#rowsMax = Math.min(ROWS_MAX, Math.max(8, Math.floor(ROW_ELEMENTS_MAX / widest)));
    this.#refiner = new Refiner(analysis, passes, this.#rowsMax);
  }

  /** Builds the graphs of a network. @throws {NoBounds} if an operator has no bounds. */
  static async open(bench: Workbench, analysis: Analysis, threads: number): Promise<NetworkBounds> {
    const program = scanProgram(analysis);
    const passes = new BoundPasses(bench, { threads, optimization: 'basic' });
    const made = new NetworkBounds(bench, analysis, { passes, hasMargins: program.hasMargins });
    await passes.load('scan', program);
    try {
      // Loaded when the first example needs it.
      rowProgram(analysis, []);
      made.#hasRows = true;
    } catch (error) {
      if (!(error instanceof NoBounds)) throw error;
    }
    return made;
  }

  /** Takes what is known of parameters now. @see KnownWeights.know */
  know(boundsOf: BoundsOf, options: KnowOptions = {}): Promise<void> {
    return this.#passes.weights.know(boundsOf, options);
  }

  /** Keeps the middles of parameters. @returns  the names under which they are kept, by parameter. */
  async keepCenters(
    parameters: ReadonlyMap<string, readonly number[]>,
  ): Promise<Record<string, string>> {
    const inputs = [...parameters].map(([name, dims]) => weightInput(name, 'center', dims));
    await this.#passes.weights.keepNew(inputs);
    return Object.fromEntries(inputs.map(({ name, parameters: [of] }) => [of, name]));
  }

  /** Runs an action as if the radii of some parameters were 2^bits times smaller. */
  supposing<T>(
    parameters: ReadonlySet<string>,
    bits: number,
    action: () => Promise<T>,
  ): Promise<T> {
    return this.#passes.weights.supposing(parameters, bits, action);
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
    const results = await this.#passes.run(
      'scan',
      () => scanProgram(this.analysis),
      feeds,
      outputs,
    );
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
    const targets = refined === null ? [] : this.#refiner.targets;
    const [found] = await this.#passes.run(name, () => rowProgram(this.analysis, targets), feeds, [
      'least',
    ]);
    return claims.map(({ offset }, i) => {
      const values = ways.map((_, s) => found?.values[s * claims.length + i] ?? Number.NaN);
      return (
        maxOf(
          values.filter((one) => !Number.isNaN(one)),
          Number.NEGATIVE_INFINITY,
        ) +
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
    return this.#refiner.targets.length > 0 && this.#hasRows;
  }

  /** @see Refiner.refine */
  async refine(given: Fed[], work: number): Promise<Refined | null> {
    return this.canRefine ? this.#refiner.refine(given, work) : null;
  }
}
