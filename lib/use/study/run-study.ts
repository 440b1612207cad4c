/**
 * Carries out a study: trials begin in order, as many at once as there are workers; each trains up to the next rule;
 * when all that are left have come there, the rule keeps some of them and the others end. A trial that ends becomes a
 * version at once. What is not done when the process is killed is done by the next run.
 */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { makeDirectory } from '../../base/files/files.js';
import { removeFolder } from '../../base/files/temporary.js';
import type { Evaluate } from '../../pure/dql/ast.js';
import { importance } from '../../pure/search/importance.js';
import { goesOn, keptOf, type Rung } from '../../pure/search/rungs.js';
import { type Assignment, canonicalAssignment } from '../../pure/search/space.js';
import { suggest, type Tried } from '../../pure/search/suggest.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { earlierTrials } from './earlier-trials.js';
import { planSearch, studyId, trialId } from './plan-study.js';
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
import { findSources, placeSource, type SourceNetwork } from './study-sources.js';
import {
  isLessBetter,
  keptNames,
  type Prepared,
  plainSettings,
  planOf,
  scoreOf,
} from './study-totals.js';
import { trainStretch } from './train-stretch.js';
import {
  newRecord,
  type RungScore,
  readRecord,
  type TrialRecord,
  type TrialState,
  valueAtIteration,
  writeRecord,
} from './trial-record.js';
import { storedTrial, storeTrial, type TrialFacts } from './trial-version.js';

/** How often an assignment is searched that no other trial has. */
const ATTEMPTS = 20;
/** Digits of the id of a trial that its branch has. */
const BRANCH_DIGITS = 16;

