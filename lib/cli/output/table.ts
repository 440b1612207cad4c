/** Tables of aligned text for the terminal: two spaces between columns, no lines, no trailing space. */
import { maxOf } from '../../base/bytes/many.js';
import { displayWidth, printable } from './terminal.js';

/** One column. `limit` cuts longer cells in the middle of the text with `…`. */
export interface Column {
  title?: string;
  align?: 'left' | 'right';
  limit?: number;
}

/** A cell: text from anywhere, made printable here; `style` is applied after it was measured. */
export type Cell = string | number | { text: string; style: (text: string) => string };

/** How a table is set: `header` styles the titles, `indent` is before every line. */
export interface TableOptions {
  header?: (text: string) => string;
  indent?: string;
}

/** Cuts a printable text to `limit` columns, keeping its beginning and its end. */
export function shorten(text: string, limit: number): string {
  if (displayWidth(text) <= limit) return text;
  const chars = [...text];
  let head = '';
  let tail = '';
  for (let index = 0; index < chars.length; index++) {
    const grownHead = head + chars[index]!;
    if (displayWidth(grownHead) + displayWidth(tail) + 1 > limit) break;
    head = grownHead;
    const grownTail = chars[chars.length - 1 - index]! + tail;
    if (displayWidth(head) + displayWidth(grownTail) + 1 > limit) break;
    tail = grownTail;
  }
  return `${head}…${tail}`;
}

/**
 * Sets rows in columns. Titles are shown if any column has one.
 * @returns the lines, none with a line break in it.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions = {},
): string[] {
  const { header = (text: string) => text, indent = '' } = options;
  const titled = columns.some((column) => column.title !== undefined);
  const titles: Cell[] = columns.map(({ title = '' }) => ({ text: title, style: header }));
  const body = (titled ? [titles, ...rows] : rows).map((row) =>
    columns.map((column, index) => setCell(row[index] ?? '', column)),
  );
  const widths = columns.map((_, index) =>
    maxOf(
      body.map((row) => row[index]!.width),
      0,
    ),
  );
  return body.map((row) => {
    const parts = row.map(({ shown, width }, index) => {
      const fill = ' '.repeat(widths[index]! - width);
      return columns[index]!.align === 'right' ? fill + shown : shown + fill;
    });
    return (indent + parts.join('  ')).trimEnd();
  });
}

function setCell(cell: Cell, column: Column): { shown: string; width: number } {
  const { text, style } =
    typeof cell === 'object' ? cell : { text: String(cell), style: undefined };
  const shown = shorten(printable(text), column.limit ?? Number.POSITIVE_INFINITY);
  return { shown: style ? style(shown) : shown, width: displayWidth(shown) };
}
