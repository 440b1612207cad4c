/** Columns of the table of versions as axes: which can be one, and where versions lie on it. */
import { formatMetric } from '../../cli/output/render.js';
import { type ParallelAxis, type PlacedAxis, placeAxis } from '../../pure/picture/parallel.js';
import type { ListedVersion } from '../../use/ops/versions.js';
import { cellValue } from './rows.js';

/** Texts that an axis has room for. */
const TEXTS_MAX = 20;
/** Numbers above 0 that span as much are compared by their magnitudes. */
const LOG_SPAN = 20;

export interface DataAxis extends Omit<PlacedAxis, 'share'> {
  column: string;
  isLog: boolean;
  /** Where a version lies, from 0 to 1; null where it has no value. */
  share(row: ListedVersion): number | null;
  /** Where a number lies. */
  shareOf(value: number): number;
}

/** What a version has in a column, as an axis takes it. */
function plainValue(row: ListedVersion, column: string): number | string | null {
  const value = cellValue(row, column);
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A column as an axis: of numbers if most are some, of texts if they are few; null if it says nothing. */
export function axisOfColumn(rows: readonly ListedVersion[], column: string): DataAxis | null {
  const values = rows.map((row) => plainValue(row, column));
  const numbers = values.filter((one) => typeof one === 'number');
  const known = values.filter((one) => one !== null).length;
  let axis: ParallelAxis;
  if (numbers.length > 0 && numbers.length >= known / 2) {
    const low = numbers.reduce((a, b) => Math.min(a, b));
    const high = numbers.reduce((a, b) => Math.max(a, b));
    if (low === high) return null;
    const scale = low > 0 && high / low >= LOG_SPAN ? 'log' : 'linear';
    axis = { name: column, kind: 'number', scale, format: formatMetric };
  } else {
    const texts = [...new Set(values.filter((one) => one !== null).map(String))].sort();
    if (texts.length < 2 || texts.length > TEXTS_MAX) return null;
    axis = { name: column, kind: 'text', values: texts };
  }
  const { share, value, ticks } = placeAxis(axis, values);
  return {
    ...{ column, value, ticks },
    isLog: axis.kind === 'number' && axis.scale === 'log',
    share: (row) => share(plainValue(row, column)),
    shareOf: (one) => share(one) ?? 0,
  };
}

/** True of metrics and hyperparameters: what versions are compared by. */
export function isMeasured(column: string): boolean {
  return /^(\w+\()?(metrics|params)\./.test(column);
}

/** The first columns that can be axes. */
export function axesOf(
  rows: readonly ListedVersion[],
  columns: readonly string[],
  most: number,
): DataAxis[] {
  const axes: DataAxis[] = [];
  for (const column of columns) {
    if (axes.length >= most) break;
    const axis = isMeasured(column) ? axisOfColumn(rows, column) : null;
    if (axis !== null) axes.push(axis);
  }
  return axes;
}
