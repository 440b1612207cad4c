/** A data set that is text: comma-separated values with names of columns in the first row. */
import { LimitError, NotFoundError, UsageError } from '../../../base/errors.js';
import { ReadFile } from '../../../base/files/files.js';
import { DATA_BYTES_MAX, DATA_COLUMNS_MAX } from '../../../base/limits.js';
import { csvRows } from '../../../pure/logs/readers/csv-log.js';
import type { DataArray } from './array.js';

/** Its cells take some four times as much. */
const TABLE_BYTES_MAX = DATA_BYTES_MAX / 4;

/** A text table, as read. */
export class Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly #cells: readonly (readonly string[])[];

  private constructor(name: string, columns: string[], cells: string[][]) {
    this.name = name;
    this.columns = columns;
    this.#cells = cells;
  }

  /** @throws {IoError} {LimitError} {UsageError} for rows of another length than the first. */
  static async read(path: string): Promise<Table> {
    const file = await ReadFile.open(path);
    try {
      if (file.size > TABLE_BYTES_MAX) {
        throw new LimitError(`the table '${path}' has ${file.size} bytes`, {
          file: path,
          value: file.size,
          max: TABLE_BYTES_MAX,
          hint: 'a .npy file may be of any size: it is read batch by batch',
        });
      }
      const text = Buffer.from(await file.read(0, file.size)).toString('utf8');
      return Table.parse(text.replace(/^\ufeff/, ''), path);
    } finally {
      await file.close();
    }
  }

  static parse(text: string, name: string): Table {
    const rows: string[][] = [];
    for (const row of csvRows(text, ',')) {
      if (row.length === 1 && row[0] === '') continue;
      const width = rows[0]?.length ?? row.length;
      if (row.length !== width || width > DATA_COLUMNS_MAX) {
        const line = rows.length + 1;
        throw new UsageError(`row ${line} of '${name}' has ${row.length} columns, not ${width}`, {
          file: name,
        });
      }
      rows.push(row.map((cell) => cell.trim()));
    }
    const [first = [], ...rest] = rows;
    const isHeader = first.some((cell) => cell !== '' && Number.isNaN(Number(cell)));
    const columns = isHeader ? first : first.map((_, i) => `${i + 1}`);
    return new Table(name, columns, isHeader ? rest : rows);
  }

  /** Places of columns by name. @throws {NotFoundError} */
  places(names: readonly string[]): number[] {
    return names.map((name) => {
      const at = this.columns.indexOf(name);
      if (at >= 0) return at;
      throw new NotFoundError(`'${this.name}' has no column '${name}'`, {
        kind: 'column',
        name,
        hint: `it has ${this.columns.slice(0, 12).join(', ')}`,
      });
    });
  }

  /** The texts of a column. */
  texts(place: number): string[] {
    return this.#cells.map((row) => row[place] ?? '');
  }

  /** Columns as an array: one row an example. @param classes  names that stand for 0, 1, …. */
  array(places: readonly number[], classes: readonly string[] = []): DataArray {
    const index = new Map(classes.map((name, i) => [name, i]));
    const number = (row: number, at: number): number => {
      const cell = this.#cells[row]?.[at] ?? '';
      const value = index.get(cell) ?? (cell === '' ? Number.NaN : Number(cell));
      if (!Number.isNaN(value)) return value;
      throw new UsageError(
        `'${cell.slice(0, 40)}' in column '${this.columns[at]}' of '${this.name}' is no number`,
        { file: this.name, row, hint: 'for names of classes, give them in order: --classes a,b,c' },
      );
    };
    const values = (first: number, count: number): Float64Array =>
      Float64Array.from({ length: count * places.length }, (_, i) =>
        number(first + Math.floor(i / places.length), places[i % places.length] as number),
      );
    const length = this.#cells.length;
    return {
      name: this.name,
      isWhole: values(0, length).every(Number.isInteger),
      shape: places.length === 1 ? [length] : [length, places.length],
      rows: async (first, count) => values(first, count),
      close: async () => {},
    };
  }
}
