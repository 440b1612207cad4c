/** Decisions: a claim that holds for all scores between two ends makes the answer the same for all of them. */
import test from 'ava';
import fc from 'fast-check';
import { UsageError } from '../../../../lib/base/errors.js';
import {
  answerOf,
  claimsOf,
  type Decision,
  gapOf,
  leastOf,
  parseDecision,
  sameAnswer,
} from '../../../../lib/pure/bounds/decisions.js';

const scores = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 4, maxLength: 6 });
const decisions = fc.constantFrom<Decision>(
  { kind: 'top', count: 1 },
  { kind: 'top', count: 3 },
  { kind: 'order', count: 2 },
  { kind: 'above', threshold: 0.5 },
  { kind: 'within', error: 0.25 },
);

test('decisions: certain claims fix the answer', (t) => {
  const share = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), {
    minLength: 6,
    maxLength: 6,
  });
  fc.assert(
    fc.property(
      decisions,
      scores,
      fc.double({ min: 0, max: 2, noNaN: true }),
      share,
      (decision, row, wide, shares) => {
        const low = row.map((score) => score - wide);
        const high = row.map((score) => score + wide);
        const claims = claimsOf(decision, row);
        if (!claims.every((claim) => leastOf(claim, low, high) > 1e-9)) return true;
        const other = row.map((score, i) => score + wide * (shares[i] as number));
        return sameAnswer(decision, answerOf(decision, row), answerOf(decision, other));
      },
    ),
  );
  t.pass();
});

test('decisions: the gap of scores is the least claim', (t) => {
  t.is(gapOf({ kind: 'top', count: 1 }, [1, 4, 2.5]), 1.5);
  t.is(gapOf({ kind: 'order', count: 2 }, [1, 4, 2.5]), 1.5);
  t.is(gapOf({ kind: 'above', threshold: 2 }, [1, 4, 2.5]), 0.5);
  t.deepEqual(answerOf({ kind: 'top', count: 2 }, [1, 4, 2.5]), [1, 2]);
  t.deepEqual(answerOf({ kind: 'order', count: 2 }, [1, 2.5, 4]), [2, 1]);
  t.deepEqual(answerOf({ kind: 'top', count: 1 }, [3, 3]), [0], 'equal scores: the first class');
});

test('decisions: scores that are not finite are the same as themselves', (t) => {
  const within: Decision = { kind: 'within', error: 0.25 };
  const row = [Number.NaN, Infinity, -Infinity, 1];
  t.true(sameAnswer(within, row, [Number.NaN, Infinity, -Infinity, 1.25]));
  for (const other of [
    [0, Infinity, -Infinity, 1],
    [Number.NaN, Number.NaN, -Infinity, 1],
    [Number.NaN, -Infinity, -Infinity, 1],
    [Number.NaN, Infinity, -1e308, 1],
    [Number.NaN, Infinity, -Infinity, 1.5],
  ]) {
    t.false(sameAnswer(within, row, other), `${other}`);
    t.false(sameAnswer(within, other, row), `${other}`);
  }
  t.true(sameAnswer(within, [0], [-0]));
});

test('decisions: texts', (t) => {
  t.deepEqual(parseDecision('top5'), { kind: 'top', count: 5 });
  t.deepEqual(parseDecision('order3'), { kind: 'order', count: 3 });
  t.deepEqual(parseDecision('above:-0.5'), { kind: 'above', threshold: -0.5 });
  t.deepEqual(parseDecision('within:1e-3'), { kind: 'within', error: 1e-3 });
  for (const text of ['', 'top', 'top0', 'within:0', 'within:x', 'above:', 'best', 'top123456']) {
    t.throws(() => parseDecision(text), { instanceOf: UsageError }, text);
  }
});
