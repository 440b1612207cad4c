/**
 * Globs: `*` and `?` within a part of a path, `**` across parts, `[ab]` and, for users, `{a,b}`.
 *
 * A pattern becomes a list of states, and matching follows all states at once, character by
 * character: at most states × characters steps, whatever the pattern. Patterns come from strangers
 * (a .dlvignore is versioned), and one that backtracks may take hours on a name of 200 letters.
 * Start at `Glob`. `?`, `*` and sets take one character, where git takes one byte.
 */
import { type CharSet, isInSet, parseCharSet } from './char-set.js';

/** One state. All but 'split', 'jump' and 'match' lead to the next one in the list. */
type State =
  | { kind: 'char'; char: string }
  | { kind: 'any' }
  | { kind: 'set'; set: CharSet }
  /** Any number of characters, `crosses` tells if '/' is one of them. */
  | { kind: 'star'; crosses: boolean }
  | { kind: 'split'; to: number[] }
  | { kind: 'jump'; to: number }
  | { kind: 'never' }
  | { kind: 'match' };

/** How a pattern is read. */
export interface GlobOptions {
  /** `{a,b}` is a choice, and a '[' without its ']' is a '[': globs of users. Else git's rules. */
  braces: boolean;
}

/** How a path is matched: itself, or a folder that it lies below. */
export type GlobMatch = 'itself' | 'below';

/** A compiled pattern for whole paths with '/' between their parts. */
export class Glob {
  readonly #states: readonly State[];
  /** The only path that matches, if the pattern has nothing special. */
  readonly #literal: string | null;
  /** A pattern with one `*` and nothing else: what is before and after it. */
  readonly #affixes: { head: string; tail: string } | null;
  /** Round in which a state was last taken: one visit of each state for one character. */
  readonly #seen: Uint32Array;
  #round = 0;

  constructor(pattern: string, options: GlobOptions) {
    this.#states = new Compiler([...pattern], options.braces).compile();
    this.#seen = new Uint32Array(this.#states.length);
    const texts = literalParts(this.#states);
    this.#literal = texts?.length === 1 ? (texts[0] as string) : null;
    this.#affixes = texts?.length === 2 ? { head: texts[0]!, tail: texts[1]! } : null;
  }

  /** True if the whole of `path` matches. O(pattern × path). */
  matches(path: string): boolean {
    if (this.#literal !== null) return path === this.#literal;
    if (this.#affixes !== null) {
      const { head, tail } = this.#affixes;
      if (path.length < head.length + tail.length) return false;
      if (!path.startsWith(head) || !path.endsWith(tail)) return false;
      return !path.slice(head.length, path.length - tail.length).includes('/');
    }
    return this.#accepts(this.#run(path));
  }

  /** Whether `path` matches, or a folder that it lies in; null if neither does. */
  find(path: string): GlobMatch | null {
    const top = this.findTop(path);
    if (top === null) return null;
    return top === path ? 'itself' : 'below';
  }

  /** The outermost folder of `path` that matches, or `path` itself; null if neither does. */
  findTop(path: string): string | null {
    let states = this.#start();
    let length = 0;
    for (const char of path) {
      if (char === '/' && this.#accepts(states)) return path.slice(0, length);
      states = this.#step(states, char);
      if (states.length === 0) return null;
      length += char.length;
    }
    return this.#accepts(states) ? path : null;
  }

  /** True if a path below `folder` may match: a walk need not enter the others. */
  mayMatchBelow(folder: string): boolean {
    return this.find(folder) !== null || this.#run(`${folder}/`).length > 0;
  }

  #run(text: string): number[] {
    let states = this.#start();
    for (const char of text) {
      states = this.#step(states, char);
      if (states.length === 0) break;
    }
    return states;
  }

  #start(): number[] {
    const states: number[] = [];
    this.#round++;
    this.#add(states, 0);
    return states;
  }

  #accepts(states: readonly number[]): boolean {
    return states.some((at) => this.#states[at]?.kind === 'match');
  }

  /** The states after one character. */
  #step(states: readonly number[], char: string): number[] {
    const next: number[] = [];
    this.#round++;
    for (const at of states) {
      const state = this.#states[at] as State;
      switch (state.kind) {
        case 'char':
          if (state.char === char) this.#add(next, at + 1);
          break;
        case 'any':
          if (char !== '/') this.#add(next, at + 1);
          break;
        case 'set':
          if (isInSet(state.set, char)) this.#add(next, at + 1);
          break;
        case 'star':
          if (state.crosses || char !== '/') this.#add(next, at);
          break;
      }
    }
    return next;
  }

  /** Adds a state and all that it leads to without a character, each once a round. */
  #add(states: number[], first: number): void {
    const pending = [first];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      if (this.#seen[at] === this.#round) continue;
      this.#seen[at] = this.#round;
      const state = this.#states[at] as State;
      if (state.kind === 'split') pending.push(...state.to);
      else if (state.kind === 'jump') pending.push(state.to);
      else {
        states.push(at);
        if (state.kind === 'star') pending.push(at + 1);
      }
    }
  }
}

/** The texts around the only star, or the only text; null for any other pattern. */
function literalParts(states: readonly State[]): string[] | null {
  const texts = [''];
  for (const state of states) {
    if (state.kind === 'char') texts[texts.length - 1] += state.char;
    else if (state.kind === 'star' && !state.crosses) texts.push('');
    else if (state.kind !== 'match') return null;
  }
  return texts.length <= 2 ? texts : null;
}

