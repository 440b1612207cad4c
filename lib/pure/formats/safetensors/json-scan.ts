/**
 * A strict JSON reader that knows where it is: for headers whose byte positions matter and whose
 * numbers must be exact. It builds nothing by itself; callers walk objects and arrays.
 *
 * Stricter than JSON.parse: bytes must be UTF-8, strings whole Unicode, nesting within NESTING_MAX.
 */
import { CorruptError, LimitError } from '../../../base/errors.js';
import { NESTING_MAX } from '../../../base/limits.js';
import { isWellFormed } from '../format.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const WORDS: Record<number, string> = { 116: 'true', 102: 'false', 110: 'null' };
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A cursor over JSON text. All reading methods skip white space first. */
export class JsonScanner {
  /** Position of the next byte, from the start of `bytes`. */
  at = 0;
  readonly #bytes: Buffer;
  readonly #file: string;
  readonly #base: number;
  #depth = 0;

  /** @param bytes read, never changed. @param base offset of `bytes` in the file, for errors. */
  constructor(bytes: Uint8Array, file: string, base = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#file = file;
    this.#base = base;
  }

  /** Skips white space; returns the next byte, or −1 at the end. */
  peek(): number {
    for (; this.at < this.#bytes.length; this.at++) {
      const byte = this.#bytes[this.at] as number;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    }
    return -1;
  }

  /** Takes the character if it is next. */
  take(character: string): boolean {
    if (this.peek() !== character.charCodeAt(0)) return false;
    this.at++;
    return true;
  }

  /** @throws {CorruptError} unless `character` is next. */
  expect(character: string): void {
    if (!this.take(character)) throw this.error(`'${character}' is missing`);
  }

  /** @throws {CorruptError} unless only white space is left. */
  end(): void {
    if (this.peek() !== -1) throw this.error('there is more after the value');
  }

  /** Walks the members of an object; `onMember` must read or skip the value. */
  object(onMember: (key: string) => void): void {
    this.#enter('{');
    if (!this.take('}')) {
      do {
        const key = this.string();
        this.expect(':');
        onMember(key);
      } while (this.take(','));
      this.expect('}');
    }
    this.#depth--;
  }

  /** Walks the items of an array; `onItem` must read or skip each. */
  array(onItem: () => void): void {
    this.#enter('[');
    if (!this.take(']')) {
      do onItem();
      while (this.take(','));
      this.expect(']');
    }
    this.#depth--;
  }

  #enter(bracket: string): void {
    this.expect(bracket);
    if (++this.#depth > NESTING_MAX) {
      throw new LimitError(`'${this.#file}': JSON nested deeper than ${NESTING_MAX}`, {
        file: this.#file,
        limit: 'NESTING_MAX',
        max: NESTING_MAX,
      });
    }
  }

  string(): string {
    if (this.peek() !== QUOTE) throw this.error('a string is missing');
    const bytes = this.#bytes;
    const start = this.at + 1;
    let escaped = false;
    let ascii = true;
    let i = start;
    for (; ; i++) {
      const byte = bytes[i];
      if (byte === undefined) throw this.error('a string does not end');
      if (byte === QUOTE) break;
      if (byte < 0x20) throw this.error('a control character stands in a string');
      if (byte === BACKSLASH) {
        escaped = true;
        i++;
      } else if (byte >= 0x80) ascii = false;
    }
    let text: string;
    try {
      text = ascii ? bytes.toString('latin1', start, i) : UTF8.decode(bytes.subarray(start, i));
      if (escaped) text = JSON.parse(`"${text}"`) as string;
    } catch {
      throw this.error('a string is not valid');
    }
    if (escaped && !isWellFormed(text)) throw this.error('a string holds half a character');
    this.at = i + 1;
    return text;
  }

  /** A whole number ≥ 0, exact. @throws {LimitError} above 2^53. */
  count(field: string): number {
    const text = this.#numberText();
    if (!/^(0|[1-9]\d*)$/.test(text)) throw this.error(`${field} is not a whole number`);
    const value = Number(text);
    if (!Number.isSafeInteger(value)) {
      throw new LimitError(`'${this.#file}': ${field} is ${text.slice(0, 40)}, above 2^53`, {
        file: this.#file,
        offset: this.#base + this.at,
        field,
      });
    }
    return value;
  }

  /** Passes over one value of any kind, checking that it is JSON. */
  skip(): void {
    const byte = this.peek();
    if (byte === QUOTE) this.string();
    else if (byte === 0x7b) this.object(() => this.skip());
    else if (byte === 0x5b) this.array(() => this.skip());
    else if (!this.skipWord(byte) && !NUMBER.test(this.#numberText())) {
      throw this.error('a value is missing');
    }
  }

  /** Takes true, false or null. */
  skipWord(byte = this.peek()): boolean {
    const word = WORDS[byte];
    if (word === undefined) return false;
    if (this.#bytes.toString('latin1', this.at, this.at + word.length) !== word) return false;
    this.at += word.length;
    return true;
  }

  #numberText(): string {
    this.peek();
    const start = this.at;
    for (; this.at < this.#bytes.length; this.at++) {
      const byte = this.#bytes[this.at] as number;
      const digit = byte >= 0x30 && byte <= 0x39;
      const mark = byte === 0x2b || byte === 0x2d || byte === 0x2e;
      if (!digit && !mark && byte !== 0x65 && byte !== 0x45) break;
    }
    return this.#bytes.toString('latin1', start, this.at);
  }

  /** An error at the current position, to be thrown by the caller. */
  error(what: string): CorruptError {
    const offset = this.#base + this.at;
    return new CorruptError(`'${this.#file}': ${what} at byte ${offset} of its JSON`, {
      file: this.#file,
      offset,
    });
  }
}
