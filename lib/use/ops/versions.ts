/** `dlv list` with rows: versions that fit a condition, as a table of metrics and hyperparameters. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import type { Direction } from '../../pure/logs/direction.js';
import {
  type ColumnRef,
  parseColumn,
  parseCondition,
  type Value,
} from '../../pure/where/condition.js';
import { compareValues, compileCondition } from '../../pure/where/evaluate.js';
import { ComparedKinds } from '../../pure/where/kinds.js';
import type { OpContext } from '../context.js';
import { evaluatedReader } from '../evaluation/evaluated-reader.js';
import { type Curve, readCurves } from '../history/curves.js';
import { resolveId } from '../history/lines/resolve.js';
import { type Column, Columns, differs, type VersionRow } from '../history/table/columns.js';
import { type GroupRow, groupRows } from '../history/table/groups.js';
import { mentionsNetworks } from '../history/table/network-sizes.js';
import { mentionsBranches, readRows } from '../history/table/version-rows.js';
import { type MetricValue, metricValue } from '../history/version-values.js';
import type { Repository } from '../repository.js';

export type { GroupCell, GroupRow } from '../history/table/groups.js';

export interface VersionsOptions {
  /** Where to start, as in `log`; default: every branch and tag. */
  revisions?: readonly string[];
  /** Only versions of this model. */
  model?: string;
  /** A condition: "metrics.acc > 0.9 and params.opt = 'adam'". */
  where?: string;
  /** Columns to sort by, the first one first; with '-' before it, descending. Default: the newest first. */
  sort?: readonly string[];
  /** Columns to show; default: name, time, metrics, hyperparameters that differ, message. */
  columns?: readonly string[];
  /** Columns whose values make groups: a row stands for all versions that have the same. */
  group?: readonly string[];
  /** Leaves out columns in which all rows are equal. */
  onlyChanged?: boolean;
  /** A revision that numbers are compared with. */
  baseline?: string;
  /** At most so many rows. */
  last?: number;
  /** Adds the curves of the metrics that are shown. */
  curves?: boolean;
}

/** A value of a table, as JSON can hold it. */
export type CellValue = Value | MetricValue;

/** A version of the table. */
export interface ListedVersion {
  version: Id;
  name: string;
  model: string;
  number: number;
  /** Column → value; null where it has none. Times are milliseconds since 1970. */
  values: Record<string, CellValue>;
  /** Column → step where the value was measured, of metrics with steps. */
  steps: Record<string, number>;
  /** Column → value less that of the baseline, of columns of numbers; only with a baseline. */
  deltas?: Record<string, number>;
  /** Of metrics that are columns, by their names; only if they were asked for. */
  curves?: Curve[];
}

export interface VersionTable {
  /** Versions that were looked at, and those that fit the condition. */
  versions: number;
  fit: number;
  /** Names of the columns, in one spelling each. */
  columns: string[];
  /** Columns that are left out because all rows are equal. */
  hidden: string[];
  /** Of the columns of metrics whether less or more is better, as it was declared or the names say; others are not in it. */
  better: Record<string, Direction>;
  /** The version that numbers are compared with. */
  baseline: ListedVersion | null;
  rows: ListedVersion[];
  /** With `group`; `rows` is empty then. */
  groups: GroupRow[];
}

/** Versions as a table. @throws {UsageError} for a condition that is none; {NotFoundError} for a column. */
export async function versions(
  repo: Repository,
  options: VersionsOptions,
  context: OpContext,
): Promise<VersionTable> {
  const condition = options.where === undefined ? null : parseCondition(options.where);
  const sort = (options.sort ?? []).map(parseSort);
  const wanted = options.columns?.map(parseColumnOrGlob);
  const grouped = (options.group ?? []).map(parseColumn);
  const { where = '', sort: order = [], columns: names = [], group = [] } = options;
  const texts = [where, ...order, ...names, ...group];
  const [networks, branches] = [mentionsNetworks(texts), mentionsBranches(texts)];
  const evaluated = evaluatedReader(repo, texts, context);
  const all = await readRows(repo, { ...options, networks, branches, evaluated }, context.signal);
  const base = options.baseline === undefined ? null : await resolveId(repo, options.baseline);
  const baseRow =
    base === null ? null : (all.rows.find(({ id }) => id === base) ?? (await all.read(base)));
  const columns = new Columns(all.rows);
  const kinds = new ComparedKinds();
  const asked: Column[] = [];
  const find = (ref: ColumnRef): Column => {
    const column = columns.find(ref);
    asked.push(column);
    return column;
  };
  const fits = condition && compileCondition<VersionRow>(condition, find, kinds);
  const fitting = fits === null ? [...all.rows] : all.rows.filter(fits);
  for (const warning of kinds.warnings()) context.warn(warning, 'last');
  sortRows(
    fitting,
    sort.map(({ ref, sign }) => ({ column: find(ref), sign })),
  );
  const rows = options.last === undefined ? fitting : fitting.slice(0, options.last);
  const groupBy = grouped.map((ref) => columns.find(ref));
  const chosen = wanted === undefined ? columns.usual(fitting, asked) : columns.listed(wanted);
  const groupNames = new Set(groupBy.map(({ name }) => name));
  const compared = chosen.filter(({ name }) => !groupNames.has(name));
  const hidden = options.onlyChanged
    ? compared.filter((column) => column.name !== 'name' && !differs(column, fitting))
    : [];
  const shown = compared.filter((column) => !hidden.includes(column));
  const isGrouped = groupBy.length > 0;
  const of = (row: VersionRow): ListedVersion => listed(row, shown, baseRow);
  return {
    versions: all.rows.length,
    fit: fitting.length,
    columns: [...groupBy, ...shown].map(({ name }) => name),
    hidden: hidden.map(({ name }) => name),
    better: betterOf(columns, shown, fitting),
    baseline: baseRow === null ? null : of(baseRow),
    rows: isGrouped ? [] : await withCurves(repo, { rows, shown, of }, options, context),
    groups: isGrouped ? groupRows(fitting, groupBy, shown).slice(0, options.last) : [],
  };
}

