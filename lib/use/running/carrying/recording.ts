/**
 * The record of a run while it goes on: what it measures and what goes wrong, kept in memory and written now and
 * then. Nothing that fails to be written is lost while the process lives.
 */
import { LOG_NAMES_MAX } from '../../../base/limits.js';
import type { Layout } from '../../../storage/repo/layout.js';
import { appendRows, type MetricRow } from '../../../storage/repo/runs/run-metrics.js';
import { type RunMetric, type RunRecord, writeRun } from '../../../storage/repo/runs/run-record.js';

/** How often the record says that the run goes on. */
const BEAT_MS = 3000;
const ROWS_MS = 400;
const PROBLEMS_MAX = 100;
/** Rows that wait for a disk which takes none. */
const ROWS_WAITING_MAX = 100_000;

export class Recording {
  readonly record: RunRecord;
  readonly #layout: Layout;
  readonly #warn: (message: string) => void;
  readonly #known: Map<string, RunMetric>;
  #rows: MetricRow[] = [];
  #hasChanged = false;
  #at = { beat: 0, rows: 0 };
  #writing: Promise<void> = Promise.resolve();

  /** @param warn  takes what goes wrong, each once. */
  constructor(layout: Layout, record: RunRecord, warn: (message: string) => void) {
    this.#layout = layout;
    this.record = record;
    this.#warn = warn;
    this.#known = new Map(record.metrics.map((one) => [one.name, one]));
  }

  addRow(row: MetricRow): void {
    this.#rows.push(row);
    const step = row.isCounted ? null : row.step;
    for (const [name, value] of row.values) {
      const last = Number.isFinite(value) ? value : null;
      const one = this.#known.get(name);
      if (one !== undefined) Object.assign(one, { count: one.count + 1, step, last });
      else if (this.#known.size < LOG_NAMES_MAX) {
        const fresh = { name, count: 1, step, last };
        this.#known.set(name, fresh);
        this.record.metrics.push(fresh);
      }
    }
  }

  /** The record differs from the one on the disk. */
  changed(): void {
    this.#hasChanged = true;
  }

  /** Writes what is due. @throws {IoError} if the rows cannot be written. */
  async writeDue(): Promise<void> {
    const now = performance.now();
    if (now - this.#at.rows >= ROWS_MS) await this.flushRows();
    if (this.#hasChanged || now - this.#at.beat >= BEAT_MS)
      void this.tryTo(() => this.write(false));
  }

  async flushRows(): Promise<void> {
    this.#at.rows = performance.now();
    const rows = this.#rows;
    if (rows.length === 0) return;
    this.#rows = [];
    try {
      await appendRows(this.#layout, this.record.id, rows);
    } catch (error) {
      this.#rows = [...rows, ...this.#rows].slice(-ROWS_WAITING_MAX);
      throw error;
    }
  }

  /** One after another: the last that was asked for is the one that stays. */
  write(durable: boolean): Promise<void> {
    this.#at.beat = performance.now();
    this.#hasChanged = false;
    const written = this.#writing.then(async () => {
      this.record.updated = Date.now();
      await writeRun(this.#layout, this.record, { durable });
    });
    this.#writing = written.catch(() => {});
    return written;
  }

  /** @returns false if it failed, which is told. */
  async tryTo(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      this.problem(messageOf(error));
      return false;
    }
  }

  /** Tells of what went wrong, and writes it down. */
  problem(message: string): void {
    const { problems } = this.record;
    if (problems.includes(message)) return;
    if (problems.length < PROBLEMS_MAX) problems.push(message);
    this.#hasChanged = true;
    this.#warn(message);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
