/** Permutations: the elements of a base in another order of its dimensions. */
import { assert } from '../../base/errors.js';
import { contiguousStrides } from '../tensor/layout.js';

/** Another order of the elements of a base. */
export interface Permutation {
  /** The base's shape, row-major; all of it is one segment. */
  readonly shape: readonly number[];
  /** Dimension i of the result is dimension axes[i] of the base. */
  readonly axes: readonly number[];
}

/** Dimensions of a permutation: neighbours that stay neighbours are one. */
export const PERMUTED_RANK_MAX = 8;
/** Bytes of a block that is moved together: rows read and written then stay in the cache. */
const BLOCK = 64;

/** Moves the bytes of a plane of `shape` into the order of `axes`. */
export function movePlane(
  plane: Uint8Array,
  { shape, axes }: Permutation,
  target: Uint8Array,
): void {
  const strides = contiguousStrides(shape);
  const lengths = axes.map((axis) => shape[axis] as number);
  const steps = axes.map((axis) => strides[axis] as number);
  moveFrom({ plane, target, lengths, steps }, 0, 0, 0);
}

interface Move {
  readonly plane: Uint8Array;
  readonly target: Uint8Array;
  /** Of the target's dimensions: elements, and their distance in the plane. */
  readonly lengths: readonly number[];
  readonly steps: readonly number[];
}

/** Moves what dimensions from `level` on hold. @returns the place in the target behind it. */
function moveFrom(move: Move, level: number, source: number, at: number): number {
  const { lengths, steps } = move;
  if (level === lengths.length - 2) return moveRows(move, level, source, at);
  let next = at;
  for (let i = 0; i < (lengths[level] as number); i++) {
    next = moveFrom(move, level + 1, source + i * (steps[level] as number), next);
  }
  return next;
}

/** The last two dimensions, in blocks. */
function moveRows(
  { plane, target, lengths, steps }: Move,
  level: number,
  source: number,
  at: number,
): number {
  const [rows, columns] = lengths.slice(level) as [number, number];
  const [rowStep, columnStep] = steps.slice(level) as [number, number];
  if (columnStep === 1) {
    for (let row = 0; row < rows; row++) {
      const from = source + row * rowStep;
      target.set(plane.subarray(from, from + columns), at + row * columns);
    }
    return at + rows * columns;
  }
  for (let row0 = 0; row0 < rows; row0 += BLOCK) {
    const rowEnd = Math.min(rows, row0 + BLOCK);
    for (let column0 = 0; column0 < columns; column0 += BLOCK) {
      const columnEnd = Math.min(columns, column0 + BLOCK);
      for (let row = row0; row < rowEnd; row++) {
        let from = source + row * rowStep + column0 * columnStep;
        let to = at + row * columns + column0;
        const end = at + row * columns + columnEnd;
        for (; to < end; to++, from += columnStep) target[to] = plane[from]!;
      }
    }
  }
  return at + rows * columns;
}

/** A permutation of as few dimensions as possible; null if it moves nothing. */
export function permutation(shape: readonly number[], axes: readonly number[]): Permutation | null {
  // Dimensions of one element move nothing; axes that follow each other in both orders are one.
  const kept = axes.filter((axis) => shape[axis] !== 1);
  const runs: number[][] = [];
  for (const axis of kept) {
    const last = runs.at(-1);
    const between = shape.slice((last?.at(-1) ?? 0) + 1, axis);
    const follows = last !== undefined && (last.at(-1) as number) < axis;
    if (follows && between.every((length) => length === 1)) last.push(axis);
    else runs.push([axis]);
  }
  if (runs.length < 2 || runs.length > PERMUTED_RANK_MAX) return null;
  const order = runs.map((run) => run[0] as number).sort((a, b) => a - b);
  const lengths = new Map(
    runs.map((run) => [run[0], run.reduce((all, axis) => all * (shape[axis] as number), 1)]),
  );
  assert(lengths.size === runs.length, 'axes are distinct');
  return {
    shape: order.map((axis) => lengths.get(axis) as number),
    axes: runs.map((run) => order.indexOf(run[0] as number)),
  };
}
