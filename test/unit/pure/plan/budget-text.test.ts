/** Budgets as people write them. */

import test from 'ava';
import fc from 'fast-check';
import { formatBudget, type Limit, parseBudget } from '../../../../lib/pure/plan/budget-text.js';
import { unitOf } from '../../../../lib/storage/archive/budget-table.js';

test('budget: factors, bytes, times and none', (t) => {
  const cases: [string, string | null, Limit][] = [
    ['1.5', null, { kind: 'factor', times: 1.5 }],
    ['2x', null, { kind: 'factor', times: 2 }],
    ['none', null, { kind: 'none' }],
    ['300MB', null, { kind: 'bytes', most: 300e6 }],
    ['1.5GiB', null, { kind: 'bytes', most: 1.5 * 2 ** 30 }],
    ['10 kb', null, { kind: 'bytes', most: 10_000 }],
    ['400ms', null, { kind: 'ms', most: 400 }],
    ['2.5s', null, { kind: 'ms', most: 2500 }],
    ['bert=1', 'bert', { kind: 'factor', times: 1 }],
    ['bert/main~2=3s', 'bert/main~2', { kind: 'ms', most: 3000 }],
    ['a=b=none', 'a=b', { kind: 'none' }],
  ];
  for (const [text, target, limit] of cases) {
    t.deepEqual(parseBudget(text), { target, limit }, text);
    t.deepEqual(parseBudget(formatBudget({ target, limit })), { target, limit }, text);
  }
});

test('budget: everything else is refused, and the flag named', (t) => {
  for (const text of [
    '',
    '=1',
    '0.99',
    '1.',
    '.5',
    '-1',
    '1e3',
    '5 apples',
    'nan',
    '1,5',
    'none2',
  ]) {
    t.throws(() => parseBudget(text), { code: 'DLV_USAGE', message: /--budget/ }, text);
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        const { limit } = parseBudget(text);
        const number = 'times' in limit ? limit.times : 'most' in limit ? limit.most : 1;
        return Number.isFinite(number) && number >= 0;
      } catch (error) {
        return (error as { code?: string }).code === 'DLV_USAGE';
      }
    }),
  );
});

test('budget: bytes and times do not mix', (t) => {
  const of = (...texts: string[]) => texts.map(parseBudget);
  t.is(unitOf(of('2'), null), null);
  t.is(unitOf(of('2', 'a=1GB'), null), 'bytes');
  t.is(unitOf(of('2s'), 'ms'), 'ms');
  t.throws(() => unitOf(of('2s', 'a=1GB'), null), { code: 'DLV_USAGE' });
  t.throws(() => unitOf(of('2s'), 'bytes'), { code: 'DLV_USAGE' });
});
