/**
 * Columns of a table of versions: what a version says of itself, its hyperparameters, its metrics.
 * Names are `metrics.acc`, `params.lr`, `env.python`, `data.train`, attributes, or a bare name where one
 * thing alone has it; `best(acc)`, `best_step(acc)`, `min`, `max`, `last`, `last_step`, `count` are asked of metrics.
 */

import { closestNames } from '../../../base/bytes/closest.js';
import type { Id } from '../../../base/bytes/hash.js';
import { NotFoundError, UsageError } from '../../../base/errors.js';
import type { VersionFacts } from '../../../knowledge/catalog/facts.js';
import { type Direction, directionOf } from '../../../pure/logs/direction.js';
import { parseParam } from '../../../pure/logs/param-value.js';
import { wholePoint } from '../../../pure/logs/series.js';
import type { ColumnRef, Value } from '../../../pure/where/condition.js';
import type { Binding } from '../../../pure/where/evaluate.js';
import type { Metric } from '../../../storage/repo/version/version.js';
import { parseDate } from '../dates.js';
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
  operation: ({ facts }) => facts.knowledge.operation?.kind ?? null,
  parameters: ({ network }) => network?.parameters ?? null,
  macs: ({ network }) => network?.macs ?? null,
  layers: ({ network }) => network?.layers ?? null,
};
const NETWORK_COLUMNS = new Set(['parameters', 'macs', 'layers']);
const ALIASES: Readonly<Record<string, string>> = {
  id: 'version',
  date: 'time',
  created: 'time',
  creation_time: 'time',
  size: 'bytes',
  tags: 'refs',
  branches: 'refs',
};
const SPACES: Readonly<Record<string, Space>> = {
  metrics: 'metrics',
  metric: 'metrics',
  params: 'params',
  param: 'params',
  env: 'env',
  environment: 'env',
  data: 'data',
};
type Space = 'metrics' | 'params' | 'env' | 'data';
const FUNCTIONS = ['best', 'best_step', 'last', 'last_step', 'min', 'max', 'count'] as const;
type Fn = (typeof FUNCTIONS)[number];
/** Other words for them, which DQL has. */
const FUNCTION_ALIASES: Readonly<Record<string, Fn>> = {
  lowest: 'min',
  highest: 'max',
  points: 'count',
};
/** Columns that an error names. */
const NAMED_MAX = 40;

/** The points of one metric that a version lists: in order of step, the one without a step first. */
function pointsOf({ facts }: VersionRow, name: string): Metric[] {
  return facts.metrics.filter((metric) => metric.name === name);
}

