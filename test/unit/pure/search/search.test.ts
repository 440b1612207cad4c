/** What a study tries, and what its rules keep. */
import test from 'ava';
import { goesOn, keptOf, type Rung } from '../../../../lib/pure/search/rungs.js';
import {
  canonicalAssignment,
  cellsOf,
  placeOf,
  type SampledAxis,
  stepped,
  valueAt,
} from '../../../../lib/pure/search/space.js';
import { type Method, suggest, type Tried } from '../../../../lib/pure/search/suggest.js';

const RATE: SampledAxis = {
  kind: 'sampled',
  key: 'lr',
  low: 1e-5,
  high: 1e-1,
  log: true,
  choices: null,
};
const SHARE: SampledAxis = {
  kind: 'sampled',
  key: 'p',
  low: 0,
  high: 1,
  log: false,
  choices: null,
};
const BATCH: SampledAxis = {
  kind: 'sampled',
  key: 'b',
  low: 0,
  high: 0,
  log: false,
  choices: [16, 32, 64],
};

test('values of axes and their places are each other’s mirror', (t) => {
  for (const axis of [RATE, SHARE, BATCH]) {
    for (const place of [0, 0.2, 0.5, 0.99, 1]) {
      const value = valueAt(axis, place);
      t.is(valueAt(axis, placeOf(axis, value)), value);
    }
  }
  t.deepEqual(
    [0, 0.4, 0.9, 1].map((place) => valueAt(BATCH, place)),
    [16, 32, 64, 64],
  );
  t.deepEqual(stepped(8, 30, 8), [8, 16, 24]);
  t.deepEqual(stepped(0.1, 0.3, 0.1).length, 3);
  const cells = cellsOf([
    { kind: 'grid', key: 'a', values: [1, 2] },
    { kind: 'grid', key: 'b', values: ['x', null] },
  ]);
  t.deepEqual(cells, [
    { a: 1, b: 'x' },
    { a: 1, b: null },
    { a: 2, b: 'x' },
    { a: 2, b: null },
  ]);
  t.is(canonicalAssignment({ b: 1, a: 2 }), canonicalAssignment({ a: 2, b: 1 }));
});

/** Cost of the best of `count` trials of a method. */
function search(method: Method, seed: number, count: number): number {
  const tried: Tried[] = [];
  for (let index = 0; index < count; index += 1) {
    const assignment = suggest([RATE, SHARE], method, tried, { seed, cell: 0, index });
    const off = Math.log10(assignment.lr as number) + 2.3;
    const cost = off * off + 4 * ((assignment.p as number) - 0.7) ** 2;
    // Some trials fail, and must not be in the way.
    tried.push({ assignment, cost: index % 7 === 3 ? null : cost });
  }
  return Math.min(...tried.map(({ cost }) => cost ?? Number.POSITIVE_INFINITY));
}

test('TPE finds better settings than chance; both are the same for one seed', (t) => {
  const seeds = Array.from({ length: 20 }, (_, seed) => seed);
  const mean = (method: Method): number =>
    seeds.reduce((sum, seed) => sum + search(method, seed, 40), 0) / seeds.length;
  t.true(mean('tpe') < 0.6 * mean('random'), `${mean('tpe')} against ${mean('random')}`);
  t.is(search('tpe', 5, 30), search('tpe', 5, 30));
  t.not(search('random', 5, 30), search('random', 6, 30));
});

test('a rule keeps the best, ties at its edge, and nothing without a value', (t) => {
  const rung: Rung = { kind: 'top', count: 2, metric: 'loss', isLess: true, iterations: 5 };
  const scores = [
    { trial: 'a', value: 3 },
    { trial: 'b', value: 1 },
    { trial: 'c', value: null },
    { trial: 'd', value: 2 },
    { trial: 'e', value: 2 },
  ];
  t.deepEqual([...keptOf(rung, scores)].sort(), ['b', 'd', 'e']);
  t.deepEqual([...keptOf({ ...rung, isLess: false }, scores)].sort(), ['a', 'd', 'e']);
  t.deepEqual([...keptOf(rung, [...scores].reverse())].sort(), ['b', 'd', 'e']);
  t.deepEqual(keptOf(rung, [{ trial: 'a', value: null }]), new Set());
  t.deepEqual([...keptOf({ ...rung, count: 9 }, scores)].length, 4);
  const most: Rung = {
    kind: 'threshold',
    metric: 'loss',
    comparison: '<=',
    bound: 2,
    iterations: 5,
  };
  t.deepEqual([...keptOf(most, scores)].sort(), ['b', 'd', 'e']);
});

test('ASHA lets the first trial through, then those of its share', (t) => {
  const rung: Rung = { kind: 'top', count: 2, metric: 'loss', isLess: true, iterations: 5 };
  const before = [1, 2, 3].map((value, i) => ({ trial: `${i}`, value }));
  t.true(goesOn(rung, 9, [], 8));
  t.false(goesOn(rung, 9, before, 8));
  t.true(goesOn(rung, 0.5, before, 8));
  t.false(goesOn(rung, null, [], 8));
});
