/**
 * Trainers as processes of this machine: no more at once than there are cores, nor than there is memory for. What
 * is free is looked at before each start, for other programs take memory, too.
 */
import os from 'node:os';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { pause } from '../../../storage/exchange/transports/rate-limit.js';
import type { Listener, TrainingEnd } from '../trainers/hearing.js';
import { runTrainer } from '../trainers/run-trainer.js';
import type { Executor, ExecutorOptions, TrainingTask } from './executor.js';

/** A trainer that is younger has not yet taken its memory. */
const YOUNG_MS = 5000;
const LOOK_MS = 200;

/** The machine, as the pool asks it; tests have one of their own. */
export interface Machine {
  cores(): number;
  /** Bytes that a process may still take, with the limits of a container. */
  freeBytes(): number;
  now(): number;
}

const THIS_MACHINE: Machine = {
  cores: () => os.availableParallelism(),
  freeBytes: () => process.availableMemory?.() ?? os.freemem(),
  now: () => performance.now(),
};

export class LocalPool implements Executor {
  readonly kind = 'local';
  readonly place = 'this machine';
  readonly workers: number;
  readonly #options: ExecutorOptions;
  readonly #machine: Machine;
  /** When each trainer at work was started. */
  readonly #running = new Set<{ since: number }>();

  constructor(options: ExecutorOptions, machine: Machine = THIS_MACHINE) {
    this.#options = options;
    this.#machine = machine;
    const byMemory = Math.max(1, Math.floor(machine.freeBytes() / options.memoryBytes));
    const byCores = Math.max(1, Math.floor(machine.cores() / Math.max(1, options.cpus)));
    this.workers = options.workers > 0 ? options.workers : Math.min(byCores, byMemory);
  }

  threads(workers: number): number {
    const { cpus } = this.#options;
    return cpus > 0 ? cpus : Math.max(1, Math.floor(this.#machine.cores() / workers));
  }

  async run(
    { trainer, job }: TrainingTask,
    listener: Listener,
    signal?: AbortSignal,
  ): Promise<TrainingEnd> {
    const place = await this.#enter(signal);
    try {
      return await runTrainer({ trainer, job, seconds: this.#options.seconds }, listener, signal);
    } finally {
      this.#running.delete(place);
    }
  }

  /** Waits for memory. One trainer always runs: without it nothing would ever be freed. */
  async #enter(signal?: AbortSignal): Promise<{ since: number }> {
    while (this.#running.size > 0 && !this.#hasMemory()) {
      await pause(LOOK_MS, signal);
      throwIfAborted(signal);
    }
    const place = { since: this.#machine.now() };
    this.#running.add(place);
    return place;
  }

  #hasMemory(): boolean {
    const { memoryBytes } = this.#options;
    const now = this.#machine.now();
    const young = [...this.#running].filter(({ since }) => now - since < YOUNG_MS).length;
    return this.#machine.freeBytes() >= (young + 1) * memoryBytes;
  }

  close(): void {}
}
