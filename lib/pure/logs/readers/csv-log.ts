/**
 * CSV with a header, RFC 4180: of Keras (`epoch,accuracy,loss`), of Lightning (`epoch,step,…`, where
 * most cells of a row are empty), or of anybody; between columns a comma, a semicolon or a tab.
 */
import { LogCollector, type LogContent } from '../log-content.js';
import { addRow, numberOf } from '../rows.js';

/** More columns than any log has metrics. */
const COLUMNS_MAX = 10_000;

/**
 * What a CSV file says; null if it is none: a header of names, and below it a row with a number.
 * @param firstIndex  step of the first row, where rows name none.
 */
export function readCsvLog(text: string, firstIndex = 0): LogContent | null {
  const end = text.search(/\r?\n/);
  const first = text.slice(0, end < 0 ? text.length : end).replace(/^\uFEFF/, '');
  const separator = [',', '\t', ';'].find((mark) => first.includes(mark));
  if (separator === undefined) return null;
  const rows: Iterator<string[], undefined> & Iterable<string[]> = csvRows(
    text.replace(/^\uFEFF/, ''),
    separator,
  );
  const header = (rows.next().value ?? []).map((name: string) => name.trim());
  if (!isHeader(header)) return null;
  const collector = new LogCollector(nameOf(header));
  let index = 0;
  let uneven = 0;
  for (const cells of rows) {
    if (cells.length === 1 && cells[0] === '') continue;
    if (cells.length !== header.length) {
      uneven++;
      continue;
    }
    const row = Object.fromEntries(header.map((name, i) => [name, cells[i] ?? '']));
    if (index === 0 && !Object.values(row).some((cell) => numberOf(cell) !== null)) return null;
    addRow(collector, row, firstIndex + index++);
  }
  if (index === 0) return null;
  if (uneven > 0) collector.problem = `${uneven} rows have another number of cells than the header`;
  return collector.finish();
}

function isHeader(names: readonly string[]): boolean {
  return (
    names.length >= 2 &&
    names.length <= COLUMNS_MAX &&
    new Set(names).size === names.length &&
    names.every((name) => name !== '' && numberOf(name) === null && !/[={}]/.test(name))
  );
}

function nameOf(header: readonly string[]): string {
  if (header.includes('step')) return header.includes('epoch') ? 'csv of Lightning' : 'csv';
  return header[0] === 'epoch' ? 'csv of Keras' : 'csv';
}

/** The rows of a CSV text, one after another; a quoted cell may hold separators, quotes and line feeds. */
export function* csvRows(text: string, separator: string): Generator<string[], undefined> {
  let cells: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell: string;
    if (text[at] === '"') {
      const parts: string[] = [];
      at++;
      for (;;) {
        const quote = text.indexOf('"', at);
        if (quote < 0) {
          parts.push(text.slice(at));
          at = text.length;
          break;
        }
        parts.push(text.slice(at, quote));
        at = quote + 1;
        if (text[at] !== '"') break;
        parts.push('"');
        at++;
      }
      cell = parts.join('');
      // What follows the closing quote belongs to no cell.
      while (at < text.length && text[at] !== separator && text[at] !== '\n') at++;
    } else {
      const start = at;
      while (at < text.length && text[at] !== separator && text[at] !== '\n') at++;
      cell = text.slice(start, at).replace(/\r$/, '');
    }
    if (cells.length <= COLUMNS_MAX) cells.push(cell);
    if (text[at] === separator) {
      at++;
      if (at < text.length && text[at] !== '\n') continue;
      cells.push('');
    }
    at++;
    yield cells;
    cells = [];
  }
}
