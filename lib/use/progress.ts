/** How a use case tells its caller how far it is. ops never prints: cli passes a bar, tests a record. */

/** Receives the progress of one piece of work after another. Calls are cheap and may be frequent. */
export interface ProgressSink {
  /**
   * Begins a piece of work of `total` bytes, 0 if unknown. Ends the one before, if any.
   * @param unit  what is counted instead of bytes: 'plans'.
   */
  start(label: string, total: number, unit?: string): void;
  /** Says that so much more is done. */
  advance(amount: number): void;
  /** Ends the piece of work. Does nothing if none is open. */
  finish(): void;
}

/** A sink that drops everything. */
export const noProgress: ProgressSink = { start() {}, advance() {}, finish() {} };
