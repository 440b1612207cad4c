/** Metrics over outcomes, with their edge cases; expected values are worked out by hand. */
import test from 'ava';
import { compareOutcomes } from '../../../../lib/pure/metrics/compare.js';
import { measure } from '../../../../lib/pure/metrics/measure.js';
import { metricsNamed } from '../../../../lib/pure/metrics/metrics.js';
import {
  type ClassOutcomes,
  emptyClassOutcomes,
  enterScores,
  enterValues,
  exampleCount,
  NONE,
  type Outcomes,
  type ScoreKind,
} from '../../../../lib/pure/metrics/outcomes.js';

function classify(rows: number[][], labels: number[], kind: ScoreKind = 'logits') {
  const truth = Uint32Array.from(labels);
  const outcomes = emptyClassOutcomes(rows.length, rows[0]!.length);
  enterScores(outcomes, { first: 0, scores: rows.flat(), truth, kind });
  return { outcomes, truth };
}

function value(
  name: string,
  { outcomes, truth }: { outcomes: Outcomes; truth: Uint32Array | null },
) {
  const [metric] = metricsNamed([name], outcomes.task);
  return measure(metric!, outcomes, { truth, examples: exampleCount(outcomes), seed: 0 });
}

/** A classifier that is certain: `guesses` are its classes. */
function guessed(guesses: number[], labels: number[], classes: number) {
  const rows = guesses.map((guess) =>
    Array.from({ length: classes }, (_, c) => (c === guess ? 1 : 0)),
  );
  return classify(rows, labels);
}

test('accuracy and top-k: the lowest of equal scores is predicted, ranks are optimistic and ties counted', (t) => {
  const all = classify(
    [
      [3, 1, 2],
      [1, 2, 2],
      [1, 2, 2],
      [0, 1, 2],
    ],
    [0, 1, 2, 0],
  );
  t.deepEqual([...all.outcomes.predicted], [0, 1, 1, 2]);
  t.deepEqual([...all.outcomes.rank], [1, 1, 1, 3]);
  t.is(all.outcomes.ties, 2);
  t.is(value('accuracy', all).value, 0.5);
  t.is(value('top1', all).value, 0.75);
  t.is(value('top2', all).value, 0.75);
  t.is(value('top-3', all).value, 1);
});

test('scores that are not finite: the example is wrong, and the loss is not defined', (t) => {
  const all = classify(
    [
      [Number.NaN, 1],
      [1, Number.POSITIVE_INFINITY],
      [0, 1],
    ],
    [1, 1, 1],
  );
  t.deepEqual([...all.outcomes.predicted], [NONE, NONE, 1]);
  t.is(value('accuracy', all).value, 1 / 3);
  t.is(value('top2', all).value, 1 / 3);
  t.deepEqual(value('loss', all), {
    value: null,
    interval: null,
    why: 'some scores are not finite',
  });
  t.is(value('auc', all).value, null);
  t.is(value('micro-f1', all).value, 2 / 4);
});

test('loss and perplexity: of a softmax that neither overflows nor vanishes', (t) => {
  const even = classify([[0, 0, 0, 0]], [2]);
  t.is(even.outcomes.loss[0], Math.fround(Math.log(4)));
  t.true(Math.abs(value('perplexity', even).value! - 4) < 1e-6);
  t.is(even.outcomes.confidence[0], 0.25);
  const far = classify([[2000, 0]], [1]);
  t.is(far.outcomes.loss[0], 2000);
  const given = classify([[0.25, 0.75]], [0], 'probabilities');
  t.is(given.outcomes.loss[0], Math.fround(Math.log(4)));
  t.is(classify([[0, 1]], [0], 'probabilities').outcomes.loss[0], Number.POSITIVE_INFINITY);
  t.throws(() => classify([[3, -1]], [0], 'probabilities'), { code: 'DLV_USAGE' });
  t.throws(() => classify([[0.5, 0.1]], [0], 'probabilities'), { code: 'DLV_USAGE' });
});

test('F1: a class that nobody has is left out, one that only one side has counts 0', (t) => {
  // Class 0: 2 hits, 1 false; class 1: 1 hit, 1 missed, 1 false; class 2 is missed once, class 3 is nowhere.
  const all = guessed([0, 0, 0, 1, 1], [0, 0, 1, 1, 2], 4);
  const expected = (4 / 5 + 2 / 4 + 0) / 3;
  t.true(Math.abs(value('macro-f1', all).value! - expected) < 1e-12);
  t.is(value('micro-f1', all).value, 3 / 5);
  t.is(value('accuracy', all).value, 3 / 5);
});

