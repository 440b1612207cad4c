/** Metrics over outcomes: their names, what each is on all examples or on a resample of them. */
import { UsageError } from '../../base/errors.js';
import {
  type ClassOutcomes,
  exampleCount,
  NONE,
  type Outcomes,
  type TokenOutcomes,
} from './outcomes.js';
import { CALIBRATION_BINS } from './reliability.js';
import { Draws, type Interval, resample, summarizeBootstrap, wilson, Z95 } from './statistics.js';
import { whyUndefined } from './why-undefined.js';

/** Draws of the bootstrap. */
const RESAMPLES = 2000;
/** Bins of the calibration error, each with as many examples as the others. */
const BINS = CALIBRATION_BINS;

/** The value of a metric over examples that count as often as `weights` says; NaN where undefined. */
export type Weighted = (weights: Uint32Array) => number;

/** One metric on outcomes. */
export interface Metric {
  name: string;
  /** Which is better. */
  direction: 'max' | 'min';
  /**
   * `hits`: a share of examples that are right; `mean`: of a number per example; `set`: of all
   * examples together.
   */
  form: 'hits' | 'mean' | 'set';
  /** What each example counts, for hits (0 or 1) and means; null for a metric of the set. */
  each: ((outcomes: Outcomes, truth: Uint32Array | null) => (i: number) => number) | null;
  /** Gets ready for many sets of weights, whose sum is the number of examples. */
  over(outcomes: Outcomes, truth: Uint32Array | null): Weighted;
}

type Each = (outcomes: Outcomes, truth: Uint32Array | null, i: number) => number;

function mean(
  name: string,
  { direction, form }: Pick<Metric, 'direction' | 'form'>,
  each: Each,
  finish: (value: number) => number = (value) => value,
): Metric {
  return {
    name,
    direction,
    form,
    each: form === 'set' ? null : (outcomes, truth) => (i) => each(outcomes, truth, i),
    over: (outcomes, truth) => {
      const values = Float64Array.from({ length: exampleCount(outcomes) }, (_, i) =>
        each(outcomes, truth, i),
      );
      return (weights) => {
        let sum = 0;
        for (let i = 0; i < values.length; i += 1) {
          const weight = weights[i] as number;
          if (weight > 0) sum += weight * (values[i] as number);
        }
        return finish(sum / values.length);
      };
    },
  };
}

/** Over a whole set: a sum over examples, divided by another. */
function ratio(
  name: string,
  direction: Metric['direction'],
  [above, below]: readonly [TokenColumn, TokenColumn],
  finish: (value: number) => number = (value) => value,
): Metric {
  return {
    name,
    direction,
    form: 'set',
    each: null,
    over: (outcomes) => (weights) => {
      if (outcomes.task !== 'tokens') return Number.NaN;
      let [sum, count] = [0, 0];
      for (let i = 0; i < weights.length; i += 1) {
        const weight = weights[i] as number;
        if (weight === 0) continue;
        sum += weight * (outcomes[above][i] as number);
        count += weight * (outcomes[below][i] as number);
      }
      return finish(sum / count);
    },
  };
}

type TokenColumn = Exclude<keyof TokenOutcomes, 'task'>;

const HITS = { direction: 'max', form: 'hits' } as const;
const CLASS_METRICS = ['accuracy', 'macro-f1', 'micro-f1', 'auc', 'loss', 'perplexity', 'ece'];
const VALUE_METRICS = ['mae', 'rmse'];
const TOKEN_METRICS = [
  'perplexity',
  'loss',
  'accuracy',
  'word-perplexity',
  'byte-perplexity',
  'bits-per-byte',
];
const KNOWN: Record<Outcomes['task'], readonly string[]> = {
  classes: [...CLASS_METRICS, 'top5'],
  values: VALUE_METRICS,
  tokens: TOKEN_METRICS,
};

/** Metrics of a language model, over the tokens of the whole set. */
function ofTokens(name: string): Metric | null {
  switch (name) {
    case 'perplexity':
      return ratio(name, 'min', ['loss', 'tokens'], Math.exp);
    case 'loss':
      return ratio(name, 'min', ['loss', 'tokens']);
    case 'accuracy':
      return ratio(name, 'max', ['hits', 'tokens']);
    case 'word-perplexity':
      return ratio(name, 'min', ['loss', 'words'], Math.exp);
    case 'byte-perplexity':
      return ratio(name, 'min', ['loss', 'bytes'], Math.exp);
    case 'bits-per-byte':
      return ratio(name, 'min', ['loss', 'bytes'], (value) => value / Math.LN2);
    default:
      return null;
  }
}

function named(name: string): Metric | null {
  const top = /^top-?([1-9]\d{0,5})$/.exec(name);
  if (top) {
    const k = Number(top[1]);
    return mean(`top${k}`, HITS, (o, _, i) =>
      ((o as ClassOutcomes).rank[i] ?? NONE) <= k ? 1 : 0,
    );
  }
  const loss: Each = (o, _, i) => (o as ClassOutcomes).loss[i] ?? Number.NaN;
  const error = (column: 'absolute' | 'squared'): Each => {
    return (o, _, i) => (o.task === 'values' ? (o[column][i] ?? Number.NaN) : Number.NaN);
  };
  switch (name) {
    case 'accuracy':
      return mean(name, HITS, (o, truth, i) =>
        (o as ClassOutcomes).predicted[i] === truth?.[i] ? 1 : 0,
      );
    case 'loss':
      return mean(name, { direction: 'min', form: 'mean' }, loss);
    case 'perplexity':
      return mean(name, { direction: 'min', form: 'set' }, loss, Math.exp);
    case 'mae':
      return mean(name, { direction: 'min', form: 'mean' }, error('absolute'));
    case 'rmse':
      return mean(name, { direction: 'min', form: 'set' }, error('squared'), Math.sqrt);
    case 'macro-f1':
    case 'micro-f1':
      return onSet(name, 'max', (o, truth) => f1(o, truth, name));
    case 'auc':
      return onSet(name, 'max', auc);
    case 'ece':
      return onSet(name, 'min', calibrationError);
    default:
      return null;
  }
}

