/**
 * Patterns for names of layers: `conv[1,3,5]`, `block[1-4].**`, `conv*($1)`. A star is any run of characters
 * but dots and slashes, two stars are any run, a question mark is one character, brackets are a choice; `($1)`
 * behind one of these captures what it took, and `$1` elsewhere is what was captured. Matching takes the
 * product of both lengths.
 */

type Part =
  | { kind: 'text'; text: string }
  | { kind: 'any'; crosses: boolean; capture: number | null }
  | { kind: 'one'; capture: number | null }
  | { kind: 'choice'; options: string[]; capture: number | null }
  | { kind: 'captured'; capture: number };

/** What patterns captured, by their numbers. */
export type Captures = ReadonlyMap<number, string>;

export interface LayerPattern {
  parts: readonly Part[];
  /** Numbers that it captures, and those that it only names. */
  captures: readonly number[];
  names: readonly number[];
}

/** Most pieces of a pattern: text, stars, choices. */
const PARTS_MAX = 200;
/** Most numbers that a range in brackets stands for. */
const RANGE_MAX = 1000;
const SPECIAL = /[*?[\]$\\]/;

/** A pattern that cannot be read: where, from 0, and why. */
export class PatternProblem extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/** Reads a pattern. A backslash takes the character behind it as it is. @throws {PatternProblem} */
export function parseLayerPattern(text: string): LayerPattern {
  const parts: Part[] = [];
  const addText = (piece: string): void => {
    const last = parts.at(-1);
    if (last?.kind === 'text') last.text += piece;
    else parts.push({ kind: 'text', text: piece });
  };
  let at = 0;
  while (at < text.length) {
    if (parts.length > PARTS_MAX)
      throw new PatternProblem(at, `the pattern has more than ${PARTS_MAX} parts`);
    const char = text[at] as string;
    const capture = /^\(\$(\d{1,3})\)/.exec(text.slice(at, at + 8));
    const named = /^\$(\d{1,3})/.exec(text.slice(at, at + 5));
    if (char === '\\' && at + 1 < text.length) {
      addText(text[at + 1] as string);
      at += 2;
    } else if (capture !== null) {
      const last = parts.at(-1);
      if (
        last === undefined ||
        !('capture' in last) ||
        last.kind === 'captured' ||
        last.capture !== null
      ) {
        throw new PatternProblem(
          at,
          `${capture[0]} captures what stands before it: a '*', a '?' or a choice in brackets`,
        );
      }
      last.capture = Number(capture[1]);
      at += capture[0].length;
    } else if (named !== null) {
      parts.push({ kind: 'captured', capture: Number(named[1]) });
      at += named[0].length;
    } else if (char === '*') {
      let end = at + 1;
      while (text[end] === '*') end++;
      parts.push({ kind: 'any', crosses: end > at + 1, capture: null });
      at = end;
    } else if (char === '?') {
      parts.push({ kind: 'one', capture: null });
      at++;
    } else if (char === '[') {
      const end = text.indexOf(']', at);
      if (end < 0) throw new PatternProblem(at, "a '[' is not closed");
      parts.push({
        kind: 'choice',
        options: choices(text.slice(at + 1, end), at + 1),
        capture: null,
      });
      at = end + 1;
    } else {
      let end = at + 1;
      while (end < text.length && !SPECIAL.test(text[end] as string) && text[end] !== '(') end++;
      addText(text.slice(at, end));
      at = end;
    }
  }
  const captures = parts.flatMap((part) =>
    part.kind !== 'text' && part.kind !== 'captured' && part.capture !== null ? [part.capture] : [],
  );
  const names = parts.flatMap((part) => (part.kind === 'captured' ? [part.capture] : []));
  return { parts, captures, names };
}

