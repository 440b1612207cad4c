/** Short letters for open sizes of a network: 'floor((width + 1) / 2)' becomes a, and a key says so. */
import type { Dim, Shape } from '../../../pure/network/network.js';
import { shorten } from '../../output/table.js';

/** Expressions that are longer get a letter. */
const PLAIN_CHARS = 6;
/** Longest expression that is shown whole. */
const SHOWN_CHARS = 60;

export class OpenSizes {
  readonly #letters = new Map<string, string>();

  /** @param shapes  of the inputs first, then of the layers in order. */
  constructor(shapes: readonly (Shape | null)[]) {
    for (const dim of shapes.flatMap((shape) => shape ?? [])) {
      if (typeof dim === 'number' || [...dim].length <= PLAIN_CHARS || this.#letters.has(dim))
        continue;
      this.#letters.set(dim, letterOf(this.#letters.size));
    }
  }

  /** '[1, 16, 24, a]'; '?' where not even the rank is known. */
  shape(shape: Shape | null): string {
    return shape === null ? '?' : `[${shape.map((dim) => this.size(dim)).join(', ')}]`;
  }

  size(dim: Dim): string {
    return typeof dim === 'number' ? String(dim) : (this.#letters.get(dim) ?? dim);
  }

  /** An expression in the letters, shortened if it is still long. */
  expression(text: string): string {
    return shorten(this.#replace(text, null), SHOWN_CHARS);
  }

  /** What each letter means, in terms of the others. */
  key(): { letter: string; meaning: string }[] {
    return [...this.#letters].map(([text, letter]) => ({
      letter,
      meaning: this.#replace(text, text),
    }));
  }

  #replace(text: string, except: string | null): string {
    const known = [...this.#letters].filter(([one]) => one !== except);
    known.sort(([a], [b]) => b.length - a.length);
    const short = known.reduce((found, [one, letter]) => replaced(found, one, letter), text);
    // What has become one letter needs no brackets.
    return short.replace(/(?<!\w)\((\w+)\)/g, '$1');
  }
}

/** Puts a letter in the place of a part of an expression: a sum is a part only in brackets of its own. */
function replaced(text: string, part: string, letter: string): string {
  if (text === part) return letter;
  const plain = part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  if (isAtom(part)) {
    return text.replace(new RegExp(`(?<![\\w.])${plain}(?![\\w.])`, 'g'), letter);
  }
  return text
    .replace(new RegExp(`(?<!\\w)\\(${plain}\\)`, 'g'), letter)
    .replace(new RegExp(`(?<=\\w)\\(${plain}\\)`, 'g'), `(${letter})`);
}

/** A name, or one call. */
function isAtom(text: string): boolean {
  if (/^[\w.]+$/.test(text)) return true;
  const at = /^\w+\(/.exec(text)?.[0].length;
  if (at === undefined) return false;
  let depth = 1;
  let end = at;
  for (; end < text.length && depth > 0; end++) {
    if (text[end] === '(') depth++;
    else if (text[end] === ')') depth--;
  }
  return depth === 0 && end === text.length;
}

/** a … z, then a1 … */
function letterOf(index: number): string {
  const round = Math.floor(index / 26);
  return String.fromCharCode(97 + (index % 26)) + (round === 0 ? '' : String(round));
}