function onSet(
  name: string,
  direction: Metric['direction'],
  over: (outcomes: ClassOutcomes, truth: Uint32Array) => Weighted,
): Metric {
  return {
    name,
    direction,
    form: 'set',
    each: null,
    over: (outcomes, truth) =>
      outcomes.task === 'classes' && truth !== null ? over(outcomes, truth) : () => Number.NaN,
  };
}

/** The metrics of these names. @throws {UsageError} for unknown ones and those of another task. */
export function metricsNamed(names: readonly string[], task: Outcomes['task']): Metric[] {
  const what = { classes: 'classes', values: 'numbers', tokens: 'language models' }[task];
  return names.map((name) => {
    const own = name.toLowerCase();
    const metric = task === 'tokens' ? ofTokens(own) : named(own);
    const isOfValues = VALUE_METRICS.includes(metric?.name ?? '');
    if (metric !== null && isOfValues === (task === 'values')) return metric;
    const isKnown = (metric ?? named(own) ?? ofTokens(own)) !== null;
    throw new UsageError(
      isKnown ? `the metric '${name}' is not for ${what}` : `there is no metric '${name}'`,
      { hint: `metrics of ${what}: ${KNOWN[task].join(', ')}` },
    );
  });
}

/**
 * F1 over classes. A class that is neither true nor predicted is left out of the mean; one that is
 * only one of both counts 0. Micro counts all pairs: of single labels it is the accuracy.
 */
function f1(
  { classes, predicted }: ClassOutcomes,
  truth: Uint32Array,
  name: 'macro-f1' | 'micro-f1',
): Weighted {
  const hits = new Float64Array(classes);
  const seen = new Float64Array(classes);
  return (weights) => {
    hits.fill(0);
    seen.fill(0);
    for (let i = 0; i < predicted.length; i += 1) {
      const weight = weights[i] as number;
      const [guess, real] = [predicted[i] as number, truth[i] as number];
      seen[real] = (seen[real] as number) + weight;
      if (guess === NONE) continue;
      seen[guess] = (seen[guess] as number) + weight;
      if (guess === real) hits[real] = (hits[real] as number) + weight;
    }
    if (name === 'micro-f1') return (2 * total(hits)) / total(seen);
    let sum = 0;
    let present = 0;
    for (let c = 0; c < classes; c += 1) {
      if (seen[c] === 0) continue;
      present += 1;
      sum += (2 * (hits[c] as number)) / (seen[c] as number);
    }
    return sum / present;
  };
}

function total(values: Float64Array): number {
  return values.reduce((sum, one) => sum + one, 0);
}

/** Examples by a number, those of equal ones in their order. */
function ascending(values: Float32Array): Uint32Array {
  return Uint32Array.from(values.keys()).sort(
    (a, b) => (values[a] as number) - (values[b] as number) || a - b,
  );
}

/** Area under the ROC curve of two classes: Mann and Whitney, equal scores count one half. */
function auc({ margin }: ClassOutcomes, truth: Uint32Array): Weighted {
  if (margin === null || margin.some(Number.isNaN)) return () => Number.NaN;
  const order = ascending(margin);
  return (weights) => {
    let below = 0;
    let wins = 0;
    let positives = 0;
    for (let start = 0; start < order.length; ) {
      let end = start;
      let no = 0;
      let yes = 0;
      const value = margin[order[start] as number];
      while (end < order.length && margin[order[end] as number] === value) {
        const i = order[end] as number;
        if (truth[i] === 1) yes += weights[i] as number;
        else no += weights[i] as number;
        end += 1;
      }
      wins += yes * (below + no / 2);
      below += no;
      positives += yes;
      start = end;
    }
    return positives === 0 || below === 0 ? Number.NaN : wins / (positives * below);
  };
}

/** Expected calibration error: |accuracy − confidence| in bins of equal numbers, weighted. */
function calibrationError({ confidence, predicted }: ClassOutcomes, truth: Uint32Array): Weighted {
  if (confidence.some(Number.isNaN)) return () => Number.NaN;
  const order = ascending(confidence);
  const n = order.length;
  const bins = Math.min(BINS, n);
  return (weights) => {
    let error = 0;
    let gap = 0;
    let bin = 1;
    let seen = 0;
    for (const i of order) {
      const one = (predicted[i] === truth[i] ? 1 : 0) - (confidence[i] as number);
      let left = weights[i] as number;
      while (left > 0) {
        // An example that counts several times may lie across the end of a bin.
        const room = Math.floor((bin * n) / bins) - seen;
        const taken = Math.min(left, room);
        gap += taken * one;
        left -= taken;
        seen += taken;
        if (taken < room) break;
        error += Math.abs(gap);
        gap = 0;
        bin += 1;
      }
    }
    return error / n;
  };
}

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
