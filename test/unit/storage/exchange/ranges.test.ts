/** Sets of ranges against a plain array of marks. */
import test from 'ava';
import fc from 'fast-check';
import { cutRanges, joinRanges, RangeSet } from '../../../../lib/storage/exchange/ranges.js';

const SIZE = 64;
const range = fc
  .tuple(fc.nat(SIZE), fc.nat(SIZE))
  .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));

function marks(ranges: readonly { start: number; end: number }[]): boolean[] {
  const found = new Array<boolean>(SIZE).fill(false);
  for (const { start, end } of ranges) found.fill(true, start, end);
  return found;
}

test('ranges: what is taken out of a set counts once', (t) => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), range, range, (added, first, second) => {
      const set = new RangeSet();
      for (const one of added) set.add(one);
      const known = marks(added);
      const [a, b] = [marks([first]), marks([second])];
      t.is(set.take(first), known.filter((is, i) => is && a[i]).length);
      t.is(set.take(second), known.filter((is, i) => is && b[i] && !a[i]).length);
      t.deepEqual(
        marks(set.list),
        known.map((is, i) => is && !a[i] && !b[i]),
      );
    }),
  );
});

test('ranges: a set holds what was added, in order, disjoint, and knows what is missing', (t) => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), range, (added, asked) => {
      const set = new RangeSet();
      for (const one of added) set.add(one);
      const known = marks(added);
      t.deepEqual(marks(set.list), known);
      const ends = set.list.flatMap(({ start, end }) => [start, end]);
      t.deepEqual(
        ends,
        [...new Set(ends)].sort((a, b) => a - b),
      );
      const missing = marks(set.missing(asked));
      const wanted = marks([asked]);
      t.deepEqual(
        missing,
        wanted.map((is, i) => is && !known[i]),
      );
      t.is(
        set.has(asked),
        wanted.every((is, i) => !is || known[i] === true),
      );
    }),
  );
});

test('ranges: joining bridges gaps up to a bound, cutting bounds the pieces', (t) => {
  const ranges = [
    { start: 10, end: 20 },
    { start: 0, end: 5 },
    { start: 40, end: 50 },
  ];
  t.deepEqual(joinRanges(ranges, 5), [
    { start: 0, end: 20 },
    { start: 40, end: 50 },
  ]);
  t.deepEqual(cutRanges([{ start: 0, end: 20 }], 8), [
    { start: 0, end: 8 },
    { start: 8, end: 16 },
    { start: 16, end: 20 },
  ]);
});
