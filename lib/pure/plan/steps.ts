/**
 * Steps: how planners are limited without a clock.
 *
 * A planner spends steps (about one edge looked at each); when they are used up, or when the caller's
 * `shouldStop` says so, it ends with what it has. With steps alone a result is deterministic. Searches
 * that last are generators: they give way every some ten thousand steps, so that a caller can report
 * progress or let go of the thread.
 */

/** Counts down; cheap enough to be called in inner loops. */
export class Steps {
  #left: number;
  #sinceAsked = 0;
  #stopped = false;
  readonly #shouldStop: (() => boolean) | undefined;

  /**
   * @param limit       steps that may be spent; Infinity for no limit.
   * @param shouldStop  asked about every 100,000 steps; true ends the work (a time limit, Ctrl-C).
   */
  constructor(limit = Number.POSITIVE_INFINITY, shouldStop?: () => boolean) {
    this.#left = limit;
    this.#shouldStop = shouldStop;
  }

  /** Spends `count` steps. @returns true while there are steps left. */
  spend(count: number): boolean {
    this.#left -= count;
    this.#sinceAsked += count;
    if (this.#sinceAsked >= 100_000) {
      this.#sinceAsked = 0;
      if (this.#shouldStop?.()) this.#stopped = true;
    }
    return !this.#stopped && this.#left > 0;
  }

  /** True once the steps are used up or the caller asked to stop. */
  get isOver(): boolean {
    return this.#stopped || this.#left <= 0;
  }

  /** Steps not yet spent; 0 once stopped. */
  get left(): number {
    return this.#stopped ? 0 : Math.max(0, this.#left);
  }

  /** A part of these steps: what it spends is spent here as well. */
  part(limit: number): Steps {
    return new PartOfSteps(Math.min(limit, this.left), this);
  }
}

class PartOfSteps extends Steps {
  readonly #whole: Steps;

  constructor(limit: number, whole: Steps) {
    super(limit);
    this.#whole = whole;
  }

  override spend(count: number): boolean {
    const hasWhole = this.#whole.spend(count);
    return super.spend(count) && hasWhole;
  }

  override get isOver(): boolean {
    return super.isOver || this.#whole.isOver;
  }

  override get left(): number {
    return Math.min(super.left, this.#whole.left);
  }
}

/** Runs a search, which yields now and then, to its end. @returns its result. */
export function finish<Result>(search: Generator<unknown, Result>): Result {
  for (;;) {
    const turn = search.next();
    if (turn.done) return turn.value;
  }
}

/** A seeded generator of 32-bit numbers (mulberry32): the only randomness of this room. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }
}