/** `1,3,5`, `1-4`, `a,b`. */
function choices(text: string, at: number): string[] {
  const options = text.split(',').flatMap((piece) => {
    const item = piece.trim();
    const [, low, high] = /^(\d{1,9})-(\d{1,9})$/.exec(item) ?? [];
    if (low === undefined || high === undefined) return [item];
    const count = Number(high) - Number(low) + 1;
    if (count < 1 || count > RANGE_MAX) {
      throw new PatternProblem(
        at,
        `the range ${item} has ${count < 1 ? 'no number' : `more than ${RANGE_MAX} numbers`}`,
      );
    }
    return Array.from({ length: count }, (_, i) => String(Number(low) + i));
  });
  // The longest first: [1,10] takes all of '10'.
  return options.sort((a, b) => b.length - a.length);
}

/** The same pattern with what was captured written out where it is named or captured. */
export function instantiate(pattern: LayerPattern, captures: Captures): LayerPattern {
  const parts = pattern.parts.map((part): Part => {
    if (part.kind === 'text' || part.capture === null) return part;
    const value = captures.get(part.capture);
    return value === undefined ? part : { kind: 'text', text: value };
  });
  return { parts, captures: [], names: [] };
}

/**
 * What a pattern captures of a name; null if it does not fit. Each star takes as much as it can. A number
 * that is named but not captured, or captured twice, has to be the same text everywhere.
 */
export function matchLayer({ parts }: LayerPattern, name: string): Captures | null {
  if (name.length > NAME_MAX) return null;
  const width = name.length + 1;
  /** Whether the parts from one on fit the name from a place on: 0 unknown, 1 yes, 2 no. */
  const known = new Uint8Array((parts.length + 1) * width);
  const fits = (part: number, at: number): boolean => {
    const key = part * width + at;
    if (known[key] !== 0) return known[key] === 1;
    const one = parts[part];
    if (one?.kind === 'any') return starFits(part, at, lastOf(one, at));
    const yes =
      part === parts.length
        ? at === name.length
        : ends(part, at).some((end) => fits(part + 1, end));
    known[key] = yes ? 1 : 2;
    return yes;
  };
  /**
   * The same where the part is a star that may take all up to `last`. It fits from a place on if what follows
   * it fits there, or if it fits from the next place on, so each place is looked at once.
   */
  const starFits = (part: number, at: number, last: number): boolean => {
    const key = part * width;
    let from = at;
    while (from <= last && known[key + from] === 0) from++;
    let yes = from <= last && known[key + from] === 1;
    while (--from >= at) {
      yes ||= fits(part + 1, from);
      known[key + from] = yes ? 1 : 2;
    }
    return yes;
  };
  /** For each place, the next dot or slash, or the end of the name. */
  const stops = new Uint16Array(width).fill(name.length);
  for (let at = name.length - 1; at >= 0; at--) {
    stops[at] = name[at] === '.' || name[at] === '/' ? at : (stops[at + 1] as number);
  }
  /** The last place where a star may end that begins at a place. */
  const lastOf = ({ crosses }: { crosses: boolean }, at: number): number =>
    crosses ? name.length : (stops[at] as number);
  /** Where a part may end that begins at a place, in the order in which they are tried. */
  const ends = (part: number, at: number): number[] => {
    const one = parts[part] as Part;
    switch (one.kind) {
      case 'text':
        return name.startsWith(one.text, at) ? [at + one.text.length] : [];
      case 'one':
        return at < name.length ? [at + 1] : [];
      case 'choice':
        return one.options
          .filter((option) => name.startsWith(option, at))
          .map((option) => at + option.length);
      case 'any': {
        const last = lastOf(one, at);
        return Array.from({ length: last - at + 1 }, (_, i) => last - i);
      }
      case 'captured':
        return [];
    }
  };
  if (!fits(0, 0)) return null;
  const captures = new Map<number, string>();
  let at = 0;
  for (const [i, part] of parts.entries()) {
    const end = ends(i, at).find((next) => fits(i + 1, next)) as number;
    if (part.kind !== 'text' && part.capture !== null) {
      const piece = name.slice(at, end);
      if ((captures.get(part.capture) ?? piece) !== piece) return null;
      captures.set(part.capture, piece);
    }
    at = end;
  }
  return captures;
}

/** Longer names of layers fit no pattern. */
const NAME_MAX = 4096;
