/** Two versions on the same examples: the difference, its interval, and whether it is one. */

import { type MetricBasis, resampled, standardError } from './measure.js';
import type { Metric } from './metrics.js';
import type { Outcomes } from './outcomes.js';
import {
  type Interval,
  mcnemar,
  pairedDifference,
  smallestDetectable,
  summarizeBootstrap,
} from './statistics.js';

/** What pairs of outcomes say. Differences are the second side minus the first. */
export interface Comparison {
  metric: string;
  difference: number | null;
  /** 95 %. */
  interval: Interval | null;
  test: 'mcnemar-midp' | 'bootstrap';
  /** That there is no difference; null where the metric is not defined. */
  p: number | null;
  /** Of McNemar's exact test, which finds less. */
  exactP: number | null;
  /** Smallest difference found with 80 % power at a level of 5 %. */
  detectable: number | null;
  /** Examples that one side alone has right, for metrics that count hits. */
  onlyFirst: number | null;
  onlySecond: number | null;
}

/** Compares two outcomes of the same examples. @param seed  of the bootstrap, same draws for both. */
export function compareOutcomes(
  metric: Metric,
  [first, second]: readonly [Outcomes, Outcomes],
  basis: MetricBasis,
): Comparison {
  const { truth, examples } = basis;
  if (metric.form === 'hits' && metric.each !== null) {
    const [one, other] = [metric.each(first, truth), metric.each(second, truth)];
    const counts = { both: 0, onlyFirst: 0, onlySecond: 0, neither: 0 };
    for (let i = 0; i < examples; i += 1) {
      const [a, b] = [one(i), other(i)];
      counts[a ? (b ? 'both' : 'onlyFirst') : b ? 'onlySecond' : 'neither'] += 1;
    }
    const { onlyFirst, onlySecond } = counts;
    const { midP, exactP } = mcnemar(onlyFirst, onlySecond);
    return {
      metric: metric.name,
      difference: (onlySecond - onlyFirst) / examples,
      interval: pairedDifference(counts),
      test: 'mcnemar-midp',
      p: midP,
      exactP,
      detectable: smallestDetectable(Math.sqrt(onlyFirst + onlySecond) / examples),
      onlyFirst,
      onlySecond,
    };
  }
  return bootstrapped(metric, [first, second], basis);
}

function bootstrapped(
  metric: Metric,
  [first, second]: readonly [Outcomes, Outcomes],
  basis: MetricBasis,
): Comparison {
  const { truth, examples, seed } = basis;
  const [one, other] = [metric.over(first, truth), metric.over(second, truth)];
  const weights = new Uint32Array(examples).fill(1);
  const gap = (counts: Uint32Array): number => other(counts) - one(counts);
  const difference = gap(weights);
  const found = Number.isFinite(difference)
    ? summarizeBootstrap(resampled(seed, weights, gap))
    : null;
  const [each, every] = [metric.each?.(first, truth), metric.each?.(second, truth)];
  const error =
    each === undefined || every === undefined
      ? found?.standardError
      : standardError(examples, (i) => every(i) - each(i));
  return {
    metric: metric.name,
    difference: Number.isFinite(difference) ? difference : null,
    interval: found?.interval ?? null,
    test: 'bootstrap',
    p: found?.p ?? null,
    exactP: null,
    detectable: found === null || error === undefined ? null : smallestDetectable(error),
    onlyFirst: null,
    onlySecond: null,
  };
}
