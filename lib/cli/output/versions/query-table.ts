/** Answers of queries on the terminal, as Markdown and as CSV, and what `--explain` says of them. */
import type { QueryResult } from '../../../use/ops/query.js';
import { formatCount, type Ui } from '../ui.js';
import {
  csvCell,
  type Grid,
  markdownLines,
  printText,
  shownValue,
  type TableForm,
} from './version-table.js';

function gridOf({ columns, rows }: QueryResult): Grid {
  return {
    titles: columns.map(({ name }) => name),
    isNumeric: columns.map(
      ({ kind }, i) => kind === 'value' && rows.some(({ values }) => typeof values[i] === 'number'),
    ),
    rows: rows.map(({ values }) =>
      values.map((value, i) => shownValue(columns[i]?.kind === 'time' ? 'time' : '', value)),
    ),
  };
}

function* csvLines({ columns, rows }: QueryResult): Generator<string> {
  yield columns.map(({ name }) => csvCell(name)).join(',');
  for (const { values } of rows) {
    const cells = values.map((value, i) => {
      const isTime = columns[i]?.kind === 'time' && typeof value === 'number';
      return csvCell(isTime ? new Date(value).toISOString() : value);
    });
    yield cells.join(',');
  }
}

/** Prints the rows on stdout, and how many there are on stderr. */
export function printQuery(ui: Ui, result: QueryResult, form: TableForm, explain: boolean): void {
  if (form === 'csv') for (const line of csvLines(result)) ui.line(line);
  else if (form === 'md') for (const line of markdownLines(gridOf(result))) ui.line(line);
  else if (result.rows.length > 0) printText(ui, gridOf(result), 'select fewer columns');
  if (explain) printExplain(ui, result);
  const { rows, fit, looked, hints } = result;
  const shown = formatCount(rows.length, 'row');
  ui.note(
    `${shown}${fit === rows.length ? '' : ` of ${fit}`}; ${formatCount(looked, 'version')} looked at`,
  );
  for (const hint of hints) ui.note(`hint: ${hint}`);
}

const READS = {
  catalog: 'the catalog',
  networks: 'networks',
  curves: 'curves of metrics',
} as const;

/** Bindings of captures that a terminal shows of one condition. */
const BINDINGS_SHOWN = 6;

/** One line for each condition: what it was asked of, how many fitted, some that did not. */
function printExplain(ui: Ui, { conditions }: QueryResult): void {
  if (conditions.length === 0) ui.note('no condition: every version fits');
  for (const { condition, reads, asked, fitted, failed, unknown, bindings } of conditions) {
    ui.note(`${condition}`);
    ui.note(`  reads ${READS[reads]}; ${fitted} of ${asked} fit`);
    if (failed.length > 0) ui.note(`  not, for instance: ${failed.join('; ')}`);
    for (const one of bindings.slice(0, BINDINGS_SHOWN)) ui.note(`    ${one}`);
    if (unknown.length > 0) ui.note(`  cannot be said, a value is missing: ${unknown.join('; ')}`);
  }
}
