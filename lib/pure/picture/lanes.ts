/**
 * Lines of descent beside rows: each version has a row and a lane, its lines go on to its parents'
 * rows. Every row is a small SVG of one height, so that rows of a table put together are one picture.
 */
import { maxOf } from '../../base/bytes/many.js';
import { html, type Markup } from './markup.js';

/** A version in the picture. Parents that are not in it have lines to the end. */
export interface LaneNode {
  id: string;
  parents: readonly string[];
}

/** A line within a row, from its top or from the node of the row to its bottom or to the node. */
export interface LaneLine {
  from: number | 'node';
  to: number | 'node';
  /** Lane that gives it its colour. */
  lane: number;
}

/** The picture beside one row. */
export interface LaneRow {
  id: string;
  lane: number;
  lines: LaneLine[];
}

/** Lays out rows. @param nodes  children before parents; ids are unique. O(nodes × lanes). */
export function layLanes(nodes: readonly LaneNode[]): LaneRow[] {
  /** What each lane waits for; null where it is free. */
  let waiting: (string | null)[] = [];
  return nodes.map(({ id, parents }) => {
    let lane = waiting.indexOf(id);
    const isNew = lane < 0;
    if (isNew) {
      lane = waiting.indexOf(null);
      if (lane < 0) lane = waiting.length;
    }
    const lines: LaneLine[] = [];
    const next = [...waiting];
    waiting.forEach((wanted, at) => {
      if (wanted === null) return;
      if (wanted === id) {
        lines.push({ from: at, to: 'node', lane: at });
        next[at] = null;
      } else lines.push({ from: at, to: at, lane: at });
    });
    for (const [order, parent] of [...new Set(parents)].entries()) {
      let to = next.indexOf(parent);
      if (to < 0) {
        to = order === 0 ? lane : next.indexOf(null);
        if (to < 0 || (order > 0 && to === lane)) to = next.length;
        next[to] = parent;
      }
      lines.push({ from: 'node', to, lane: to });
    }
    while (next.length > 0 && next.at(-1) === null) next.pop();
    waiting = next;
    return { id, lane, lines };
  });
}

const LANE = 16;
const ROW = 36;
/** Lanes that are drawn; those beyond are drawn in the last. */
const LANES_MAX = 24;

/** Width that rows take, in pixels. */
export function lanesWidth(rows: readonly LaneRow[]): number {
  const used = rows.reduce((most, { lane, lines }) => {
    const lanes = lines.flatMap(({ from, to }) => [from, to].filter((at) => at !== 'node'));
    return maxOf(lanes as number[], Math.max(most, lane));
  }, 0);
  return (Math.min(used, LANES_MAX - 1) + 1) * LANE;
}

/** Draws rows: an SVG each, all of one width. */
export function drawLanes(rows: readonly LaneRow[], width = lanesWidth(rows)): Markup[] {
  const x = (lane: number): number => Math.min(lane, LANES_MAX - 1) * LANE + LANE / 2;
  return rows.map(({ lane, lines }) => {
    const drawn = lines.map(({ from, to, lane: colour }) => {
      const [x1, y1] = from === 'node' ? [x(lane), ROW / 2] : [x(from), 0];
      const [x2, y2] = to === 'node' ? [x(lane), ROW / 2] : [x(to), ROW];
      const middle = (y1 + y2) / 2;
      const path =
        x1 === x2
          ? `M${x1} ${y1}V${y2}`
          : `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`;
      return html`<path class="line s${colour % 4}" d="${path}"/>`;
    });
    return html`<svg class="lanes" viewBox="0 0 ${width} ${ROW}" width="${width}" height="${ROW}" aria-hidden="true">${drawn}<circle class="node s${lane % 4}" cx="${x(lane)}" cy="${ROW / 2}" r="5"/></svg>`;
  });
}
