/**
 * A progress bar on stderr with rate and time left.
 *
 * It appears only when the work has lasted over a second. On a terminal one line is redrawn; elsewhere a line is
 * written after five seconds, then after ten, twenty, at most a minute more, so that a log stays readable. It
 * never writes to stdout.
 */

import { steadyMs } from '../../base/bytes/pace.js';
import type { ProgressSink } from '../../use/progress.js';
import { shorten } from './table.js';
import { displayWidth, type Output, printable, terminalColumns } from './terminal.js';
import { formatBytes, formatDuration, formatNumber } from './ui.js';

const SHOW_AFTER_MS = 1000;
const REDRAW_MS = 100;
const LINE_EVERY_MS = 5000;
const LINE_EVERY_MS_MAX = 60_000;
/** The rate is taken over this long, so that it follows a change of pace. */
const RATE_WINDOW_MS = 10_000;
const SAMPLE_EVERY_MS = 250;
const BAR_COLUMNS = 24;
/** Share of the work from which its pace tells how long it takes: the first bytes may have waited for a line that is gone. */
const FORESEEN_FROM = 0.001;

/** How a bar is made. */
export interface ProgressOptions {
  /** False with -q and --no-progress: then nothing is ever written. */
  enabled?: boolean;
  stream?: Output;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/**
 * Makes a bar for one piece of work after another; it holds no process open and, until a second has
 * passed, shows nothing.
 */
export function createProgress(options: ProgressOptions = {}): ProgressSink {
  return new Bar(options);
}

/** One piece of work that a bar shows. */
interface Work {
  readonly label: string;
  /** Amount of work; 0 if unknown. */
  readonly total: number;
  readonly unit: string;
  done: number;
  readonly startedAt: number;
  /** How long the next line waits where there is no terminal. */
  pause: number;
  /** When the bar was drawn last; null while it has not appeared. */
  shownAt: number | null;
  /** What was done at some times of the rate window. */
  readonly samples: { at: number; done: number }[];
  readonly timer: NodeJS.Timeout;
}

class Bar implements ProgressSink {
  readonly #stream: Output;
  readonly #now: () => number;
  readonly #enabled: boolean;
  #work: Work | null = null;

  constructor(options: ProgressOptions) {
    this.#stream = options.stream ?? process.stderr;
    this.#now = options.now ?? steadyMs;
    this.#enabled = options.enabled ?? true;
  }

  /** @param unit  'bytes' shows MiB and MiB/s; any other noun is shown as it is. */
  start(label: string, total: number, unit = 'bytes'): void {
    this.finish();
    if (!this.#enabled) return;
    const startedAt = this.#now();
    // The timer keeps the time left true while nothing advances; it must not hold the process.
    const timer = setInterval(() => this.#tick(), this.#stream.isTTY ? REDRAW_MS : SHOW_AFTER_MS);
    timer.unref();
    const samples = [{ at: startedAt, done: 0 }];
    const shown = { shownAt: null, pause: LINE_EVERY_MS };
    this.#work = { label, total, unit, done: 0, startedAt, ...shown, samples, timer };
  }

  advance(amount: number): void {
    if (this.#work === null) return;
    this.#work.done += amount;
    this.#tick();
  }

  finish(): void {
    const work = this.#work;
    if (work === null) return;
    this.#work = null;
    clearInterval(work.timer);
    if (work.shownAt === null) return;
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
    else {
      const seconds = (this.#now() - work.startedAt) / 1000;
      const took = isCounted(work)
        ? `${amount(work, work.done)} in ${formatDuration(seconds)}, ${amount(work, work.done / seconds)}/s`
        : formatDuration(seconds);
      this.#stream.write(`${printable(work.label)}: ${took}\n`);
    }
  }

  #tick(): void {
    const work = this.#work;
    if (work === null) return;
    const now = this.#now();
    sample(work, now);
    const pause = this.#stream.isTTY ? REDRAW_MS : work.pause;
    if (now - work.startedAt < SHOW_AFTER_MS) return;
    if (work.shownAt !== null && now - work.shownAt < pause) return;
    if (work.shownAt !== null) work.pause = Math.min(2 * work.pause, LINE_EVERY_MS_MAX);
    work.shownAt = now;
    const text = textOf(work, now);
    if (!this.#stream.isTTY) this.#stream.write(`${printable(work.label)}: ${text}\n`);
    else this.#stream.write(`\r${this.#fit(work, text)}\x1b[K`);
  }

  /** The line of a terminal: label, bar if there is room, text; never wider than the terminal. */
  #fit({ label, total, done }: Work, text: string): string {
    const columns = terminalColumns(this.#stream) - 1;
    let line = `${printable(label)}  `;
    if (total > 0 && displayWidth(line) + BAR_COLUMNS + 4 + text.length <= columns) {
      const filled = Math.round(BAR_COLUMNS * Math.min(1, done / total));
      line += `[${'#'.repeat(filled)}${'-'.repeat(BAR_COLUMNS - filled)}]  `;
    }
    line += text.trimStart();
    return shorten(line, columns);
  }
}

/** Notes what is done now, and forgets what was done before the rate window. */
function sample({ samples, done }: Work, now: number): void {
  if (now - samples.at(-1)!.at < SAMPLE_EVERY_MS) return;
  samples.push({ at: now, done });
  while (samples.length > 2 && now - samples[1]!.at > RATE_WINDOW_MS) samples.shift();
}

/** False for work whose size is unknown and of which nothing is known to be done: time alone counts. */
function isCounted({ total, done }: Work): boolean {
  return total > 0 || done > 0;
}

/** Amounts, rate and time left. */
function textOf(work: Work, now: number): string {
  const { total, done, startedAt, samples } = work;
  if (!isCounted(work)) return formatDuration((now - startedAt) / 1000);
  // Examples are finished many at a time: the last ten seconds may have seen a hundred of them, or none.
  const first = work.unit === 'bytes' ? samples[0]! : { at: startedAt, done: 0 };
  const seconds = (now - first.at) / 1000;
  const rate = seconds > 0 ? (done - first.done) / seconds : 0;
  const parts: string[] = [];
  if (total > 0) {
    // A file that grew meanwhile must not show more than the whole.
    const share = Math.min(1, done / total);
    parts.push(`${Math.floor(share * 100)} %`.padStart(5));
    parts.push(`${amount(work, done)} of ${amount(work, total)}`);
  } else parts.push(amount(work, done));
  parts.push(`${amount(work, rate)}/s`);
  if (total > done && rate > 0 && done >= total * FORESEEN_FROM) {
    const left = Math.max(1, Math.round((total - done) / rate));
    parts.push(`${formatDuration(left)} left`);
  }
  return parts.join('  ');
}

function amount({ unit }: Work, value: number): string {
  return unit === 'bytes' ? formatBytes(value) : `${formatNumber(Math.round(value))} ${unit}`;
}
