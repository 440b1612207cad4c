/** Tables of versions on the terminal, as Markdown and as CSV. Names and values come from strangers. */
import { maxOf } from '../../../base/bytes/many.js';
import type {
  CellValue,
  GroupCell,
  ListedVersion,
  VersionTable,
} from '../../../use/ops/versions.js';
import { sparkOf } from '../curves.js';
import { formatMetric, shortId } from '../render.js';
import { type Column, formatTable } from '../table.js';
import { terminalColumns } from '../terminal.js';
import { formatBytes, formatCount, formatTime, type Ui } from '../ui.js';

export type TableForm = 'text' | 'md' | 'csv';

/** Longest cell of a table for people. */
const CELL_MAX = 48;
const MISSING = '';
const SPARK_WIDTH = 16;

/** Cells as people read them. */
export interface Grid {
  titles: string[];
  /** True for columns of numbers. */
  isNumeric: boolean[];
  rows: string[][];
}

/** A value as people read it. */
export function shownValue(column: string, value: CellValue): string {
  if (value === null) return MISSING;
  if (column === 'time' && typeof value === 'number') {
    return formatTime(new Date(value)).slice(0, 16);
  }
  if (column === 'bytes' && typeof value === 'number') return formatBytes(value);
  if (column === 'version' && typeof value === 'string') return shortId(value);
  if (typeof value === 'number') return formatMetric(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `+0.012`: a difference with its sign. */
export function shownDelta(delta: number): string {
  const text = formatMetric(delta);
  return delta > 0 ? `+${text}` : text;
}

/** A value, where it was measured if that is not the same for all, and how far it is from the baseline. */
function versionCells(
  row: ListedVersion,
  columns: readonly string[],
  hasDelta: Set<string>,
): string[] {
  return columns.flatMap((column) => {
    const value = shownValue(column, row.values[column] ?? null);
    const step = Object.hasOwn(row.steps, column) ? ` @${row.steps[column]}` : '';
    const cell = value === MISSING ? value : value + (column.startsWith('best(') ? step : '');
    if (!hasDelta.has(column)) return [cell];
    const delta = row.deltas && Object.hasOwn(row.deltas, column) ? row.deltas[column] : undefined;
    return [cell, delta === undefined ? MISSING : shownDelta(delta)];
  });
}

/** `0.91 (0.88…0.93)`, a value that all share, or how many values there are. */
export function groupCell(column: string, cell: GroupCell | undefined): string {
  if (cell === undefined || cell.count === 0) return MISSING;
  if (cell.value !== null) return shownValue(column, cell.value);
  const { mean, min, max } = cell;
  if (mean === null || min === null || max === null) return formatCount(cell.count, 'value');
  const [low, middle, high] = [min, mean, max].map((value) => shownValue(column, value));
  return column === 'time' ? `${low} … ${high}` : `${middle} (${low}…${high})`;
}

function gridOf(table: VersionTable): Grid {
  const { columns, rows, groups, baseline } = table;
  if (groups.length > 0) {
    const keys = Object.keys(groups[0]?.group ?? {});
    const others = columns.filter((column) => !keys.includes(column));
    return {
      titles: [...keys, 'versions', ...others],
      isNumeric: [...keys.map(() => false), true, ...others.map(() => true)],
      rows: groups.map(({ group, versions, cells }) => [
        ...keys.map((key) => shownValue(key, group[key] ?? null) || '(none)'),
        String(versions),
        ...others.map((column) => {
          return groupCell(column, Object.hasOwn(cells, column) ? cells[column] : undefined);
        }),
      ]),
    };
  }
  const all = baseline === null ? rows : [baseline, ...rows];
  const hasDelta = new Set(
    columns.filter((column) => all.some(({ deltas }) => deltas && Object.hasOwn(deltas, column))),
  );
  const isNumber = (column: string): boolean =>
    column !== 'time' && all.some(({ values }) => typeof values[column] === 'number');
  const curves = [
    ...new Set(rows.flatMap((row) => (row.curves ?? []).map(({ name }) => name))),
  ].sort();
  const sparks = (row: ListedVersion): string[] =>
    curves.map((name) => {
      const curve = row.curves?.find((one) => one.name === name);
      return curve === undefined ? MISSING : sparkOf(curve, SPARK_WIDTH);
    });
  return {
    titles: [
      ...columns.flatMap((column) => (hasDelta.has(column) ? [column, 'Δ'] : [column])),
      ...curves.map((name) => `curve of ${name}`),
    ],
    isNumeric: [
      ...columns.flatMap((column) => (hasDelta.has(column) ? [true, true] : [isNumber(column)])),
      ...curves.map(() => false),
    ],
    rows: rows.map((row) => [...versionCells(row, columns, hasDelta), ...sparks(row)]),
  };
}

/** Prints a table, and below it on stderr how many versions there are and what is not shown. */
export function printVersionTable(ui: Ui, table: VersionTable, form: TableForm): void {
  const grid = gridOf(table);
  if (form === 'csv') ui.lines([...csvLines(table)]);
  else if (form === 'md') ui.lines(markdownLines(grid));
  else if (grid.rows.length > 0) printText(ui, grid);
  const { versions, fit, baseline, hidden, rows, groups } = table;
  const shown =
    groups.length > 0 ? formatCount(groups.length, 'group') : formatCount(rows.length, 'version');
  const left = fit === versions ? `of ${versions}` : `of ${fit} that fit, of ${versions}`;
  ui.note(`${shown} ${left}${baseline === null ? '' : `; Δ against ${baseline.name}`}`);
  if (hidden.length > 0) ui.note(`the same in all: ${hidden.join(', ')}`);
}

/** On a terminal columns that have no room are left out, the last first; a pipe gets all. @param remedy  how to choose them. */
export function printText(
  ui: Ui,
  { titles, isNumeric, rows }: Grid,
  remedy = 'use --columns',
): void {
  const columns = titles.map((title, i): Column => {
    return { title, limit: CELL_MAX, align: isNumeric[i] ? 'right' : 'left' };
  });
  const width = ui.stdout.isTTY ? terminalColumns(ui.stdout) : Number.POSITIVE_INFINITY;
  let count = columns.length;
  let lines: string[] = [];
  for (; count > 0; count--) {
    lines = formatTable(columns.slice(0, count), rows, {});
    if (count <= 1 || maxOf(lines.map((line) => [...line].length)) <= width) break;
  }
  const [head = '', ...body] = lines;
  ui.lines([ui.style.bold(head), ...body]);
  if (count < titles.length) {
    ui.note(
      `no room for ${titles
        .slice(count)
        .filter((title) => title !== 'Δ')
        .join(', ')}: ${remedy}`,
    );
  }
}

/** What Markdown, or HTML in it, would take for more than text. */
function markdownCell(text: string): string {
  return text
    .replace(/[\\`*_|[\]<>~#]/g, '\\$&')
    .replace(/\s+/g, ' ')
    .trim();
}

export function markdownLines({ titles, isNumeric, rows }: Grid): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(titles.map(markdownCell)),
    line(isNumeric.map((numeric) => (numeric ? '---:' : '---'))),
    ...rows.map((row) => line(row.map(markdownCell))),
  ];
}

/** A cell that a spreadsheet takes for a formula begins with one of these. */
const FORMULA = /^[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/;

/** A cell of CSV (RFC 4180). Texts that a spreadsheet would run get an apostrophe before them. */
export function csvCell(value: CellValue): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // Infinities and NaN are texts of our own.
  const isOurs = text === '-Infinity';
  const safe = FORMULA.test(text) && !isOurs ? `'${text}` : text;
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** All digits, times as ISO 8601, and of metrics at their best the step in a column of its own. */
function* csvLines({ columns, rows, groups }: VersionTable): Generator<string> {
  const value = (column: string, cell: CellValue): CellValue =>
    column === 'time' && typeof cell === 'number' ? new Date(cell).toISOString() : cell;
  const line = (cells: readonly CellValue[]): string => cells.map(csvCell).join(',');
  const [first] = groups;
  if (first !== undefined) {
    const keys = Object.keys(first.group);
    const others = columns.filter((column) => !keys.includes(column));
    const parts = (name: string): string[] =>
      ['', ' count', ' mean', ' min', ' max'].map((part) => name + part);
    yield line([...keys, 'versions', ...others.flatMap(parts)]);
    for (const { group, versions, cells } of groups) {
      yield line([
        ...keys.map((key) => value(key, group[key] ?? null)),
        versions,
        ...others.flatMap((column) => {
          const cell = Object.hasOwn(cells, column) ? cells[column] : undefined;
          if (cell === undefined) return [null, 0, null, null, null];
          const { mean, min, max } = cell;
          return [value(column, cell.value), cell.count, mean, min, max];
        }),
      ]);
    }
    return;
  }
  const deltas = new Set(rows.flatMap((row) => Object.keys(row.deltas ?? {})));
  const isBest = (column: string): boolean => column.startsWith('best(');
  yield line(
    columns.flatMap((column) => [
      column,
      ...(isBest(column) ? [`${column} step`] : []),
      ...(deltas.has(column) ? [`${column} delta`] : []),
    ]),
  );
  for (const row of rows) {
    yield line(
      columns.flatMap((column) => [
        value(column, row.values[column] ?? null),
        ...(isBest(column) ? [row.steps[column] ?? null] : []),
        ...(deltas.has(column) ? [row.deltas?.[column] ?? null] : []),
      ]),
    );
  }
}
