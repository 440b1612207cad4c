/**
 * Joining of cells: which pairs of class and digit above share a table. native/encode_plane.c
 * (join_cells) in TypeScript.
 */
import { CLASSES_MAX } from './head.js';
import { addCounts } from './stats.js';
import { tableCost } from './table.js';

/** Tables of cells. */
export interface JoinedCells {
  /** Table of each cell. */
  numbers: Uint8Array;
  tables: number;
  /** What all symbols cost with them. */
  cost: number;
}

/** Joins cells, cheapest first, until there are few enough and no more joining saves anything. */
export function joinCells(cellCounts: readonly Uint32Array[]): JoinedCells {
  const counts = cellCounts.map((row) => row.slice());
  const joined = counts.map((_, cell) => cell);
  const costs = counts.map((row) => tableCost(row));
  const lossOf = (a: number, b: number): number => {
    const sum = (counts[a] as Uint32Array).slice();
    addCounts(sum, counts[b] as Uint32Array);
    return tableCost(sum) - (costs[a] as number) - (costs[b] as number);
  };
  const losses = counts.map((_, a) => Array.from({ length: a }, (_row, b) => lossOf(a, b)));
  const isFree = (cell: number): boolean => joined[cell] === cell;
  for (let left = counts.length; ; left--) {
    let least = Number.POSITIVE_INFINITY;
    let pair = [0, 0] as [number, number];
    for (const [a, row] of losses.entries()) {
      for (const [b, loss] of row.entries()) {
        if (!isFree(a) || !isFree(b) || loss >= least) continue;
        least = loss;
        pair = [b, a];
      }
    }
    if (least === Number.POSITIVE_INFINITY || (left <= CLASSES_MAX && least > 0)) break;
    const [into, gone] = pair;
    costs[into] = (costs[into] as number) + (costs[gone] as number) + least;
    addCounts(counts[into] as Uint32Array, counts[gone] as Uint32Array);
    for (const [cell, of] of joined.entries()) if (of === gone) joined[cell] = into;
    for (const cell of joined.keys()) {
      if (cell === into || !isFree(cell)) continue;
      (losses[Math.max(cell, into)] as number[])[Math.min(cell, into)] = lossOf(cell, into);
    }
  }
  const kept = [...joined.keys()].filter(isFree);
  return {
    numbers: Uint8Array.from(joined, (cell) => kept.indexOf(cell)),
    tables: kept.length,
    cost: kept.reduce((sum, cell) => sum + (costs[cell] as number), 0),
  };
}
