/** Metrics and hyperparameters of a version as values that JSON holds. */
import { type Direction, directionOf } from '../../pure/logs/direction.js';
import { type ParamValue, parseParam } from '../../pure/logs/param-value.js';
import { wholePoint } from '../../pure/logs/series.js';
import type { MetricFacts } from '../../storage/repo/version/knowledge.js';
import type { Metric, Version } from '../../storage/repo/version/version.js';

/** A number as JSON can hold it: what is not finite is 'NaN', 'Infinity' or '-Infinity'. */
export type MetricValue = number | string;

/** A metric's value as JSON can hold it. */
export function metricValue(value: number): MetricValue {
  return Number.isFinite(value) ? value : String(value);
}

/** Name → value: the one without a step, else the last. Metrics of a version are in order of name, then step. */
export function wholeMetrics(metrics: readonly Metric[]): Record<string, MetricValue> {
  const values = new Map<string, Metric>();
  for (const metric of metrics) {
    if (values.get(metric.name)?.step !== null) values.set(metric.name, metric);
  }
  return Object.fromEntries([...values].map(([name, { value }]) => [name, metricValue(value)]));
}

/** A value and where it was measured. */
export interface MetricPlace {
  step: number;
  value: MetricValue;
}

/** A metric over the steps of a version. */
export interface MetricSteps {
  /** Of the value in `metrics`: the last one, or null if a value was given without a step. */
  step: number | null;
  /** Steps that have a value. */
  count: number;
  least: MetricPlace;
  most: MetricPlace;
  /** Whether less or more is better: as declared, else as the name says; null if neither tells. */
  direction: Direction | null;
  /** The least or the most, as the direction says. */
  best: MetricPlace | null;
}

/**
 * By name, for metrics that have steps. They are in order of name, then step.
 * @param facts  what the version says of them besides.
 */
export function metricSteps(
  metrics: readonly Metric[],
  facts: readonly MetricFacts[] = [],
): Record<string, MetricSteps> {
  const steps: Record<string, MetricSteps> = {};
  for (let from = 0; from < metrics.length; ) {
    const { name } = metrics[from] as Metric;
    let end = from;
    while (end < metrics.length && metrics[end]?.name === name) end++;
    const points = metrics.slice(from, end);
    const own = points.filter(({ step }) => step !== null);
    const step = wholePoint(points)?.step ?? null;
    if (own.length > 0) define(steps, name, { ...stepsOf(name, own, facts), step });
    from = end;
  }
  return steps;
}

/** Sets a member whatever it is called. */
function define<T>(record: Record<string, T>, name: string, value: T): void {
  if (name === '__proto__') {
    Object.defineProperty(record, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  } else record[name] = value;
}

function stepsOf(
  name: string,
  points: readonly Metric[],
  facts: readonly MetricFacts[],
): Omit<MetricSteps, 'step'> {
  const [first] = points as [Metric];
  let least = first;
  let most = first;
  for (const point of points) {
    // What is not a number is neither: it gives way to any number.
    if (!(point.value >= least.value)) least = numberOf(point, least);
    if (!(point.value <= most.value)) most = numberOf(point, most);
  }
  const known = facts.find((fact) => fact.name === name);
  const direction = known?.direction ?? directionOf(name);
  const best = direction === null ? null : placeOf(direction === 'min' ? least : most);
  return {
    count: known?.count ?? points.length,
    least: placeOf(least),
    most: placeOf(most),
    direction,
    best,
  };
}

function placeOf({ step, value }: Metric): MetricPlace {
  return { step: step as number, value: metricValue(value) };
}

/** The metric whose value is a number; the first if both are or none is. */
function numberOf(metric: Metric, other: Metric): Metric {
  return Number.isNaN(metric.value) ? other : metric;
}

/** Hyperparameters by name, as values. */
export function typedParams({ params }: Pick<Version, 'params'>): Record<string, ParamValue> {
  return Object.fromEntries(params.map(({ name, text }) => [name, parseParam(text)]));
}
