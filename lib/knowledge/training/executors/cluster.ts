/**
 * Trainers as jobs of a cluster. dlv writes a script into the folder of the task, hands it to the cluster under a name
 * that follows from the task, and reads what the trainer says from files: the folder is one that the workers share.
 * So a dlv that was killed finds its jobs again. A job that the cluster lost is submitted once more, some times.
 */
import path from 'node:path';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { sha256Hex } from '../../../base/bytes/hash.js';
import { AbortedError, RemoteError } from '../../../base/errors.js';
import { removeFile } from '../../../base/files/files.js';
import { pause } from '../../../storage/exchange/transports/rate-limit.js';
import type { Listener, TrainingEnd } from '../trainers/hearing.js';
import { endedHow, lateText } from '../trainers/run-trainer.js';
import {
  type Executor,
  type ExecutorKind,
  type ExecutorOptions,
  PACE,
  type TrainingTask,
} from './executor.js';
import {
  type AttemptFiles,
  exitCode,
  LineReader,
  lastAttempt,
  tailOf,
  writeScript,
} from './job-folder.js';

/** Jobs at once, if nobody says: the cluster has a queue of its own. */
const WORKERS = 16;
/** Exit codes from here on are those of signals. */
const SIGNALS = 128;

/** What a cluster says of a job. */
export interface JobSight {
  state: 'queued' | 'running' | 'ended';
  /** True: it ended because it took too long, and would again. */
  isLate: boolean;
  /** In the words of the cluster. */
  message: string;
}

/** What is handed to a cluster. */
export interface JobRequest {
  name: string;
  files: AttemptFiles;
  folder: string;
}

/** A cluster, as far as it is needed. Each call throws RemoteError if it cannot be reached. */
export interface Cluster {
  readonly kind: ExecutorKind;
  readonly place: string;
  /** The job of a name; null: the cluster knows none. */
  find(name: string, signal?: AbortSignal): Promise<JobSight | null>;
  submit(request: JobRequest, signal?: AbortSignal): Promise<void>;
  cancel(name: string): Promise<void>;
  /** The end of what the cluster wrote of a job. */
  log(name: string, files: AttemptFiles): Promise<string>;
  close(): void;
}

/** How an attempt came out: as the trainer said, or lost with the worker, and why. */
type Outcome = { end: TrainingEnd } | { lost: string };

export class ClusterExecutor implements Executor {
  readonly kind: ExecutorKind;
  readonly place: string;
  readonly workers: number;
  readonly #cluster: Cluster;
  readonly #options: ExecutorOptions;

  constructor(cluster: Cluster, options: ExecutorOptions) {
    this.kind = cluster.kind;
    this.place = cluster.place;
    this.workers = options.workers > 0 ? options.workers : WORKERS;
    this.#cluster = cluster;
    this.#options = options;
  }

  threads(): number {
    return Math.max(1, this.#options.cpus);
  }

  async run(task: TrainingTask, listener: Listener, signal?: AbortSignal): Promise<TrainingEnd> {
    const { retries, setup } = this.#options;
    let attempt = Math.max(1, await lastAttempt(task));
    // Copies of a repository have studies with the same ids, and are not to follow each other's jobs.
    const place = sha256Hex(path.dirname(task.job)).slice(0, 8);
    for (let losses = 0; ; attempt += 1) {
      const files = await writeScript(task, attempt, setup);
      const name = `dlv-${task.id}-${place}-${attempt}`;
      const job = new ClusterJob(this.#cluster, this.#options, listener, {
        ...{ name, files },
        folder: path.dirname(task.job),
      });
      const outcome = await job.follow(signal);
      if ('end' in outcome) return outcome.end;
      losses += 1;
      if (losses > retries) {
        const times = `${this.kind} lost the job ${losses === 1 ? 'once' : `${losses} times`}`;
        return job.reader.hearing.failed(`${times}: ${outcome.lost}`);
      }
      listener.restart();
    }
  }

  close(): void {
    this.#cluster.close();
  }
}

/** One job from its submission to its end. */
class ClusterJob {
  readonly reader: LineReader;
  readonly #cluster: Cluster;
  readonly #options: ExecutorOptions;
  readonly #request: JobRequest;
  /** When it was first seen running, when it ended, and since when the cluster is silent; milliseconds. */
  #runningSince: number | null = null;
  #endedAt: number | null = null;
  #silentSince: number | null = null;

