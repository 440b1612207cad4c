/** Metrics of several versions as rows: last and best values, and where curves part. */
import { maxOf } from '../../base/bytes/many.js';
import { type Direction, directionOf } from '../../pure/logs/direction.js';
import { findParting } from '../../pure/logs/parting.js';
import type { MetricSeries } from '../../pure/logs/series.js';
import type { MetricFacts } from '../../storage/repo/version/knowledge.js';
import type { Metric } from '../../storage/repo/version/version.js';
import { type MetricPlace, metricValue } from '../history/version-values.js';
import type { ComparedMetric, MetricCell } from './result.js';

/** What a version knows of its metrics. */
export interface MetricSource {
  /** The points that it lists, by name, then step. */
  metrics: readonly Metric[];
  facts: readonly MetricFacts[];
  series: readonly MetricSeries[];
}

/** A metric of one version: all points of its curve, and the value without a step. */
interface Curve extends Pick<MetricSeries, 'steps' | 'values'> {
  single: number | null;
}

/** One row for each metric, sorted by names. @param baseline  place of the side that others are compared with. */
export function compareMetrics(
  sides: readonly (MetricSource | null)[],
  baseline: number,
): ComparedMetric[] {
  const curves = sides.map((side) => (side === null ? null : curvesOf(side)));
  const names = new Set(curves.flatMap((side) => [...(side?.keys() ?? [])]));
  return [...names].sort().map((name): ComparedMetric => {
    const direction = directionIn(sides, name);
    const base = curves[baseline]?.get(name);
    const told = base === undefined ? null : numberOf(base);
    const cells = curves.map((side, at): MetricCell | null => {
      const curve = side?.get(name);
      if (curve === undefined) return null;
      const { steps, values, single } = curve;
      const last =
        single === null
          ? { step: steps.at(-1) ?? null, value: metricValue(values.at(-1) ?? 0) }
          : { step: null, value: metricValue(single) };
      const own = numberOf(curve);
      const delta = told === null || own === null || at === baseline ? Number.NaN : own - told;
      return {
        last,
        best: bestOf(curve, direction),
        delta: Number.isFinite(delta) ? delta : null,
        count: steps.length,
        parting: base === undefined || at === baseline ? null : findParting(base, curve),
      };
    });
    const isSame = (curve: Curve | undefined): boolean =>
      base !== undefined && curve !== undefined && JSON.stringify(curve) === JSON.stringify(base);
    const present = curves.filter((side) => side !== null);
    const equal = present.every((side) => isSame(side.get(name)));
    return { name, direction, cells, equal, leaders: leadersOf(curves, name, direction) };
  });
}

function directionIn(sides: readonly (MetricSource | null)[], name: string): Direction | null {
  for (const side of sides) {
    const declared = side?.facts.find((fact) => fact.name === name)?.direction;
    if (declared) return declared;
  }
  return directionOf(name);
}

function curvesOf({ metrics, series }: MetricSource): Map<string, Curve> {
  const curves = new Map<string, Curve>();
  for (const { name, value, step } of metrics) {
    const curve = curves.get(name) ?? { steps: [], values: [], single: null };
    if (step === null) curve.single = value;
    else {
      curve.steps.push(step);
      curve.values.push(value);
    }
    curves.set(name, curve);
  }
  for (const { name, steps, values } of series) {
    curves.set(name, { steps, values, single: curves.get(name)?.single ?? null });
  }
  return curves;
}

function bestOf({ steps, values }: Curve, direction: Direction | null): MetricPlace | null {
  if (direction === null) return null;
  const sign = direction === 'min' ? -1 : 1;
  let best = -1;
  for (const [at, value] of values.entries()) {
    if (Number.isNaN(value)) continue;
    if (best < 0 || sign * value > sign * (values[best] as number)) best = at;
  }
  if (best < 0) return null;
  return { step: steps[best] as number, value: metricValue(values[best] as number) };
}

/** What a version is compared by: the value without a step, else that of its last step, which is that of its weights. */
function numberOf({ single, values }: Curve): number | null {
  return single ?? values.at(-1) ?? null;
}

function leadersOf(
  curves: readonly (ReadonlyMap<string, Curve> | null)[],
  name: string,
  direction: Direction | null,
): number[] {
  if (direction === null) return [];
  const sign = direction === 'min' ? -1 : 1;
  const numbers = curves.map((side) => {
    const curve = side?.get(name);
    const own = curve === undefined ? null : numberOf(curve);
    return own === null || Number.isNaN(own) ? null : sign * own;
  });
  const known = numbers.filter((value) => value !== null);
  if (known.length < 2) return [];
  const most = maxOf(known);
  const leaders = [...numbers.keys()].filter((at) => numbers[at] === most);
  return leaders.length === known.length ? [] : leaders;
}
