/**
 * Lets a long loop react to signals: code that finds everything in memory never yields to the event
 * loop otherwise.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfAborted } from './abort.js';

/** Longest time between two turns of the event loop. */
const TURN_MS = 50;

/** A clock that never goes back, in milliseconds; Node's `performance` loads a dozen modules for the same. */
export function steadyMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

export class Pace {
  readonly #signal: AbortSignal | undefined;
  /** By the clock: Node loads another module for one that never goes back. */
  #last = Date.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** True if the next step gives up the turn; for loops that would wait for nothing at all others. */
  isDue(): boolean {
    return Math.abs(Date.now() - this.#last) >= TURN_MS;
  }

  /** Call it at every step; gives up the turn when it is due. @throws {AbortedError} */
  async step(): Promise<void> {
    if (!this.isDue()) return;
    await nextTurn();
    throwIfAborted(this.#signal);
    this.#last = Date.now();
  }
}
