/**
 * What the command prints: data on stdout, chatter on stderr, and the words for sizes and times.
 *
 * Colour is used only on a terminal and only if the environment allows it. With `--json` stdout holds
 * exactly one JSON document and nothing else. Every line goes through `toTerminal`, so that a name
 * from a file or a repository cannot steer the terminal.
 */
import { assert } from '../../base/errors.js';

export { formatBytes } from '../../base/bytes/words/wording.js';

import {
  createStyle,
  escapeJson,
  type Output,
  type Style,
  toTerminal,
  wantsColor,
} from './terminal.js';

/** Settings of one run. */
export interface UiOptions {
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  stdout?: Output;
  stderr?: Output;
  env?: NodeJS.ProcessEnv;
}

/** The two outputs of one run. */
export interface Ui {
  readonly json: boolean;
  readonly quiet: boolean;
  /** True if the user wants to know what dlv is made of: packs, extents, planes. */
  readonly verbose: boolean;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Attributes for what goes to stdout. */
  readonly style: Style;
  /** Attributes for what goes to stderr. */
  readonly chatterStyle: Style;
  /** Writes a line of the answer to stdout; nothing with `--json`, where `document` is the answer. */
  line(text?: string): void;
  /** Writes lines of the answer at once: many small writes take longer than all that they say. */
  lines(texts: readonly string[]): void;
  /** Writes the JSON document of the answer; nothing without `--json`. At most once per run. */
  document(value: unknown): void;
  /** Writes raw bytes to stdout and waits while the reader is slow. */
  bytes(chunk: Uint8Array): Promise<void>;
  /** Writes a line of chatter to stderr; nothing with `-q`. */
  note(text: string): void;
}

/** The same for what runs a command. The command itself warns through its context, which keeps the warnings. */
export interface WarningUi extends Ui {
  /** Writes a warning to stderr, also with `-q`; with `--json` as a line `{"warning": …}`. */
  warn(text: string): void;
}

/** Makes the outputs of one run, by default over the process's own streams. */
export function createUi(options: UiOptions = {}): WarningUi {
  const { json = false, quiet = false, verbose = false, env = process.env } = options;
  const stdout: Output = options.stdout ?? process.stdout;
  const stderr: Output = options.stderr ?? process.stderr;
  const chatterStyle = createStyle(wantsColor(stderr, env));
  let documents = 0;
  return {
    json,
    quiet,
    verbose,
    stdout,
    stderr,
    style: createStyle(!json && wantsColor(stdout, env)),
    chatterStyle,
    line: (text = '') => void (json || stdout.write(`${toTerminal(text)}\n`)),
    lines(texts) {
      if (json || texts.length === 0) return;
      stdout.write(`${texts.map(toTerminal).join('\n')}\n`);
    },
    document(value) {
      if (!json) return;
      assert(documents++ === 0, 'a command answers with one JSON document');
      stdout.write(formatJson(value));
    },
    async bytes(chunk) {
      if (stdout.write(chunk) || !stdout.once) return;
      await new Promise<void>((resolve) => stdout.once!('drain', resolve));
    },
    note: (text) => void (quiet || stderr.write(`${toTerminal(text)}\n`)),
    warn: (text) => {
      const line = json
        ? escapeJson(JSON.stringify({ warning: text }))
        : toTerminal(`${chatterStyle.yellow('warning:')} ${text}`);
      stderr.write(`${line}\n`);
    },
  };
}

/**
 * JSON text of a document. It means exactly what it was made of: integers beyond 2^53 become text, and
 * characters that must not reach a terminal are escaped.
 */
export function formatJson(value: unknown): string {
  const plain = (_key: string, item: unknown): unknown =>
    typeof item === 'bigint' ? String(item) : item;
  return `${escapeJson(JSON.stringify(value, plain, 2))}\n`;
}

/** A duration for people: `40 ms`, `1.2 s`, `45 s`, `3 min 05 s`, `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(Math.max(0, seconds) * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad2(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${pad2(minutes % 60)} min`;
}

/** A whole number with commas: `1,432,746`. */
export function formatNumber(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A count with its noun: `1 file`, `2 files`, `0 entries`. */
export function formatCount(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatNumber(count)} ${count === 1 ? noun : plural}`;
}

/** A share of a whole in percent: `0 %`, `0.3 %`, `41 %`. `–` where the whole is 0. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return '–';
  const percent = (100 * part) / whole;
  return `${percent !== 0 && Math.abs(percent) < 9.95 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** A moment in the local zone: `2025-03-09 14:05:00 +0100`. */
export function formatTime(time: Date): string {
  const zone = -time.getTimezoneOffset();
  const day = [time.getFullYear(), pad2(time.getMonth() + 1), pad2(time.getDate())].join('-');
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(pad2).join(':');
  const away = Math.abs(zone);
  return `${day} ${clock} ${zone < 0 ? '-' : '+'}${pad2(Math.floor(away / 60))}${pad2(away % 60)}`;
}

function pad2(value: number): string {
  return String(value).padStart(2, '0');
}