/** A trial at work. */
interface Trial {
  number: number;
  id: string;
  cell: number;
  network: SourceNetwork;
  assignment: Assignment;
  folder: string;
  record: TrialRecord;
  ended: StudyTrial | null;
}

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
  readonly #repo: StoreAccess;
  readonly #of: Prepared;
  readonly #options: StudyOptions;
  readonly #context: OpContext;
  readonly #folder: string;
  readonly #model: string;
  readonly #workers: number;
  readonly #trials: Trial[] = [];
  /** Ids of trials that are known, and assignments that trials of earlier runs have, by number. */
  readonly #known = new Set<string>();
  readonly #assigned = new Map<number, Assignment>();
  #duplicates = 0;
  /** Versions are stored one after another. */
  #storing: Promise<unknown> = Promise.resolve();

  constructor(repo: StoreAccess, of: Prepared, options: StudyOptions, context: OpContext) {
    this.#repo = repo;
    this.#of = of;
    this.#options = options;
    this.#context = context;
    this.#folder = repo.layout.study(of.study);
    this.#model = options.model ?? of.statement.variable;
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
      const place = { model: this.#model, study: this.#of.study, folder: this.#folder };
      for (const { trial, number, assignment } of await earlierTrials(this.#repo, place)) {
        this.#assigned.set(number, assignment);
        this.#known.add(trial);
      }
      const { isAsync } = this.#of.search;
      // Whoever is told of each step shows how far it is.
      const bar = this.#options.onProgress === undefined;
      if (bar) this.#context.progress.start('trials', plan.trials, 'trials');
      if (isAsync) await this.#runAsync();
      else await this.#runRounds();
      this.#context.progress.finish();
      await removeFolder(this.#folder);
    }
    const trials = this.#trials.map(({ ended }) => ended as StudyTrial);
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
      model: this.#model,
      dryRun: this.#options.dryRun === true,
      plan,
      trials,
      kept: keptNames(trials, this.#of.search.rungs),
      duplicates: this.#duplicates,
    };
  }

  /** All trials train up to the first rule; those that it keeps up to the next; and so on. */
  async #runRounds(): Promise<void> {
    const { rungs, iterations } = this.#of.search;
    const [first, ...rest] = rungs;
    await this.#begin(async (trial) => {
      await this.#train(trial, first?.iterations ?? iterations);
      if (first === undefined) await this.#end(trial, 'complete');
    });
    if (first === undefined) return;
    for (const [i, rung] of rungs.entries()) {
      await this.#decide(i, rung);
      const next = rest[i]?.iterations ?? iterations;
      await this.#each(this.#live(), (trial) => this.#train(trial, next));
    }
    await this.#each(this.#live(), (trial) => this.#end(trial, 'complete'));
  }

  /** Each trial goes through all rules before another takes its place. */
  async #runAsync(): Promise<void> {
    const { rungs, iterations } = this.#of.search;
    const planned = this.plan().trials;
    await this.#begin(async (trial) => {
      for (const [i, rung] of rungs.entries()) {
        await this.#train(trial, rung.iterations);
        if (trial.ended !== null) return;
        const before = this.#trials
          .filter((one) => one !== trial)
          .flatMap(({ id, record: { rungs: had } }) =>
            had[i] === undefined ? [] : [{ trial: id, value: had[i].value }],
          );
        const value = this.#valueAt(trial, rung);
        const isKept = trial.record.rungs[i]?.isKept ?? goesOn(rung, value, before, planned);
        await this.#note(trial, i, { ...scoreOf(rung), value, isKept });
        if (!isKept) {
          await this.#end(trial, 'pruned');
          return;
        }
      }
      await this.#train(trial, iterations);
      if (trial.ended === null) await this.#end(trial, 'complete');
    });
  }

  #live(): Trial[] {
    return this.#trials.filter(({ ended }) => ended === null);
  }

  /** Makes the trials one by one, as workers become free, and hands each on. */
  async #begin(work: (trial: Trial) => Promise<void>): Promise<void> {
    const makers = this.#trialsToMake();
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

  *#trialsToMake(): Generator<() => Promise<Trial | null>, undefined> {
    const { sources, search } = this.#of;
    let number = 0;
    const places: Promise<SourceNetwork>[] = [];
    for (const [s, source] of sources.entries()) {
      for (const [c, cell] of search.cells.entries()) {
        for (let index = 0; index < search.trialsOfCell; index += 1) {
          number += 1;
          const place = { number, cell: s * search.cells.length + c, index };
          yield async () => {
            places[s] ??= placeSource(
              this.#repo,
              source,
              path.join(this.#folder, 'networks'),
              this.#context,
            );
            return this.#make(await places[s], cell, place);
          };
        }
      }
    }
  }

  async #make(
    network: SourceNetwork,
    fixed: Assignment,
    { number, cell, index }: { number: number; cell: number; index: number },
  ): Promise<Trial | null> {
    const assignment = this.#assignment(network, fixed, { number, cell, index });
    if (assignment === null) {
      this.#duplicates += 1;
      return null;
    }
    const id = this.#id(network, assignment);
    // Nothing waits between the search and this, so that no other worker makes the same one.
    this.#known.add(id);
    const folder = path.join(this.#folder, id);
    const record: TrialRecord = { ...newRecord(), number, assignment };
    const trial: Trial = {
      ...{ number, id, cell, network, assignment, folder, record },
      ended: null,
    };
    this.#trials.push(trial);
    this.#trials.sort((a, b) => a.number - b.number);
    const stored = await storedTrial(this.#repo, this.#line(trial), id);
    if (stored !== null) {
      this.#take(trial, { ...stored, isKnown: true });
      return trial;
    }
    const had = await readRecord(folder);
    if (had.number === number) trial.record = had;
    else {
      await makeDirectory(folder);
      await writeRecord(folder, record);
    }
    return trial;
  }

  /** What a trial is assigned: as in an earlier run, else found now; null if all that is found is known. */
  #assignment(
    network: SourceNetwork,
    fixed: Assignment,
    { number, cell, index }: { number: number; cell: number; index: number },
  ): Assignment | null {
    const { search } = this.#of;
    const earlier = this.#assigned.get(number);
    if (earlier !== undefined) return earlier;
    const tried = this.#trials.filter((one) => one.cell === cell).map((one) => this.#tried(one));
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const place = { seed: search.seed, cell, index, attempt };
      const found =
        search.method === null ? {} : suggest(search.sampled, search.method, tried, place);
      const assignment = { ...fixed, ...found };
      if (!this.#known.has(this.#id(network, assignment))) return assignment;
      if (search.method === null) return null;
    }
    return null;
  }

  #id({ source }: SourceNetwork, assignment: Assignment): string {
    const { study, search } = this.#of;
    return trialId(study, source.version, canonicalAssignment(assignment), search.seed);
  }

  #line({ id }: Trial): { model: string; branch: string } {
    return { model: this.#model, branch: `trial-${id.slice(0, BRANCH_DIGITS)}` };
  }

  #tried({ assignment, record, ended }: Trial): Tried {
    const [first] = this.#of.search.rungs;
    const rungs = ended?.rungs ?? record.rungs;
    const value =
      rungs[0]?.value ??
      (first === undefined
        ? null
        : valueAtIteration(record.points, first.metric, first.iterations));
    return { assignment, cost: value === null || isLessBetter(first) ? value : -value };
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
    if (record.state === 'failed' || record.state === 'nan') await this.#end(trial, record.state);
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
    const reached = this.#trials.filter(
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
      if (!isKept) await this.#end(trial, 'pruned');
    }
  }

  async #note(trial: Trial, index: number, score: RungScore): Promise<void> {
    trial.record.rungs[index] = score;
    await writeRecord(trial.folder, trial.record);
  }

  /** Makes the version of a trial. */
  async #end(trial: Trial, state: TrialState): Promise<void> {
    const { study, search, config, text, data } = this.#of;
    const { record, network, assignment, number, id } = trial;
    const settings = config.trial(assignment, this.#context.cwd);
    const facts: TrialFacts = {
      ...{ study, trial: id, number, state, assignment, seed: search.seed },
      iterations: record.iteration,
      rungs: record.rungs,
      seconds: record.seconds,
      message: record.message,
    };
    const named = { ...assignment, study: study.slice(0, 16), state, trial: number };
    const given = Object.entries({ ...plainSettings(config.settings), ...named });
    const isWhole = state === 'complete' || state === 'pruned';
    const ended = {
      ...{
        facts,
        record,
        line: this.#line(trial),
        source: network.source.version,
        folder: trial.folder,
      },
      networkPath: network.path,
      networkFile: network.file,
      checkpoint:
        isWhole && record.checkpoint !== null ? path.join(trial.folder, record.checkpoint) : null,
      params: given.map(([name, value]) => ({
        name,
        text: typeof value === 'string' ? value : JSON.stringify(value),
      })),
      data: [{ name: 'train', text: `sha256:${await data.id(settings.data)}` }],
      statement: text.trim(),
    };
    const storing = this.#storing.then(() => storeTrial(this.#repo, ended, this.#context));
    this.#storing = storing.catch(() => {});
    const { version, number: versionNumber } = await storing;
    await removeFolder(trial.folder);
    this.#take(trial, { facts, version, number: versionNumber, isKnown: false });
  }

  #take(
    trial: Trial,
    stored: { facts: TrialFacts; version: Id; number: number | null; isKnown: boolean },
  ): void {
    const { facts, version, number, isKnown } = stored;
    trial.record.rungs = facts.rungs;
    trial.ended = {
      ...{ number: trial.number, trial: trial.id, state: facts.state },
      ...{ source: trial.network.source.name, assignment: trial.assignment },
      ...{ iterations: facts.iterations, rungs: facts.rungs, seconds: facts.seconds },
      ...{ message: facts.message, version, isKnown },
      name: number === null ? null : `${this.#model}@${number}`,
    };
    this.#options.onTrial?.(trial.ended);
  }
}
