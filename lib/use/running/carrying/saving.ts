/** Versions of what is held: made while the command goes on, and all that are left when it has ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileAtomic } from '../../../base/files/files.js';
import type { Layout } from '../../../storage/repo/layout.js';
import type { CheckpointKeeper } from '../checkpoints/checkpoint-keeper.js';
import { type Commit, Committer } from '../committer.js';
import type { CommandOutput } from './command-output.js';
import type { Recording } from './recording.js';

/** Failures in a row after the end of the command before what is held is left for later. */
const ATTEMPTS_AT_END = 4;
/** The wait after the first of them; it grows with each. */
const AGAIN_AT_END_MS = 3000;

/** What versions are made of, and who is told of them. */
export interface SavedParts {
  recording: Recording;
  keeper: CheckpointKeeper;
  output: CommandOutput;
  /** Called when a version was made, or could not be. */
  onOutcome(): void;
}

export class Saving {
  readonly #layout: Layout;
  readonly #parts: SavedParts;
  readonly #committer: Committer;
  #storing: Promise<unknown> | null = null;
  #isStopped = false;

  constructor(layout: Layout, commit: Commit, parts: SavedParts) {
    this.#layout = layout;
    this.#parts = parts;
    this.#committer = new Committer(commit);
  }

  /** Whoever asks does not want to wait until all is stored. */
  stop(): void {
    this.#isStopped = true;
    this.#committer.stop();
  }

  /** Has versions made of what is held, if none are being made. */
  start(): void {
    const { recording, keeper } = this.#parts;
    if (!keeper.hasHeld() || this.#storing !== null) return;
    this.#storing = recording
      .tryTo(() => this.#store(false))
      .finally(() => {
        this.#storing = null;
      });
  }

  async #store(hasEnded: boolean): Promise<void> {
    const { recording, keeper, onOutcome } = this.#parts;
    if (!this.#committer.isFree) return;
    await recording.flushRows();
    if (this.#parts.output.hasNew) await this.writeOutput();
    // What is to be stored is in the record on the disk: the process that stores it reads it there.
    await recording.write(true);
    const { id } = recording.record;
    const before = this.#committer.problem;
    const request = { run: id, asIs: keeper.asIs, end: false, hurry: hasEnded };
    this.#committer.start(request, (outcome) => {
      recording.changed();
      void keeper.settleOutcome(outcome, hasEnded);
      onOutcome();
    });
    if (this.#committer.problem !== null && this.#committer.problem !== before) {
      recording.problem(`a checkpoint is not stored yet: ${this.#committer.problem}`);
    }
  }

  writeOutput(): Promise<void> {
    const file = this.#layout.runFile(this.#parts.recording.record.id, 'output.log');
    return writeFileAtomic(file, this.#parts.output.bytes());
  }

  /** Stores what is left after the end. @param look  decides once more on files that could not be read to their ends. */
  async storeRest(look: () => Promise<void>): Promise<void> {
    const { recording, keeper } = this.#parts;
    await this.#storing;
    await this.#committer.hurry();
    // Where not even the record can be written, nobody is started who could fail.
    let failures = 0;
    let notBefore = 0;
    while (!this.#isStopped) {
      await this.#committer.settled();
      await recording.tryTo(look);
      const attempts = Math.max(failures, this.#committer.failures);
      if (!keeper.hasHeld() || attempts >= ATTEMPTS_AT_END) break;
      if (performance.now() >= notBefore) {
        const hasFailed = !(await recording.tryTo(() => this.#store(true)));
        failures = hasFailed ? failures + 1 : 0;
        notBefore = performance.now() + (hasFailed ? AGAIN_AT_END_MS * failures : 0);
      }
      if (!this.#committer.isRunning) await sleep(200);
    }
    await this.#committer.settled();
    await recording.tryTo(() => recording.write(true));
  }

  /** The last version gets a note that says how the run ended. */
  async noteEnd(): Promise<void> {
    const { record } = this.#parts.recording;
    if (this.#isStopped || !record.checkpoints.some(({ version }) => version !== null)) return;
    await this.#committer.hurry();
    const request = { run: record.id, asIs: new Set<number>(), end: true, hurry: true };
    this.#committer.start(request, () => {});
    await this.#committer.settled();
    const { problem } = this.#committer;
    if (problem !== null) {
      this.#parts.recording.problem(`no version says how the run ended: ${problem}`);
    }
  }
}
