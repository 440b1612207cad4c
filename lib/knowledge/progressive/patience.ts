/** Time: what it is spent on, and whether proving answers still saves any beside reading the rest of the weights. */

/** What is saved: bytes, whatever proofs take; or time, so that no proof takes longer than reading what is left. */
export type Goal = 'bytes' | 'time';

/** Milliseconds that making graphs of bounds and one pass of them take, even of small networks. */
const PROOF_LEAST = 150;

/**
 * Stops proofs once they have taken as long as reading the rest would: all together takes at most about twice as long as
 * the better of the two would have taken.
 */
export class Patience {
  readonly #goal: Goal;
  readonly #all: number;
  readonly #now: () => number;
  #bytes = 0;
  #reading = 0;
  /** When the first planes were read, and what was read since then took. */
  #since: number | null = null;
  #later = 0;

  /** @param all  bytes of all weights. @param now  a clock of milliseconds. */
  constructor(goal: Goal, all: number, now: () => number = () => performance.now()) {
    this.#goal = goal;
    this.#all = all;
    this.#now = now;
  }

  /** Notes a read. @param bytes  that are read by now, in all. @param milliseconds  that this read took. */
  noteRead(bytes: number, milliseconds: number): void {
    this.#bytes = bytes;
    this.#reading += milliseconds;
    if (this.#since === null) this.#since = this.#now();
    else this.#later += milliseconds;
  }

  /** True once the rest is to be read at once. */
  get isOver(): boolean {
    if (this.#goal === 'bytes' || this.#since === null || this.#bytes === 0) return false;
    const rest = ((this.#all - this.#bytes) * this.#reading) / this.#bytes;
    const proving = this.#now() - this.#since - this.#later;
    return rest < Math.max(PROOF_LEAST, proving);
  }
}

/** Counts how long an action takes to what time was spent on, in milliseconds. */
export async function timed<W extends string, T>(
  spent: Record<W, number>,
  what: W,
  action: () => Promise<T>,
): Promise<T> {
  const started = performance.now();
  try {
    return await action();
  } finally {
    spent[what] += performance.now() - started;
  }
}
