/**
 * Follows the checkpoints of a run from the first sight of a file to the version: scans, holds, and has versions made
 * by whoever commits. Knows nothing of processes; whoever carries out the run calls it now and then.
 */
import { maxOf } from '../../../base/bytes/many.js';
import type { Layout } from '../../../storage/repo/layout.js';
import {
  type RunCheckpoint,
  type RunRecord,
  recordPlace,
} from '../../../storage/repo/runs/run-record.js';
import type { HeldOutcome } from '../commit-held.js';
import { type Candidate, filesOf } from './candidate.js';
import { Candidates, type Moment } from './candidates.js';
import { holdEarly, holdWhole, letGo, takeHeld } from './hold.js';
import { Numbering } from './numbering.js';
import type { Scan } from './scan.js';

/** A candidate that changed within this is not complete, whoever writes. */
const QUIET_MS = 300;

export class CheckpointKeeper {
  readonly #layout: Layout;
  readonly #record: RunRecord;
  readonly #candidates: Candidates;
  readonly #byNumber = new Map<number, Candidate>();
  readonly #asIs = new Set<number>();
  /** Numbers of checkpoints that could not be stored, and cannot while nothing else changes. */
  readonly #lasting = new Set<number>();
  readonly #warn: (message: string) => void;

  /** @param numbering  that of the scanner. */
  constructor(
    layout: Layout,
    record: RunRecord,
    warn: (message: string) => void,
    numbering = new Numbering(),
  ) {
    this.#layout = layout;
    this.#record = record;
    this.#warn = warn;
    this.#candidates = new Candidates(
      maxOf(
        record.checkpoints.map(({ n }) => n),
        0,
      ) + 1,
      numbering,
    );
  }

  /** Takes what is there before the command begins for known. */
  settle(scan: Scan): void {
    this.#candidates.settle(scan.places);
  }

  /** True if a candidate has not changed for a moment: then it is worth seeing who writes. */
  isWaiting(now: number): boolean {
    return this.#candidates.open().some(({ state, changed }) => {
      return state === 'writing' && now - changed >= QUIET_MS;
    });
  }

  /** Folders of what is being written: a file that comes last may be removed with all others soon after. */
  folders(): string[] {
    return this.#candidates.open().flatMap(({ place, isFolder, isPast }) => {
      return isFolder && !isPast ? [place] : [];
    });
  }

  /** Numbers of checkpoints that become versions as they are. */
  get asIs(): ReadonlySet<number> {
    return this.#asIs;
  }

  /** Takes a scan. @returns true if the record has changed. */
  async see(scan: Scan, moment: Moment): Promise<boolean> {
    let hasChanged = false;
    const split = new Set<number>();
    for (const { candidate, files, from } of this.#candidates.see(scan.places, moment)) {
      if (candidate.state === 'done') split.add(candidate.n);
      if (files.length === 0 && from === undefined) continue;
      if (!this.#byNumber.has(candidate.n)) {
        this.#byNumber.set(candidate.n, candidate);
        this.#record.checkpoints.push(this.#entryOf(candidate));
        hasChanged = true;
      }
      await this.#tryTo('hold', candidate, async () => {
        if (from !== undefined) {
          split.add(from.n);
          await takeHeld(this.#layout, this.#record.id, candidate, from);
        }
        await holdEarly(this.#layout, this.#record.id, candidate, files);
      });
    }
    for (const n of split) await this.#forget(n);
    for (const candidate of this.#candidates.complete(moment)) {
      if (await this.#complete(candidate, moment)) hasChanged = true;
    }
    for (const candidate of this.#candidates.open()) {
      const isWaiting =
        candidate.state === 'complete' && this.#entry(candidate.n).state === 'writing';
      if (isWaiting && this.#decide(candidate, moment)) hasChanged = true;
    }
    return hasChanged;
  }

  /** A folder that is a series: its files are checkpoints of their own. */
  async #forget(n: number): Promise<void> {
    this.#byNumber.delete(n);
    this.#record.checkpoints = this.#record.checkpoints.filter((one) => one.n !== n);
    await letGo(this.#layout, this.#record.id, n).catch(() => {});
  }

  /** @returns whether it is known now what numbers it: then it may become a version. */
  #decide(candidate: Candidate, { hasEnded }: Moment): boolean {
    if (!this.#candidates.decide(candidate, hasEnded)) return false;
    const entry = this.#entry(candidate.n);
    const { place, isFolder, series, step } = this.#entryOf(candidate);
    Object.assign(entry, { place, isFolder, series, step, state: 'held' });
    return true;
  }

  async #complete(candidate: Candidate, { hasEnded }: Moment): Promise<boolean> {
    const entry = this.#entry(candidate.n);
    Object.assign(entry, this.#entryOf(candidate), { n: entry.n });
    const lacks = hasEnded && this.#hasFailed ? this.#candidates.lacks(candidate) : null;
    const isLast = !this.#candidates.isSuperseded(candidate);
    if (lacks !== null && isLast) {
      await this.#giveUp(candidate, `it lacks ${lacks}`);
      return true;
    }
    if (candidate.problem !== null) {
      if (hasEnded && this.#hasFailed && isLast) {
        await this.#giveUp(candidate, candidate.problem);
        return true;
      }
      this.#asIs.add(candidate.n);
    }
    const held = await this.#tryTo('hold', candidate, () => {
      return holdWhole(this.#layout, this.#record.id, candidate);
    });
    if (held === null) return true;
    entry.files = held.files;
    entry.bytes = held.bytes;
    entry.written = held.written;
    entry.time = Date.now();
    if (held.problem !== null) {
      if (candidate.isPast || hasEnded) await this.#giveUp(candidate, held.problem);
      else this.#candidates.again(candidate, held.problem);
      return true;
    }
    candidate.state = 'complete';
    return true;
  }

  #hasFailed = false;

  /** The command ended, and not by itself: what it wrote last may be cut off. */
  failed(): void {
    this.#hasFailed = true;
  }

  async #giveUp(candidate: Candidate, problem: string): Promise<void> {
    const entry = this.#entry(candidate.n);
    entry.state = 'incomplete';
    entry.problem = problem;
    this.#candidates.done(candidate, { isWhole: false });
    await letGo(this.#layout, this.#record.id, candidate.n).catch(() => {});
    this.#warn(`'${entry.place}' is no version, because it is not complete: ${problem}`);
  }

  /** What became of a checkpoint that was held. */
  async settleOutcome(outcome: HeldOutcome, hasEnded: boolean): Promise<void> {
    const entry = this.#entry(outcome.n);
    const candidate = this.#byNumber.get(outcome.n);
    const { id } = this.#record;
    if (outcome.state === 'committed') {
      entry.state = 'committed';
      entry.version = outcome.version;
      entry.number = outcome.number;
      if (outcome.copies !== undefined) entry.copies = outcome.copies;
      entry.problem = outcome.problem;
      if (outcome.problem !== null && candidate?.isPast) {
        const stored = `it is stored as it was then: ${outcome.problem}`;
        this.#warn(`'${entry.place}' was removed before it was seen to be complete; ${stored}`);
      }
      if (candidate !== undefined) this.#candidates.done(candidate, { isWhole: true });
      await letGo(this.#layout, id, outcome.n).catch(() => {});
      return;
    }
    entry.problem = outcome.problem;
    if (outcome.state === 'failed') {
      entry.state = 'failed';
      if (outcome.isLasting === true) this.#lasting.add(outcome.n);
      return;
    }
    if (candidate === undefined || (candidate.isPast && !candidate.isNumbered)) {
      entry.state = 'incomplete';
      if (candidate === undefined) await letGo(this.#layout, id, outcome.n).catch(() => {});
      else await this.#giveUp(candidate, outcome.problem ?? 'it is cut off');
      return;
    }
    entry.state = 'writing';
    this.#candidates.again(candidate, outcome.problem ?? 'it is cut off');
    if (candidate.isPast || (hasEnded && !this.#hasFailed)) {
      // The trainer was done with it: what no reader of dlv understands is stored as it is.
      this.#asIs.add(outcome.n);
      candidate.state = 'complete';
      entry.state = 'held';
    }
  }

  /** True if something is held that is no version yet and may become one. */
  hasHeld(): boolean {
    return this.#record.checkpoints.some(({ n, state }) => {
      return state === 'held' || (state === 'failed' && !this.#lasting.has(n));
    });
  }

  #entry(n: number): RunCheckpoint {
    return this.#record.checkpoints.find((one) => one.n === n) as RunCheckpoint;
  }

  #entryOf(candidate: Candidate): RunCheckpoint {
    const files = filesOf(candidate);
    return {
      n: candidate.n,
      place: recordPlace(this.#layout, candidate.place),
      isFolder: !(files.length === 1 && files[0]?.inside === ''),
      series: candidate.series,
      step: candidate.step,
      files: files.length,
      bytes: files.reduce((sum, { stat }) => sum + stat.size, 0),
      time: Date.now(),
      written: 0,
      state: 'writing',
      version: null,
      number: null,
      problem: null,
    };
  }

  /** Work on files that may fail: the training goes on, and it is tried again. */
  async #tryTo<T>(what: string, candidate: Candidate, action: () => Promise<T>): Promise<T | null> {
    try {
      return await action();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const entry = this.#entry(candidate.n);
      if (entry.problem !== why) this.#warn(`cannot ${what} '${entry.place}' yet: ${why}`);
      entry.problem = why;
      return null;
    }
  }
}
