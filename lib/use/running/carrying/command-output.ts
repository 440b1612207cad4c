/** Output of a command: handed on as it comes, kept in part, and read for metrics. */
import type { ChildProcess } from 'node:child_process';
import { OutputMetrics, type OutputRow } from '../../../pure/logs/output-lines.js';
import { FROM_OUTPUT, type MetricRow } from '../../../storage/repo/runs/run-metrics.js';
import { KeptOutput } from './keep-output.js';

/** Who is told of output. */
export interface OutputTaker {
  /** Takes output of the command; the promise settles when more may come. */
  output(stream: 'out' | 'err', chunk: Buffer): Promise<void> | null;
  addRow(row: MetricRow): void;
}

export class CommandOutput {
  readonly #taker: OutputTaker;
  readonly #kept: KeptOutput;
  readonly #metrics = { out: new OutputMetrics(), err: new OutputMetrics() };

  /** @param before  what was kept of an earlier stretch of the run. */
  constructor(taker: OutputTaker, before: Uint8Array) {
    this.#taker = taker;
    this.#kept = new KeptOutput(before);
  }

  listen(child: ChildProcess): void {
    for (const name of ['out', 'err'] as const) {
      const stream = name === 'out' ? child.stdout : child.stderr;
      const decoder = new TextDecoder();
      stream?.on('data', (chunk: Buffer) => {
        this.#kept.add(chunk);
        this.#takeRows(this.#metrics[name].take(decoder.decode(chunk, { stream: true })));
        const wait = this.#taker.output(name, chunk);
        if (wait === null) return;
        stream.pause();
        void wait.then(() => stream.resume());
      });
      stream?.on('error', () => {});
    }
  }

  /** Takes lines that no line feed ended. */
  end(): void {
    for (const metrics of Object.values(this.#metrics)) this.#takeRows(metrics.end());
  }

  get hasNew(): boolean {
    return this.#kept.hasNew;
  }

  /** What is kept. */
  bytes(): Buffer {
    return this.#kept.bytes();
  }

  #takeRows(rows: readonly OutputRow[]): void {
    const time = Date.now();
    for (const row of rows) this.#taker.addRow({ ...row, time, source: FROM_OUTPUT });
  }
}
