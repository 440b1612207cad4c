/**
 * Threads that run commands for pages, one for each line of work, begun when it is first asked for. The server itself never
 * computes, so that a large comparison holds up no other page, and what nobody waits for any more is stopped.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { AbortedError, asDlvError, BugError, LimitError } from '../../base/errors.js';
import { WORK_LINES, type WorkLine } from './asked.js';
import type { Answer, Order, Report } from './messages.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
/** A thread that computes on for so long after it was told to stop is ended. */
const STOP_MS = 2000;
/** Requests that wait for a thread; further ones are refused. */
const WAITING_MAX = 64;

interface Job {
  id: number;
  argv: readonly string[];
  signal: AbortSignal;
  resolve(found: Answer): void;
  reject(error: unknown): void;
}

/** A thread and what waits for it. */
class WorkerQueue {
  readonly #cwd: string;
  #worker: Worker | null = null;
  #running: Job | null = null;
  #waiting: Job[] = [];
  #next = 0;
  #isClosed = false;

  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  ask(argv: readonly string[], signal: AbortSignal): Promise<Answer> {
    if (this.#isClosed || signal.aborted) throw new AbortedError('the request was stopped');
    if (this.#waiting.length >= WAITING_MAX) {
      throw new LimitError(`${WAITING_MAX} requests wait already`, {
        hint: 'wait until some are answered',
      });
    }
    return new Promise((resolve, reject) => {
      const job: Job = { id: this.#next++, argv, signal, resolve, reject };
      signal.addEventListener('abort', () => this.#stop(job), { once: true });
      this.#waiting.push(job);
      this.#start();
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#isClosed = true;
    for (const job of this.#waiting.splice(0)) job.reject(new AbortedError('the server ends'));
    await worker?.terminate();
  }

  #start(): void {
    if (this.#running !== null || this.#isClosed) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#running = job;
    this.#worker ??= this.#newWorker();
    this.#worker.postMessage({ id: job.id, argv: job.argv } satisfies Order);
  }

  #newWorker(): Worker {
    const worker = new Worker(WORKER, { workerData: { cwd: this.#cwd } });
    let error: unknown = null;
    worker.on('message', (report: Report) => this.#end(report));
    worker.on('error', (thrown) => {
      error = thrown;
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null;
      const job = this.#running;
      this.#running = null;
      job?.reject(error === null ? new AbortedError('the request was stopped') : asDlvError(error));
      this.#start();
    });
    return worker;
  }

  #end({ id, ...found }: Report): void {
    const job = this.#running;
    if (job?.id !== id) throw new BugError('a thread answers what it was not asked');
    this.#running = null;
    job.resolve(found);
    this.#start();
  }

  #stop(job: Job): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) {
      this.#waiting.splice(at, 1);
      job.reject(new AbortedError('the request was stopped'));
    }
    if (this.#running !== job) return;
    this.#worker?.postMessage({ abort: job.id } satisfies Order);
    setTimeout(() => {
      if (this.#running === job) void this.#worker?.terminate();
    }, STOP_MS).unref();
  }
}

export class Workers {
  readonly #queues: Record<WorkLine, WorkerQueue>;

  constructor(cwd: string) {
    const queues = WORK_LINES.map((line) => [line, new WorkerQueue(cwd)]);
    this.#queues = Object.fromEntries(queues) as Record<WorkLine, WorkerQueue>;
  }

  /** Runs a command line. @throws {AbortedError} if `signal` is raised before it ends */
  ask(line: WorkLine, argv: readonly string[], signal: AbortSignal): Promise<Answer> {
    return this.#queues[line].ask(argv, signal);
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#queues).map((queue) => queue.close()));
  }
}
