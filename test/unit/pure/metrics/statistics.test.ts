/** Intervals and tests against published and hand-computed numbers. */
import test from 'ava';
import {
  Draws,
  holm,
  mcnemar,
  pairedDifference,
  resample,
  smallestDetectable,
  summarizeBootstrap,
  wilson,
} from '../../../../lib/pure/metrics/statistics.js';

function near(t: { true(ok: boolean, why?: string): void }, got: number, want: number, by: number) {
  t.true(Math.abs(got - want) <= by, `${got} is not ${want}`);
}

test('wilson: published limits, and bounds at no and all hits', (t) => {
  // Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
  for (const [hits, of, low, high] of [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
    [1733, 2000, 0.8509, 0.8807],
  ] as const) {
    const [from, to] = wilson(hits, of);
    near(t, from, low, 5e-5);
    near(t, to, high, 5e-5);
  }
  t.is(wilson(20, 20)[1], 1);
  near(t, wilson(20, 20)[0], 1 - 0.1611, 5e-5);
});

test('mcnemar: mid-p and exact values', (t) => {
  for (const [b, c, exact, mid] of [
    [10, 3, 0.0922852, 0.0573731],
    [9, 1, 0.0214844, 0.0117188],
    [5, 5, 1, 1],
    [1, 0, 1, 0.5],
    [0, 0, 1, 1],
  ] as const) {
    for (const [x, y] of [
      [b, c],
      [c, b],
    ] as const) {
      const { midP, exactP } = mcnemar(x, y);
      near(t, exactP, exact, 5e-7);
      near(t, midP, mid, 5e-7);
    }
  }
  const many = mcnemar(300, 220);
  near(t, many.exactP, 5.194e-4, 5e-8);
  near(t, many.midP, 4.46e-4, 5e-8);
  t.true(mcnemar(600_000, 400_000).midP >= 0);
});

test('holm: adjusted values are those of the step-down table, in the order given', (t) => {
  const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
  for (const [i, want] of [0.03, 0.06, 0.06, 0.02].entries()) near(t, adjusted[i]!, want, 1e-12);
  t.deepEqual(holm([]), []);
  t.deepEqual(holm([0.2]), [0.2]);
  t.deepEqual(holm([0.9, 0.8]), [1, 1]);
});

test('paired difference: agrees with the counts, turns with the sides, has width without discordance', (t) => {
  const counts = { both: 30, onlyFirst: 12, onlySecond: 2, neither: 6 };
  const [low, high] = pairedDifference(counts);
  t.true(low < -0.2 && -0.2 < high && high < 0);
  const turned = pairedDifference({ ...counts, onlyFirst: 2, onlySecond: 12 });
  near(t, turned[0], -high, 1e-12);
  near(t, turned[1], -low, 1e-12);
  const same = pairedDifference({ both: 80, onlyFirst: 0, onlySecond: 0, neither: 20 });
  t.true(same[0] < 0 && same[1] > 0 && same[1] < 0.04);
  const perfect = pairedDifference({ both: 50, onlyFirst: 0, onlySecond: 0, neither: 0 });
  t.true(perfect[0] >= -1 && perfect[1] <= 1);
});

test('detectable: 2.8 standard errors', (t) => {
  near(t, smallestDetectable(Math.sqrt(13) / 1000), 0.0100956, 1e-7);
});

test('draws: a seed gives the same draws, another seed others, and all are in range', (t) => {
  const drawn = (seed: number) => {
    const draws = new Draws(seed);
    return Array.from({ length: 2000 }, () => draws.next(10));
  };
  t.deepEqual(drawn(7), drawn(7));
  t.notDeepEqual(drawn(7), drawn(8));
  const counts = new Array<number>(10).fill(0);
  for (const value of drawn(0)) counts[value]! += 1;
  // 200 expected each; 5 standard deviations are 67.
  t.true(counts.every((count) => Math.abs(count - 200) < 67));
  t.throws(() => new Draws(-1), { code: 'DLV_USAGE' });
});

test('bootstrap: the interval of a mean has the width that theory says', (t) => {
  const values = new Float64Array(400).map((_, i) => (i % 20) / 20);
  const mean = values.reduce((sum, one) => sum + one, 0) / 400;
  const draws = new Draws(1);
  const counts = new Uint32Array(400);
  const means = Array.from({ length: 2000 }, () => {
    resample(draws, counts);
    return counts.reduce((sum, count, i) => sum + count * values[i]!, 0) / 400;
  });
  const { interval, standardError, p } = summarizeBootstrap(means)!;
  const theory = Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0)) / 400;
  near(t, standardError / theory, 1, 0.08);
  near(t, interval[0], mean - 1.96 * theory, theory / 4);
  near(t, interval[1], mean + 1.96 * theory, theory / 4);
  near(t, p, 2 / 2001, 1e-12);
  t.is(summarizeBootstrap([Number.NaN, Number.NaN, 1]), null);
});
