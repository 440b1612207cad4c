/**
 * Answers of a network from as few leading planes of its weights as possible, stage by stage: at each depth an
 * approximate answer, then bounds that may make it certain, cheap ones first; examples that stay open go on to
 * the next depth, and at the end to the network with all of its weights.
 */
import os from 'node:os';
import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { UsageError } from '../../base/errors.js';
import type { Analysis } from '../../pure/bounds/analysis.js';
import {
  answerOf,
  type Claim,
  claimsOf,
  type Decision,
  gapOf,
  leastOf,
} from '../../pure/bounds/decisions.js';
import { MEASURED_RUNTIME } from '../../pure/bounds/unary-errors.js';
import type { DataSet } from '../inference/data/data-set.js';
import type { Preprocess } from '../inference/data/preprocess.js';
import { Feeder } from '../inference/feeds.js';
import type { Fed, RunOptions } from '../inference/messages.js';
import { Workbench } from '../inference/workbench.js';
import { NetworkBounds } from './network-bounds.js';
import { nextDepths } from './next-depths.js';
import { type Depths, depthsOf, firstDepths, isWhole, type PlaneSource } from './plane-source.js';
import { writePrefix } from './prefix-file.js';
import { type Method, Prover } from './prover.js';

export type { Method } from './prover.js';

export interface CascadeOptions {
  /** How errors call the network. */
  label: string;
  /** Folder for files of the run. */
  folder: string;
  source: PlaneSource;
  /** null: no bounds are known, and everything is read. */
  analysis: Analysis | null;
  set: DataSet;
  preprocess: Preprocess;
  decision: Decision;
  output?: string;
  guarantee: 'certified' | 'approximate';
  /** How far from another decision an approximate answer has to be; how far certified claims are from it. */
  margin: number;
  batch: number;
  /** Of the reference run. */
  options: RunOptions;
  /** Multiplications that refining may take for each example, on average. */
  effort: number;
  /** Reads everything in the end and compares every answer with that of the whole weights. */
  check: boolean;
  signal?: AbortSignal;
  /** Told how many more answers are final. */
  onFinal?: (count: number) => void;
}

/** One depth. */
export interface Stage {
  depths: Depths;
  /** Bytes that a cold reader of this depth reads. */
  bytes: number;
  /** Examples that were open before, and that became final here, by how. */
  open: number;
  final: Partial<Record<Method, number>>;
  /** Approximate answers of all examples at this depth; null where they were not computed. */
  approximate: number[][] | null;
  /** Milliseconds by what they were spent on. */
  milliseconds: Record<'read' | 'answers' | 'intervals' | 'rows' | 'refined' | 'plan', number>;
}

export interface CascadeResult {
  /** By example: its answer, the stage that made it final, and how. */
  answers: { answer: number[]; stage: number; method: Method }[];
  stages: Stage[];
  /** Version of onnxruntime-node. */
  runtime: string;
  /** True if answers by bounds are proven for this version of the runtime. */
  isCertified: boolean;
  /** Answers of the whole weights, if they were computed. */
  full: number[][] | null;
}

/** Examples that show whether a depth is worth its bounds, and which weights are worth more planes. */
const SAMPLES = 6;
/** After so many examples without proof, others whose scores leave less are not tried; and after fewer of them where */
const FRUITLESS_MAX = 40;
/** none comes this near to it: 1 is proof. */
const NEAR = 2.5;

/** One example takes so many times the mean effort at most. */
const EFFORT_TIMES_MAX = 10;
/** Threads of bounds: their products are too small for more. */
const THREADS_MAX = 4;

/** @throws {InferenceError} {UsageError} {PromisedError} {RemoteError} {AbortedError} */
export async function runCascade(options: CascadeOptions): Promise<CascadeResult> {
  const bench = new Workbench(options.label, options.folder, options.signal);
  const cascade = new Cascade(bench, options);
  try {
    return await cascade.run();
  } finally {
    await cascade.settled;
    await bench.close();
  }
}

