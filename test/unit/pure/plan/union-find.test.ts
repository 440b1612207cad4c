/** Goal: sets are those that the joined pairs connect. Method: a search through the pairs. */
import test from 'ava';
import fc from 'fast-check';
import { UnionFind } from '../../../../lib/pure/plan/union-find.js';

/** Sets of 0 … count − 1 that pairs connect, by walking from each number that was not met yet. */
function connected(count: number, pairs: readonly (readonly [number, number])[]): number[][] {
  const met = new Set<number>();
  const sets: number[][] = [];
  for (let start = 0; start < count; start++) {
    if (met.has(start)) continue;
    met.add(start);
    const set = [start];
    for (const at of set) {
      for (const [a, b] of pairs) {
        const next = a === at ? b : b === at ? a : at;
        if (met.has(next)) continue;
        met.add(next);
        set.push(next);
      }
    }
    sets.push(set.sort((a, b) => a - b));
  }
  return sets;
}

test('union–find: sets are what the pairs connect, in the order of their first members', (t) => {
  const count = 12;
  const number = fc.nat(count - 1);
  fc.assert(
    fc.property(fc.array(fc.tuple(number, number), { maxLength: 20 }), (pairs) => {
      const joined = new UnionFind(count);
      for (const [a, b] of pairs) joined.join(a, b);
      const expected = connected(count, pairs);
      t.deepEqual(joined.sets(), expected);
      for (const set of expected) {
        t.is(new Set(set.map((n) => joined.find(n))).size, 1);
        t.true(set.includes(joined.find(set[0]!)));
      }
      const later = expected
        .map((set) => set.filter((n) => n >= 3))
        .filter((set) => set.length > 0);
      t.deepEqual(
        joined.sets(3),
        later.sort((a, b) => a[0]! - b[0]!),
      );
    }),
    { numRuns: 200 },
  );
});
