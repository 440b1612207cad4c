/** Hyperparameters and metrics as callers give them, and as versions hold them. */
import { UsageError } from '../../base/errors.js';
import type { Metric, Param } from '../../storage/repo/version/version.js';

/** Name → value. Numbers and booleans are kept as their text. */
export type ParamValues = Readonly<Record<string, string | number | boolean>>;

/** A measured number, for the version as a whole or at one training step. */
export interface MetricPoint {
  name: string;
  value: number;
  step?: number | null;
}

/** Name → value, or a list where a metric has values at several steps. */
export type MetricValues = Readonly<Record<string, number>> | readonly MetricPoint[];

/** Hyperparameters of a version. @throws {UsageError} for a value of another type. */
export function toParams(values: ParamValues | readonly Param[] = []): Param[] {
  if (isList(values)) return onlyOnce(values, 'hyperparameter', ({ name }) => name);
  return Object.entries(values).map(([name, value]) => {
    if (!['string', 'number', 'boolean'].includes(typeof value)) {
      throw new UsageError(`hyperparameter '${name}' is neither text nor a number`, {
        name,
        hint: 'give it as text, a number or a boolean',
      });
    }
    return { name, text: String(value) };
  });
}

/** Metrics of a version. @throws {UsageError} for a value that is not a number. */
export function toMetrics(values: MetricValues = []): Metric[] {
  const points = isList(values)
    ? values
    : Object.entries(values).map(([name, value]): MetricPoint => ({ name, value }));
  const metrics = points.map(({ name, value, step = null }): Metric => {
    if (typeof value !== 'number' || Number.isNaN(value)) {
      throw new UsageError(`metric '${name}' has the value '${value}', which is not a number`, {
        name,
        hint: 'leave it out, or keep it in a log',
      });
    }
    return { name, value, step };
  });
  return onlyOnce(metrics, 'metric', ({ name, step }) =>
    step === null ? name : `${name}@${step}`,
  );
}

/** @throws {UsageError} if two have one name. */
function onlyOnce<T>(values: readonly T[], what: string, nameOf: (value: T) => string): T[] {
  const seen = new Set<string>();
  for (const name of values.map(nameOf)) {
    if (seen.has(name)) {
      throw new UsageError(`${what} '${name}' is given twice`, { name, hint: 'give it once' });
    }
    seen.add(name);
  }
  return [...values];
}

function isList<T>(values: object | readonly T[]): values is readonly T[] {
  return Array.isArray(values);
}
