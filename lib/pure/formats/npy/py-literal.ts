/**
 * Reads one Python literal of strings, whole numbers, True, False, None, tuples, lists and dicts:
 * what the header of a .npy file is. Nothing is evaluated.
 */
import { NESTING_MAX } from '../../../base/limits.js';
import { corrupt } from '../format.js';

/** Tuples and lists are both arrays. */
export type PyValue = string | number | boolean | null | PyValue[] | Map<string, PyValue>;

const WORDS = new Map<string, boolean | null>([
  ['True', true],
  ['False', false],
  ['None', null],
]);
const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '0': '\0',
};

/** @throws {CorruptError} DLV_CORRUPT unless `text` is exactly one such literal. */
export function parsePyLiteral(text: string, source: { name: string }): PyValue {
  const parser = new Parser(text, source);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  readonly #text: string;
  readonly #source: { name: string };
  #at = 0;

  constructor(text: string, source: { name: string }) {
    this.#text = text;
    this.#source = source;
  }

  #error(what: string): Error {
    return corrupt(this.#source, `${what} at character ${this.#at} of its header`);
  }

  #peek(): string {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'end')) this.#at++;
    return this.#text[this.#at] ?? '';
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  end(): void {
    if (this.#peek() !== '') throw this.#error('there is more after the literal');
  }

  value(depth: number): PyValue {
    if (depth > NESTING_MAX) throw this.#error(`a literal nested deeper than ${NESTING_MAX}`);
    const next = this.#peek();
    if (this.#take('(')) {
      const { items, commas } = this.#items(')', depth);
      // Parentheses without a comma only group.
      return items.length === 1 && commas === 0 ? (items[0] as PyValue) : items;
    }
    if (this.#take('[')) return this.#items(']', depth).items;
    if (this.#take('{')) return this.#dict(depth);
    if (/['"]/.test(next) || /^[ub]['"]/.test(this.#text.slice(this.#at, this.#at + 2))) {
      return this.#string();
    }
    if (/[-0-9]/.test(next)) return this.#number();
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    throw this.#error('a value is missing');
  }

  #items(close: string, depth: number): { items: PyValue[]; commas: number } {
    const items: PyValue[] = [];
    let commas = 0;
    while (!this.#take(close)) {
      if (items.length > commas) throw this.#error("',' is missing");
      items.push(this.value(depth + 1));
      if (this.#take(',')) commas++;
    }
    return { items, commas };
  }

  #dict(depth: number): Map<string, PyValue> {
    const dict = new Map<string, PyValue>();
    let open = true;
    while (!this.#take('}')) {
      if (!open) throw this.#error("',' is missing");
      const key = this.value(depth + 1);
      if (typeof key !== 'string') throw this.#error('a key is not text');
      if (dict.has(key)) throw this.#error(`the key '${key}' stands twice`);
      if (!this.#take(':')) throw this.#error("':' is missing");
      dict.set(key, this.value(depth + 1));
      open = this.#take(',');
    }
    return dict;
  }

  #number(): number {
    const digits = /-?\d{1,20}/y;
    digits.lastIndex = this.#at;
    const match = digits.exec(this.#text)?.[0];
    const value = Number(match);
    if (match === undefined || !Number.isSafeInteger(value)) {
      throw this.#error('a number is out of range');
    }
    this.#at += match.length;
    // Python 2 wrote long integers with a suffix.
    if (this.#text[this.#at] === 'L') this.#at++;
    if (/[\w.]/.test(this.#text[this.#at] ?? '')) throw this.#error('a number is not whole');
    return value;
  }

  #string(): string {
    if (/[ub]/.test(this.#text[this.#at] ?? '')) this.#at++;
    const quote = this.#text[this.#at++];
    let value = '';
    for (;;) {
      const character = this.#text[this.#at++];
      if (character === undefined) throw this.#error('a string does not end');
      if (character === quote) return value;
      value += character === '\\' ? this.#escape() : character;
    }
  }

  #escape(): string {
    const kind = this.#text[this.#at++] ?? '';
    const digits = { x: 2, u: 4, U: 8 }[kind];
    if (digits === undefined) return ESCAPES[kind] ?? kind;
    const hex = this.#text.slice(this.#at, this.#at + digits);
    const code =
      /^[0-9a-fA-F]+$/.test(hex) && hex.length === digits ? Number.parseInt(hex, 16) : -1;
    if (code < 0 || code > 0x10ffff) throw this.#error('an escape is not valid');
    this.#at += digits;
    return String.fromCodePoint(code);
  }
}
