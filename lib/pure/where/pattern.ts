/**
 * Regular expressions whose time grows with the length of the text times that of the pattern, whatever both hold (Thompson 1968; the Pike machine without
 * captures). So a name in a repository cannot make a search hang.
 *
 * Regular expressions have: literals, `.`, classes, `\d \w \s \b` and their negations, `^ $`, groups,
 * `|`, `* + ? {m,n}` (greedy or not is the same here). They have no back references and no look-around.
 */
import { UsageError } from '../../base/errors.js';
import { NESTING_MAX } from '../../base/limits.js';
import { codesOf } from './like.js';

/** Steps of a compiled pattern; repetitions with counts are written out. */
const STEPS_MAX = 5_000;
type Test = (code: number) => boolean;

type Step =
  | { kind: 'char'; test: Test }
  | { kind: 'split'; to: number[] }
  | { kind: 'assert'; holds: (before: number, after: number) => boolean }
  | { kind: 'match' };

/** No character: before the first and behind the last. */
const NONE = -1;

function isWord(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    code === 0x5f
  );
}

const CLASSES: Readonly<Record<string, Test>> = {
  d: (code) => code >= 0x30 && code <= 0x39,
  w: isWord,
  s: (code) => code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0xa0 || code === 0xfeff,
};
const ESCAPES: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, r: 0x0d, f: 0x0c, v: 0x0b };

/** True if a text holds what a regular expression describes. @throws {UsageError} if it is none. */
export function matchTest(pattern: string, ignoreCase: boolean): (text: string) => boolean {
  const steps = new Compiler(pattern, ignoreCase).compile();
  return (text) => run(steps, codesOf(text, ignoreCase));
}

/** Follows all ways through the steps at once, one character after another. */
function run(steps: readonly Step[], codes: readonly number[]): boolean {
  let current = new Set<number>();
  for (let at = 0; at <= codes.length; at++) {
    const before = at === 0 ? NONE : (codes[at - 1] as number);
    const code = at === codes.length ? NONE : (codes[at] as number);
    // A match may begin at any character.
    const reached = new Set<number>();
    const queue = [...current, 0];
    for (let i = queue.pop(); i !== undefined; i = queue.pop()) {
      if (reached.has(i)) continue;
      reached.add(i);
      const step = steps[i] as Step;
      if (step.kind === 'match') return true;
      if (step.kind === 'split') queue.push(...step.to);
      else if (step.kind === 'assert' && step.holds(before, code)) queue.push(i + 1);
    }
    current = new Set();
    if (code === NONE) break;
    for (const i of reached) {
      const step = steps[i] as Step;
      if (step.kind === 'char' && step.test(code)) current.add(i + 1);
    }
  }
  return false;
}

interface Repeat {
  kind: 'repeat';
  item: Node;
  least: number;
  most: number;
}

type Node =
  | { kind: 'char'; test: Test }
  | { kind: 'assert'; holds: (before: number, after: number) => boolean }
  | { kind: 'concat'; items: Node[] }
  | { kind: 'alternatives'; items: Node[] }
  | Repeat;

const ENDLESS = Number.POSITIVE_INFINITY;

class Compiler {
  readonly #pattern: string;
  readonly #chars: string[];
  #at = 0;
  #depth = 0;
  readonly #steps: Step[] = [];

  constructor(pattern: string, ignoreCase: boolean) {
    this.#pattern = pattern;
    // \W and \w differ: what follows a backslash keeps its case.
    this.#chars = [...(ignoreCase ? pattern.replace(/\\.|[^\\]/gsu, lowerUnescaped) : pattern)];
  }