/** True if a text has characters that only a glob gives a meaning to. */
export function isGlob(text: string): boolean {
  return /[*?[{\\]/.test(text);
}

/** An open choice: where it began, and the ends of its alternatives so far. */
interface Choice {
  split: { kind: 'split'; to: number[] };
  ends: { kind: 'jump'; to: number }[];
}

/** Makes the states of a pattern in one pass, without recursion: patterns may be nested deeply. */
class Compiler {
  readonly #chars: readonly string[];
  readonly #braces: boolean;
  readonly #states: State[] = [];
  readonly #choices: Choice[] = [];
  /** Places of the '{', ',' and '}' that make choices. */
  readonly #marks: ReadonlySet<number>;
  readonly #sets: SetReader;

  constructor(chars: readonly string[], braces: boolean) {
    this.#chars = chars;
    this.#braces = braces;
    this.#marks = braces ? findChoices(chars) : new Set();
    this.#sets = new SetReader(chars);
  }

  compile(): State[] {
    const chars = this.#chars;
    let at = 0;
    while (at < chars.length) {
      const char = chars[at] as string;
      if (this.#marks.has(at)) at = this.#choose(char, at);
      else if (char === '*') at = this.#star(at);
      else if (char === '[') at = this.#set(at);
      else if (char === '?') at = this.#push({ kind: 'any' }, at + 1);
      else if (char === '\\') at = this.#escaped(at);
      else at = this.#push({ kind: 'char', char }, at + 1);
    }
    this.#states.push({ kind: 'match' });
    return this.#states;
  }

  #push(state: State, next: number): number {
    this.#states.push(state);
    return next;
  }

  #escaped(at: number): number {
    const char = this.#chars[at + 1];
    if (char !== undefined) return this.#push({ kind: 'char', char }, at + 2);
    return this.#push(this.#braces ? { kind: 'char', char: '\\' } : { kind: 'never' }, at + 1);
  }

  #set(at: number): number {
    const found = this.#sets.read(at);
    if (found !== null) return this.#push({ kind: 'set', set: found.set }, found.end);
    if (this.#braces) return this.#push({ kind: 'char', char: '[' }, at + 1);
    return this.#push({ kind: 'never' }, this.#chars.length);
  }

  /** `*`, or a run of two and more, which crosses '/' if it is all of a part. */
  #star(start: number): number {
    const chars = this.#chars;
    let end = start;
    while (chars[end] === '*') end++;
    const before = chars[start - 1];
    const after = chars[end] === '\\' && chars[end + 1] === '/' ? '/' : chars[end];
    const isPart =
      (before === undefined || before === '/' || this.#marks.has(start - 1)) &&
      (after === undefined || after === '/' || this.#marks.has(end));
    if (end - start < 2 || !isPart) return this.#push({ kind: 'star', crosses: false }, end);
    if (chars[end] !== '/') return this.#push({ kind: 'star', crosses: true }, end);
    // '**/' stands for no folder as well.
    const split: State = { kind: 'split', to: [] };
    this.#states.push(split, { kind: 'star', crosses: true }, { kind: 'char', char: '/' });
    split.to = [this.#states.length - 2, this.#states.length];
    return end + 1;
  }

  #choose(mark: string, at: number): number {
    if (mark === '{') {
      const split: Choice['split'] = { kind: 'split', to: [] };
      this.#states.push(split);
      split.to.push(this.#states.length);
      this.#choices.push({ split, ends: [] });
      return at + 1;
    }
    const choice = this.#choices.at(-1) as Choice;
    const end: Choice['ends'][number] = { kind: 'jump', to: 0 };
    choice.ends.push(end);
    this.#states.push(end);
    if (mark === ',') choice.split.to.push(this.#states.length);
    else {
      for (const jump of choice.ends) jump.to = this.#states.length;
      this.#choices.pop();
    }
    return at + 1;
  }
}

/**
 * Reads sets until one does not end. From there on each '[' is a '[': to try them all, each to the end
 * of the pattern, would take the square of its length.
 */
class SetReader {
  readonly #chars: readonly string[];
  #broken = false;

  constructor(chars: readonly string[]) {
    this.#chars = chars;
  }

  read(at: number): { set: CharSet; end: number } | null {
    const found = this.#broken ? null : parseCharSet(this.#chars, at);
    this.#broken ||= found === null;
    return found;
  }
}

/** Where the braces and commas of choices stand: a brace without its other half or a comma is none. */
function findChoices(chars: readonly string[]): Set<number> {
  const marks = new Set<number>();
  const open: { at: number; commas: number[] }[] = [];
  const sets = new SetReader(chars);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at];
    if (char === '\\') at++;
    else if (char === '[') at = (sets.read(at)?.end ?? at + 1) - 1;
    else if (char === '{') open.push({ at, commas: [] });
    else if (char === ',') open.at(-1)?.commas.push(at);
    else if (char === '}') {
      const choice = open.pop();
      if (choice === undefined || choice.commas.length === 0) continue;
      for (const mark of [choice.at, ...choice.commas, at]) marks.add(mark);
    }
  }
  return marks;
}
