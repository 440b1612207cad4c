/**
 * Columns of a table of versions: what a version says of itself, its hyperparameters, its metrics.
 * Names are `metrics.acc`, `params.lr`, `env.python`, `data.train`, `eval.accuracy`, attributes, or a bare name where one
 * thing alone has it; `best(acc)`, `best_step(acc)`, `min`, `max`, `last`, `last_step`, `count` are asked of metrics.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { UsageError } from '../../../base/errors.js';
import type { VersionFacts } from '../../../knowledge/catalog/facts.js';
import { type Direction, directionOf } from '../../../pure/logs/direction.js';
import { parseParam } from '../../../pure/logs/param-value.js';
import { wholePoint } from '../../../pure/logs/series.js';
import type { ColumnRef, Value } from '../../../pure/where/condition.js';
import type { Binding } from '../../../pure/where/evaluate.js';
import type { Metric } from '../../../storage/repo/version/version.js';
import { parseDate } from '../dates.js';
import { ColumnNames, columnFunction, type Space, spaceOf } from './column-names.js';
import type { NetworkSize } from './network-sizes.js';

/** A version as a row. */
export interface VersionRow {
  id: Id;
  facts: VersionFacts;
  /** n of `model@n`, and a revision that names it. */
  number: number;
  name: string;
  /** HEAD, branches and tags that name it. */
  refs: string[];
  /** The branch on whose own line it is; null if it is on none, or nobody asks. */
  branch: string | null;
  /** What `dlv eval` found of it, by metric, of each the newest; empty if nobody asks. */
  evaluated: ReadonlyMap<string, number>;
  /** Size of the networks that it keeps; null if it keeps none, or nobody asks. */
  network: NetworkSize | null;
}

/** A column of a table. */
export interface Column extends Binding<VersionRow> {
  /** As it is shown, in one spelling: 'best(metrics.acc)'. */
  name: string;
  kind: 'attribute' | 'param' | 'metric' | 'text';
  /** Step where the value was measured; null if the column has none. */
  step: ((row: VersionRow) => number | null) | null;
}

type Attribute = (row: VersionRow) => Value;

const ATTRIBUTES: Readonly<Record<string, Attribute>> = {
  version: ({ id }) => id,
  name: ({ name }) => name,
  model: ({ facts }) => facts.model,
  number: ({ number }) => number,
  message: ({ facts }) => facts.message.split('\n', 1)[0] as string,
  author: ({ facts }) => facts.author.name,
  email: ({ facts }) => facts.author.email,
  time: ({ facts }) => facts.time,
  step: ({ facts }) => facts.step,
  files: ({ facts }) => facts.files,
  bytes: ({ facts }) => facts.bytes,
  parents: ({ facts }) => facts.parents.length,
  refs: ({ refs }) => (refs.length === 0 ? null : refs.join(', ')),
  branch: ({ branch }) => branch,
  operation: ({ facts }) => facts.knowledge.operation?.kind ?? null,
  parameters: ({ network }) => network?.parameters ?? null,
  macs: ({ network }) => network?.macs ?? null,
  layers: ({ network }) => network?.layers ?? null,
};
/** What a version says, by name: with thousands of metrics, each is a column that looks one of them up. */
interface Named {
  points: ReadonlyMap<string, Metric[]>;
  metrics: ReadonlyMap<string, VersionFacts['knowledge']['metrics'][number]>;
  params: ReadonlyMap<string, string>;
}

const NAMED = new WeakMap<VersionFacts, Named>();

function named({ facts }: VersionRow): Named {
  const known = NAMED.get(facts);
  if (known !== undefined) return known;
  const points = new Map<string, Metric[]>();
  for (const metric of facts.metrics) {
    const same = points.get(metric.name);
    if (same === undefined) points.set(metric.name, [metric]);
    else same.push(metric);
  }
  const made: Named = {
    points,
    metrics: new Map(facts.knowledge.metrics.map((metric) => [metric.name, metric])),
    params: new Map(facts.params.map(({ name, text }) => [name, text])),
  };
  NAMED.set(facts, made);
  return made;
}

/** The points of one metric that a version lists: in order of step, the one without a step first. */
function pointsOf(row: VersionRow, name: string): readonly Metric[] {
  return named(row).points.get(name) ?? [];
}

function directionIn(row: VersionRow, name: string): Direction | null {
  return named(row).metrics.get(name)?.direction ?? directionOf(name);
}

function extreme(points: readonly Metric[], direction: Direction | null): Metric | null {
  let found: Metric | null = null;
  for (const point of points) {
    if (Number.isNaN(point.value) || direction === null) continue;
    const isBetter =
      found === null ||
      (direction === 'min' ? point.value < found.value : point.value > found.value);
    if (isBetter) found = point;
  }
  return found;
}

/** The columns that some versions have. */
export class Columns {
  readonly #names = new ColumnNames();
  readonly #rows: readonly VersionRow[];

  /** @param rows  all versions of the table: what none of them has is no column. */
  constructor(rows: readonly VersionRow[]) {
    this.#rows = rows;
    for (const { facts, evaluated } of rows) {
      for (const name of evaluated.keys()) this.#names.add('eval', name);
      for (const { name } of facts.metrics) this.#names.add('metrics', name);
      for (const { name } of facts.params) this.#names.add('params', name);
      for (const { name } of facts.knowledge.environment) this.#names.add('env', name);
      for (const { name } of facts.knowledge.data) this.#names.add('data', name);
    }
  }

  /** Names of the metrics, or of the hyperparameters, sorted. */
  names(space: Space): string[] {
    return this.#names.of(space);
  }

  /** Every name that a column goes by: attributes, then 'metrics.acc', 'params.lr' and others. */
  allNames(): string[] {
    return this.#names.all();
  }

