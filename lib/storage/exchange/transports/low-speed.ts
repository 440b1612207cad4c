/**
 * Gives up on a server that says nothing, or dribbles: a request fails while the other side, in all the time that it
 * is waited for, moves fewer bytes than a bound. Time that passes here, on a disk, for a limit of bytes per
 * second or while this process is stopped, does not count.
 */
import { RemoteError } from '../../../base/errors.js';
import type { LowSpeed } from '../../repo/settings/rate.js';
import { PassingError, type Turns } from './http-answer.js';

/** Where nobody set another. */
export const LOW_SPEED: LowSpeed = { bytesPerSecond: 100, seconds: 30 };

/** Looks in so many parts of the time, and at least once a second. */
const LOOKS = 20;
/** Where a store puts an object together, it may say nothing for so many times as long. */
const WORK_FACTOR = 10;

/** The time that is told; tests move their own. */
export interface Clock {
  /** In milliseconds, never backwards. */
  now(): number;
  /** Calls after each `ms` until the answer is called; holds no process back from its end. */
  every(ms: number, call: () => void): () => void;
}

const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  every: (ms, call) => {
    const timer = setInterval(call, ms).unref();
    return () => clearInterval(timer);
  },
};

/** That a server moved too little. Another attempt may meet a better connection, many would meet the same. */
export class StalledError extends PassingError {
  readonly final: RemoteError;

  constructor(final: RemoteError) {
    super(final);
    this.final = final;
  }
}

export class LowSpeedWatch implements Turns {
  readonly #leastBytes: number;
  readonly #limitMs: number;
  /** Between two looks. */
  readonly #lookMs: number;
  readonly #clock: Clock;
  readonly #endLooks: () => void;
  /** Since when it is the other side's turn; null: it is ours. */
  #since: number | null;
  /** What the other side took, and moved, since it was last judged. */
  #waitedMs = 0;
  #moved = 0;

  /**
   * @param via  the proxy that is asked, if one is.
   * @param isWork  true for a request whose answer takes work there.
   * @param clock  that of the system where none is given.
   * @param onStall  called at most once; the request is ended there.
   */
  constructor(
    { bytesPerSecond, seconds }: LowSpeed,
    {
      shown,
      via,
      isWork,
      clock = SYSTEM_CLOCK,
    }: { shown: string; via: string | null; isWork: boolean; clock?: Clock | undefined },
    onStall: (error: StalledError) => void,
  ) {
    this.#clock = clock;
    this.#since = clock.now();
    this.#limitMs = seconds * 1000 * (isWork ? WORK_FACTOR : 1);
    this.#leastBytes = Math.max(1, bytesPerSecond * seconds);
    const look = (): void => {
      this.#count();
      if (this.#waitedMs < this.#limitMs) return;
      if (this.#moved < this.#leastBytes) {
        this.end();
        const moved = this.#moved === 0 ? 'nothing' : `${this.#moved} bytes`;
        const through = via === null ? '' : ` (through the proxy '${via}')`;
        const what = `${moved} in ${this.#limitMs / 1000} seconds${through}`;
        onStall(new StalledError(stalled(shown, what)));
      }
      [this.#waitedMs, this.#moved] = [0, 0];
    };
    this.#lookMs = Math.min(1000, Math.ceil(this.#limitMs / LOOKS));
    this.#endLooks = clock.every(this.#lookMs, look);
  }

  ours(moved = 0): void {
    this.#moved += moved;
    this.#count();
    this.#since = null;
  }

  theirs(): void {
    this.#count();
    this.#since = this.#clock.now();
  }

  end(): void {
    this.#endLooks();
  }

  #count(): void {
    if (this.#since === null) return;
    const now = this.#clock.now();
    // A look that comes much too late: this process was stopped or busy, and could not have seen an answer.
    this.#waitedMs += Math.min(now - this.#since, 2 * this.#lookMs);
    this.#since = now;
  }
}

function stalled(shown: string, what: string): RemoteError {
  return new RemoteError(`'${shown}' does not answer: ${what}`, {
    url: shown,
    stalled: true,
    hint:
      'check the line and the server, then run the command again: it goes on where it was. ' +
      "'transfer.lowSpeedTime' and 'transfer.lowSpeedLimit' say how long is waited for how much",
  });
}