/** What is not proved yet of each example, and the scores of all by the weights as far as they are read. */
interface Undecided {
  left: Map<number, Claim[]>;
  scores: readonly number[][];
}

class Cascade {
  readonly #bench: Workbench;
  readonly #o: CascadeOptions;
  readonly #stages: Stage[] = [];
  readonly #answers: CascadeResult['answers'] = [];
  #feeder: Feeder | null = null;
  #output = '';
  #runtime = '';
  #bounds: NetworkBounds | null = null;
  #prover: Prover | null = null;
  /** Planes that are being read for the next depth. */
  #ahead: Promise<void> | null = null;

  constructor(bench: Workbench, options: CascadeOptions) {
    this.#bench = bench;
    this.#o = options;
  }

  /** Ends when nothing is being read any more. */
  get settled(): Promise<void> {
    return this.#ahead ?? Promise.resolve();
  }

  async run(): Promise<CascadeResult> {
    const { source, set, analysis, check } = this.#o;
    const { parameters } = source;
    const whole = depthsOf(parameters, ({ planes }) => planes);
    const isOff = analysis === null && this.#o.guarantee === 'certified';
    let depths: Depths = isOff ? whole : firstDepths(parameters);
    let open = Array.from({ length: set.examples }, (_, i) => i);
    let full: number[][] | null = null;
    while (open.length > 0) {
      const stage = await this.#begin(depths, open.length);
      if (isWhole(parameters, depths)) {
        full = await this.#scores(stage, check ? null : open);
        for (const i of open) this.#settle(i, full[i] as number[], 'full');
        break;
      }
      const scores = await this.#scores(stage, null);
      stage.approximate = scores.map((row) => answerOf(this.#o.decision, row));
      const next = await this.#stage(stage, open, scores);
      open = next.open;
      depths = next.depths ?? whole;
    }
    if (check && full === null) {
      const stage = await this.#begin(whole, 0);
      full = await this.#scores(stage, null);
      this.#stages.pop();
    }
    return {
      answers: this.#answers,
      stages: this.#stages,
      runtime: this.#runtime,
      isCertified: this.#isMeasured,
      full: full?.map((row) => (row.length === 0 ? [] : answerOf(this.#o.decision, row))) ?? null,
    };
  }

  get #isMeasured(): boolean {
    return this.#runtime === MEASURED_RUNTIME;
  }

  /** Reads planes and loads the network with them. */
  async #begin(depths: Depths, open: number): Promise<Stage> {
    const { source, options, output } = this.#o;
    throwIfAborted(this.#o.signal);
    const started = performance.now();
    await this.#ahead;
    this.#ahead = null;
    const weights = await source.load(depths);
    const file = weights.path;
    const stage: Stage = {
      depths,
      bytes: await source.bytesAt(depths),
      open,
      final: {},
      approximate: null,
      milliseconds: { read: 0, answers: 0, intervals: 0, rows: 0, refined: 0, plan: 0 },
    };
    stage.milliseconds.read = performance.now() - started;
    this.#stages.push(stage);
    const network = await this.#bench.add('network', file, options);
    this.#runtime = network.version;
    this.#feeder ??= new Feeder(network.inputs, this.#o);
    const found =
      output === undefined
        ? network.outputs[0]
        : network.outputs.find(({ name }) => name === output);
    if (found === undefined) {
      throw new UsageError(`'${this.#o.label}' has no output '${output ?? ''}'`, {
        file: this.#o.label,
        hint: `its outputs are ${network.outputs.map(({ name }) => name).join(', ')}`,
      });
    }
    this.#output = found.name;
    if (this.#o.analysis !== null && this.#o.guarantee === 'certified' && this.#isMeasured) {
      this.#bounds ??= await this.#open(this.#o.analysis, file);
      const before = this.#stages.at(-2)?.depths;
      const changed = [...depths].filter(([name, planes]) => before?.get(name) !== planes);
      await this.#bounds.know(weights.boundsOf, {
        weights,
        ...(before ? { changed: new Set(changed.map(([name]) => name)) } : {}),
      });
    }
    return stage;
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

  /** Batches of examples as the network is fed. @param wanted  null: all. */
  async *#batches(
    wanted: readonly number[] | null,
    most = this.#o.batch,
  ): AsyncGenerator<{ fed: Fed[]; first: number; count: number; rows: number }> {
    const feeder = this.#feeder as Feeder;
    const { set } = this.#o;
    const batch = feeder.batch(Math.min(most, set.examples));
    const isWanted = wanted === null ? null : new Set(wanted.map((i) => Math.floor(i / batch)));
    for (let first = 0; first < set.examples; first += batch) {
      throwIfAborted(this.#o.signal);
      if (isWanted?.has(first / batch) === false) continue;
      const count = Math.min(batch, set.examples - first);
      const rows = feeder.fixed ?? count;
      yield { fed: await feeder.read(first, count, rows), first, count, rows };
    }
  }

  /** Scores of examples; empty for those that are not wanted. */
  async #scores(stage: Stage, wanted: readonly number[] | null): Promise<number[][]> {
    const started = performance.now();
    const scores: number[][] = Array.from({ length: this.#o.set.examples }, () => []);
    for await (const { fed, first, count, rows } of this.#batches(wanted)) {
      const [found] = await this.#bench.pass({
        name: 'network',
        inputs: fed,
        kept: [],
        outputs: [this.#output],
      });
      const width = (found?.values.length ?? 0) / rows;
      if (found === undefined || found.dims[0] !== rows || !Number.isInteger(width)) {
        throw new UsageError(
          `output '${this.#output}' of '${this.#o.label}' has not one row an example`,
          { file: this.#o.label, hint: 'name another output: --output' },
        );
      }
      for (let i = 0; i < count; i++) {
        scores[first + i] = [...found.values.subarray(i * width, (i + 1) * width)];
      }
    }
    stage.milliseconds.answers += performance.now() - started;
    return scores;
  }

  #settle(example: number, scores: number[], method: Method): void {
    const stage = this.#stages.length - 1;
    this.#answers[example] = { answer: answerOf(this.#o.decision, scores), stage, method };
    const { final } = this.#stages[stage] as Stage;
    final[method] = (final[method] ?? 0) + 1;
    this.#o.onFinal?.(1);
  }

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
      return { open: rest, depths: this.#deeper(stage.depths) };
    }
    const bounds = this.#bounds;
    if (bounds === null) return { open: [...open], depths: null };
    const left = await this.#timed(stage, 'intervals', () => this.#scan(bounds, open, scores));
    if (left.size === 0) return { open: [], depths: null };
    const next = await this.#decide(bounds, stage, { left, scores });
    const rest = [...left.keys()];
    if (rest.length === 0) return { open: [], depths: null };
    return { open: rest, depths: next ?? (await this.#plan(bounds, stage, { left, scores })) };
  }

  async #timed<T>(
    stage: Stage,
    what: keyof Stage['milliseconds'],
    action: () => Promise<T>,
  ): Promise<T> {
    const started = performance.now();
    try {
      return await action();
    } finally {
      stage.milliseconds[what] += performance.now() - started;
    }
  }

  /** Intervals of all open examples. @returns those that stay open, with the claims that are not certain. */
  async #scan(
    bounds: NetworkBounds,
    open: readonly number[],
    scores: readonly number[][],
  ): Promise<Map<number, Claim[]>> {
    const { decision, margin } = this.#o;
    const isOpen = new Set(open);
    const left = new Map<number, Claim[]>();
    const isTop = decision.kind === 'top' && decision.count === 1;
    // Where the batch is not the first axis of every value, graphs are of one example.
    const most = bounds.analysis.isBatched ? this.#o.batch : 1;
    for await (const { fed, first, count, rows } of this.#batches(open, most)) {
      const best = Array.from({ length: rows }, (_, i) => {
        const row = scores[first + (i % count)] as number[];
        return row.reduce((most, score, c) => (score > (row[most] as number) ? c : most), 0);
      });
      const scan = await bounds.scan(await bounds.given(fed), best);
      const width = scan.low.length / rows;
      for (let i = 0; i < count; i++) {
        const example = first + i;
        if (!isOpen.has(example)) continue;
        const part = (values: Float64Array): Float64Array =>
          values.subarray(i * width, (i + 1) * width);
        const [low, high] = [part(scan.low), part(scan.high)];
        const margins = isTop && scan.margin !== null ? part(scan.margin) : null;
        const row = scores[example] as number[];
        const unsure = claimsOf(decision, row).filter((claim) => {
          const other = claim.terms[1]?.[0] ?? 0;
          const least = Math.max(
            leastOf(claim, low, high),
            margins?.[other] ?? Number.NEGATIVE_INFINITY,
          );
          return !(scan.isFinite && least - 1e-9 * Math.abs(claim.offset) > margin);
        });
        if (unsure.length === 0) this.#settle(example, row, 'intervals');
        else left.set(example, unsure);
      }
    }
    return left;
  }

  /** One example as a batch. */
  async #one(bounds: NetworkBounds, example: number): Promise<Fed[]> {
    const feeder = this.#feeder as Feeder;
    return bounds.given(await feeder.read(example, 1, feeder.fixed ?? 1));
  }

  /**
   * Backward bounds of open examples: of a few that stand for all, and then of those whose scores leave most. Once
   * enough of them stay open, the next depths are chosen by these and read while bounds of the others are computed.
   * @returns  the next depths, if they were chosen; null: they were not, or are all of the weights.
   */
  async #decide(
    bounds: NetworkBounds,
    stage: Stage,
    { left, scores }: Undecided,
  ): Promise<Depths | null> {
    const prover = this.#proverOf(bounds);
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
      const claims = left.get(example) as Claim[];
      const row = scores[example] as number[];
      const { method, distance } = await prover.prove(
        await this.#one(bounds, example),
        { claims, scores: row, effort: this.#effortOf(stage) },
        (what, milliseconds) => {
          stage.milliseconds[what] += milliseconds;
        },
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
        next = await this.#plan(bounds, stage, { left: failed, scores });
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

  #proverOf(bounds: NetworkBounds): Prover {
    this.#prover ??= new Prover(bounds, this.#o.margin);
    return this.#prover;
  }

  /** Reads planes while bounds are computed. */
  async #readAhead(depths: Depths): Promise<void> {
    try {
      await this.#o.source.load(depths);
    } catch {
      // Reading them in their turn says what is wrong.
    }
  }

  /** One plane more of each parameter. */
  #deeper(depths: Depths): Depths | null {
    const { parameters } = this.#o.source;
    const next = depthsOf(parameters, ({ name }) => (depths.get(name) as number) + 1);
    return isWhole(parameters, next) ? null : next;
  }

