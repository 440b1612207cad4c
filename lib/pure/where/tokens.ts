/** Tokens of a condition: names, numbers, texts, operators, each with where it stands. */
import { UsageError } from '../../base/errors.js';

export interface Token {
  kind: 'name' | 'number' | 'text' | 'operator' | 'end';
  /** Of a text without quotes; of a name with dots between its parts, without quotes around them. */
  text: string;
  /** True for a name with a quoted part: it is no keyword. */
  quoted: boolean;
  /** Position of its first character, from 0. */
  at: number;
}

/** A longer condition is none that anybody wrote. */
const TEXT_MAX = 64 * 1024;

const SPACE = /\s+/y;
/** A number of bytes, with its unit behind it: 1.5MB, 2GiB. */
const SIZE = /(\d+\.?\d*|\.\d+)([kKMGT])(i?)B(?![\w.])/y;
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])/y;
/** One part of a name; '/', '-', ':', '@' and '+' may stand between other characters of it. */
const PART = /[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}_%#]|[/\-:@+](?=[\p{L}\p{N}_]))*/uy;
const OPERATOR = /<=|>=|<>|!=|==|!~\*|!~|~\*|[=<>~(),]/y;

/** An error about a place of the condition. */
export function conditionError(text: string, at: number, what: string, hint?: string): UsageError {
  const around = text.slice(at, at + 20).trim();
  const place = around === '' ? 'at its end' : `at '${around}' (character ${at + 1})`;
  return new UsageError(`the condition is wrong ${place}: ${what}`, {
    condition: text,
    character: at + 1,
    hint: hint ?? 'write it as in "metrics.acc > 0.9 and params.opt = \'adam\'"',
  });
}

/** Cuts a condition into tokens; the last is 'end'. @throws {UsageError} */
export function tokensOf(text: string): Token[] {
  if (text.length > TEXT_MAX) throw conditionError(text, 0, `it has ${text.length} characters`);
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0] ?? null;
  };
  while (at < text.length) {
    const space = match(SPACE);
    if (space !== null) {
      at += space.length;
      continue;
    }
    const start = at;
    const char = text[at] as string;
    const size = match(SIZE);
    if (size !== null) {
      tokens.push({ kind: 'number', text: String(bytesOf(size)), quoted: false, at });
      at += size.length;
      continue;
    }
    const number = match(NUMBER);
    const operator = match(OPERATOR);
    if (number !== null) {
      tokens.push({ kind: 'number', text: number, quoted: false, at });
      at += number.length;
    } else if (char === "'" || (char === '"' && !isNameAfter(text, at))) {
      const { value, end } = quotedText(text, at);
      tokens.push({ kind: 'text', text: value, quoted: true, at });
      at = end;
    } else if (operator !== null) {
      tokens.push({ kind: 'operator', text: operator, quoted: false, at });
      at += operator.length;
    } else {
      const { name, quoted, end } = nameAt(text, at);
      tokens.push({ kind: 'name', text: name, quoted, at: start });
      at = end;
    }
  }
  tokens.push({ kind: 'end', text: '', quoted: false, at: text.length });
  return tokens;
}

function bytesOf(size: string): number {
  const [, amount, unit = '', binary] = /^([\d.]+)(.)(i?)B$/.exec(size) ?? [];
  const power = 'KMGT'.indexOf(unit.toUpperCase()) + 1;
  return Number(amount) * (binary === 'i' ? 1024 : 1000) ** power;
}

/** True if a double quote opens a part of a name: a dot follows its end. */
function isNameAfter(text: string, at: number): boolean {
  const end = text.indexOf('"', at + 1);
  return end > 0 && text[end + 1] === '.';
}

/** A text in quotes; a quote in it is doubled. */
function quotedText(text: string, at: number): { value: string; end: number } {
  const quote = text[at] as string;
  const parts: string[] = [];
  let from = at + 1;
  for (;;) {
    const end = text.indexOf(quote, from);
    if (end < 0) throw conditionError(text, at, 'the quote is not closed');
    parts.push(text.slice(from, end));
    from = end + 1;
    if (text[from] !== quote) return { value: parts.join(quote), end: from };
    from++;
  }
}

/** A name: parts with dots between them; a part in backticks or double quotes holds anything. */
function nameAt(text: string, start: number): { name: string; quoted: boolean; end: number } {
  const parts: string[] = [];
  let quoted = false;
  let at = start;
  for (;;) {
    const char = text[at];
    if (char === '`' || char === '"') {
      const { value, end } = quotedText(text, at);
      parts.push(value);
      quoted = true;
      at = end;
    } else {
      PART.lastIndex = at;
      const part = PART.exec(text)?.[0];
      if (part === undefined) {
        throw conditionError(
          text,
          at,
          at === start ? 'no name, number or text begins so' : 'a name ends with a dot',
          'put names with other characters in backticks: metrics.`eval loss`',
        );
      }
      parts.push(part);
      at += part.length;
    }
    if (text[at] !== '.') return { name: parts.join('.'), quoted, end: at };
    at++;
  }
}