  /** Whether less or more of a metric is better; null if nothing says so, or rows say both. */
  direction(metric: string, rows: readonly VersionRow[]): Direction | null {
    const [, evaluated] = /^eval\.(.*)$/s.exec(metric) ?? [];
    if (evaluated !== undefined && !this.#names.of('metrics').includes(metric)) {
      return directionOf(evaluated);
    }
    const found = new Set(
      rows.flatMap((row) => (pointsOf(row, metric).length > 0 ? [directionIn(row, metric)] : [])),
    );
    const [first = null] = found;
    return found.size === 1 ? first : null;
  }

  /** The column that a name means. @throws {NotFoundError} {UsageError} */
  find({ name, function: fn }: ColumnRef): Column {
    const [space, own] = this.#names.place(name);
    if (fn !== null) return this.#asked(fn, space, own, name);
    if (space === null) return attributeColumn(own);
    const full = `${space}.${own}`;
    if (space === 'metrics') {
      const whole = (row: VersionRow): Metric | undefined => wholePoint(pointsOf(row, own));
      return {
        name: full,
        kind: 'metric',
        get: (row) => whole(row)?.value ?? null,
        step: (row) => whole(row)?.step ?? null,
      };
    }
    if (space === 'params') {
      const get = (row: VersionRow): Value => {
        const text = named(row).params.get(own);
        return text === undefined ? null : parseParam(text);
      };
      return { name: full, kind: 'param', get, step: null };
    }
    if (space === 'eval') {
      return {
        name: full,
        kind: 'metric',
        get: (row) => row.evaluated.get(own) ?? null,
        step: null,
      };
    }
    const list = space === 'env' ? 'environment' : 'data';
    const get = ({ facts }: VersionRow): Value =>
      facts.knowledge[list].find((row) => row.name === own)?.text ?? null;
    return { name: full, kind: 'text', get, step: null };
  }

  #asked(called: string, space: Space | null, own: string, name: string): Column {
    const asked = columnFunction(called, name);
    if (space !== 'metrics') {
      throw new UsageError(`${asked}() is asked of a metric, and '${name}' is none`, {
        column: name,
      });
    }
    const isBest = asked === 'best' || asked === 'best_step';
    if (isBest && !this.#rows.some((row) => directionIn(row, own) !== null)) {
      throw new UsageError(`whether less or more of '${own}' is better is not known`, {
        column: name,
        hint: `write min(${name}) or max(${name}), or declare it: dlv commit --metric '${own}:min'`,
      });
    }
    const point = (row: VersionRow): Metric | null => {
      const points = pointsOf(row, own);
      if (isBest) return extreme(points, directionIn(row, own));
      if (asked === 'min' || asked === 'max') return extreme(points, asked);
      return points.at(-1) ?? null;
    };
    const column = { name: `${asked}(metrics.${own})`, kind: 'metric' as const };
    if (asked === 'count') {
      return { ...column, get: (row) => countOf(row, own), step: null };
    }
    const step = (row: VersionRow): number | null => point(row)?.step ?? null;
    if (asked.endsWith('_step')) return { ...column, get: step, step: null };
    return { ...column, get: (row) => point(row)?.value ?? null, step };
  }

  /**
   * What a table shows where nobody says: names, times, hyperparameters that differ, and of metrics what the
   * version itself has, by which conditions and `show` go, too: its weights are not those of the best step.
   * @param asked  columns that conditions and orders go by: those of evaluations are shown.
   */
  usual(rows: readonly VersionRow[], asked: readonly Column[] = []): Column[] {
    const ref = (name: string): Column =>
      this.find({ kind: 'column', name, function: null, at: 0 });
    const metrics = this.names('metrics').map((name) => ref(`metrics.${name}`));
    const params = this.names('params')
      .map((name) => ref(`params.${name}`))
      .filter((column) => differs(column, rows));
    const evaluated = asked.filter(({ name }) => name.startsWith('eval.'));
    const usual = [ref('name'), ref('time'), ...evaluated, ...metrics, ...params, ref('message')];
    return [...new Map(usual.map((column) => [column.name, column])).values()];
  }

  /** Columns of `--columns`, each once: names, with * for any of a space. @throws as `find` */
  listed(refs: readonly ColumnRef[]): Column[] {
    const listed = refs.flatMap((ref) => {
      const [, prefix, tail] = /^(\w+)\.(.*\*.*)$/.exec(ref.name) ?? [];
      const space = prefix === undefined ? undefined : spaceOf(prefix);
      if (space === undefined || tail === undefined) return [this.find(ref)];
      const pattern = new RegExp(
        `^${tail
          .split('*')
          .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
          .join('[^]*')}$`,
      );
      return this.names(space)
        .filter((name) => pattern.test(name))
        .map((name) => this.find({ ...ref, name: `${space}.${name}` }));
    });
    const first = new Map([...listed].reverse().map((column) => [column.name, column]));
    return listed.filter((column) => first.get(column.name) === column);
  }
}

/** Points of a metric; null if the version has none. */
function countOf(row: VersionRow, name: string): number | null {
  const points = pointsOf(row, name);
  if (points.length === 0) return null;
  return named(row).metrics.get(name)?.count ?? points.length;
}

function attributeColumn(name: string): Column {
  const get = ATTRIBUTES[name] as Attribute;
  const column = { name, kind: 'attribute' as const, get, step: null };
  if (name !== 'time') return column;
  return { ...column, literal: (text) => parseDate(text).time };
}

/** True if a column has several values in some rows. */
export function differs(column: Column, rows: readonly VersionRow[]): boolean {
  const [first, ...others] = rows;
  if (first === undefined) return false;
  const text = JSON.stringify(column.get(first));
  return others.some((row) => JSON.stringify(column.get(row)) !== text);
}