  /** The next depths, by some of the examples that are open; null: all of the weights. */
  #plan(bounds: NetworkBounds, stage: Stage, { left, scores }: Undecided): Promise<Depths | null> {
    return this.#timed(stage, 'plan', async () => {
      const deeper = this.#deeper(stage.depths);
      if (deeper === null) return null;
      const prover = this.#proverOf(bounds);
      return nextDepths({
        from: stage.depths,
        to: deeper,
        source: this.#o.source,
        samples: spread([...left.keys()], SAMPLES),
        suppose: (parameters, bits, { samples, missing }) =>
          bounds.supposing(parameters, bits, async () => {
            const proven: number[] = [];
            for (const [i, example] of samples.entries()) {
              const { method } = await prover.prove(await this.#one(bounds, example), {
                claims: left.get(example) as Claim[],
                scores: scores[example] as number[],
                effort: this.#effortOf(stage),
              });
              if (method !== null) proven.push(example);
              if (i + 1 - proven.length > missing) break;
            }
            return proven;
          }),
      });
    });
  }
}

/** Bounds hold for any number of threads, whatever the reference is run with. */
function boundThreads(threads: number): number {
  return Math.max(threads, Math.min(THREADS_MAX, os.availableParallelism()));
}

/** Some of a list, evenly. */
function spread<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)] as T);
}