  constructor(cluster: Cluster, options: ExecutorOptions, listener: Listener, request: JobRequest) {
    this.#cluster = cluster;
    this.#options = options;
    this.#request = request;
    this.reader = new LineReader(request.files.lines, listener);
  }

  async follow(signal?: AbortSignal): Promise<Outcome> {
    const { askMs, lookMs } = this.#options.pace ?? PACE;
    try {
      let askedAt = Number.NEGATIVE_INFINITY;
      let isSubmitted = false;
      let sight: JobSight | null = null;
      for (;;) {
        throwIfAborted(signal);
        await this.reader.read();
        const done = await this.#done();
        if (done !== null) return done;
        const now = performance.now();
        if (now - askedAt >= askMs) {
          askedAt = now;
          const seen = await this.#reached(() => this.#cluster.find(this.#request.name, signal));
          if (seen !== undefined) {
            sight = seen;
            if (sight === null && !isSubmitted) {
              isSubmitted = await this.#submit(signal);
            } else {
              isSubmitted = true;
              const outcome = await this.#judge(sight);
              if (outcome !== null) return outcome;
            }
          }
        }
        await pause(lookMs, signal);
      }
    } catch (error) {
      // A job that was told to stop is not to be found again; one that dlv was killed beside is.
      if (signal?.aborted) {
        await this.#cancel();
        throw new AbortedError();
      }
      throw error;
    }
  }

  /** What the exit code says, once there is one. */
  async #done(): Promise<Outcome | null> {
    const { files } = this.#request;
    const code = await exitCode(files);
    if (code === null) return null;
    // The last lines were written before the code.
    await this.reader.read();
    const { hearing } = this.reader;
    const end = hearing.end(endedHow(code, null), await tailOf(files.said));
    const isKilled = !hearing.hasEnd && code >= SIGNALS;
    if (isKilled || end.state === 'stopped') {
      return {
        lost: isKilled
          ? `the trainer was ended by signal ${code - SIGNALS}`
          : 'it was told to stop',
      };
    }
    return { end };
  }

  async #submit(signal?: AbortSignal): Promise<boolean> {
    await removeFile(this.#request.files.lines);
    const sent = await this.#reached(async () => {
      await this.#cluster.submit(this.#request, signal);
      return true;
    });
    return sent === true;
  }

  /** What a job that has not said how it ended comes to. */
  async #judge(sight: JobSight | null): Promise<Outcome | null> {
    const now = performance.now();
    const { seconds } = this.#options;
    if (sight?.state === 'running') this.#runningSince ??= now;
    if (sight !== null && sight.state !== 'ended') {
      this.#endedAt = null;
      const isLate =
        seconds > 0 && this.#runningSince !== null && now - this.#runningSince > seconds * 1000;
      if (!isLate) return null;
      await this.#cancel();
      return { end: this.reader.hearing.failed(lateText(seconds)) };
    }
    if (sight?.isLate)
      return { end: this.reader.hearing.failed(await this.#withLog(sight.message)) };
    this.#endedAt ??= now;
    if (now - this.#endedAt < (this.#options.pace ?? PACE).graceMs) return null;
    return { lost: await this.#withLog(sight?.message ?? 'it knows the job no more') };
  }

  async #withLog(message: string): Promise<string> {
    const { name, files } = this.#request;
    const log = await this.#cluster.log(name, files).catch(() => '');
    const said = `${log}\n${await tailOf(files.said)}`.trim().split('\n').at(-1) ?? '';
    return said === '' || message.includes(said) ? message : `${message}; ${said}`;
  }

  /** What the cluster answers; undefined while it is out of reach. @throws {RemoteError} if that lasts */
  async #reached<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await ask();
      this.#silentSince = null;
      return answer;
    } catch (error) {
      if (!(error instanceof RemoteError) || error.data.isLasting === true) throw error;
      const now = performance.now();
      if (this.#silentSince === null) {
        const { patienceMs, warn } = this.#options;
        const seconds = Math.round(patienceMs / 1000);
        if (seconds > 0) warn?.(`${error.message}; it is asked again for ${seconds} seconds`);
      }
      this.#silentSince ??= now;
      if (now - this.#silentSince < this.#options.patienceMs) return undefined;
      throw new RemoteError(error.message, {
        ...error.data,
        hint: 'nothing is lost: run the same statement again when the cluster answers; jobs that run there are found again',
      });
    }
  }

  async #cancel(): Promise<void> {
    await this.#cluster.cancel(this.#request.name).catch(() => {});
  }
}
