/** Parts of a comparison as tables with titles, in text and as Markdown. */
import { type Cell, type Column, formatTable } from '../output/table.js';
import type { Ui } from '../output/ui.js';
import { markdownLines } from '../output/versions/version-table.js';

/** One table. Cells are text from anywhere. */
export interface Section {
  title: string;
  columns: { title: string; isNumber?: boolean; limit?: number }[];
  rows: { cells: string[]; style?: 'added' | 'removed' | 'changed' | 'dim' }[];
  /** Sentences below it. */
  notes: string[];
}

const STYLES = { added: 'green', removed: 'red', changed: 'yellow', dim: 'dim' } as const;

/** The lines of a section for the terminal. */
export function sectionLines(ui: Ui, { title, columns, rows, notes }: Section): string[] {
  const set = columns.map((column): Column => {
    const { isNumber = false, limit = 48 } = column;
    return { title: column.title, align: isNumber ? 'right' : 'left', limit };
  });
  const cells = rows.map(({ cells: own, style }): Cell[] => {
    const [first = '', ...others] = own;
    return style ? [{ text: first, style: ui.style[STYLES[style]] }, ...others] : own;
  });
  const table =
    rows.length > 0 ? formatTable(set, cells, { indent: '  ', header: ui.style.dim }) : [];
  return ['', ui.style.bold(title), ...table, ...notes.map((note) => `  ${note}`)];
}

/** The same as Markdown. */
export function sectionMarkdown({ title, columns, rows, notes }: Section): string[] {
  const [heading] = markdownLines({ titles: [title], isNumeric: [false], rows: [] });
  const table =
    rows.length === 0
      ? []
      : markdownLines({
          titles: columns.map((column) => column.title),
          isNumeric: columns.map(({ isNumber = false }) => isNumber),
          rows: rows.map(({ cells }) => cells),
        });
  const quoted = notes.flatMap((note) => {
    const [line = ''] = markdownLines({ titles: [note], isNumeric: [false], rows: [] });
    return ['', line.slice(2, -2)];
  });
  return [`### ${heading?.slice(2, -2)}`, '', ...table, ...quoted, ''];
}