test('AUC: equal scores count one half; with one class alone it is not defined', (t) => {
  const scores = (values: number[], labels: number[]) =>
    classify(
      values.map((one) => [0, one]),
      labels,
    );
  t.is(value('auc', scores([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])).value, 0.75);
  t.is(value('auc', scores([1, 1, 1, 1], [0, 1, 0, 1])).value, 0.5);
  // Pairs: 2 > 1, 2 > 2 half, 3 > both: (1 + 0.5 + 2) / 4.
  t.is(value('auc', scores([1, 2, 2, 3], [0, 0, 1, 1])).value, 3.5 / 4);
  t.like(value('auc', scores([1, 2], [1, 1])), { value: null, why: 'all labels are of class 1' });
  const three = value('auc', guessed([0, 1, 2], [0, 1, 2], 3));
  t.like(three, { value: null, why: 'it is for two classes, and the network has 3' });
});

test('calibration: the gap of confidence and accuracy, in bins of equal numbers', (t) => {
  const rows = Array.from({ length: 30 }, () => [0.75, 0.25]);
  const right = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? 0 : 1));
  const all = classify(rows, right, 'probabilities');
  t.true(Math.abs(value('ece', all).value! - 0.25) < 1e-6);
  t.true(Math.abs(value('ece', classify([[1, 0]], [0], 'probabilities')).value!) < 1e-6);
});

test('numbers: mean absolute and root mean squared errors, means over what an example has', (t) => {
  const outcomes: Outcomes = {
    task: 'values',
    absolute: new Float32Array(2),
    squared: new Float32Array(2),
  };
  const truth = Float64Array.of(0, 0, 1, 1);
  enterValues(outcomes, { first: 0, values: [3, -1], truth, width: 2 });
  enterValues(outcomes, { first: 1, values: [1, 1], truth, width: 2 });
  t.deepEqual([...outcomes.absolute], [2, 0]);
  t.deepEqual([...outcomes.squared], [5, 0]);
  t.is(value('mae', { outcomes, truth: null }).value, 1);
  t.is(value('rmse', { outcomes, truth: null }).value, Math.sqrt(2.5));
  t.throws(() => metricsNamed(['accuracy'], 'values'), { code: 'DLV_USAGE' });
});

test('metrics: unknown names and those of another task are refused', (t) => {
  for (const name of ['acuracy', 'top0', 'rmse', 'constructor']) {
    t.throws(() => metricsNamed([name], 'classes'), { code: 'DLV_USAGE' }, name);
  }
});

test('compare: hits are paired by McNemar, all else by the bootstrap, and a seed gives one result', (t) => {
  const labels = Array.from({ length: 100 }, (_, i) => i % 3);
  const wrong = (from: number, to: number) =>
    guessed(
      labels.map((label, i) => (i >= from && i < to ? (label + 1) % 3 : label)),
      labels,
      3,
    );
  const [first, second] = [wrong(0, 10), wrong(7, 10)];
  const sides: readonly [ClassOutcomes, ClassOutcomes] = [first.outcomes, second.outcomes];
  const basis = { truth: first.truth, examples: 100, seed: 3 };
  const [accuracy, loss, macro] = metricsNamed(['accuracy', 'loss', 'macro-f1'], 'classes');
  const hits = compareOutcomes(accuracy!, sides, basis);
  t.like(hits, { test: 'mcnemar-midp', difference: 0.07, onlyFirst: 0, onlySecond: 7 });
  t.true(Math.abs(hits.p! - 2 ** -7) < 1e-15);
  t.true(Math.abs(hits.exactP! - 2 ** -6) < 1e-15);
  t.true(Math.abs(hits.detectable! - (2.8 * Math.sqrt(7)) / 100) < 1e-12);
  t.true(hits.interval![0] > 0);
  const mean = compareOutcomes(loss!, sides, basis);
  t.true(mean.difference! < 0 && mean.interval![1] < 0 && mean.p! < 0.05);
  t.deepEqual(compareOutcomes(loss!, sides, basis), mean);
  const f1 = compareOutcomes(macro!, sides, basis);
  t.true(f1.difference! > 0 && f1.p! < 0.05);
  const same = compareOutcomes(macro!, [sides[0], sides[0]], basis);
  t.like(same, { difference: 0, p: 1, detectable: 0 });
});

test('calibration: the interval lies around the value, although every resample has a larger error', (t) => {
  // As confident as it is right in every bin: noise of a resample only adds gaps.
  const rows = Array.from({ length: 600 }, (_, i) => [
    0.75 + (i % 15) * 1e-4,
    0.25 - (i % 15) * 1e-4,
  ]);
  const truth = rows.map((_, i) => (Math.floor(i / 15) % 4 === 0 ? 1 : 0));
  const { value: error, interval } = value('ece', classify(rows, truth, 'probabilities'));
  t.true(error !== null && interval !== null && error < 0.01);
  t.true(interval![0] <= error! && error! <= interval![1], `${error} in ${interval}`);
  t.true(interval![0] >= 0);
});
