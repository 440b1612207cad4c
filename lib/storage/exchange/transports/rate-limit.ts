/** A bound on bytes per second, shared by everything that a command sends and receives. */
import { AbortedError } from '../../../base/errors.js';

/** What may pass at once, as a part of a second. */
const BURST_SECONDS = 0.25;
const BURST_BYTES_MIN = 16 * 1024;

export class RateLimit {
  readonly #bytesPerSecond: number;
  /** Bytes that may pass now; negative: owed by pieces that passed already. */
  #allowed: number;
  #at = performance.now();

  /** @param bytesPerSecond  above 0; Infinity: no limit. */
  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#allowed = this.#burst;
  }

  get #burst(): number {
    return Math.max(BURST_BYTES_MIN, this.#bytesPerSecond * BURST_SECONDS);
  }

  /** Bytes that are worth being passed in one piece. */
  get pieceBytes(): number {
    return this.#bytesPerSecond === Number.POSITIVE_INFINITY
      ? Number.POSITIVE_INFINITY
      : Math.ceil(this.#burst);
  }

  /** Waits until so many bytes may pass. @throws {AbortedError} */
  async pass(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#bytesPerSecond === Number.POSITIVE_INFINITY) return;
    const now = performance.now();
    const earned = ((now - this.#at) / 1000) * this.#bytesPerSecond;
    this.#allowed = Math.min(this.#burst, this.#allowed + earned) - bytes;
    this.#at = now;
    if (this.#allowed >= 0) return;
    await pause((-this.#allowed / this.#bytesPerSecond) * 1000, signal);
    if (signal?.aborted) throw new AbortedError();
  }
}

/** Ends early, without an error, when the signal is raised. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done);
  });
}
