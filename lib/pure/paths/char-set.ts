/**
 * `[abc]`, `[!a-z]` and `[[:digit:]]` in a glob, read as git reads them.
 *
 * A set never matches '/'. Characters are compared as code points.
 */

/** What one set matches. */
export interface CharSet {
  negated: boolean;
  /** Ranges of code points, both ends included. A range that runs backwards matches nothing. */
  ranges: [first: number, last: number][];
}

/** The classes of POSIX in the C locale, as ranges of ASCII. */
const CLASSES: Readonly<Record<string, string>> = {
  alnum: '09AZaz',
  alpha: 'AZaz',
  blank: '\t\t  ',
  cntrl: '\x00\x1f\x7f\x7f',
  digit: '09',
  graph: '!~',
  lower: 'az',
  print: ' ~',
  punct: '!/:@[`{~',
  space: '\t\r  ',
  upper: 'AZ',
  xdigit: '09AFaf',
};

function classRanges(name: string): [number, number][] | null {
  const ends = Object.hasOwn(CLASSES, name) ? (CLASSES[name] as string) : null;
  if (ends === null) return null;
  const ranges: [number, number][] = [];
  for (let i = 0; i < ends.length; i += 2) {
    ranges.push([ends.charCodeAt(i), ends.charCodeAt(i + 1)]);
  }
  return ranges;
}

const codeOf = (char: string): number => char.codePointAt(0) as number;

/**
 * Reads the set that begins at `chars[start]`, a '['.
 * @returns the set and the place after its ']'; null if it does not end, or names no known class.
 */
export function parseCharSet(
  chars: readonly string[],
  start: number,
): { set: CharSet; end: number } | null {
  let at = start + 1;
  const negated = chars[at] === '!' || chars[at] === '^';
  if (negated) at++;
  const ranges: [number, number][] = [];
  /** The last character if it may begin a range. */
  let before: string | null = null;
  /** The next ']': searched once, or a long set full of '[:' would be read again and again. */
  let close = start;
  // A ']' that comes first is a member.
  for (let isFirst = true; ; isFirst = false, at++) {
    let char = chars[at];
    if (char === undefined) return null;
    if (char === ']' && !isFirst) return { set: { negated, ranges }, end: at + 1 };
    const next = chars[at + 1];
    if (char === '-' && before !== null && next !== undefined && next !== ']') {
      at++;
      const last = next === '\\' ? chars[++at] : next;
      if (last === undefined) return null;
      ranges.push([codeOf(before), codeOf(last)]);
      before = null;
      continue;
    }
    if (char === '[' && next === ':') {
      if (close < at + 2) close = chars.indexOf(']', at + 2);
      if (close < 0) return null;
      if (close > at + 2 && chars[close - 1] === ':') {
        const found = classRanges(chars.slice(at + 2, close - 1).join(''));
        if (found === null) return null;
        ranges.push(...found);
        before = null;
        at = close;
        continue;
      }
    } else if (char === '\\') {
      char = chars[++at];
      if (char === undefined) return null;
    }
    ranges.push([codeOf(char), codeOf(char)]);
    before = char;
  }
}

/** True if `char` is in the set. */
export function isInSet({ negated, ranges }: CharSet, char: string): boolean {
  if (char === '/') return false;
  const code = codeOf(char);
  return ranges.some(([first, last]) => code >= first && code <= last) !== negated;
}
