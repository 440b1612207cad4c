/** Versions in groups, as `dlv list --group` makes them, of rows that are here. */
import type { Value } from '../../pure/where/condition.js';
import { compareValues } from '../../pure/where/evaluate.js';
import { groupRows } from '../../use/history/table/groups.js';
import type { CellValue, GroupRow, ListedVersion } from '../../use/ops/versions.js';
import { quotedColumn } from './brush.js';
import { cellValue, type SortKey } from './rows.js';

/** Groups of rows by some columns, and what the others are in each. */
export function groupsOf(
  rows: readonly ListedVersion[],
  by: readonly string[],
  columns: readonly string[],
): GroupRow[] {
  const column = (name: string): { name: string; get(row: ListedVersion): Value } => ({
    name,
    get: (row) => cellValue(row, name),
  });
  const others = columns.filter((name) => !by.includes(name));
  return groupRows(rows, by.map(column), others.map(column));
}

/** What a group is sorted by: the value that its versions share, or the mean of their numbers. */
function sortValue({ group, versions, cells }: GroupRow, column: string): Value {
  if (Object.hasOwn(group, column)) return group[column] as Value;
  if (column === 'versions') return versions;
  const cell = Object.hasOwn(cells, column) ? cells[column] : undefined;
  return cell === undefined ? null : (cell.mean ?? (cell.value as Value));
}

export function sortGroups(groups: readonly GroupRow[], keys: readonly SortKey[]): GroupRow[] {
  return [...groups].sort((a, b) => {
    for (const { column, isDown } of keys) {
      const order = compareValues(sortValue(a, column), sortValue(b, column), isDown ? -1 : 1);
      if (order !== 0) return order;
    }
    return 0;
  });
}

/** A condition that the versions of a group meet besides another one; null if none can be written. */
export function whereOfGroup(where: string, group: GroupRow['group']): string | null {
  const parts: string[] = [];
  for (const [column, value] of Object.entries(group)) {
    const text = literal(value);
    if (text === null) return null;
    parts.push(`${quotedColumn(column)} ${text}`);
  }
  const before = where.trim();
  const whole = /\bor\b/i.test(before) ? `(${before})` : before;
  return [...(whole === '' ? [] : [whole]), ...parts].join(' and ');
}

function literal(value: CellValue): string | null {
  if (value === null) return 'is null';
  if (typeof value === 'number') return `= ${value}`;
  if (typeof value === 'string') return `= '${value.replaceAll("'", "''")}'`;
  return typeof value === 'boolean' ? `= ${value}` : null;
}
