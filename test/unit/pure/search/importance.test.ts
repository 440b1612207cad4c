/** Which settings matter: known shares, ties, chance, and outcomes that are not finite. */
import test from 'ava';
import { importance } from '../../../../lib/pure/search/importance.js';
import { seededRandom } from '../../../helpers/rng.js';

test('a setting that decides all explains nearly all, and one of chance nothing', (t) => {
  const random = seededRandom(3);
  const outcomes = Array.from({ length: 60 }, (_, i) => ({
    assignment: { lr: [0.1, 0.01, 0.001][i % 3] as number, noise: random(), same: 1 },
    value: (i % 3) * 10 + random(),
  }));
  const found = importance(outcomes) ?? [];
  // What never differs explains nothing, and is not told of.
  t.deepEqual(
    found.map(({ key }) => key),
    ['lr', 'noise'],
  );
  // The ranks of three groups of twenty: the variance between is 8/9 of all.
  t.true(Math.abs((found[0]?.share ?? 0) - 8 / 9) < 0.01, String(found[0]?.share));
  t.is(found[0]?.groups, 3);
  t.true((found[1]?.share ?? 1) < 0.15);
  t.is(found[1]?.groups, 5);
});

test('the order of trials and one that diverged change nothing; few are not judged', (t) => {
  const random = seededRandom(5);
  const outcomes = Array.from({ length: 30 }, (_, i) => ({
    assignment: { opt: i % 2 === 0 ? 'sgd' : 'adam' },
    value: (i % 2) + random() * 2,
  }));
  const plain = importance(outcomes);
  t.deepEqual(importance([...outcomes].reverse()), plain);
  const worst = Math.max(...outcomes.map(({ value }) => value));
  const diverged = outcomes.map((one) => (one.value === worst ? { ...one, value: 1e300 } : one));
  t.deepEqual(importance(diverged), plain);
  t.is(importance(outcomes.slice(0, 19)), null);
  const lost = outcomes.map((one, i) => (i < 11 ? { ...one, value: Number.NaN } : one));
  t.is(importance(lost), null);
  const ties = outcomes.map((one) => ({ ...one, value: 1 }));
  t.is(importance(ties)?.[0]?.share, 0);
});
