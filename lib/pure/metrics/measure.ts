/** The value of a metric on some examples, with its interval. */
import type { Weighted } from './class-metrics.js';
import type { Metric } from './metrics.js';
import type { Outcomes } from './outcomes.js';
import { Draws, type Interval, resample, summarizeBootstrap, wilson, Z95 } from './statistics.js';
import { whyUndefined } from './why-undefined.js';

/** Draws of the bootstrap. */
const RESAMPLES = 2000;

/** A metric on all examples; null where it is not defined. */
export interface Measured {
  value: number | null;
  /** 95 %: Wilson for shares, normal for means, percentiles of the bootstrap for the others. */
  interval: Interval | null;
  /** Why it is not defined; null where it is. */
  why: string | null;
}

/** Examples, what is true of them, and the seed of the bootstrap. */
export interface MetricBasis {
  truth: Uint32Array | null;
  examples: number;
  seed: number;
}

export function measure(
  metric: Metric,
  outcomes: Outcomes,
  { truth, examples, seed }: MetricBasis,
): Measured {
  const weights = new Uint32Array(examples).fill(1);
  const over = metric.over(outcomes, truth);
  const value = over(weights);
  if (!Number.isFinite(value)) {
    return { value: null, interval: null, why: whyUndefined(metric.name, outcomes, truth) };
  }
  if (metric.form === 'hits') {
    return { value, interval: wilson(Math.round(value * examples), examples), why: null };
  }
  if (metric.each !== null) {
    const error = standardError(examples, metric.each(outcomes, truth));
    return { value, interval: [value - Z95 * error, value + Z95 * error], why: null };
  }
  const values = resampled(seed, weights, over);
  const interval = summarizeBootstrap(values)?.interval ?? null;
  const isMoved = metric.name === 'ece' && interval !== null;
  return { value, interval: isMoved ? aroundValue(interval, value, values) : interval, why: null };
}

/**
 * Percentiles less the bias of the draws, at least 0. A sum of absolute gaps is larger on every resample, which
 * adds noise to the gaps: its plain percentiles may all lie above the value.
 */
function aroundValue([low, high]: Interval, value: number, draws: readonly number[]): Interval {
  const known = draws.filter(Number.isFinite);
  const bias = known.reduce((sum, one) => sum + one, 0) / known.length - value;
  return [Math.max(0, low - bias), Math.max(0, high - bias)];
}

/** A number on each resample. @param weights  one an example; changed. */
export function resampled(seed: number, weights: Uint32Array, of: Weighted): number[] {
  const draws = new Draws(seed);
  return Array.from({ length: RESAMPLES }, () => {
    resample(draws, weights);
    return of(weights);
  });
}

/** Of the mean of `n` numbers; 0 for one. */
export function standardError(n: number, of: (i: number) => number): number {
  if (n < 2) return 0;
  let sum = 0;
  for (let i = 0; i < n; i += 1) sum += of(i);
  let squares = 0;
  for (let i = 0; i < n; i += 1) squares += (of(i) - sum / n) ** 2;
  return Math.sqrt(squares / (n - 1) / n);
}
