/**
 * Work that goes on while a file is read: bounded in bytes and in number, its results written in the
 * order in which it was started.
 */

/** Pieces of work at once, however small. */
const JOBS_MAX = 64;

/** Writes what a piece of work made. */
export type Write = () => Promise<void>;

export class WorkInFlight {
  #jobs: Promise<void>[] = [];
  #bytes = 0;
  /** The job started last: jobs end in order, since each waits for the one before. */
  #last: Promise<void> = Promise.resolve();
  /** The last job of each name. */
  readonly #named = new Map<string, Promise<void>>();
  #failure: { error: unknown } | null = null;
  readonly #onFailure: (error: unknown) => void;

  /** @param onFailure  receives what a piece of work failed with, as soon as it did. */
  constructor(onFailure: (error: unknown) => void = () => {}) {
    this.#onFailure = onFailure;
  }

  /**
   * Waits until `bytes` more in memory make at most `limit`, or nothing else is in flight.
   * @throws what a piece of work failed with.
   */
  async roomFor(bytes: number, limit: number): Promise<void> {
    while (!this.hasRoom(bytes, limit)) await Promise.race(this.#jobs);
    this.check();
  }

  /** True if `roomFor` would not wait. */
  hasRoom(bytes: number, limit: number): boolean {
    if (this.#jobs.length === 0) return true;
    return this.#jobs.length < JOBS_MAX && this.#bytes + bytes <= limit;
  }

  /**
   * Counts work of `bytes` as in flight until it is written, after all that was started before it.
   * What it fails with is thrown by `check`.
   * @param name  of what it belongs to, if that has one: see `written`.
   */
  start(name: string | null, bytes: number, work: Promise<Write>): void {
    this.#bytes += bytes;
    const before = this.#last;
    const job: Promise<void> = work
      .then(async (write) => {
        await before;
        await write();
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
        this.#onFailure(error);
      })
      .then(() => {
        this.#bytes -= bytes;
        this.#jobs = this.#jobs.filter((other) => other !== job);
        if (name !== null && this.#named.get(name) === job) this.#named.delete(name);
      });
    this.#last = job;
    if (name !== null) this.#named.set(name, job);
    this.#jobs.push(job);
  }

  /** The same of work that nobody waits for by name. @returns what `write` gives, or fails with what either does. */
  startFor<T, W>(bytes: number, work: Promise<T>, write: (made: T) => Promise<W>): Promise<W> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): never => {
        reject(error);
        throw error;
      };
      const writes = work.then((made) => () => write(made).then(resolve, fail), fail);
      this.start(null, bytes, writes);
    });
  }

  /** Waits until all that was started of a name is written or has failed. */
  async written(name: string): Promise<void> {
    await this.#named.get(name);
  }

  /** @throws what a piece of work failed with, the first of them. */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Waits for all that was started, whether it fails or not. */
  async settle(): Promise<void> {
    await Promise.all(this.#jobs);
  }
}
