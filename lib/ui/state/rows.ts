/**
 * Rows of the table of versions, filtered and sorted where they are shown: by the very conditions and names of
 * columns that `dlv list --where` has, so that both find the same.
 */
import { NotFoundError } from '../../base/errors.js';
import {
  type ColumnRef,
  parseColumn,
  parseCondition,
  type Value,
} from '../../pure/where/condition.js';
import { compareValues, compileCondition } from '../../pure/where/evaluate.js';
import { parseDate } from '../../use/history/dates.js';
import { ColumnNames, columnFunction, spaceOf } from '../../use/history/table/column-names.js';
import type { ListedVersion } from '../../use/ops/versions.js';

/** Names of columns as the server lists them: attributes, 'metrics.acc', 'params.lr'. */
export function columnNames(names: readonly string[]): ColumnNames {
  const found = new ColumnNames();
  for (const name of names) {
    const dot = name.indexOf('.');
    const space = dot < 0 ? undefined : spaceOf(name.slice(0, dot));
    if (space !== undefined) found.add(space, name.slice(dot + 1));
  }
  return found;
}

/** A column in the one spelling that tables have. @throws {NotFoundError} {UsageError} */
export function spelled(ref: Pick<ColumnRef, 'name' | 'function'>, names: ColumnNames): string {
  const [space, own] = names.place(ref.name);
  const full = space === null ? own : `${space}.${own}`;
  return ref.function === null ? full : `${columnFunction(ref.function, ref.name)}(${full})`;
}

/** The columns that a condition mentions, as they are spelled. @throws for what is none */
export function mentioned(where: string, names: ColumnNames): string[] {
  const found = new Set<string>();
  compileCondition(parseCondition(where), (ref) => {
    found.add(spelled(ref, names));
    return { get: () => null };
  });
  return [...found];
}

/** The value of a column: metrics that are no finite numbers come as texts. */
export function cellValue(row: ListedVersion, column: string): Value {
  const value = row.values[column] ?? null;
  if (typeof value !== 'string' || !column.includes('metrics.')) return value;
  return /^(NaN|-?Infinity)$/.test(value) ? Number(value) : value;
}

/** The rows that fit a condition. @throws {UsageError} {NotFoundError} */
export function filterRows(
  rows: readonly ListedVersion[],
  where: string,
  names: ColumnNames,
): ListedVersion[] {
  const fits = compileCondition<ListedVersion>(parseCondition(where), (ref) => {
    const column = spelled(ref, names);
    if (rows[0] !== undefined && !Object.hasOwn(rows[0].values, column)) {
      throw new NotFoundError(`the column '${column}' was not read`, { kind: 'column' });
    }
    const get = (row: ListedVersion): Value => cellValue(row, column);
    return column === 'time' ? { get, literal: (text) => parseDate(text).time } : { get };
  });
  return rows.filter(fits);
}

/** A key to sort by: a column, and whether the largest come first. */
export interface SortKey {
  column: string;
  isDown: boolean;
}

/** Keys as `--sort` takes them: '-acc,name'. @throws for what is none */
export function sortKeys(sort: string, names: ColumnNames): SortKey[] {
  return sort
    .split(',')
    .filter(Boolean)
    .map((text) => {
      const isDown = text.startsWith('-');
      return { column: spelled(parseColumn(isDown ? text.slice(1) : text), names), isDown };
    });
}

export function sortRows(
  rows: readonly ListedVersion[],
  keys: readonly SortKey[],
): readonly ListedVersion[] {
  if (keys.length === 0) return rows;
  const order = rows.map((row) => ({
    row,
    values: keys.map(({ column }) => cellValue(row, column)),
  }));
  order.sort((a, b) => {
    for (const [i, { isDown }] of keys.entries()) {
      const found = compareValues(a.values[i] as Value, b.values[i] as Value, isDown ? -1 : 1);
      if (found !== 0) return found;
    }
    return 0;
  });
  return order.map(({ row }) => row);
}

/** How a column takes part in a sort, as its heading says it. */
export function sortMark(sort: string, column: string): 'ascending' | 'descending' | undefined {
  const key = sort.split(',').find((one) => one.replace(/^-/, '') === column);
  return key === undefined ? undefined : key.startsWith('-') ? 'descending' : 'ascending';
}

/** The title of a column among others: 'metrics.' and 'params.' are told where two have the same name. */
export function titleOf(column: string, among: readonly string[]): string {
  const short = nameOf(column);
  return among.some((other) => other !== column && nameOf(other) === short) ? column : short;
}

/** `lr` of 'params.lr', `best(acc)` of 'best(metrics.acc)'. */
function nameOf(column: string): string {
  return column.replace(/(^|\()(metrics|params)\./, '$1');
}

/** The sort that a click on a heading makes: numbers begin with the largest, and a third click ends it. */
export function clickedSort(
  sort: string,
  column: string,
  isNumber: boolean,
  adds: boolean,
): string {
  const keys = sort.split(',').filter(Boolean);
  const at = keys.findIndex((key) => key.replace(/^-/, '') === column);
  const was = at < 0 ? null : (keys[at] as string);
  const first = isNumber ? `-${column}` : column;
  const second = isNumber ? column : `-${column}`;
  const next = was === null ? first : was === first ? second : null;
  if (!adds) return next ?? '';
  if (was === null) return [...keys, first].join(',');
  return (next === null ? keys.filter((_, i) => i !== at) : keys.with(at, next)).join(',');
}
