/** Groups of versions that have the same values in some columns: how many, and what their numbers are. */
import type { Value } from '../../../pure/where/condition.js';
import { type MetricValue, metricValue } from '../version-values.js';

/** What a group says of a column. Nothing is sampled: all its versions count. */
export interface GroupCell {
  /** Versions that have a value. */
  count: number;
  /** The value, where all that have one have the same; else null. */
  value: Value | MetricValue;
  /** Of numbers, without those that are not finite; null where there is none. */
  mean: number | null;
  min: number | null;
  max: number | null;
}

/** A group. */
export interface GroupRow {
  /** Column → value that its versions share. */
  group: Record<string, Value | MetricValue>;
  /** Versions in it. */
  versions: number;
  cells: Record<string, GroupCell>;
}

/** What groups need of a column. */
interface GroupedColumn<R> {
  name: string;
  get(row: R): Value;
}

/** Groups in the order in which their first versions stand. */
export function groupRows<R>(
  rows: readonly R[],
  by: readonly GroupedColumn<R>[],
  columns: readonly GroupedColumn<R>[],
): GroupRow[] {
  const groups = new Map<string, R[]>();
  for (const row of rows) {
    const key = JSON.stringify(by.map((column) => plain(column.get(row))));
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [row]);
    else known.push(row);
  }
  return [...groups.values()].map((members) => ({
    group: Object.fromEntries(
      by.map((column) => [column.name, plain(column.get(members[0] as R))]),
    ),
    versions: members.length,
    cells: Object.fromEntries(columns.map((column) => [column.name, cellOf(column, members)])),
  }));
}

function plain(value: Value): Value | MetricValue {
  return typeof value === 'number' ? metricValue(value) : value;
}

function cellOf<R>(column: GroupedColumn<R>, rows: readonly R[]): GroupCell {
  const values = rows.map((row) => column.get(row)).filter((value) => value !== null);
  const isSame = new Set(values.map((value) => JSON.stringify(plain(value)))).size === 1;
  const numbers = values.filter((value) => typeof value === 'number' && Number.isFinite(value));
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const number of numbers as number[]) {
    sum += number;
    min = Math.min(min, number);
    max = Math.max(max, number);
  }
  const isEmpty = numbers.length === 0;
  return {
    count: values.length,
    value: isSame ? plain(values[0] as Value) : null,
    mean: isEmpty ? null : sum / numbers.length,
    min: isEmpty ? null : min,
    max: isEmpty ? null : max,
  };
}
