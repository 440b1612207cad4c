/**
 * The trials of a study: which assignment each has, found before or now; and the version that one becomes when it
 * ends.
 */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { makeDirectory } from '../../base/files/files.js';
import { removeFolder } from '../../base/files/temporary.js';
import { type Assignment, canonicalAssignment } from '../../pure/search/space.js';
import { suggest, type Tried } from '../../pure/search/suggest.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { earlierTrials } from './earlier-trials.js';
import { trialId } from './plan-study.js';
import type { StudyTrial } from './study-result.js';
import { placeSource, type SourceNetwork } from './study-sources.js';
import { isLessBetter, type Prepared, plainSettings } from './study-totals.js';
import {
  newRecord,
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
export interface Trial {
  number: number;
  id: string;
  cell: number;
  network: SourceNetwork;
  assignment: Assignment;
  folder: string;
  record: TrialRecord;
  ended: StudyTrial | null;
}

/** Where trials are kept, and who is told of each that ends. */
export interface TrialPlace {
  /** Their versions are of this model. */
  model: string;
  study: string;
  /** Of what they need while they train. */
  folder: string;
  onTrial: ((trial: StudyTrial) => void) | undefined;
}

export class Trials {
  /** By number. */
  readonly all: Trial[] = [];
  /** Trials that were not made, since another one has the assignment. */
  duplicates = 0;
  readonly #repo: StoreAccess;
  readonly #of: Prepared;
  readonly #place: TrialPlace;
  readonly #context: OpContext;
  /** Ids of trials that are known, and assignments that trials of earlier runs have, by number. */
  readonly #known = new Set<string>();
  readonly #assigned = new Map<number, Assignment>();
  /** Versions are stored one after another. */
  #storing: Promise<unknown> = Promise.resolve();

  constructor(repo: StoreAccess, of: Prepared, place: TrialPlace, context: OpContext) {
    this.#repo = repo;
    this.#of = of;
    this.#place = place;
    this.#context = context;
  }

  get model(): string {
    return this.#place.model;
  }

  get live(): Trial[] {
    return this.all.filter(({ ended }) => ended === null);
  }

  /** Takes over what trials of earlier runs were assigned. */
  async rememberEarlier(): Promise<void> {
    for (const { trial, number, assignment } of await earlierTrials(this.#repo, this.#place)) {
      this.#assigned.set(number, assignment);
      this.#known.add(trial);
    }
  }

  /** One by one, what makes each; null of a trial that another one has the assignment of. */
  *toMake(): Generator<() => Promise<Trial | null>, undefined> {
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
              path.join(this.#place.folder, 'networks'),
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
      this.duplicates += 1;
      return null;
    }
    const id = this.#id(network, assignment);
    // Nothing waits between the search and this, so that no other worker makes the same one.
    this.#known.add(id);
    const folder = path.join(this.#place.folder, id);
    const record: TrialRecord = { ...newRecord(), number, assignment };
    const trial: Trial = {
      ...{ number, id, cell, network, assignment, folder, record },
      ended: null,
    };
    this.all.push(trial);
    this.all.sort((a, b) => a.number - b.number);
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
    const tried = this.all.filter((one) => one.cell === cell).map((one) => this.#tried(one));
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
    return { model: this.model, branch: `trial-${id.slice(0, BRANCH_DIGITS)}` };
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

  /** Makes the version of a trial. */
  async end(trial: Trial, state: TrialState): Promise<void> {
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
      name: number === null ? null : `${this.model}@${number}`,
    };
    this.#place.onTrial?.(trial.ended);
  }
}
