/** Texts line by line: applying the hunks to the first text gives the second, and none is longer than needed. */
import test from 'ava';
import fc from 'fast-check';
import { diffLines, linesOf } from '../../../../lib/use/comparison/line-diff.js';
import type { TextHunk } from '../../../../lib/use/comparison/result.js';

function apply(a: readonly string[], hunks: readonly TextHunk[]): string[] {
  const out: string[] = [];
  let at = 0;
  for (const { before, after, lines } of hunks) {
    while (at < before - 1) out.push(a[at++]!);
    if (out.length !== after - 1)
      throw new Error(`a hunk says line ${after}, not ${out.length + 1}`);
    for (const line of lines) {
      const text = line.slice(1);
      if (line[0] !== '+' && a[at++] !== text) throw new Error(`'${text}' is not there`);
      if (line[0] !== '-') out.push(text);
    }
  }
  return [...out, ...a.slice(at)];
}

test('texts: hunks make the second text of the first', (t) => {
  const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 });
  fc.assert(
    fc.property(lines, lines, (a, b) => {
      const { hunks, added, removed, omitted } = diffLines(a, b, 1000);
      t.deepEqual(apply(a, hunks), b);
      t.is(omitted, 0);
      const signs = hunks.flatMap((hunk) => hunk.lines.map((line) => line[0]));
      t.is(signs.filter((sign) => sign === '+').length, added);
      t.is(signs.filter((sign) => sign === '-').length, removed);
      // No shorter script: that many lines are common.
      t.is(a.length - removed, commonLines(a, b));
    }),
    { numRuns: 300 },
  );
});

/** Length of the longest common subsequence. */
function commonLines(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const next = [0];
    for (const [j, y] of b.entries()) {
      next.push(x === y ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!));
    }
    row = next;
  }
  return row.at(-1)!;
}

test('texts: far apart ones are one block, and long ones are cut', (t) => {
  const a = Array.from({ length: 3000 }, (_, i) => `a${i}`);
  const b = Array.from({ length: 3000 }, (_, i) => `b${i}`);
  const { added, removed, omitted, hunks } = diffLines(['x', ...a, 'y'], ['x', ...b, 'y'], 100);
  t.deepEqual([added, removed, omitted], [3000, 3000, 5900]);
  t.is(hunks.flatMap(({ lines }) => lines).filter((line) => line[0] !== ' ').length, 100);
});

test('texts: lines end with any line break', (t) => {
  t.deepEqual(linesOf('a\r\nb\n\nc'), ['a', 'b', '', 'c']);
  t.deepEqual(linesOf('a\n'), ['a']);
  t.deepEqual(linesOf(''), []);
});
