/**
 * Counts the work on the values of a pickle. Values are shared by reference, so that a few bytes can ask
 * for a long list again and again: so the items of a list are counted before they are read.
 */
import { LimitError } from '../../../base/errors.js';
import { PICKLE_STEPS_MAX } from '../../../base/limits.js';
import { CHARGES, type MemoryBudget } from '../memory-budget.js';

/** The steps taken on the values of one pickle. */
export class PickleSteps {
  /** Named in errors. */
  readonly file: string;
  readonly #budget: MemoryBudget;
  #taken = 0;

  /** @param budget charged for what is made of the values. */
  constructor(file: string, budget: MemoryBudget) {
    this.file = file;
    this.#budget = budget;
  }

  /** Steps so far. */
  get taken(): number {
    return this.#taken;
  }

  /** Counts `count` steps. @throws {LimitError} beyond PICKLE_STEPS_MAX. */
  take(count: number): void {
    this.#taken += count;
    if (this.#taken > PICKLE_STEPS_MAX) throw this.limit('PICKLE_STEPS_MAX', PICKLE_STEPS_MAX);
  }

  /** Counts `count` entries that are read into a Map: a step and memory for each. @throws {LimitError} */
  entries(count: number): void {
    this.take(count);
    this.charge(CHARGES.entry * count);
  }

  /** Counts `bytes` of memory. @throws {LimitError} */
  charge(bytes: number): void {
    this.#budget.charge(bytes);
  }

  /** Gives back `bytes` that were charged: what they were for was dropped. */
  release(bytes: number): void {
    this.#budget.release(this.#budget.charged - bytes);
  }

  /** The error for a pickle that goes beyond a bound. */
  limit(limit: string, max: number): LimitError {
    return new LimitError(`'${this.file}': the pickle is nested or shared too much (${limit})`, {
      file: this.file,
      limit,
      max,
    });
  }
}
