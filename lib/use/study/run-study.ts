/**
 * Carries out a study: trials begin in order, as many at once as there are workers; each trains up to the next rule;
 * when all that are left have come there, the rule keeps some of them and the others end. A trial that ends becomes a
 * version at once. What is not done when the process is killed is done by the next run.
 */
import path from 'node:path';
import { makeDirectory } from '../../base/files/files.js';
import { removeFolder } from '../../base/files/temporary.js';
import type { Evaluate } from '../../pure/dql/ast.js';
import { importance } from '../../pure/search/importance.js';
import { goesOn, keptOf, type Rung } from '../../pure/search/rungs.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { planSearch, studyId } from './plan-study.js';
import { StudyConfig } from './study-config.js';
import { StudyData } from './study-data.js';
import { studyExecutor } from './study-executor.js';
import type {
  StudyOptions,
  StudyPlan,
  StudyResult,
  StudyTrial,
  TrialProgress,
} from './study-result.js';
import { findSources } from './study-sources.js';
import { isLessBetter, keptNames, type Prepared, planOf, scoreOf } from './study-totals.js';
import { trainStretch } from './train-stretch.js';
import { type RungScore, valueAtIteration, writeRecord } from './trial-record.js';
import { type Trial, Trials } from './trials.js';

/** @throws {UsageError} for a statement, config or data that do not fit; {AbortedError} */
export async function runStudy(
  repo: StoreAccess,
  { text, statement }: { text: string; statement: Evaluate },
  options: StudyOptions,
  context: OpContext,
): Promise<StudyResult> {
  const config = await StudyConfig.read(path.resolve(context.cwd, statement.config));
  const search = planSearch(text, statement, config);
  const data = new StudyData();
  const executor = studyExecutor(repo, options.executor, {
    warn: (message) => context.warn(message),
  });
  try {
    const sources = await findSources(
      repo,
      text,
      { source: statement.source, dryRun: options.dryRun === true },
      context,
    );
    const cells = search.cells.length > 0 ? search.cells : [{}];
    const inputs = new Set<unknown>([config.settings.input_data]);
    for (const cell of cells) if ('input_data' in cell) inputs.add(cell.input_data);
    for (const input of inputs) await config.describe(input, context.cwd);
    const ids: string[] = [];
    for (const cell of cells) {
      const middle = Object.fromEntries(
        search.sampled.map((axis) => [axis.key, axis.choices?.[0] ?? axis.low]),
      );
      ids.push(
        await data.id(config.trial({ ...cell, ...middle }, context.cwd).data, context.signal),
      );
    }
    const versions = sources.map(({ version }) => version);
    const study = studyId(statement, config, versions, [...new Set(ids)]);
    const run = new StudyRun(
      repo,
      { study, text, statement, config, search, data, sources, executor },
      options,
      context,
    );
    return await run.carryOut();
  } finally {
    executor.close();
    await data.close();
  }
}

class StudyRun {
  readonly #of: Prepared;
  readonly #options: StudyOptions;
  readonly #context: OpContext;
  readonly #folder: string;
  readonly #workers: number;
  readonly #trials: Trials;

