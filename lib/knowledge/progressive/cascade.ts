/**
 * Answers of a network from as few leading planes of its weights as possible, stage by stage: at each depth an
 * approximate answer, then bounds that may make it certain, cheap ones first; examples that stay open go on to
 * the next depth, and at the end to the network with all of its weights.
 */
import os from 'node:os';
import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { BugError } from '../../base/errors.js';
import type { Analysis } from '../../pure/bounds/analysis.js';
import { answerOf, gapOf } from '../../pure/bounds/decisions.js';
import { MEASURED_RUNTIME } from '../../pure/bounds/unary-errors.js';
import { type AddedNetwork, Workbench } from '../inference/workbench.js';
import { writeOpenNetwork, writePrefix } from './changed-network.js';
import { Decider } from './decider.js';
import { NetworkBounds } from './network-bounds.js';
import { Patience, timed } from './patience.js';
import type { LoadedWeights } from './plane-source.js';
import { type Depths, deeperThan, depthsOf, firstDepths, isWhole } from './plane-source.js';
import { Queries } from './queries.js';
import { scanExamples } from './scan-examples.js';
import type { CascadeOptions, CascadeResult, Settle, Stage } from './stages.js';

export type { Method } from './prover.js';
export type { CascadeResult } from './stages.js';

/** Name of the network whose weights are inputs. */
const OPEN = 'open network';
/** Threads of bounds: their products are too small for more. */
const THREADS_MAX = 4;

/** @throws {InferenceError} {UsageError} {PromisedError} {RemoteError} {AbortedError} */
export async function runCascade(options: CascadeOptions): Promise<CascadeResult> {
  const { source, goal, label, folder, signal } = options;
  const whole = depthsOf(source.parameters, ({ planes }) => planes);
  const patience = new Patience(goal, await source.bytesAt(whole));
  const bench = new Workbench(label, folder, signal);
  const cascade = new Cascade(bench, options, patience);
  try {
    return await cascade.run();
  } finally {
    await cascade.settled;
    await bench.close();
  }
}

class Cascade {
  readonly #bench: Workbench;
  readonly #o: CascadeOptions;
  readonly #patience: Patience;
  readonly #stages: Stage[] = [];
  readonly #answers: CascadeResult['answers'];
  #queries: Queries | null = null;
  /** Whether the network with its weights as inputs could be made; null until it was tried. */
  #hasOpen: boolean | null = null;
  #runtime = '';
  #bounds: NetworkBounds | null = null;
  #decider: Decider | null = null;

  constructor(bench: Workbench, options: CascadeOptions, patience: Patience) {
    this.#bench = bench;
    this.#o = options;
    this.#patience = patience;
    this.#answers = Array.from({ length: options.set.examples }, () => null);
  }

  /** Ends when nothing is being read any more. */
  get settled(): Promise<void> {
    return this.#decider?.idle() ?? Promise.resolve();
  }

