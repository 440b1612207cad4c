/** The page of `dlv list --versions --html`: versions as a table. */
import { maxOf, minOf } from '../../base/bytes/many.js';
import { html, type Markup } from '../../pure/picture/markup.js';
import { linePlot, type Series, sparkPlot } from '../../pure/picture/plot.js';
import { directionOf } from '../../use/history/versions.js';
import type { CellValue, GroupCell, ListedVersion, VersionTable } from '../../use/ops/versions.js';
import { formatMetric, shortId } from '../output/render.js';
import { formatBytes, formatCount, formatNumber } from '../output/ui.js';
import { shownDelta } from '../output/versions/version-table.js';
import { type PageOrigin, pageOf } from './frame/frame.js';
import {
  figureOf,
  figures,
  type Section,
  type TableCell,
  type TableColumn,
  tableOf,
} from './parts.js';
import { curveSummary, pointsOf, utcText } from './versions.js';

/** Rows of a table of versions; a page has to stay small. */
const ROWS_MAX = 1200;
/** Columns of numbers that are drawn against each other. */
const SCATTERS_MAX = 8;

/** Versions that fit, as a table; with curves where they have some. */
export function versionsPage(table: VersionTable, origin: PageOrigin): string {
  const { versions, fit, baseline, hidden, groups } = table;
  const what =
    fit === versions
      ? formatCount(versions, 'version')
      : `${formatNumber(fit)} of ${formatCount(versions, 'version')} fit`;
  return pageOf({
    title: `Versions of ${origin.repository ?? 'the repository'}`,
    lead: html`<p class="dim">${what}${baseline === null ? null : `; Δ against ${baseline.name}`}</p>`,
    sections:
      groups.length > 0
        ? [{ id: 'groups', title: 'Groups', body: groupTable(table) }]
        : [{ id: 'versions', title: 'Versions', body: versionTable(table) }, scatterSection(table)],
    notes: [
      ...(hidden.length > 0 ? [`The same in all, and left out: ${hidden.join(', ')}.`] : []),
      ...(baseline === null ? [] : [`The baseline is ${baseline.version}.`]),
    ],
    origin,
  });
}

