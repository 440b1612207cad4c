/**
 * Layered layout of an acyclic graph (after Sugiyama, Tagawa and Toda 1981): ranks by longest paths, long
 * edges through bends in the ranks between, few crossings by barycenters, and places that pull each box to
 * its neighbours. Equal graphs give equal pictures, and a small change moves little.
 */
import { minOf } from '../../base/bytes/many.js';

/** A box, and the boxes behind it by their places in the list, which is in topological order. */
export interface LayeredBox {
  width: number;
  height: number;
  to: readonly number[];
}

export interface PlacedEdge {
  from: number;
  to: number;
  /** SVG path. */
  path: string;
}

export interface LayeredGraph {
  width: number;
  height: number;
  /** Left upper corner of each box. */
  places: { x: number; y: number }[];
  edges: PlacedEdge[];
  /** Edges that are too long and too many to be drawn. */
  hidden: number;
}

const GAP_X = 18;
const GAP_BEND = 9;
const GAP_Y = 26;
const ORDER_SWEEPS = 6;
const PLACE_SWEEPS = 10;
/** Bends of all edges together. */
const BENDS_MAX = 20_000;
const LONG = 12;

/** A box or a bend of an edge. */
interface Item {
  box: number | null;
  width: number;
  rank: number;
  /** Neighbours above and below. */
  up: Item[];
  down: Item[];
  x: number;
  order: number;
}

export function layLayers(boxes: readonly LayeredBox[]): LayeredGraph {
  const ranks = ranksOf(boxes);
  const items = boxes.map(({ width }, i): Item => newItem(i, width, ranks[i] as number));
  const rows: Item[][] = [];
  for (const item of items) rowOf(rows, item.rank).push(item);
  const { chains, hidden } = chainEdges(boxes, items, rows);
  orderRows(rows);
  placeRows(rows);
  const left = minOf(
    rows.flat().map(({ x, width }) => x - width / 2),
    0,
  );
  const tops: number[] = [];
  const heights = rows.map((row) =>
    row.reduce((most, { box }) => Math.max(most, box === null ? 0 : (boxes[box]?.height ?? 0)), 0),
  );
  let height = 0;
  heights.forEach((tall, rank) => {
    tops[rank] = height;
    height += tall + (rank === heights.length - 1 ? 0 : GAP_Y);
  });
  for (const item of rows.flat()) item.x -= left;
  const width = rows.flat().reduce((most, item) => Math.max(most, item.x + item.width / 2), 0);
  return {
    width: Math.ceil(width),
    height: Math.ceil(height),
    places: items.map(({ x, width: wide, rank }) => ({
      x: round(x - wide / 2),
      y: round(tops[rank] as number),
    })),
    edges: chains.map((chain) => ({
      from: chain[0]?.box as number,
      to: chain.at(-1)?.box as number,
      path: pathOf(chain, { tops, heights, boxes }),
    })),
    hidden,
  };
}

function newItem(box: number | null, width: number, rank: number): Item {
  return { box, width, rank, up: [], down: [], x: 0, order: 0 };
}

function rowOf(rows: Item[][], rank: number): Item[] {
  while (rows.length <= rank) rows.push([]);
  return rows[rank] as Item[];
}

/** Longest paths from the sources; a source stands right before the first that uses it. */
function ranksOf(boxes: readonly LayeredBox[]): number[] {
  const ranks = boxes.map(() => 0);
  const isUsed = boxes.map(() => false);
  boxes.forEach(({ to }, i) => {
    for (const target of to) {
      isUsed[target] = true;
      ranks[target] = Math.max(ranks[target] as number, (ranks[i] as number) + 1);
    }
  });
  boxes.forEach(({ to }, i) => {
    if (isUsed[i] || to.length === 0) return;
    ranks[i] = Math.max(0, minOf(to.map((target) => ranks[target] as number)) - 1);
  });
  return ranks;
}

/** Edges as chains of items, with bends in the ranks between. */
function chainEdges(
  boxes: readonly LayeredBox[],
  items: readonly Item[],
  rows: Item[][],
): { chains: Item[][]; hidden: number } {
  const spans = boxes.flatMap(({ to }, i) =>
    to.map((target) => (items[target]?.rank ?? 0) - (items[i]?.rank ?? 0)),
  );
  const bends = spans.reduce((sum, span) => sum + Math.max(0, span - 1), 0);
  let hidden = 0;
  const chains: Item[][] = [];
  boxes.forEach(({ to }, i) => {
    for (const target of to) {
      const [from, end] = [items[i] as Item, items[target] as Item];
      if (bends > BENDS_MAX && end.rank - from.rank > LONG) {
        hidden += 1;
        continue;
      }
      const chain = [from];
      for (let rank = from.rank + 1; rank < end.rank; rank++) {
        const bend = newItem(null, 0, rank);
        rowOf(rows, rank).push(bend);
        chain.push(bend);
      }
      chain.push(end);
      for (let k = 1; k < chain.length; k++) {
        const [above, below] = [chain[k - 1] as Item, chain[k] as Item];
        above.down.push(below);
        below.up.push(above);
      }
      chains.push(chain);
    }
  });
  return { chains, hidden };
}

function numberRow(row: readonly Item[]): void {
  row.forEach((item, i) => {
    item.order = i;
  });
}

