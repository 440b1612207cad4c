/**
 * The lines of `log --graph`: a drawing of lineage, one column per line of versions.
 *
 * Pure. Versions come children before parents. Each version keeps or opens a column, hands it to its
 * first parent, opens columns to the right for further parents, and columns that wait for the same
 * version join at the leftmost. A line that crosses others passes under them, one column per row.
 */
import { maxOf, pushAll } from '../../../base/bytes/many.js';

/** A version in the drawing. Parents outside the drawing are allowed: their lines run to its end. */
export interface GraphNode {
  id: string;
  parents: readonly string[];
}

/** The drawing beside one version. */
export interface GraphRow {
  id: string;
  /** The row with `*`, then the rows in which lines move. */
  rows: string[];
  /** What is beside further lines of text. */
  rest: string;
}

/** A line of the drawing on its way from one column to another. */
interface Move {
  at: number;
  to: number;
}

/**
 * Draws a graph.
 * @param nodes children before parents; ids are unique. O(nodes × columns).
 */
export function drawGraph(nodes: readonly GraphNode[]): GraphRow[] {
  let columns: string[] = [];
  return nodes.map(({ id, parents }) => {
    let index = columns.indexOf(id);
    if (index < 0) index = columns.push(id) - 1;
    const rows = [columns.map((_, at) => (at === index ? '*' : '|')).join(' ')];
    const opened = open(columns, index, [...new Set(parents)]);
    const joined = join(opened.columns);
    if (opened.moves.every(({ at, to }) => to <= at)) {
      // Nothing moves right, so both steps are one and lines take the shorter way.
      pushAll(
        rows,
        drawMoves(opened.moves.map(({ at, to }) => ({ at, to: joined.moves[to]!.to }))),
      );
    } else rows.push(...drawMoves(opened.moves), ...drawMoves(joined.moves));
    columns = joined.columns;
    return { id, rows, rest: columns.map(() => '|').join(' ') };
  });
}

/** Puts text beside a row of the drawing: its rows first, then its rest for as long as text lasts. */
export function besideGraph(row: GraphRow, text: readonly string[]): string[] {
  const width = maxOf(
    row.rows.map((line) => line.length),
    row.rest.length,
  );
  const count = Math.max(row.rows.length, text.length);
  return Array.from({ length: count }, (_, at) => {
    const drawn = (row.rows[at] ?? row.rest).padEnd(width);
    return `${drawn} ${text[at] ?? ''}`.trimEnd();
  });
}

/** Gives column `index` to the first parent and opens columns right of it for new further parents. */
function open(
  columns: readonly string[],
  index: number,
  parents: readonly string[],
): { columns: string[]; moves: Move[] } {
  const added = parents.slice(1).filter((parent) => !columns.includes(parent));
  const kept = parents.slice(0, 1);
  const next = [...columns.slice(0, index), ...kept, ...added, ...columns.slice(index + 1)];
  const shift = kept.length + added.length - 1;
  const moves: Move[] = [];
  columns.forEach((_, at) => {
    if (at < index) moves.push({ at, to: at });
    // A root leaves its column; the columns right of it move left into the gap.
    else if (at > index) moves.push({ at, to: at + shift });
  });
  parents.forEach((parent, order) => {
    moves.push({ at: index, to: order === 0 ? index : next.indexOf(parent) });
  });
  return { columns: next, moves };
}

/** Joins columns that wait for the same version at the leftmost of them. */
function join(columns: readonly string[]): { columns: string[]; moves: Move[] } {
  const next = [...new Set(columns)];
  return { columns: next, moves: columns.map((id, at) => ({ at, to: next.indexOf(id) })) };
}

/** The rows in which lines move, each by at most one column per row; none if nothing moves. */
function drawMoves(moves: Move[]): string[] {
  const rows: string[] = [];
  while (moves.some(({ at, to }) => at !== to)) {
    const chars: string[] = [];
    for (const move of moves) {
      const step = Math.sign(move.to - move.at);
      chars[2 * move.at + step] = step === 0 ? '|' : step < 0 ? '/' : '\\';
      move.at += step;
    }
    rows.push(Array.from(chars, (char) => char ?? ' ').join(''));
  }
  return rows;
}