function betterOf(
  columns: Columns,
  shown: readonly Column[],
  rows: readonly VersionRow[],
): Record<string, Direction> {
  const found = shown.flatMap((column) => {
    const direction = column.kind === 'metric' ? columns.direction(metricOf(column), rows) : null;
    return direction === null ? [] : [[column.name, direction] as const];
  });
  return Object.fromEntries(found);
}

/** 'acc' of 'metrics.acc' and of 'best(metrics.acc)'. */
function metricOf({ name }: Column): string {
  return name.replace(/^\w+\((.*)\)$/s, '$1').replace(/^metrics\./, '');
}

/** Rows as they are listed, with the curves of the metrics that are columns if they were asked for. */
async function withCurves(
  repo: Repository,
  {
    rows,
    shown,
    of,
  }: { rows: VersionRow[]; shown: readonly Column[]; of: (row: VersionRow) => ListedVersion },
  { curves }: VersionsOptions,
  { signal, warn }: OpContext,
): Promise<ListedVersion[]> {
  if (curves !== true) return rows.map(of);
  const names = shown.filter(({ kind }) => kind === 'metric').map(metricOf);
  const listed: ListedVersion[] = [];
  for (const row of rows) {
    throwIfAborted(signal);
    const found = await readCurves(repo, row.id, row.facts, warn);
    listed.push({ ...of(row), curves: found.filter(({ name }) => names.includes(name)) });
  }
  return listed;
}

function parseSort(text: string): { ref: ColumnRef; sign: 1 | -1 } {
  const [, minus, name = '', ending] = /^(-?)(.*?)(?:[: ](asc|desc))?$/is.exec(text.trim()) ?? [];
  const isDown = (minus === '-') !== (ending?.toLowerCase() === 'desc');
  return { ref: parseColumn(name), sign: isDown ? -1 : 1 };
}

function parseColumnOrGlob(text: string): ColumnRef {
  if (!text.includes('*')) return parseColumn(text);
  return { kind: 'column', name: text.trim(), function: null, at: 0 };
}

function sortRows(rows: VersionRow[], by: readonly { column: Column; sign: 1 | -1 }[]): void {
  if (by.length === 0) return;
  // Each value is worked out once, not at every comparison.
  const keys = new Map(rows.map((row) => [row, by.map(({ column }) => column.get(row))]));
  // Rows stand the newest first: of one time, too, the oldest is first if times go up.
  if (by.some(({ column, sign }) => column.name === 'time' && sign > 0)) rows.reverse();
  rows.sort((a, b) => {
    const [left, right] = [keys.get(a) as Value[], keys.get(b) as Value[]];
    for (const [i, { sign }] of by.entries()) {
      const order = compareValues(left[i] as Value, right[i] as Value, sign);
      if (order !== 0) return order;
    }
    return 0;
  });
}

function listed(
  row: VersionRow,
  columns: readonly Column[],
  base: VersionRow | null,
): ListedVersion {
  const values = new Map<string, CellValue>();
  const steps = new Map<string, number>();
  const deltas = new Map<string, number>();
  for (const column of columns) {
    const value = column.get(row);
    values.set(column.name, typeof value === 'number' ? metricValue(value) : value);
    const step = column.step?.(row) ?? null;
    if (step !== null) steps.set(column.name, step);
    const reference = base === null || column.kind === 'attribute' ? null : column.get(base);
    if (typeof value !== 'number' || typeof reference !== 'number') continue;
    const delta = value - reference;
    if (Number.isFinite(delta)) deltas.set(column.name, delta);
  }
  return {
    version: row.id,
    name: row.name,
    model: row.facts.model,
    number: row.number,
    values: Object.fromEntries(values),
    steps: Object.fromEntries(steps),
    ...(base === null ? {} : { deltas: Object.fromEntries(deltas) }),
  };
}
