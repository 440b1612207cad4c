/** Metrics over outcomes: their names, and what each is on all examples or on a resample of them. */
import { UsageError } from '../../base/errors.js';
import { auc, calibrationError, f1, type Weighted } from './class-metrics.js';
import {
  type ClassOutcomes,
  exampleCount,
  NONE,
  type Outcomes,
  type TokenOutcomes,
} from './outcomes.js';

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
