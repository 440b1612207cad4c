/** Where trainers run. All executors take the same jobs and tell of them in the same way. */
import type { Listener, TrainingEnd } from '../trainers/hearing.js';
import type { TrainerChoice } from '../trainers/run-trainer.js';

export const EXECUTORS = ['local', 'ray', 'slurm'] as const;
export type ExecutorKind = (typeof EXECUTORS)[number];

/** One stretch of training. */
export interface TrainingTask {
  /** Names it for ever: a later process that has the same task finds it again by this. Letters, digits, '-'. */
  id: string;
  trainer: TrainerChoice;
  /** Path of the job; its folder is the trainer's, and holds what is said. */
  job: string;
}

export interface Executor {
  readonly kind: ExecutorKind;
  /** Where trainers run, for people. */
  readonly place: string;
  /** Tasks at once, if nobody says. */
  readonly workers: number;
  /** Threads of a trainer, where so many run at once. */
  threads(workers: number): number;
  /**
   * Runs a task to its end, or follows one that an earlier process started.
   * @throws {AbortedError} if the signal ended it; {RemoteError} if the cluster cannot be reached for long
   */
  run(task: TrainingTask, listener: Listener, signal?: AbortSignal): Promise<TrainingEnd>;
  /** Lets go of connections; what runs on a cluster runs on. */
  close(): void;
}

/** What a trainer gets, and how patient dlv is. */
export interface ExecutorOptions {
  /** Tasks at once; 0: as the executor sees fit. */
  workers: number;
  /** Cores of a trainer; 0: the local pool shares them out, a cluster gives one. */
  cpus: number;
  gpus: number;
  memoryBytes: number;
  /** How long a trainer may take; 0: as long as it wants. */
  seconds: number;
  /** How often a task is started again that a cluster lost. */
  retries: number;
  /** How long a cluster may be out of reach. */
  patienceMs: number;
  /** A line of shell that is run before the trainer, on clusters. */
  setup: string | null;
  /** Told when a cluster stops answering. */
  warn?: (message: string) => void;
  /** How often clusters are looked at; tests look more often. */
  pace?: Pace;
}

/** In milliseconds. */
export interface Pace {
  /** Between two looks at files, and two questions to the cluster. */
  lookMs: number;
  askMs: number;
  /** So long after a job ended, its files may not have come over the network. */
  graceMs: number;
}

export const PACE: Pace = { lookMs: 300, askMs: 2000, graceMs: 6000 };
