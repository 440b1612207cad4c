/** The page of `dlv query --html`: the query, its rows as a table that sorts, and what each condition did. */
import { html } from '../../pure/picture/markup.js';
import type { QueryResult } from '../../use/ops/query.js';
import { formatMetric } from '../output/render.js';
import { formatCount } from '../output/ui.js';
import { type PageOrigin, pageOf } from './frame/frame.js';
import { type Section, type TableCell, type TableColumn, tableOf } from './parts.js';
import { utcText } from './versions.js';

/** Rows of a table; a page has to stay small. */
const ROWS_MAX = 2000;

type Kind = QueryResult['columns'][number]['kind'];

function cellOf(
  kind: Kind | undefined,
  value: QueryResult['rows'][number]['values'][number],
): TableCell {
  if (value === null) return '';
  if (kind === 'version') return html`<b data-version="${String(value)}">${String(value)}</b>`;
  if (kind === 'time' && typeof value === 'number') return { shown: utcText(value), sort: value };
  if (typeof value === 'number') return { shown: formatMetric(value), sort: value };
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** @param text  the query as it was asked. */
export function queryPage(text: string, result: QueryResult, origin: PageOrigin): string {
  const { rows, fit, looked, hints } = result;
  const found = `${formatCount(rows.length, 'row')}${fit === rows.length ? '' : ` of ${fit}`}`;
  return pageOf({
    title: `A query of ${origin.repository ?? 'the repository'}`,
    lead: html`<pre>${text.trim()}</pre><p class="dim">${found}; ${formatCount(looked, 'version')} looked at</p>`,
    sections: querySections(result),
    notes: [...hints],
    origin,
  });
}

/** The rows, and what each condition did. */
export function querySections(result: QueryResult): (Section | null)[] {
  const { columns, rows } = result;
  const heads = columns.map(({ name, kind }, i): TableColumn => {
    const isNumber = kind === 'value' && rows.some(({ values }) => typeof values[i] === 'number');
    return { title: name, kind: isNumber ? 'number' : kind === 'value' ? 'text' : 'plain' };
  });
  const shown = rows.slice(0, ROWS_MAX);
  const cells = shown.map(({ values }) =>
    values.map((value, i) => cellOf(columns[i]?.kind, value)),
  );
  const left = rows.length - shown.length;
  const table = tableOf({ caption: 'Click a heading to sort', columns: heads, rows: cells });
  const more = html`<p class="note">${formatCount(left, 'more row')} are left out: limit and where choose others.</p>`;
  return [
    { id: 'rows', title: 'Rows', body: html`${table}${left > 0 ? more : null}` },
    conditionSection(result),
  ];
}

const READS = {
  catalog: 'the catalog',
  networks: 'networks',
  curves: 'curves of metrics',
} as const;

/** What each condition was asked of, and what it let through. */
function conditionSection({ conditions }: QueryResult): Section | null {
  if (conditions.length === 0) return null;
  const rows = conditions.map(
    ({ condition, reads, asked, fitted, failed, unknown, bindings }): TableCell[] => [
      html`<code>${condition}</code>`,
      READS[reads],
      asked,
      fitted,
      [failed.join(', '), ...bindings].join('; '),
      unknown.join(', '),
    ],
  );
  const columns: TableColumn[] = [
    { title: 'condition' },
    { title: 'asked of' },
    { title: 'versions', kind: 'number' },
    { title: 'fitted', kind: 'number' },
    { title: 'did not fit, some' },
    { title: 'cannot be said of, some' },
  ];
  return {
    id: 'conditions',
    title: 'Conditions',
    body: tableOf({ caption: 'In the order in which they were asked', columns, rows }),
  };
}
