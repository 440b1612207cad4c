/** Writes one after the other; after one that failed, none any more. */
import { BugError } from '../../../base/errors.js';

export class WriteQueue {
  #last: Promise<unknown> = Promise.resolve();
  #state: 'open' | 'broken' | 'finished' | 'aborted' = 'open';
  #failure: unknown = null;

  /** Runs `action` when all before it are over. Calls may overlap. */
  run(action: () => Promise<void>): Promise<void> {
    const run = this.#last.then(async () => {
      // Later calls fail with the first failure, such as a full disk, and not as a mistake of dlv.
      if (this.#state === 'broken') throw this.#failure;
      if (this.#state !== 'open') throw new BugError(`the pack set writer is ${this.#state}`);
      try {
        await action();
      } catch (error) {
        this.#state = 'broken';
        this.#failure = error;
        throw error;
      }
    });
    this.#last = run.catch(() => {});
    return run;
  }

  /** No write comes after the one that calls this. */
  finish(): void {
    this.#state = 'finished';
  }

  /** Waits for what runs, and refuses all else. @returns false if it was aborted before. */
  async abort(): Promise<boolean> {
    await this.#last;
    if (this.#state === 'aborted') return false;
    this.#state = 'aborted';
    return true;
  }
}