  constructor(repo: StoreAccess, of: Prepared, options: StudyOptions, context: OpContext) {
    this.#of = of;
    this.#options = options;
    this.#context = context;
    this.#folder = repo.layout.study(of.study);
    const model = options.model ?? of.statement.variable;
    const place = { model, study: of.study, folder: this.#folder };
    this.#trials = new Trials(repo, of, { ...place, onTrial: options.onTrial }, context);
    this.#workers = options.workers ?? of.executor.workers;
  }

  plan(): StudyPlan {
    return planOf(this.#of, this.#workers);
  }

  async carryOut(): Promise<StudyResult> {
    const plan = this.plan();
    this.#options.onPlan?.(plan);
    if (!this.#options.dryRun && plan.trials > 0) {
      await makeDirectory(this.#folder);
      await this.#trials.rememberEarlier();
      const { isAsync } = this.#of.search;
      // Whoever is told of each step shows how far it is.
      const bar = this.#options.onProgress === undefined;
      if (bar) this.#context.progress.start('trials', plan.trials, 'trials');
      if (isAsync) await this.#runAsync();
      else await this.#runRounds();
      this.#context.progress.finish();
      await removeFolder(this.#folder);
    }
    const trials = this.#trials.all.map(({ ended }) => ended as StudyTrial);
    const [first] = this.#of.search.rungs;
    const outcomes = trials.flatMap(({ assignment, rungs }) => {
      const value = rungs[0]?.value ?? null;
      return value === null ? [] : [{ assignment, value }];
    });
    return {
      metric: first?.metric ?? null,
      isLess: isLessBetter(first),
      importance: importance(outcomes),
      study: this.#of.study,
      model: this.#trials.model,
      dryRun: this.#options.dryRun === true,
      plan,
      trials,
      kept: keptNames(trials, this.#of.search.rungs),
      duplicates: this.#trials.duplicates,
    };
  }

  /** All trials train up to the first rule; those that it keeps up to the next; and so on. */
  async #runRounds(): Promise<void> {
    const { rungs, iterations } = this.#of.search;
    const [first, ...rest] = rungs;
    await this.#begin(async (trial) => {
      await this.#train(trial, first?.iterations ?? iterations);
      if (first === undefined) await this.#trials.end(trial, 'complete');
    });
    if (first === undefined) return;
    for (const [i, rung] of rungs.entries()) {
      await this.#decide(i, rung);
      const next = rest[i]?.iterations ?? iterations;
      await this.#each(this.#trials.live, (trial) => this.#train(trial, next));
    }
    await this.#each(this.#trials.live, (trial) => this.#trials.end(trial, 'complete'));
  }

  /** Each trial goes through all rules before another takes its place. */
  async #runAsync(): Promise<void> {
    const { rungs, iterations } = this.#of.search;
    const planned = this.plan().trials;
    await this.#begin(async (trial) => {
      for (const [i, rung] of rungs.entries()) {
        await this.#train(trial, rung.iterations);
        if (trial.ended !== null) return;
        const before = this.#trials.all
          .filter((one) => one !== trial)
          .flatMap(({ id, record: { rungs: had } }) =>
            had[i] === undefined ? [] : [{ trial: id, value: had[i].value }],
          );
        const value = this.#valueAt(trial, rung);
        const isKept = trial.record.rungs[i]?.isKept ?? goesOn(rung, value, before, planned);
        await this.#note(trial, i, { ...scoreOf(rung), value, isKept });
        if (!isKept) {
          await this.#trials.end(trial, 'pruned');
          return;
        }
      }
      await this.#train(trial, iterations);
      if (trial.ended === null) await this.#trials.end(trial, 'complete');
    });
  }

  /** Makes the trials one by one, as workers become free, and hands each on. */
  async #begin(work: (trial: Trial) => Promise<void>): Promise<void> {
    const makers = this.#trials.toMake();
    const worker = async (): Promise<void> => {
      for (;;) {
        this.#context.signal?.throwIfAborted();
        const { value, done } = makers.next();
        if (done) return;
        const trial = await value();
        if (trial === null || trial.ended !== null) continue;
        await work(trial);
        this.#context.progress.advance(1);
      }
    };
    await this.#together(Array.from({ length: this.#workers }, worker));
  }

  /** If one fails, the others are waited for: nothing works on behind an error. */
  async #together(all: readonly Promise<void>[]): Promise<void> {
    const ended = await Promise.allSettled(all);
    const failed = ended.find((one) => one.status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  async #each(trials: readonly Trial[], work: (trial: Trial) => Promise<void>): Promise<void> {
    const rest = [...trials];
    const worker = async (): Promise<void> => {
      for (let trial = rest.shift(); trial !== undefined; trial = rest.shift()) {
        this.#context.signal?.throwIfAborted();
        await work(trial);
      }
    };
    await this.#together(Array.from({ length: this.#workers }, worker));
  }

  #valueAt({ record }: Trial, rung: Rung): number | null {
    return valueAtIteration(record.points, rung.metric, rung.iterations);
  }

  /** Trains up to an iteration; a trial that fails ends. */
  async #train(trial: Trial, iterations: number): Promise<void> {
    const { record } = trial;
    if (trial.ended !== null || record.iteration >= iterations) return;
    if (record.state === null) {
      const { config, search, data, executor } = this.#of;
      const tell = this.#teller(trial, iterations);
      tell('running', record.iteration, {});
      await trainStretch(
        {
          ...trial,
          ...{ config, search, data, iterations, executor, workers: this.#workers },
          dataFolder: path.join(this.#folder, 'data'),
          onReport: (iteration, values) => tell('running', iteration, values),
        },
        this.#context,
      );
      if (record.state === null) {
        tell('waiting', record.iteration, record.points.at(-1)?.values ?? {});
      }
    }
    if (record.state === 'failed' || record.state === 'nan')
      await this.#trials.end(trial, record.state);
  }

  #teller({ number, id, network, assignment }: Trial, until: number) {
    const of = { number, trial: id, source: network.source.name, assignment, until };
    return (
      state: TrialProgress['state'],
      iteration: number,
      values: Readonly<Record<string, number | null>>,
    ): void => this.#options.onProgress?.({ ...of, state, iteration, values });
  }

  /** A rule looks at all trials that are left. */
  async #decide(index: number, rung: Rung): Promise<void> {
    // Those that ended here or later in an earlier run had reached the rule as well.
    const reached = this.#trials.all.filter(
      ({ ended }) => ended === null || ended.rungs[index] !== undefined,
    );
    const scores = reached.map((trial) => ({
      trial: trial.id,
      value: trial.ended?.rungs[index]?.value ?? this.#valueAt(trial, rung),
    }));
    const kept = keptOf(rung, scores);
    for (const trial of reached) {
      if (trial.ended !== null) continue;
      const isKept = kept.has(trial.id);
      const value = this.#valueAt(trial, rung);
      await this.#note(trial, index, { ...scoreOf(rung), value, isKept });
      if (!isKept) await this.#trials.end(trial, 'pruned');
    }
  }

  async #note(trial: Trial, index: number, score: RungScore): Promise<void> {
    trial.record.rungs[index] = score;
    await writeRecord(trial.folder, trial.record);
  }
}
