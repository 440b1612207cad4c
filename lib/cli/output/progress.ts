/**
 * A progress bar on stderr with rate and time left.
 *
 * It appears only when the work has lasted over a second. On a terminal one line is redrawn; elsewhere
 * a line is written every five seconds, so that a log stays readable. It never writes to stdout.
 */

import type { ProgressSink } from '../../use/progress.js';
import { shorten } from './table.js';
import { displayWidth, type Output, printable, terminalColumns } from './terminal.js';
import { formatBytes, formatDuration, formatNumber } from './ui.js';

const SHOW_AFTER_MS = 1000;
const REDRAW_MS = 100;
const LINE_EVERY_MS = 5000;
/** The rate is taken over this long, so that it follows a change of pace. */
const RATE_WINDOW_MS = 10_000;
const SAMPLE_EVERY_MS = 250;
const BAR_COLUMNS = 24;

/** How a bar is made. */
export interface ProgressOptions {
  /** Starts at once under this label; without it, `start` does. */
  label?: string;
  /** Amount of work; 0 or absent if unknown. */
  total?: number;
  /** `bytes` (default) shows MiB and MiB/s; any other noun is shown as it is. */
  unit?: string;
  /** False with -q and --no-progress: then nothing is ever written. */
  enabled?: boolean;
  stream?: Output;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/** A bar for one piece of work after another. */
export interface Progress extends ProgressSink {
  setTotal(total: number): void;
  label(text: string): void;
  /** The same as `finish`. */
  done(): void;
}

/** Makes a bar; it holds no process open and, until a second has passed, shows nothing. */
export function createProgress(options: ProgressOptions = {}): Progress {
  const bar = new Bar(options);
  if (options.label !== undefined) bar.start(options.label, options.total ?? 0);
  return bar;
}

class Bar implements Progress {
  readonly #stream: Output;
  readonly #now: () => number;
  readonly #defaultUnit: string;
  #unit: string;
  readonly #enabled: boolean;
  #open = false;
  #label = '';
  #total = 0;
  #done = 0;
  #startedAt = 0;
  #shownAt = Number.NEGATIVE_INFINITY;
  #shown = false;
  #samples: { at: number; done: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProgressOptions) {
    this.#stream = options.stream ?? process.stderr;
    this.#now = options.now ?? (() => performance.now());
    this.#defaultUnit = options.unit ?? 'bytes';
    this.#unit = this.#defaultUnit;
    this.#enabled = options.enabled ?? true;
  }

  start(label: string, total: number, unit = this.#defaultUnit): void {
    this.finish();
    if (!this.#enabled) return;
    this.#unit = unit;
    this.#open = true;
    this.#label = label;
    this.#total = total;
    this.#done = 0;
    this.#startedAt = this.#now();
    this.#shownAt = Number.NEGATIVE_INFINITY;
    this.#samples = [{ at: this.#startedAt, done: 0 }];
    // The timer keeps the time left true while nothing advances; it must not hold the process.
    this.#timer = setInterval(() => this.#tick(), this.#stream.isTTY ? REDRAW_MS : SHOW_AFTER_MS);
    this.#timer.unref();
  }

  advance(amount: number): void {
    if (!this.#open) return;
    this.#done += amount;
    this.#tick();
  }

  setTotal(total: number): void {
    this.#total = total;
  }

  label(text: string): void {
    this.#label = text;
  }

  done(): void {
    this.finish();
  }

  finish(): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#timer);
    if (!this.#shown) return;
    this.#shown = false;
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
    else {
      const seconds = (this.#now() - this.#startedAt) / 1000;
      const rate = this.#amount(this.#done / seconds);
      const took = this.#isCounted()
        ? `${this.#amount(this.#done)} in ${formatDuration(seconds)}, ${rate}/s`
        : formatDuration(seconds);
      this.#stream.write(`${printable(this.#label)}: ${took}\n`);
    }
  }

  #tick(): void {
    const now = this.#now();
    const last = this.#samples.at(-1)!;
    if (now - last.at >= SAMPLE_EVERY_MS) {
      this.#samples.push({ at: now, done: this.#done });
      while (this.#samples.length > 2 && now - this.#samples[1]!.at > RATE_WINDOW_MS) {
        this.#samples.shift();
      }
    }
    const pause = this.#stream.isTTY ? REDRAW_MS : LINE_EVERY_MS;
    if (now - this.#startedAt < SHOW_AFTER_MS || now - this.#shownAt < pause) return;
    this.#shownAt = now;
    this.#shown = true;
    const text = this.#text(now);
    if (!this.#stream.isTTY) this.#stream.write(`${printable(this.#label)}: ${text}\n`);
    else this.#stream.write(`\r${this.#fit(text)}\x1b[K`);
  }

  /** False for work whose size is unknown and of which nothing is known to be done: time alone counts. */
  #isCounted(): boolean {
    return this.#total > 0 || this.#done > 0;
  }

  /** Amounts, rate and time left. */
  #text(now: number): string {
    if (!this.#isCounted()) return formatDuration((now - this.#startedAt) / 1000);
    const first = this.#samples[0]!;
    const seconds = (now - first.at) / 1000;
    const rate = seconds > 0 ? (this.#done - first.done) / seconds : 0;
    const parts: string[] = [];
    if (this.#total > 0) {
      // A file that grew meanwhile must not show more than the whole.
      const share = Math.min(1, this.#done / this.#total);
      parts.push(`${Math.floor(share * 100)} %`.padStart(5));
      parts.push(`${this.#amount(this.#done)} of ${this.#amount(this.#total)}`);
    } else parts.push(this.#amount(this.#done));
    parts.push(`${this.#amount(rate)}/s`);
    if (this.#total > this.#done && rate > 0) {
      const left = Math.max(1, Math.round((this.#total - this.#done) / rate));
      parts.push(`${formatDuration(left)} left`);
    }
    return parts.join('  ');
  }

  /** The line of a terminal: label, bar if there is room, text; never wider than the terminal. */
  #fit(text: string): string {
    const columns = terminalColumns(this.#stream) - 1;
    let line = `${printable(this.#label)}  `;
    if (this.#total > 0 && displayWidth(line) + BAR_COLUMNS + 4 + text.length <= columns) {
      const filled = Math.round(BAR_COLUMNS * Math.min(1, this.#done / this.#total));
      line += `[${'#'.repeat(filled)}${'-'.repeat(BAR_COLUMNS - filled)}]  `;
    }
    line += text.trimStart();
    return shorten(line, columns);
  }

  #amount(value: number): string {
    if (this.#unit === 'bytes') return formatBytes(value);
    return `${formatNumber(Math.round(value))} ${this.#unit}`;
  }
}