function valueText(column: string, value: CellValue): string {
  if (value === null) return '';
  if (column === 'time' && typeof value === 'number') return utcText(value);
  if (column === 'bytes' && typeof value === 'number') return formatBytes(value);
  if (column === 'version' && typeof value === 'string') return shortId(value);
  if (typeof value === 'number') return formatMetric(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isNumeric(column: string, rows: readonly ListedVersion[]): boolean {
  return column !== 'time' && rows.some(({ values }) => typeof values[column] === 'number');
}

function kindOf(column: string, rows: readonly ListedVersion[]): TableColumn['kind'] {
  if (isNumeric(column, rows)) return 'number';
  return column === 'name' || column === 'time' ? 'plain' : 'text';
}

/** The metric that a column is of: 'acc' of 'best(metrics.acc)'. */
function metricOf(column: string): string {
  return column.replace(/^\w+\((.*)\)$/s, '$1').replace(/^metrics\./, '');
}

function versionTable(table: VersionTable): Markup {
  const { columns, baseline } = table;
  const rows = table.rows.slice(0, ROWS_MAX);
  const withBase =
    baseline === null || rows.some(({ version }) => version === baseline.version)
      ? rows
      : [baseline, ...rows];
  const hasDelta = new Set(
    columns.filter((column) => rows.some(({ deltas }) => deltas && Object.hasOwn(deltas, column))),
  );
  const curveNames = new Set(rows.flatMap(({ curves = [] }) => curves.map(({ name }) => name)));
  /** The first column of a metric shows its curve. */
  const curveAt = new Map<string, string>();
  for (const column of columns) {
    const metric = metricOf(column);
    if (curveNames.has(metric) && ![...curveAt.values()].includes(metric)) {
      curveAt.set(column, metric);
    }
  }
  const bests = bestValues(columns, rows);
  const heads = columns.flatMap((column): TableColumn[] => [
    { title: column, kind: kindOf(column, withBase) },
    ...(hasDelta.has(column) ? [{ title: 'Δ', kind: 'number' as const }] : []),
    ...(curveAt.has(column) ? [{ title: 'curve', kind: 'plain' as const }] : []),
  ]);
  const cells = withBase.map((row) =>
    columns.flatMap((column): TableCell[] => [
      valueCell(row, column, bests.get(column)),
      ...(hasDelta.has(column) ? [deltaCell(row.deltas?.[column])] : []),
      ...(curveAt.has(column) ? [curveCell(row, curveAt.get(column) as string)] : []),
    ]),
  );
  const left = table.rows.length - rows.length;
  return html`${tableOf({
    caption: 'The best value of each metric is bold; click a heading to sort',
    columns: heads,
    rows: cells,
    rowClass: (i) =>
      withBase[i]?.version === baseline?.version && baseline !== null ? 'base' : '',
  })}${left > 0 ? html`<p class="note">${formatCount(left, 'more version')} are left out: --last and --where choose others.</p>` : null}`;
}

/** Of columns that ask for the best of a metric, the best of all. */
function bestValues(
  columns: readonly string[],
  rows: readonly ListedVersion[],
): Map<string, number> {
  const found = new Map<string, number>();
  for (const column of columns) {
    const numbers = rows.flatMap(({ values }) => {
      const value = values[column];
      return typeof value === 'number' ? [value] : [];
    });
    if (!column.includes('metrics.') || numbers.length < 2) continue;
    const declared = rows
      .flatMap(({ curves = [] }) => curves)
      .find(({ name }) => name === metricOf(column))?.direction;
    const direction = declared ?? directionOf(metricOf(column));
    if (direction === null) continue;
    found.set(column, direction === 'min' ? minOf(numbers) : maxOf(numbers));
  }
  return found;
}

function valueCell(row: ListedVersion, column: string, best: number | undefined): TableCell {
  const value = row.values[column] ?? null;
  const step =
    Object.hasOwn(row.steps, column) && column.startsWith('best(')
      ? html` <small>@${row.steps[column]}</small>`
      : null;
  const text = valueText(column, value);
  const name = column === 'name' ? html`<b>${text}</b>` : text;
  if (typeof value !== 'number') return step === null ? name : { shown: html`${name}${step}` };
  const look = best !== undefined && value === best ? { look: 'best' as const } : {};
  return { shown: html`${text}${step}`, sort: value, ...look };
}

function deltaCell(delta: number | undefined): TableCell {
  if (delta === undefined) return { shown: null, sort: null };
  return { shown: shownDelta(delta), sort: delta };
}

function curveCell({ curves = [] }: ListedVersion, metric: string): TableCell {
  const curve = curves.find(({ name }) => name === metric);
  return curve === undefined ? null : sparkPlot(pointsOf(curve), curveSummary(curve));
}

function groupTable({ columns, groups }: VersionTable): Markup {
  const keys = Object.keys(groups[0]?.group ?? {});
  const others = columns.filter((column) => !keys.includes(column));
  const rows = groups.map(({ group, versions, cells }): TableCell[] => [
    ...keys.map((key) => valueText(key, group[key] ?? null) || '(none)'),
    versions,
    ...others.map((column) =>
      groupCell(column, Object.hasOwn(cells, column) ? cells[column] : undefined),
    ),
  ]);
  return tableOf({
    caption: 'Means, with the least and the most',
    columns: [
      ...keys.map((title): TableColumn => ({ title })),
      { title: 'versions', kind: 'number' },
      ...others.map((title): TableColumn => ({ title, kind: 'number' })),
    ],
    rows,
  });
}

function groupCell(column: string, cell: GroupCell | undefined): TableCell {
  if (cell === undefined || cell.count === 0) return { shown: null, sort: null };
  const { value, mean, min, max, count } = cell;
  if (value !== null) {
    const sort = typeof value === 'number' ? value : null;
    return { shown: valueText(column, value), sort };
  }
  if (mean === null || min === null || max === null) return formatCount(count, 'value');
  const [low, middle, high] = [min, mean, max].map((one) => valueText(column, one));
  return { shown: html`${middle} <small>${low} \u2026 ${high}</small>`, sort: Number(mean) };
}

/** Metrics against hyperparameters that are numbers: one picture a pair. */
function scatterSection({ columns, rows }: VersionTable): Section | null {
  const numeric = columns.filter((column) => isNumeric(column, rows));
  const params = numeric.filter((column) => column.startsWith('params.'));
  const metrics = numeric.filter((column) => /metrics\./.test(column));
  const pictures: Markup[] = [];
  for (const metric of metrics) {
    for (const param of params) {
      if (pictures.length >= SCATTERS_MAX) break;
      const points = rows.flatMap(({ values, name }) => {
        const [x, y] = [values[param], values[metric]];
        if (typeof x !== 'number' || typeof y !== 'number') return [];
        return [
          { x, y, title: `${name}: ${param} ${formatMetric(x)}, ${metric} ${formatMetric(y)}` },
        ];
      });
      if (new Set(points.map(({ x }) => x)).size < 2) continue;
      const low = minOf(points.map(({ x }) => x));
      const high = maxOf(points.map(({ x }) => x));
      const series: Series[] = [
        { name: metric, kind: 'points', points: points.slice(0, ROWS_MAX) },
      ];
      const plot = linePlot(series, {
        title: `${metric} against ${param} of ${formatCount(points.length, 'version')}`,
        xLabel: param,
        yLabel: '',
        // Rates are compared by their magnitudes.
        xScale: low > 0 && high / low >= 50 ? 'log' : 'linear',
      });
      pictures.push(figureOf(html`${metric} <small>against ${param}</small>`, plot));
    }
  }
  if (pictures.length === 0) return null;
  return { id: 'pairs', title: 'Metrics against hyperparameters', body: figures(pictures) };
}
