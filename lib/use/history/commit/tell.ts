/**
 * What a version says besides its files: hyperparameters, metrics, logs and how it was made, joined of
 * what its logs say, what the user says, and what the version had whose place it takes.
 */
import type { Id } from '../../../base/bytes/hash.js';
import { UsageError } from '../../../base/errors.js';
import type { Direction } from '../../../pure/logs/direction.js';
import { type MetricSeries, SeriesBuilder } from '../../../pure/logs/series.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import type { PackSession } from '../../../storage/objects/session.js';
import {
  type Knowledge,
  knowledgeExtension,
  type MetricFacts,
  type NamedText,
  noKnowledge,
  type Operation,
  readKnowledge,
} from '../../../storage/repo/version/knowledge.js';
import { decodeSeries, SERIES_LOG } from '../../../storage/repo/version/series.js';
import type {
  Extension,
  LogRef,
  Metric,
  Param,
  Version,
} from '../../../storage/repo/version/version.js';
import { type KeptLog, pointsOf, storeLogs, storeSeries } from './store-logs.js';

/** What the user says of how a version was made. */
export interface GivenKnowledge {
  operation?: Operation;
  environment?: readonly NamedText[];
  data?: readonly NamedText[];
  /** Whether less or more of a metric is better. */
  directions?: ReadonlyMap<string, Direction>;
}

/** A text that is kept with a version and says nothing of its metrics, such as the output of a run. */
export interface GivenText {
  name: string;
  bytes: Uint8Array;
}

/** What a version says besides its files. */
export interface Told {
  params: Param[];
  metrics: Metric[];
  logs: LogRef[];
  extensions: Extension[];
  kept: KeptLog[];
}

interface Telling {
  content: {
    params?: readonly Param[];
    metrics?: readonly Metric[];
    logs?: readonly string[];
    texts?: readonly GivenText[];
    series?: readonly MetricSeries[];
    knowledge?: GivenKnowledge;
  };
  amended: Version | null;
}

/** Stores the logs and joins what is known. @throws {UsageError} {CorruptError} */
export async function tellOf(
  repo: ReadAccess,
  session: PackSession,
  { content, amended }: Telling,
  signal?: AbortSignal,
): Promise<Told> {
  const { knowledge: given = {} } = content;
  const stored = await storeLogs(session, content.logs ?? [], signal);
  const fresh = merge(content.series, stored.series, ({ name }) => name);
  const texts: LogRef[] = [];
  for (const { name, bytes } of content.texts ?? []) {
    texts.push({ name, id: await session.putBlob('blob', bytes), bytes: bytes.length });
  }
  const had = amended === null ? noKnowledge() : readKnowledge(amended.extensions, 'version');
  const read =
    fresh.length === 0 && had.series === null
      ? []
      : merge(await seriesOf(repo, amended, had), fresh, ({ name }) => name);
  const series = read.map((one) => withPoints(one, content.metrics ?? []));
  const isNew = fresh.length > 0 || series.some((one, i) => one !== read[i]);
  const log = isNew ? await storeSeries(session, series) : null;
  const replaced = series.filter((one) => fresh.some(({ name }) => name === one.name));
  const counts = new Map(series.map(({ name, steps }) => [name, steps.length]));
  const directions = new Map([
    ...had.metrics.flatMap(({ name, direction }) =>
      direction ? [[name, direction] as const] : [],
    ),
    ...stored.directions,
    ...(given.directions ?? []),
  ]);
  const metrics = merge(
    // A new series takes the place of all points of the old one.
    merge(amended?.metrics, [...stored.finals, ...replaced.flatMap(pointsOf)], byName),
    content.metrics,
    ({ name, step }) => `${step}/${name}`,
  );
  for (const name of given.directions?.keys() ?? []) {
    if (!metrics.some((metric) => metric.name === name)) throw noMetric(name, metrics);
  }
  const facts = new Set([...counts.keys(), ...directions.keys()]);
  const knowledge: Knowledge = {
    operation: given.operation ?? had.operation,
    environment: merge(
      merge(had.environment, stored.environment, byName),
      given.environment,
      byName,
    ),
    data: merge(had.data, given.data, byName),
    metrics: [...facts].map(
      (name): MetricFacts => ({
        name,
        direction: directions.get(name) ?? null,
        count: counts.get(name) ?? null,
      }),
    ),
    series: log === null ? had.series : log.name,
  };
  return {
    params: merge(merge(amended?.params, stored.params, byName), content.params, byName),
    metrics,
    logs: merge(amended?.logs, [...texts, ...stored.logs, ...(log === null ? [] : [log])], byName),
    extensions: knowledgeExtension(knowledge),
    kept: stored.kept,
  };
}

/** A series with the points that are given besides, each over the one of its step. */
function withPoints(series: MetricSeries, metrics: readonly Metric[]): MetricSeries {
  const given = metrics.filter(({ name, step }) => name === series.name && step !== null);
  if (given.length === 0) return series;
  const builder = new SeriesBuilder(Number.POSITIVE_INFINITY);
  for (const [i, step] of series.steps.entries()) {
    const time = series.times?.[i] ?? Number.NaN;
    const value = series.values[i] as number;
    builder.add(series.name, { step, value, time: Number.isNaN(time) ? null : time });
  }
  for (const { name, step, value } of given) {
    builder.add(name, { step: step as number, value, time: null });
  }
  return builder.finish()[0] as MetricSeries;
}

const byName = ({ name }: { name: string }): string => name;

function noMetric(name: string, metrics: readonly Metric[]): UsageError {
  const names = [...new Set(metrics.map(byName))];
  return new UsageError(`there is no metric '${name}' that could be better or worse`, {
    name,
    hint:
      names.length === 0
        ? 'give it with --metric or in a log'
        : `the version has ${names.slice(0, 10).join(', ')}`,
  });
}

/** The series of a version; none if it has none. @throws {CorruptError} */
export async function seriesOf(
  repo: ReadAccess,
  version: Pick<Version, 'logs' | 'extensions'> | null,
  knowledge: Knowledge,
): Promise<MetricSeries[]> {
  const log = version?.logs.find(({ name }) => name === knowledge.series);
  if (log === undefined) return [];
  return decodeSeries(await repo.readBlob(log.id as Id, 'blob'), SERIES_LOG);
}

/** What a version had, with what is given instead of it and besides it. Names given twice stay. */
function merge<T>(
  had: readonly T[] = [],
  given: readonly T[] = [],
  keyOf: (row: T) => string,
): T[] {
  const keys = new Set(given.map(keyOf));
  return [...had.filter((row) => !keys.has(keyOf(row))), ...given];
}
