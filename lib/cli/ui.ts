/**
 * What the command prints: data on stdout, chatter on stderr, and the words for sizes and times.
 *
 * Colour is used only on a terminal and only if the environment allows it. With `--json` stdout holds
 * exactly one JSON document and nothing else. Text that comes from files or repositories goes through
 * `printable` first, so that a name cannot steer the terminal.
 */
import { assert } from '../base/errors.js';

/** The part of a stream that this module needs: process.stdout, process.stderr, or a test's own. */
export interface Output {
  write(chunk: string | Uint8Array): boolean;
  once?(event: 'drain', listener: () => void): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** Text attributes; each returns its text unchanged where colour is off. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

const ATTRIBUTES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

/** True if colour may be written to `stream`: NO_COLOR wins, then FORCE_COLOR, then "is a terminal". */
export function wantsColor(stream: Output, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return !/^(0|false)$/.test(env.FORCE_COLOR);
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/** The attributes, as escape sequences or as nothing. */
export function createStyle(color: boolean): Style {
  const style = {} as Style;
  for (const [name, code] of Object.entries(ATTRIBUTES)) {
    const close = code < 30 ? 22 : 39;
    style[name as keyof Style] = (text) =>
      color && text !== '' ? `\x1b[${code}m${text}\x1b[${close}m` : text;
  }
  return style;
}

/** Replaces control characters (and what reverses or hides text) by `\xNN` or `\u{NNNN}`. */
export function printable(text: string): string {
  return text.replace(
    /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (char) => {
      const code = char.charCodeAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
    },
  );
}

/** Settings of one run. */
export interface UiOptions {
  json?: boolean;
  quiet?: boolean;
  stdout?: Output;
  stderr?: Output;
  env?: NodeJS.ProcessEnv;
}

/** The two outputs of one run. */
export interface Ui {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Attributes for what goes to stdout. */
  readonly style: Style;
  /** Attributes for what goes to stderr. */
  readonly chatterStyle: Style;
  /** Writes a line of the answer to stdout; nothing with `--json`, where `document` is the answer. */
  line(text?: string): void;
  /** Writes the JSON document of the answer; nothing without `--json`. At most once per run. */
  document(value: unknown): void;
  /** Writes raw bytes to stdout and waits while the reader is slow. */
  bytes(chunk: Uint8Array): Promise<void>;
  /** Writes a line of chatter to stderr; nothing with `-q`. */
  note(text: string): void;
  /** Writes a warning to stderr, also with `-q`. */
  warn(text: string): void;
}

/** Makes the outputs of one run, by default over the process's own streams. */
export function createUi(options: UiOptions = {}): Ui {
  const { json = false, quiet = false, env = process.env } = options;
  const stdout: Output = options.stdout ?? process.stdout;
  const stderr: Output = options.stderr ?? process.stderr;
  const chatterStyle = createStyle(wantsColor(stderr, env));
  let documents = 0;
  return {
    json,
    quiet,
    stdout,
    stderr,
    style: createStyle(!json && wantsColor(stdout, env)),
    chatterStyle,
    line: (text = '') => void (json || stdout.write(`${text}\n`)),
    document(value) {
      if (!json) return;
      assert(documents++ === 0, 'a command answers with one JSON document');
      stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    },
    async bytes(chunk) {
      if (stdout.write(chunk) || !stdout.once) return;
      await new Promise<void>((resolve) => stdout.once!('drain', resolve));
    },
    note: (text) => void (quiet || stderr.write(`${text}\n`)),
    warn: (text) => void stderr.write(`${chatterStyle.yellow('warning:')} ${text}\n`),
  };
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** A size for people, 1024-based, three digits: `0 B`, `1.50 KiB`, `23.4 MiB`, `512 GiB`. */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  // 1023.5 would be shown as 1024: it belongs to the next unit.
  while (value >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${bytes < 0 ? '-' : ''}${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
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

/** Columns that a text takes on a terminal: escape sequences none, wide characters two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text.replace(/\x1b\[[\d;]*m/g, '')) {
    if (/\p{Mn}|\p{Me}/u.test(char)) continue;
    width += isWide(char.codePointAt(0)!) ? 2 : 1;
  }
  return width;
}

/** Ranges of East Asian wide and emoji code points (Unicode Annex 11, coarse). */
function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf && code !== 0x303f) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd)
  );
}