  async run(): Promise<CascadeResult> {
    let full: number[][] | null = null;
    let isPartial = false;
    try {
      full = await this.#answerAll();
    } catch (error) {
      // Of an interrupted run, what is final until then.
      if (!this.#o.signal?.aborted || this.#answers.every((one) => one === null)) throw error;
      isPartial = true;
    }
    return {
      answers: this.#answers,
      isPartial,
      stages: this.#stages,
      runtime: this.#runtime,
      isCertified: this.#isMeasured,
      full: full?.map((row) => (row.length === 0 ? [] : answerOf(this.#o.decision, row))) ?? null,
    };
  }

  /** Makes every answer final. @returns scores by all weights, if they were computed. */
  async #answerAll(): Promise<number[][] | null> {
    const { source, set, analysis, check } = this.#o;
    const { parameters } = source;
    const whole = depthsOf(parameters, ({ planes }) => planes);
    const isOff = analysis === null && this.#o.guarantee === 'certified';
    let depths: Depths = isOff ? whole : firstDepths(parameters);
    let open = Array.from({ length: set.examples }, (_, i) => i);
    let full: number[][] | null = null;
    while (open.length > 0) {
      const { stage, weights } = await this.#read(depths, open.length);
      if (!isWhole(parameters, depths) && this.#isHasty) {
        depths = whole;
        continue;
      }
      await this.#begin(stage, weights);
      if (isWhole(parameters, depths)) {
        full = await this.#queriesNow.scores(stage, check ? null : open);
        for (const i of open) this.#settle(i, full[i] as number[], 'full');
        break;
      }
      const scores = await this.#queriesNow.scores(stage, null);
      stage.approximate = scores.map((row) => answerOf(this.#o.decision, row));
      const next = await this.#stage(stage, open, scores);
      open = next.open;
      depths = next.depths ?? whole;
    }
    if (check && full === null) {
      const { stage, weights } = await this.#read(whole, 0);
      await this.#begin(stage, weights);
      full = await this.#queriesNow.scores(stage, null);
      this.#stages.pop();
    }
    return full;
  }

  get #queriesNow(): Queries {
    if (this.#queries === null) throw new BugError('no network was loaded');
    return this.#queries;
  }

  get #isMeasured(): boolean {
    return this.#runtime === MEASURED_RUNTIME;
  }

  /** True where reading the rest is quicker than proofs. */
  get #isHasty(): boolean {
    return this.#o.guarantee === 'certified' && this.#patience.isOver;
  }

  /** Reads planes: a stage begins. */
  async #read(depths: Depths, open: number): Promise<{ stage: Stage; weights: LoadedWeights }> {
    const { source } = this.#o;
    throwIfAborted(this.#o.signal);
    const started = performance.now();
    await this.#decider?.idle();
    const weights = await source.load(depths);
    const read = performance.now() - started;
    const stage: Stage = {
      depths,
      bytes: await source.bytesAt(depths),
      open,
      final: {},
      approximate: null,
      milliseconds: { read, answers: 0, intervals: 0, rows: 0, refined: 0, plan: 0 },
    };
    this.#patience.noteRead(stage.bytes, read);
    this.#stages.push(stage);
    return { stage, weights };
  }

  /** Loads the network with the weights of a stage. */
  async #begin({ depths }: Stage, weights: LoadedWeights): Promise<void> {
    const { source, options } = this.#o;
    const isLast = isWhole(source.parameters, depths);
    if (!isLast && (await this.#beginOpen(weights, depths))) return;
    const network = await this.#bench.add('network', weights.path, options);
    const queries = this.#know(network);
    queries.run = { name: 'network', named: {} };
    if (!isLast && this.#isBounded) await this.#bound(queries, weights, depths);
  }

  /** Where bounds are computed of this runtime. */
  get #isBounded(): boolean {
    return this.#o.analysis !== null && this.#o.guarantee === 'certified' && this.#isMeasured;
  }

  #know(network: AddedNetwork): Queries {
    this.#runtime = network.version;
    this.#queries ??= new Queries(this.#bench, this.#o, network);
    return this.#queries;
  }

  /**
   * Loads the network once for all depths, with weights as inputs that bounds keep anyway.
   * @returns  false if it has to be loaded with its weights.
   */
  async #beginOpen(weights: LoadedWeights, depths: Depths): Promise<boolean> {
    const { analysis, source, folder, options, guarantee } = this.#o;
    if (analysis === null || analysis.prefix !== null || guarantee !== 'certified') return false;
    if (this.#hasOpen === false) return false;
    const shapes = new Map<string, readonly number[]>();
    for (const { name } of source.parameters) {
      const shape = analysis.parameters.get(name)?.shape;
      if (shape === undefined || weights.placeOf(name) === null) return false;
      shapes.set(name, shape);
    }
    if (this.#hasOpen === null) {
      const file = path.join(folder, 'open.onnx');
      this.#hasOpen = await writeOpenNetwork(weights.path, file, shapes);
      if (!this.#hasOpen) return false;
      const network = await this.#bench.add(OPEN, file, options);
      this.#know({ ...network, inputs: network.inputs.filter(({ name }) => !shapes.has(name)) });
    }
    const queries = this.#queriesNow;
    if (!this.#isBounded) return false;
    const bounds = await this.#bound(queries, weights, depths);
    queries.run = { name: OPEN, named: await bounds.keepCenters(shapes) };
    return true;
  }

  /** Tells bounds what is known of weights now. */
  async #bound(queries: Queries, weights: LoadedWeights, depths: Depths): Promise<NetworkBounds> {
    this.#bounds ??= await this.#open(this.#o.analysis as Analysis, weights.path);
    this.#decider ??= new Decider(this.#bounds, queries, this.#o, {
      settle: this.#settle,
      patience: this.#patience,
    });
    const before = this.#stages.at(-2)?.depths;
    const changed = [...depths].filter(([name, planes]) => before?.get(name) !== planes);
    await this.#bounds.know(weights.boundsOf, {
      weights,
      ...(before ? { changed: new Set(changed.map(([name]) => name)) } : {}),
    });
    return this.#bounds;
  }

  async #open(analysis: Analysis, file: string): Promise<NetworkBounds> {
    const { options, folder } = this.#o;
    const bounds = await NetworkBounds.open(this.#bench, analysis, boundThreads(options.threads));
    if (analysis.prefix !== null) {
      const target = path.join(folder, 'prefix.onnx');
      await writePrefix(file, target, analysis.prefix.outputs);
      await bounds.loadPrefix(target, options);
    }
    return bounds;
  }

  readonly #settle: Settle = (example, scores, method) => {
    const stage = this.#stages.length - 1;
    this.#answers[example] = { answer: answerOf(this.#o.decision, scores), stage, method };
    const { final } = this.#stages[stage] as Stage;
    final[method] = (final[method] ?? 0) + 1;
    this.#o.onFinal?.(1);
  };

  /** Makes final what it can. @returns what stays open, and the next depths; null: all of the weights. */
  async #stage(
    stage: Stage,
    open: readonly number[],
    scores: readonly number[][],
  ): Promise<{ open: number[]; depths: Depths | null }> {
    const { decision, guarantee, margin } = this.#o;
    if (guarantee === 'approximate') {
      const rest = open.filter((i) => {
        const row = scores[i] as number[];
        if (!(gapOf(decision, row) >= margin)) return true;
        this.#settle(i, row, 'approximate');
        return false;
      });
      return { open: rest, depths: deeperThan(stage.depths, this.#o.source.parameters) };
    }
    const [bounds, decider] = [this.#bounds, this.#decider];
    if (bounds === null || decider === null) return { open: [...open], depths: null };
    const scanned = { bounds, queries: this.#queriesNow, options: this.#o, settle: this.#settle };
    const left = await timed(stage.milliseconds, 'intervals', () =>
      scanExamples(scanned, open, scores),
    );
    if (left.size === 0) return { open: [], depths: null };
    const next = await decider.decide(stage, { left, scores });
    const rest = [...left.keys()];
    if (rest.length === 0 || this.#isHasty) return { open: rest, depths: null };
    return { open: rest, depths: next ?? (await decider.plan(stage, { left, scores })) };
  }
}

/** Bounds hold for any number of threads, whatever the reference is run with. */
function boundThreads(threads: number): number {
  return Math.max(threads, Math.min(THREADS_MAX, os.availableParallelism()));
}
