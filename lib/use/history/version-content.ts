/** Hyperparameters and metrics as callers give them, and as versions hold them. */
import { UsageError } from '../../base/errors.js';
import type { Direction } from '../../pure/logs/direction.js';
import { formatParam, isParamValue, type ParamValue } from '../../pure/logs/param-value.js';
import type { Metric, Param } from '../../storage/repo/version/version.js';

export { numberOf } from '../../pure/logs/rows.js';

/** Name → value: each is read back as it was given. */
export type ParamValues = Readonly<Record<string, ParamValue>>;

/** A measured number, for the version as a whole or at one training step. */
export interface MetricPoint {
  name: string;
  /** May be left out where a direction alone is declared, of a metric of a log. */
  value?: number;
  step?: number | null;
  /** Whether less or more is better; the name tells it where it is left out. */
  direction?: Direction;
}

/** Name → value, or a list where a metric has values at several steps. */
export type MetricValues = Readonly<Record<string, number>> | readonly MetricPoint[];

/** Hyperparameters of a version. @throws {UsageError} for a value of another type. */
export function toParams(values: ParamValues | readonly Param[] = []): Param[] {
  if (isList(values)) return onlyOnce(values, 'hyperparameter', ({ name }) => name);
  return Object.entries(values).map(([name, value]) => {
    if (!isParamValue(value) && typeof value !== 'number') {
      throw new UsageError(`hyperparameter '${name}' is no text, number, boolean or list`, {
        name,
        hint: "give each setting of an object by itself, as 'optimizer.lr'",
      });
    }
    return { name, text: formatParam(value) };
  });
}

/** Metrics of a version; NaN and infinities are numbers: runs diverge. @throws {UsageError} for another type. */
export function toMetrics(values: MetricValues = []): Metric[] {
  const points = isList(values)
    ? values
    : Object.entries(values).map(([name, value]): MetricPoint => ({ name, value }));
  const measured = points.filter(({ value }) => value !== undefined);
  const metrics = measured.map(({ name, value, step = null }): Metric => {
    if (typeof value !== 'number') {
      throw new UsageError(`metric '${name}' has the value '${value}', which is not a number`, {
        name,
      });
    }
    return { name, value, step };
  });
  return onlyOnce(metrics, 'metric', ({ name, step }) =>
    step === null ? name : `${name}@${step}`,
  );
}

/** Directions that metrics declare. @throws {UsageError} for a metric that is to be small and large. */
export function toDirections(values: MetricValues = []): Map<string, Direction> {
  const directions = new Map<string, Direction>();
  for (const { name, direction } of isList(values) ? values : []) {
    if (direction === undefined) continue;
    if (direction !== 'min' && direction !== 'max') {
      throw new UsageError(`metric '${name}' has the direction '${direction}'`, {
        name,
        hint: "it is 'min' or 'max'",
      });
    }
    if ((directions.get(name) ?? direction) !== direction) {
      throw new UsageError(`metric '${name}' is given as min and as max`, { name });
    }
    directions.set(name, direction);
  }
  return directions;
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