  #fail(what: string): never {
    const shown = this.#pattern.length > 80 ? `${this.#pattern.slice(0, 80)}…` : this.#pattern;
    throw new UsageError(`'${shown}' is no regular expression: ${what}`, {
      pattern: this.#pattern,
      hint: "write a backslash before a character that is meant as it is, as '\\('",
    });
  }

  compile(): Step[] {
    const node = this.#alternatives();
    if (this.#at < this.#chars.length) this.#fail("')' closes nothing");
    this.#emit(node);
    this.#push({ kind: 'match' });
    return this.#steps;
  }

  #push(step: Step): number {
    if (this.#steps.length >= STEPS_MAX)
      this.#fail('it is too long, with its repetitions written out');
    return this.#steps.push(step) - 1;
  }

  #emit(node: Node): void {
    if (node.kind === 'char' || node.kind === 'assert') this.#push(node);
    else if (node.kind === 'concat') for (const item of node.items) this.#emit(item);
    else if (node.kind === 'alternatives') this.#emitAlternatives(node.items);
    else this.#emitRepeat(node);
  }

  #emitAlternatives(items: readonly Node[]): void {
    const split: Step & { kind: 'split' } = { kind: 'split', to: [] };
    this.#push(split);
    const ends: (Step & { kind: 'split' })[] = [];
    for (const item of items) {
      split.to.push(this.#steps.length);
      this.#emit(item);
      const end: Step & { kind: 'split' } = { kind: 'split', to: [] };
      this.#push(end);
      ends.push(end);
    }
    for (const end of ends) end.to.push(this.#steps.length);
  }

  #emitRepeat({ item, least, most }: Repeat): void {
    for (let i = 0; i < least; i++) this.#emit(item);
    if (most === ENDLESS) {
      const split: Step & { kind: 'split' } = { kind: 'split', to: [] };
      const start = this.#push(split);
      this.#emit(item);
      this.#push({ kind: 'split', to: [start] });
      split.to.push(start + 1, this.#steps.length);
      return;
    }
    const splits: (Step & { kind: 'split' })[] = [];
    for (let i = least; i < most; i++) {
      const split: Step & { kind: 'split' } = { kind: 'split', to: [] };
      split.to.push(this.#push(split) + 1);
      splits.push(split);
      this.#emit(item);
    }
    for (const split of splits) split.to.push(this.#steps.length);
  }

  #alternatives(): Node {
    if (++this.#depth > NESTING_MAX) this.#fail('it is nested too deeply');
    const items = [this.#concat()];
    while (this.#chars[this.#at] === '|') {
      this.#at++;
      items.push(this.#concat());
    }
    this.#depth--;
    return items.length === 1 ? (items[0] as Node) : { kind: 'alternatives', items };
  }

  #concat(): Node {
    const items: Node[] = [];
    for (;;) {
      const char = this.#chars[this.#at];
      if (char === undefined || char === '|' || char === ')') return { kind: 'concat', items };
      items.push(this.#repeated(this.#atom()));
    }
  }

  #repeated(atom: Node): Node {
    let item = atom;
    for (;;) {
      const bounds = this.#bounds();
      if (bounds === null) return item;
      // Greedy or not, the same texts fit.
      if (this.#chars[this.#at] === '?') this.#at++;
      item = { kind: 'repeat', item, ...bounds };
    }
  }

  #bounds(): { least: number; most: number } | null {
    const char = this.#chars[this.#at];
    const simple = { '*': [0, ENDLESS], '+': [1, ENDLESS], '?': [0, 1] }[char ?? ''];
    if (simple !== undefined) {
      this.#at++;
      return { least: simple[0] as number, most: simple[1] as number };
    }
    if (char !== '{') return null;
    const text = this.#chars.slice(this.#at, this.#at + 12).join('');
    const found = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(text);
    if (found === null) return null;
    const least = Number(found[1]);
    const most =
      found[2] === undefined ? least : found[3] === undefined ? ENDLESS : Number(found[3]);
    if (most < least) this.#fail(`'${found[0]}' counts down`);
    this.#at += found[0].length;
    return { least, most };
  }

  #atom(): Node {
    const char = this.#chars[this.#at++] as string;
    if (char === '(') {
      if (this.#chars[this.#at] === '?') {
        if (this.#chars[this.#at + 1] !== ':') this.#fail('it has look-around or named groups');
        this.#at += 2;
      }
      const inner = this.#alternatives();
      if (this.#chars[this.#at++] !== ')') this.#fail("a '(' is not closed");
      return inner;
    }
    if (char === '.') return { kind: 'char', test: (code) => code !== 0x0a };
    if (char === '^') return { kind: 'assert', holds: (before) => before === NONE };
    if (char === '$') return { kind: 'assert', holds: (_, after) => after === NONE };
    if (char === '[') return { kind: 'char', test: this.#class() };
    if (char === '*' || char === '+' || char === '?') this.#fail(`'${char}' repeats nothing`);
    if (char !== '\\') return { kind: 'char', test: only(char.codePointAt(0) as number) };
    const next = this.#chars[this.#at];
    if (next === 'b' || next === 'B') {
      this.#at++;
      const wanted = next === 'b';
      return {
        kind: 'assert',
        holds: (before, after) => (isWord(before) !== isWord(after)) === wanted,
      };
    }
    return { kind: 'char', test: this.#escape() };
  }

  /** What follows a backslash. */
  #escape(): Test {
    const char = this.#chars[this.#at++];
    if (char === undefined) this.#fail('it ends with a backslash');
    const lower = char.toLowerCase();
    const set = Object.hasOwn(CLASSES, lower) ? CLASSES[lower] : undefined;
    if (set !== undefined) return char === lower ? set : (code) => !set(code);
    if (Object.hasOwn(ESCAPES, char)) return only(ESCAPES[char] as number);
    if (/[A-Za-z0-9]/.test(char)) this.#fail(`'\\${char}' is not supported`);
    return only(char.codePointAt(0) as number);
  }

  /** A class, behind its '['. */
  #class(): Test {
    const negated = this.#chars[this.#at] === '^';
    if (negated) this.#at++;
    const tests: Test[] = [];
    for (let isFirst = true; ; isFirst = false) {
      const char = this.#chars[this.#at++];
      if (char === undefined) this.#fail("a '[' is not closed");
      if (char === ']' && !isFirst) break;
      if (char === '\\') {
        tests.push(this.#escape());
        continue;
      }
      const low = char.codePointAt(0) as number;
      const end = this.#chars[this.#at + 1];
      if (this.#chars[this.#at] !== '-' || end === undefined || end === ']' || end === '\\') {
        tests.push(only(low));
        continue;
      }
      this.#at += 2;
      const high = end.codePointAt(0) as number;
      if (high < low) this.#fail(`the range '${char}-${end}' runs down`);
      tests.push((code) => code >= low && code <= high);
    }
    return (code) => tests.some((test) => test(code)) !== negated;
  }
}

function lowerUnescaped(part: string): string {
  return part.startsWith('\\') ? part : part.toLowerCase();
}

function only(wanted: number): Test {
  return (code) => code === wanted;
}