function directionIn({ facts }: VersionRow, name: string): Direction | null {
  const declared = facts.knowledge.metrics.find((metric) => metric.name === name)?.direction;
  return declared ?? directionOf(name);
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
  readonly #names: Record<Space, Set<string>> = {
    metrics: new Set(),
    params: new Set(),
    env: new Set(),
    data: new Set(),
  };
  readonly #rows: readonly VersionRow[];

  /** @param rows  all versions of the table: what none of them has is no column. */
  constructor(rows: readonly VersionRow[]) {
    this.#rows = rows;
    for (const { facts } of rows) {
      for (const { name } of facts.metrics) this.#names.metrics.add(name);
      for (const { name } of facts.params) this.#names.params.add(name);
      for (const { name } of facts.knowledge.environment) this.#names.env.add(name);
      for (const { name } of facts.knowledge.data) this.#names.data.add(name);
    }
  }

  /** Names of the metrics, or of the hyperparameters, sorted. */
  names(space: Space): string[] {
    return [...this.#names[space]].sort();
  }

  /** Every name that a column goes by: attributes, then 'metrics.acc', 'params.lr' and others. */
  allNames(): string[] {
    const spaces = (Object.keys(this.#names) as Space[]).flatMap((space) =>
      this.names(space).map((name) => `${space}.${name}`),
    );
    return [...Object.keys(ATTRIBUTES), ...spaces];
  }

  /** The column that a name means. @throws {NotFoundError} {UsageError} */
  find({ name, function: fn }: ColumnRef): Column {
    const [space, own] = this.#place(name);
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
      const get = ({ facts }: VersionRow): Value => {
        const found = facts.params.find((param) => param.name === own);
        return found === undefined ? null : parseParam(found.text);
      };
      return { name: full, kind: 'param', get, step: null };
    }
    const list = space === 'env' ? 'environment' : 'data';
    const get = ({ facts }: VersionRow): Value =>
      facts.knowledge[list].find((row) => row.name === own)?.text ?? null;
    return { name: full, kind: 'text', get, step: null };
  }

  /** Which space a name is in, and its name there; null for an attribute. */
  #place(name: string): [Space | null, string] {
    const dot = name.indexOf('.');
    const prefix = dot < 0 ? '' : name.slice(0, dot).toLowerCase();
    if (Object.hasOwn(SPACES, prefix)) {
      const space = SPACES[prefix] as Space;
      const own = name.slice(dot + 1);
      if (!this.#names[space].has(own)) throw this.#unknown(name, `${space}.${own}`);
      return [space, own];
    }
    const lower = name.toLowerCase();
    const attribute = Object.hasOwn(ALIASES, lower) ? (ALIASES[lower] as string) : lower;
    const spaces = (['metrics', 'params', 'env', 'data'] as const).filter((space) =>
      this.#names[space].has(name),
    );
    // What people call a number of layers themselves comes before that of the network.
    const isTheirs = NETWORK_COLUMNS.has(attribute) && spaces.length > 0;
    if (Object.hasOwn(ATTRIBUTES, attribute) && !isTheirs) return [null, attribute];
    const [only, ...others] = spaces;
    if (only === undefined) throw this.#unknown(name, name);
    if (others.length === 0) return [only, name];
    throw new UsageError(
      `the column '${name}' may be ${spaces.map((s) => `${s}.${name}`).join(' or ')}`,
      {
        column: name,
        hint: 'write which of them is meant',
      },
    );
  }

  #unknown(name: string, full: string): NotFoundError {
    const all = [
      ...(['metrics', 'params', 'env', 'data'] as const).flatMap((space) =>
        this.names(space).flatMap((own) => [
          `${space}.${own}`,
          ...(full.includes('.') ? [] : [own]),
        ]),
      ),
      ...Object.keys(ATTRIBUTES),
    ];
    const near = closestNames(full, all);
    return new NotFoundError(`no version has the column '${name}'`, {
      kind: 'column',
      name,
      candidates: near,
      hint:
        near.length > 0
          ? `did you mean ${near.join(' or ')}?`
          : `there are ${all.slice(0, NAMED_MAX).join(', ')}${all.length > NAMED_MAX ? ` and ${all.length - NAMED_MAX} more` : ''}`,
    });
  }

  #asked(called: string, space: Space | null, own: string, name: string): Column {
    const fn = Object.hasOwn(FUNCTION_ALIASES, called) ? (FUNCTION_ALIASES[called] as Fn) : called;
    if (!FUNCTIONS.includes(fn as Fn)) {
      throw new UsageError(`there is no function '${fn}' of a column`, {
        column: name,
        hint: `there are ${FUNCTIONS.join(', ')}`,
      });
    }
    const asked = fn as Fn;
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

  /** What a table shows where nobody says: names, times, metrics at their best, hyperparameters that differ. */
  usual(rows: readonly VersionRow[]): Column[] {
    const ref = (name: string, fn: string | null = null): Column =>
      this.find({ kind: 'column', name, function: fn, at: 0 });
    const metrics = this.names('metrics').map((name) => {
      const isCurve = rows.some((row) => (countOf(row, name) ?? 0) > 1);
      const isDirected = rows.some((row) => directionIn(row, name) !== null);
      // What somebody gave for a run as a whole is what the run counts by.
      const isGiven = rows.some((row) => {
        const points = pointsOf(row, name);
        return points.length > 1 && points[0]?.step === null;
      });
      return ref(`metrics.${name}`, isCurve && isDirected && !isGiven ? 'best' : null);
    });
    const params = this.names('params')
      .map((name) => ref(`params.${name}`))
      .filter((column) => differs(column, rows));
    return [ref('name'), ref('time'), ...metrics, ...params, ref('message')];
  }

  /** Columns of `--columns`, each once: names, with * for any of a space. @throws as `find` */
  listed(refs: readonly ColumnRef[]): Column[] {
    const listed = refs.flatMap((ref) => {
      const [, prefix, tail] = /^(\w+)\.(.*\*.*)$/.exec(ref.name) ?? [];
      const space =
        prefix !== undefined && Object.hasOwn(SPACES, prefix) ? SPACES[prefix] : undefined;
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
    const names = listed.map(({ name }) => name);
    return listed.filter(({ name }, at) => names.indexOf(name) === at);
  }
}

/** Points of a metric; null if the version has none. */
function countOf(row: VersionRow, name: string): number | null {
  const points = pointsOf(row, name);
  if (points.length === 0) return null;
  const fact = row.facts.knowledge.metrics.find((metric) => metric.name === name);
  return fact?.count ?? points.length;
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
