/**
 * Which versions the variables of a query stand for together: rows of each variable, filtered, then joined one
 * variable after the other, within bounds on what is looked at and kept.
 */
import { maxOf, pushAll } from '../../base/bytes/many.js';
import type { Span } from './ast.js';
import type { Host } from './host.js';
import type { Tuple } from './layers/layer-sets.js';
import type { Reads } from './output.js';
import { queryError } from './parse.js';
import type { StepPlan } from './steps.js';

/** Rows of versions that a join may look at. */
const TUPLES_MAX = 20_000_000;
/** Those that it keeps: each is in memory. */
const ROWS_MAX = 2_000_000;
/** Versions in all combinations that fit: each takes memory. */
const PLACES_MAX = 4_000_000;
/** Examples in a report. */
const EXAMPLES_MAX = 5;
/** Combinations after which others get a turn, an abort among them. */
const ABORT_EVERY = 1 << 17;

export interface LoadOptions {
  signal?: AbortSignal | undefined;
  /** Told how far loading of networks has come. */
  onLoaded?: (done: number, all: number) => void;
}

export class TupleFinder<R> {
  readonly #host: Host<R>;
  readonly #options: LoadOptions;
  readonly #hint: (text: string) => void;

  constructor(host: Host<R>, options: LoadOptions, hint: (text: string) => void) {
    this.#host = host;
    this.#options = options;
    this.#hint = hint;
  }

  /** The rows of one variable that a condition of it alone lets through. @param width  variables of the query. */
  async filter(rows: readonly R[], place: number, width: number, step: StepPlan<R>): Promise<R[]> {
    const tuple: R[] = new Array(width);
    const kept: R[] = [];
    await this.load(
      rows.map((row) => [row]),
      step.reads,
    );
    if (step.reads === 'networks') {
      const bare = rows.filter((row) => this.#host.networks(row).length === 0).length;
      const have = bare === 1 ? '1 version has' : `${bare} versions have`;
      if (bare > 0) this.#hint(`${have} no network that could be asked for layers`);
    }
    for (const [i, row] of rows.entries()) {
      if (i > 0 && i % ABORT_EVERY === 0) await this.#pause();
      tuple[place] = row;
      if (this.#ask(step, tuple, () => this.#host.name(row))) kept.push(row);
    }
    return kept;
  }

  #ask({ test, report, failures }: StepPlan<R>, tuple: Tuple<R>, name: () => string): boolean {
    const truth = test(tuple);
    report.asked++;
    if (truth === true) report.fitted++;
    const examples = truth === false ? report.failed : report.unknown;
    if (truth !== true && examples.length < EXAMPLES_MAX) {
      examples.push(name());
      if (failures !== null)
        pushAll(
          report.bindings,
          failures(tuple).map((one) => `${name()}, ${one}`),
        );
    }
    return truth === true;
  }

  /** Loads what will be read of versions. */
  async load(tuples: readonly Tuple<R>[], reads: Reads): Promise<void> {
    if (reads === 'catalog') return;
    const rows = new Set(tuples.flat());
    let done = 0;
    for (const row of rows) {
      this.#options.signal?.throwIfAborted();
      if (reads === 'networks') await this.#host.loadNetworks(row);
      else await this.#host.loadSeries(row);
      this.#options.onLoaded?.(++done, rows.size);
    }
  }

  async #pause(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#options.signal?.throwIfAborted();
  }

  /** All rows of versions that fit: variables are taken one after the other, conditions as soon as they can be asked. */
  async join(
    text: string,
    span: Span,
    starts: readonly R[][],
    steps: readonly StepPlan<R>[],
  ): Promise<Tuple<R>[]> {
    let tuples: R[][] = [[]];
    let looked = 0;
    const refuse = (what: string): never => {
      throw queryError(text, span, what, 'narrow each variable by a condition of its own');
    };
    const tooMany = `it looks at more than ${TUPLES_MAX} combinations of versions`;
    // Where nothing joins the variables, it is known before anything is made.
    const all = starts.reduce((product, rows) => product * rows.length, 1);
    if (steps.length === 0 && all > TUPLES_MAX) refuse(tooMany);
    const rowsMax = Math.min(ROWS_MAX, Math.floor(PLACES_MAX / starts.length));
    const tooManyFit = `more than ${rowsMax} combinations of versions fit`;
    if (steps.length === 0 && all > rowsMax) refuse(tooManyFit);
    for (const [place, rows] of starts.entries()) {
      // What can be asked only now; conditions of no variable are asked at the first.
      const due = steps.filter(({ places }) => maxOf(places, 0) === place);
      for (const step of due)
        await this.load(
          [...starts.slice(0, place + 1)].flat().map((row) => [row]),
          step.reads,
        );
      const next: R[][] = [];
      if (looked + tuples.length * rows.length > TUPLES_MAX) refuse(tooMany);
      for (const before of tuples) {
        for (const row of rows) {
          looked++;
          if (next.length > rowsMax) refuse(tooManyFit);
          if (looked % ABORT_EVERY === 0) await this.#pause();
          const tuple = [...before, row];
          const names = (): string => tuple.map((one) => this.#host.name(one)).join(', ');
          if (due.every((step) => this.#ask(step, tuple, names))) next.push(tuple);
        }
      }
      tuples = next;
    }
    return tuples;
  }
}
