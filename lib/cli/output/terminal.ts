/**
 * Text on its way to a terminal: what may reach it as it is, attributes, and how wide it is.
 *
 * Names, messages and errors come from strangers. Whatever could steer the terminal, turn the line
 * around or hide in it is shown as `\xNN` or `\u{NNNN}`. The outputs of ui.ts do that to every line,
 * so that no command can forget it; attributes reach them as marks that no stranger can write.
 */
import { randomBytes } from 'node:crypto';
import { PLAIN, printable, unsafe } from '../../base/bytes/printable.js';

export { printable } from '../../base/bytes/printable.js';

/** The part of a stream that matters here: process.stdout, process.stderr, or a test's own. */
export interface Output {
  write(chunk: string | Uint8Array): boolean;
  once?(event: 'drain', listener: () => void): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** Widths that a terminal may state: others, as the 0 of a CI's terminal, say that it knows none. */
const COLUMNS_MIN = 20;
const COLUMNS_MAX = 1000;

/** Columns of the terminal behind a stream, or `unknown` where it states none that can be. */
export function terminalColumns({ columns }: Output, unknown = 80): number {
  if (columns === undefined || !(columns >= COLUMNS_MIN)) return unknown;
  return Math.min(Math.floor(columns), COLUMNS_MAX);
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

/** Stands before the number of an attribute; new in each process. */
let mark: string | null = null;

/** The mark; made when the first attribute is, since most output has none. */
function ownMark(): string {
  mark ??= `\0${randomBytes(8).toString('hex')}:`;
  return mark;
}

/** True if colour may be written to `stream`: NO_COLOR wins, then FORCE_COLOR, then "is a terminal". */
export function wantsColor(stream: Output, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return !/^(0|false)$/.test(env.FORCE_COLOR);
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/** The attributes, as marks that `toTerminal` turns into escape sequences, or as nothing. */
export function createStyle(color: boolean): Style {
  const style = {} as Style;
  for (const [name, code] of Object.entries(ATTRIBUTES)) {
    const close = code < 30 ? 22 : 39;
    style[name as keyof Style] = (text) =>
      color && text !== '' ? `${ownMark()}${code};${text}${ownMark()}${close};` : text;
  }
  return style;
}

/** One line as the terminal gets it: attributes as escape sequences, all else printable. */
export function toTerminal(line: string): string {
  // Most lines are plain: marks begin with a control character.
  if (PLAIN.test(line)) return line;
  if (mark === null) return printable(line);
  return line
    .split(new RegExp(`${mark}(\\d+);`))
    .map((part, i) => (i % 2 === 1 ? `\x1b[${part}m` : printable(part)))
    .join('');
}

/** JSON text with what must not reach a terminal written as `\uNNNN`: it means the same. */
export function escapeJson(json: string): string {
  return json.replace(unsafe(), (char) => {
    if (char === '\n') return char; // in strings it is escaped already
    return Array.from({ length: char.length }, (_, i) => {
      return `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`;
    }).join('');
  });
}

/** Columns that a text takes on a terminal: attributes none, wide characters two. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const char of toTerminal(text).replace(/\x1b\[\d+m/g, '')) {
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
