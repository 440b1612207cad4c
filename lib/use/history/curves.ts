/** Curves of the metrics of a version: its series where it keeps some, else the points that it lists. */
import type { Id } from '../../base/bytes/hash.js';
import { isUnreadable } from '../../base/errors.js';
import type { VersionFacts } from '../../knowledge/catalog/facts.js';
import { type Direction, directionOf } from '../../pure/logs/direction.js';
import type { MetricSeries } from '../../pure/logs/series.js';
import { thin } from '../../pure/picture/curve.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { decodeSeries } from '../../storage/repo/version/series.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import { type MetricValue, metricValue } from './version-values.js';

/** A metric over steps, in few points: of each stretch of steps the least and the most. */
export interface Curve {
  name: string;
  /** Whether less or more is better; null if neither is known. */
  direction: Direction | null;
  /** Points that were measured. */
  count: number;
  steps: number[];
  values: MetricValue[];
}

/** Points of which few are kept: of each stretch of steps the least and the most. */
export function fewPoints(
  { steps, values }: Pick<MetricSeries, 'steps' | 'values'>,
  stretches: number,
): { steps: number[]; values: number[] } {
  const points = thin(
    steps.map((x, i) => ({ x, y: values[i] as number })),
    stretches,
  );
  return { steps: points.map(({ x }) => x), values: points.map(({ y }) => y) };
}

/** Stretches of steps of a curve. */
const BUCKETS = 160;

/** What curves need of a version. */
type Measured = Pick<VersionFacts, 'metrics' | 'knowledge'>;

/**
 * The curves of a version, by name; metrics of fewer than two steps have none. Series that cannot be read
 * are told of, and the points that the version itself lists stand for them.
 */
export async function readCurves(
  repo: Pick<ReadAccess, 'version' | 'readBlob'>,
  id: Id,
  { metrics, knowledge }: Measured,
  warn: (message: string) => void,
): Promise<Curve[]> {
  const points = new Map<string, { x: number; y: number }[]>();
  for (const { name, step, value } of metrics) {
    if (step === null) continue;
    const own = points.get(name);
    if (own === undefined) points.set(name, [{ x: step, y: value }]);
    else own.push({ x: step, y: value });
  }
  for (const series of await readSeries(repo, id, knowledge.series, warn)) {
    points.set(
      series.name,
      series.steps.map((x, i) => ({ x, y: series.values[i] as number })),
    );
  }
  const declared = new Map(knowledge.metrics.map(({ name, direction }) => [name, direction]));
  return [...points]
    .filter(([, own]) => own.length > 1)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, own]) => {
      const kept = thin(own, BUCKETS);
      return {
        name,
        direction: declared.get(name) ?? directionOf(name),
        count: own.length,
        steps: kept.map(({ x }) => x),
        values: kept.map(({ y }) => metricValue(y)),
      };
    });
}

async function readSeries(
  repo: Pick<ReadAccess, 'version' | 'readBlob'>,
  id: Id,
  log: string | null,
  warn: (message: string) => void,
): Promise<MetricSeries[]> {
  if (log === null) return [];
  const file = `${log} of version ${shortId(id)}`;
  try {
    const entry = (await repo.version(id)).logs.find(({ name }) => name === log);
    return entry === undefined ? [] : decodeSeries(await repo.readBlob(entry.id, 'blob'), file);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    warn(`the curves of ${shortId(id)} are drawn by few points: ${error.message}`);
    return [];
  }
}
