/** Curves as text: a line of blocks, and plots of braille dots. */
import { maxOf, minOf } from '../../base/bytes/many.js';
import { plainNumber } from './axis.js';
import { canDraw, type Point } from './curve.js';

const BLOCKS = '▁▂▃▄▅▆▇█';
/** Stands for a stretch without a finite number. */
const GAP = '·';

/**
 * Numbers as a line of blocks, at most `width` of them: each the mean of an equal stretch, between the
 * least and the most. A constant curve is drawn low; nothing is drawn of no numbers.
 */
export function sparkline(values: readonly number[], width: number): string {
  const count = Math.min(width, values.length);
  const means = Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * values.length) / count);
    const to = Math.floor(((i + 1) * values.length) / count);
    const stretch = values.slice(from, to).filter(Number.isFinite);
    return stretch.reduce(
      (sum, value) => sum + value / stretch.length,
      stretch.length > 0 ? 0 : NaN,
    );
  });
  const finite = means.filter(Number.isFinite);
  const low = minOf(finite);
  // Halves, because the range of two doubles may be none.
  const range = maxOf(finite) / 2 - low / 2;
  return means
    .map((value) => {
      if (!Number.isFinite(value)) return GAP;
      const share = range > 0 ? (value / 2 - low / 2) / range : 0;
      return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor(share * BLOCKS.length))];
    })
    .join('');
}

/** Bits of a braille character: two columns of four dots. */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;
const BRAILLE = 0x2800;

/** Size of a plot in characters, without its labels. */
export interface TextPlotSize {
  width: number;
  height: number;
}

/**
 * A curve as lines of braille dots, with its range at the left and the ends of x below. Points are joined.
 * @returns no lines if there are fewer than two finite points.
 */
export function textPlot(points: readonly Point[], { width, height }: TextPlotSize): string[] {
  const finite = points.filter(({ x, y }) => canDraw(x) && canDraw(y));
  if (finite.length < 2) return [];
  const [columns, rows] = [2 * width, 4 * height];
  const cells = new Uint8Array(width * height);
  const low = minOf(finite.map(({ y }) => y));
  const high = maxOf(finite.map(({ y }) => y));
  const [from, to] = [finite[0]?.x ?? 0, finite.at(-1)?.x ?? 0];
  const place = ({ x, y }: Point): [number, number] => [
    Math.round(((x - from) / (to - from || 1)) * (columns - 1)),
    Math.round((1 - (y - low) / (high - low || 1)) * (rows - 1)),
  ];
  let [lastX, lastY] = place(finite[0] as Point);
  for (const point of finite) {
    const [x, y] = place(point);
    const steps = Math.max(Math.abs(x - lastX), Math.abs(y - lastY), 1);
    for (let step = 0; step <= steps; step++) {
      const column = Math.round(lastX + ((x - lastX) * step) / steps);
      const row = Math.round(lastY + ((y - lastY) * step) / steps);
      const cell = (row >> 2) * width + (column >> 1);
      cells[cell] = (cells[cell] as number) | (DOTS[column & 1]?.[row & 3] as number);
    }
    [lastX, lastY] = [x, y];
  }
  const labels = [plainNumber(high), plainNumber(low)];
  const margin = maxOf(labels.map((label) => label.length));
  const lines = Array.from({ length: height }, (_, row) => {
    const label = row === 0 ? labels[0] : row === height - 1 ? labels[1] : '';
    const dots = [...cells.subarray(row * width, (row + 1) * width)]
      .map((cell) => (cell === 0 ? ' ' : String.fromCharCode(BRAILLE + cell)))
      .join('');
    return `${(label as string).padStart(margin)} ┤${dots}`.trimEnd();
  });
  const [first, last] = [plainNumber(from), plainNumber(to)];
  const below = `${first}${last.padStart(Math.max(last.length + 1, width - first.length))}`;
  return [...lines, `${' '.repeat(margin + 2)}${below}`];
}

/** How an interval is drawn as text. */
export interface TextIntervalOptions {
  low: number;
  high: number;
  width: number;
}

/** `  ├──●───┤ `: a value within its interval, on an axis from `low` to `high`. */
export function textInterval(
  value: number,
  [from, to]: readonly [number, number],
  { low, high, width }: TextIntervalOptions,
): string {
  const at = (x: number): number =>
    Math.max(0, Math.min(width - 1, Math.round(((x - low) / (high - low || 1)) * (width - 1))));
  const [left, right] = [at(from), at(to)];
  const cells: string[] = Array.from({ length: width }, (_, i) =>
    i > left && i < right ? '─' : ' ',
  );
  cells[left] = '├';
  cells[right] = '┤';
  cells[at(value)] = '●';
  return cells.join('').trimEnd();
}
