/**
 * Lines of descent beside rows: each version has a row and a column, its lines go on to its parents'
 * rows. Every row is a small SVG of one height, so that rows of a table put together are one picture.
 */
import { maxOf } from '../../base/bytes/many.js';
import { html, type Markup } from './markup.js';

/** A version in the picture. Parents that are not in it have lines to the end. */
export interface DescentNode {
  id: string;
  parents: readonly string[];
}

/** A line within a row, from its top or from the node of the row to its bottom or to the node. */
export interface DescentLine {
  from: number | 'node';
  to: number | 'node';
  /** Column that gives it its colour. */
  column: number;
}

/** The picture beside one row. */
export interface DescentRow {
  id: string;
  column: number;
  lines: DescentLine[];
}

/** Lays out rows. @param nodes  children before parents; ids are unique. O(nodes × columns). */
export function layDescent(nodes: readonly DescentNode[]): DescentRow[] {
  /** What each column waits for; null where it is free. */
  let waiting: (string | null)[] = [];
  return nodes.map(({ id, parents }) => {
    let column = waiting.indexOf(id);
    const isNew = column < 0;
    if (isNew) {
      column = waiting.indexOf(null);
      if (column < 0) column = waiting.length;
    }
    const lines: DescentLine[] = [];
    const next = [...waiting];
    waiting.forEach((wanted, at) => {
      if (wanted === null) return;
      if (wanted === id) {
        lines.push({ from: at, to: 'node', column: at });
        next[at] = null;
      } else lines.push({ from: at, to: at, column: at });
    });
    for (const [order, parent] of [...new Set(parents)].entries()) {
      let to = next.indexOf(parent);
      if (to < 0) {
        to = order === 0 ? column : next.indexOf(null);
        if (to < 0 || (order > 0 && to === column)) to = next.length;
        next[to] = parent;
      }
      lines.push({ from: 'node', to, column: to });
    }
    while (next.length > 0 && next.at(-1) === null) next.pop();
    waiting = next;
    return { id, column, lines };
  });
}

const COLUMN_WIDTH = 16;
const ROW_HEIGHT = 36;
/** Columns that are drawn; those beyond are drawn in the last. */
const COLUMNS_MAX = 24;

/** Width that rows take, in pixels. */
export function descentWidth(rows: readonly DescentRow[]): number {
  const used = rows.reduce((most, { column, lines }) => {
    const columns = lines.flatMap(({ from, to }) => [from, to].filter((at) => at !== 'node'));
    return maxOf(columns as number[], Math.max(most, column));
  }, 0);
  return (Math.min(used, COLUMNS_MAX - 1) + 1) * COLUMN_WIDTH;
}

/** Draws rows: an SVG each, all of one width. */
export function drawDescent(rows: readonly DescentRow[], width = descentWidth(rows)): Markup[] {
  const x = (column: number): number =>
    Math.min(column, COLUMNS_MAX - 1) * COLUMN_WIDTH + COLUMN_WIDTH / 2;
  return rows.map(({ column, lines }) => {
    const drawn = lines.map(({ from, to, column: colour }) => {
      const [x1, y1] = from === 'node' ? [x(column), ROW_HEIGHT / 2] : [x(from), 0];
      const [x2, y2] = to === 'node' ? [x(column), ROW_HEIGHT / 2] : [x(to), ROW_HEIGHT];
      const middle = (y1 + y2) / 2;
      const path =
        x1 === x2
          ? `M${x1} ${y1}V${y2}`
          : `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`;
      return html`<path class="line s${colour % 4}" d="${path}"/>`;
    });
    return html`<svg class="descent" viewBox="0 0 ${width} ${ROW_HEIGHT}" width="${width}" height="${ROW_HEIGHT}" aria-hidden="true">${drawn}<circle class="node s${column % 4}" cx="${x(column)}" cy="${ROW_HEIGHT / 2}" r="5"/></svg>`;
  });
}
