/**
 * The text of a config file: `[section]` and `key = value` lines, comments kept where they are.
 *
 * Owns the grammar only; which keys there are is in config.ts. @see docs/format/config.md
 */
import { ConfigError } from '../../../base/errors.js';

/** One setting as written. */
export interface Setting {
  /** 'section.key'. */
  key: string;
  value: string;
  /** Line number from 1. */
  line: number;
}

type Line =
  | { kind: 'other'; text: string; section: string | null }
  | { kind: 'header'; text: string; section: string }
  | { kind: 'setting'; text: string; section: string; key: string; value: string };

const SECTION = /^\[\s*([A-Za-z][A-Za-z0-9-]*)\s*\]\s*(?:[#;].*)?$/s;
const ASSIGNMENT = /^([A-Za-z][A-Za-z0-9-]*)\s*=\s*(.*)$/s;
const QUOTED = /^"((?:[^"\\]|\\["\\nt])*)"\s*(?:[#;].*)?$/s;
const ESCAPES: Record<string, string> = { n: '\n', t: '\t' };

/** Value of the text after '='; null if its quotes do not match. */
function parseValue(text: string): string | null {
  if (text.startsWith('"')) {
    const quoted = QUOTED.exec(text);
    return quoted ? (quoted[1] as string).replace(/\\(.)/gs, (_, c) => ESCAPES[c] ?? c) : null;
  }
  const plain = text.replace(/(^|\s)[#;].*$/s, '').trim();
  return /["\\]/.test(plain) ? null : plain;
}

/** How a value is written: plain where it reads back as itself, else quoted. */
export function formatValue(value: string): string {
  const isPlain = value !== '' && !/[\p{Cc}\u2028\u2029]/u.test(value);
  if (isPlain && parseValue(value) === value) return value;
  const escaped = value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\t', '\\t');
  return `"${escaped}"`;
}

/** A config file in memory: read it, change it, write it back with all else untouched. */
export class ConfigFile {
  readonly file: string;
  readonly #lines: Line[];

  private constructor(file: string, lines: Line[]) {
    this.file = file;
    this.#lines = lines;
  }

  /** @throws {ConfigError} DLV_CONFIG naming the line that is not a section, setting or comment. */
  static parse(text: string, file: string): ConfigFile {
    const lines: Line[] = [];
    const seen = new Map<string, number>();
    let section: string | null = null;
    const fail = (line: number, what: string, key?: string): ConfigError =>
      new ConfigError(`cannot read '${file}', line ${line}: ${what}`, {
        file,
        line,
        ...(key ? { key } : {}),
        hint: `correct that line of '${file}'`,
      });
    const rows = text.split(/\r?\n/);
    if (rows.at(-1) === '') rows.pop();
    for (const [i, raw] of rows.entries()) {
      const row = raw.trim();
      const header = SECTION.exec(row);
      const assignment = ASSIGNMENT.exec(row);
      if (row === '' || /^[#;]/.test(row)) {
        lines.push({ kind: 'other', text: raw, section });
      } else if (header) {
        section = header[1] as string;
        lines.push({ kind: 'header', text: raw, section });
      } else if (assignment) {
        const [, key = '', rest = ''] = assignment;
        if (section === null) throw fail(i + 1, `'${key}' stands before any [section]`);
        const name: string = `${section}.${key}`;
        const value = parseValue(rest);
        if (value === null) throw fail(i + 1, `the quotes of '${name}' do not match`, name);
        const first = seen.get(name);
        if (first) throw fail(i + 1, `'${name}' stands in line ${first} already`, name);
        seen.set(name, i + 1);
        lines.push({ kind: 'setting', text: raw, section, key, value });
      } else {
        throw fail(i + 1, 'it is neither [section] nor key = value nor a comment');
      }
    }
    return new ConfigFile(file, lines);
  }

  /** All settings in file order. */
  settings(): Setting[] {
    return this.#lines.flatMap((line, i) =>
      line.kind === 'setting'
        ? [{ key: `${line.section}.${line.key}`, value: line.value, line: i + 1 }]
        : [],
    );
  }

  get(name: string): string | undefined {
    return this.settings().find((setting) => setting.key === name)?.value;
  }

  #find(name: string): number {
    return this.#lines.findIndex(
      (line) => line.kind === 'setting' && `${line.section}.${line.key}` === name,
    );
  }

  /** Sets `section.key`: in its line, else at the end of its section, else in a new section. */
  set(name: string, value: string): void {
    const [section = '', key = ''] = name.split('.');
    const text = `${key} = ${formatValue(value)}`;
    const at = this.#find(name);
    if (at >= 0) {
      const indent = /^\s*/.exec((this.#lines[at] as Line).text)?.[0] ?? '';
      this.#lines[at] = { kind: 'setting', text: indent + text, section, key, value };
      return;
    }
    const line: Line = { kind: 'setting', text: `  ${text}`, section, key, value };
    const last = this.#lines.findLastIndex(
      (other) => other.section === section && other.kind !== 'other',
    );
    if (last >= 0) {
      this.#lines.splice(last + 1, 0, line);
      return;
    }
    this.#lines.push({ kind: 'header', text: `[${section}]`, section }, line);
  }

  /** Removes a setting, and the header of a section that became empty. @returns false if it is not there. */
  unset(name: string): boolean {
    const at = this.#find(name);
    if (at < 0) return false;
    const [{ section }] = this.#lines.splice(at, 1) as [Line];
    if (this.#lines.filter((line) => line.section === section).length === 1) {
      const header = this.#lines.findIndex((line) => line.section === section);
      if (this.#lines[header]?.kind === 'header') this.#lines.splice(header, 1);
    }
    return true;
  }

  /** The text of the file. */
  toString(): string {
    return this.#lines.map((line) => `${line.text}\n`).join('');
  }
}