/** Sorts rows by the mean place of neighbours, down and up in turns; ties keep their order. */
function orderRows(rows: readonly Item[][]): void {
  for (const row of rows) numberRow(row);
  let best = crossings(rows);
  let kept = rows.map((row) => [...row]);
  for (let sweep = 0; sweep < ORDER_SWEEPS && best > 0; sweep++) {
    const isDown = sweep % 2 === 0;
    const turn = isDown ? rows : [...rows].reverse();
    for (const row of turn) {
      const keys = new Map(
        row.map((item) => {
          const near = isDown ? item.up : item.down;
          const sum = near.reduce((total, { order }) => total + order, 0);
          return [item, near.length === 0 ? item.order : sum / near.length];
        }),
      );
      row.sort((a, b) => (keys.get(a) as number) - (keys.get(b) as number) || a.order - b.order);
      numberRow(row);
    }
    const found = crossings(rows);
    if (found < best) {
      best = found;
      kept = rows.map((row) => [...row]);
    }
  }
  rows.forEach((row, i) => {
    row.splice(0, row.length, ...(kept[i] as Item[]));
    numberRow(row);
  });
}

/** Pairs of edges between neighbouring rows that cross: inversions, counted over a Fenwick tree. */
function crossings(rows: readonly Item[][]): number {
  let count = 0;
  rows.forEach((row, rank) => {
    const below = rows[rank + 1]?.length ?? 0;
    if (below < 2) return;
    const tree = new Uint32Array(below + 1);
    let seen = 0;
    for (const item of row) {
      const targets = item.down.map(({ order }) => order).sort((a, b) => a - b);
      for (const target of targets) {
        let upTo = 0;
        for (let at = target + 1; at > 0; at -= at & -at) upTo += tree[at] as number;
        count += seen - upTo;
      }
      for (const target of targets) {
        seen += 1;
        for (let at = target + 1; at <= below; at += at & -at) tree[at] = (tree[at] as number) + 1;
      }
    }
  });
  return count;
}

/** Pulls each item to its neighbours, rows down and up in turns, without changing their order. */
function placeRows(rows: readonly Item[][]): void {
  for (const row of rows) {
    settle(
      row,
      row.map(() => 0),
      row.map(() => 1),
    );
  }
  for (let sweep = 0; sweep < PLACE_SWEEPS; sweep++) {
    const isDown = sweep % 2 === 0;
    for (const row of isDown ? rows : [...rows].reverse()) {
      const wanted = row.map((item) => {
        const near = isDown ? item.up : item.down;
        const others = near.length > 0 ? near : [item];
        let sum = 0;
        let total = 0;
        for (const other of others) {
          const weight = pull(item, other);
          sum += weight * other.x;
          total += weight;
        }
        return sum / total;
      });
      const weights = row.map((item) => {
        const near = isDown ? item.up : item.down;
        return near.reduce((sum, other) => sum + pull(item, other), 0) || 0.1;
      });
      settle(row, wanted, weights);
    }
  }
}

/** Edges are straight along their bends first of all. */
function pull(a: Item, b: Item): number {
  if (a.box === null && b.box === null) return 8;
  return a.box === null || b.box === null ? 2 : 1;
}

/** Least squares to the wanted places, with room between neighbours: pools that share one shift. */
function settle(row: readonly Item[], wanted: readonly number[], weights: readonly number[]): void {
  const offsets: number[] = [];
  let offset = 0;
  row.forEach((item, i) => {
    const before = row[i - 1];
    if (before !== undefined) {
      const gap = before.box === null || item.box === null ? GAP_BEND : GAP_X;
      offset += (before.width + item.width) / 2 + gap;
    }
    offsets.push(offset);
  });
  const pools: { sum: number; weight: number; count: number }[] = [];
  row.forEach((_, i) => {
    const weight = weights[i] as number;
    let pool = { sum: weight * ((wanted[i] as number) - (offsets[i] as number)), weight, count: 1 };
    for (let last = pools.at(-1); last !== undefined; last = pools.at(-1)) {
      if (last.sum / last.weight <= pool.sum / pool.weight) break;
      pools.pop();
      pool = {
        sum: last.sum + pool.sum,
        weight: last.weight + pool.weight,
        count: last.count + pool.count,
      };
    }
    pools.push(pool);
  });
  let at = 0;
  for (const { sum, weight, count } of pools) {
    for (let k = 0; k < count; k++, at++) {
      (row[at] as Item).x = sum / weight + (offsets[at] as number);
    }
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Straight through the ranks of its bends, bent between ranks. */
function pathOf(
  chain: readonly Item[],
  {
    tops,
    heights,
    boxes,
  }: { tops: readonly number[]; heights: readonly number[]; boxes: readonly LayeredBox[] },
): string {
  const first = chain[0] as Item;
  let x = round(first.x);
  let y = round((tops[first.rank] as number) + (boxes[first.box as number]?.height ?? 0));
  let path = `M${x} ${y}`;
  for (const item of chain.slice(1)) {
    const top = round(tops[item.rank] as number);
    const to = round(item.x);
    const start = round(top - GAP_Y);
    if (start > y) path += `V${start}`;
    y = Math.max(y, start);
    if (to === x) path += `V${top}`;
    else {
      const middle = round((y + top) / 2);
      path += `C${x} ${middle} ${to} ${middle} ${to} ${top}`;
    }
    [x, y] = [to, top];
    if (item.box !== null) break;
    y = round(top + (heights[item.rank] as number));
    path += `V${y}`;
  }
  return path;
}
