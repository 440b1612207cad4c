/** What a stretch of a run takes: time, processor and memory, added to what earlier stretches took. */
import type { RunRecord } from '../../../storage/repo/runs/run-record.js';
import { endedChildrenSeconds, Usage } from './usage.js';

const USAGE_MS = 1000;

export class Measured {
  readonly #record: RunRecord;
  readonly #usage: Usage;
  readonly #before: { seconds: number; cpuSeconds: number };
  readonly #startedAt: number;
  /** Of children of this process that ended before the command began; null where that is not told. */
  readonly #childrenBefore: number | null;
  #lookedAt = 0;

  /** @param startedAt  of `performance.now()`, before the command was started as the process `pid`. */
  constructor(
    record: RunRecord,
    pid: number,
    { startedAt, childrenBefore }: { startedAt: number; childrenBefore: number | null },
  ) {
    this.#record = record;
    this.#usage = new Usage(pid);
    this.#before = { seconds: record.seconds, cpuSeconds: record.cpuSeconds };
    this.#startedAt = startedAt;
    this.#childrenBefore = childrenBefore;
  }

  get rssBytes(): number {
    return this.#usage.rssBytes;
  }

  /** Inodes that are open for writing; null where that cannot be seen. */
  writers(): ReadonlySet<string> | null {
    return this.#usage.writers();
  }

  /** Looks, if it is time. */
  look(): void {
    const now = performance.now();
    if (now - this.#lookedAt < USAGE_MS) return;
    this.#usage.look();
    this.#lookedAt = now;
    this.addUp(false);
  }

  /** Puts what was taken so far into the record. @param hasEnded  the command has: its parent knows what it took. */
  addUp(hasEnded: boolean): void {
    const record = this.#record;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const { cpuSeconds: sampled, peakBytes } = this.#usage;
    const children = hasEnded ? endedChildrenSeconds() : null;
    const before = this.#childrenBefore;
    const waited = before === null || children === null ? 0 : children - before;
    // Those that stored versions meanwhile count among the children, so the sample decides unless it saw too little.
    const cpuSeconds = record.checkpoints.length === 0 ? Math.max(sampled, waited) : sampled;
    record.seconds = round(this.#before.seconds + seconds);
    record.cpuSeconds = round(this.#before.cpuSeconds + cpuSeconds);
    record.peakBytes = Math.max(record.peakBytes, peakBytes);
    const stretch = record.stretches.at(-1);
    if (stretch !== undefined) {
      Object.assign(stretch, { seconds: round(seconds), cpuSeconds: round(cpuSeconds) });
    }
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
