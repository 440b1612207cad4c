/** Parallel coordinates: a line for each version through its values; dragging on an axis writes a condition. */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import { printable } from '../../base/bytes/printable.js';
import { formatMetric } from '../../cli/output/render.js';
import { formatCount } from '../../cli/output/ui.js';
import type { ListedVersion } from '../../use/ops/versions.js';
import { rangeOf, withRange } from '../state/brush.js';
import { go, setParams } from '../state/router.js';
import { cellValue } from '../state/rows.js';
import { titleOf } from './grid.js';

const AXES_MAX = 12;
const LINES_MAX = 2000;
const HEIGHT = 360;
const TOP = 34;
const BOTTOM = 26;
const SIDE = 70;
/** Shades of lines, by the values of one axis. */
const SHADES = 5;
const STEP_MIN = 110;

interface Axis {
  column: string;
  /** Share from the bottom; null where a version has no value. */
  share(row: ListedVersion): number | null;
  low: string;
  high: string;
  /** The value at a share; null for an axis of words. */
  value: ((share: number) => number) | null;
}

/** Axes of numbers, and of words where they are few; those in which all are equal say nothing. */
function axesOf(rows: readonly ListedVersion[], columns: readonly string[]): Axis[] {
  const axes: Axis[] = [];
  for (const column of columns) {
    if (axes.length >= AXES_MAX || !/^(\w+\()?(metrics|params)\./.test(column)) continue;
    const values = rows.map((row) => cellValue(row, column));
    const numbers = values.filter(
      (one): one is number => typeof one === 'number' && Number.isFinite(one),
    );
    if (numbers.length > 0 && numbers.length >= values.filter((one) => one !== null).length / 2) {
      const low = numbers.reduce((a, b) => Math.min(a, b));
      const high = numbers.reduce((a, b) => Math.max(a, b));
      if (low === high) continue;
      // Rates are compared by their magnitudes.
      const isLog = low > 0 && high / low >= 50;
      const to = (x: number): number => (isLog ? Math.log(x) : x);
      const [from, span] = [to(low), to(high) - to(low)];
      axes.push({
        column,
        share: (row) => {
          const value = cellValue(row, column);
          return typeof value === 'number' && Number.isFinite(value)
            ? (to(value) - from) / span
            : null;
        },
        low: formatMetric(low),
        high: formatMetric(high),
        value: (share) => (isLog ? Math.exp(from + share * span) : from + share * span),
      });
      continue;
    }
    const words = [...new Set(values.filter((one) => one !== null).map(String))].sort();
    if (words.length < 2 || words.length > 20) continue;
    axes.push({
      column,
      share: (row) => {
        const value = cellValue(row, column);
        return value === null ? null : words.indexOf(String(value)) / (words.length - 1);
      },
      low: words[0] as string,
      high: words.at(-1) as string,
      value: null,
    });
  }
  return axes;
}

interface ParallelProps {
  /** All versions: they are drawn faint; those that fit are drawn over them. */
  all: readonly ListedVersion[];
  rows: readonly ListedVersion[];
  columns: readonly string[];
  where: string;
}

export function Parallel({ all, rows, columns, where }: ParallelProps): JSX.Element {
  const axes = useMemo(() => axesOf(all, columns), [all, columns]);
  const [drag, setDrag] = useState<{ axis: number; from: number; to: number } | null>(null);
  const [over, setOver] = useState<string | null>(null);
  const ref = useRef<SVGSVGElement>(null);
  if (axes.length < 2) {
    return (
      <p class="empty">Parallel coordinates need two metrics or hyperparameters that differ.</p>
    );
  }
  const width = Math.max(720, 2 * SIDE + (axes.length - 1) * STEP_MIN);
  const x = (i: number): number => SIDE + (i * (width - 2 * SIDE)) / (axes.length - 1);
  const y = (share: number): number => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
  const shareAt = (event: PointerEvent): number => {
    const box = ref.current?.getBoundingClientRect();
    if (box === undefined) return 0;
    const at = ((event.clientY - box.top) / box.height) * HEIGHT;
    return Math.min(1, Math.max(0, (HEIGHT - BOTTOM - at) / (HEIGHT - TOP - BOTTOM)));
  };
  const finish = (): void => {
    const axis = axes[drag?.axis ?? -1];
    if (drag !== null && axis?.value != null) {
      const [low, high] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
      // A click takes the range away.
      const range =
        high - low < 0.01 ? null : ([axis.value(low), axis.value(high)] as [number, number]);
      setParams({ where: withRange(where, axis.column, range) });
    }
    setDrag(null);
  };
  const pathOf = (row: ListedVersion): string => {
    let text = '';
    let isBroken = true;
    axes.forEach((axis, i) => {
      const share = axis.share(row);
      if (share === null) isBroken = true;
      else {
        text += `${isBroken ? 'M' : 'L'}${x(i).toFixed(1)} ${y(share).toFixed(1)}`;
        isBroken = false;
      }
    });
    return text;
  };
  const lines = useMemo(() => {
    const fit = new Set(rows.map(({ version }) => version));
    const shown = all.length > LINES_MAX ? rows.slice(0, LINES_MAX) : all;
    const shade = axes.find(({ column }) => column.includes('metrics.')) ?? (axes[0] as Axis);
    const faint = shown
      .filter(({ version }) => !fit.has(version))
      .map(pathOf)
      .join('');
    const strong = shown
      .filter(({ version }) => fit.has(version))
      .map((row) => ({
        row,
        path: pathOf(row),
        look: Math.min(SHADES - 1, Math.floor((shade.share(row) ?? 0) * SHADES)),
      }));
    return { faint, strong };
  }, [all, rows, axes]);
  const hovered = lines.strong.find(({ row }) => row.name === over);
  return (
    <>
      <p class="dim" id="parallel-help">
        Drag along an axis to keep a range; it is written into the condition above. A click on the
        axis takes it away.
        {all.length > LINES_MAX &&
          ` The first ${formatCount(LINES_MAX, 'version')} that fit are drawn.`}
      </p>
      <section class="wide parallel" tabIndex={0} aria-label="parallel coordinates">
        <svg
          ref={ref}
          viewBox={`0 0 ${width} ${HEIGHT}`}
          width={width}
          height={HEIGHT}
          role="img"
          aria-label={`parallel coordinates of ${formatCount(rows.length, 'version')} over ${axes.map(({ column }) => printable(titleOf(column))).join(', ')}`}
          onPointerMove={(event) => drag !== null && setDrag({ ...drag, to: shareAt(event) })}
          onPointerUp={finish}
        >
          <path class="pl faint" d={lines.faint} />
          {lines.strong.map(({ row, path, look }) => (
            <path
              key={row.version}
              class={`pl pl${look}`}
              d={path}
              onPointerEnter={() => setOver(row.name)}
              onPointerLeave={() => setOver(null)}
              onClick={() => go('version', { v: row.name })}
            />
          ))}
          {hovered !== undefined && <path class="pl over" d={hovered.path} />}
          {axes.map((axis, i) => {
            const range = drag?.axis === i ? null : rangeOf(where, axis.column);
            const marked =
              drag?.axis === i
                ? [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)]
                : range === null || axis.value === null
                  ? null
                  : range.map((value) => shareOf(axis, value));
            return (
              <g key={axis.column} transform={`translate(${x(i)} 0)`}>
                <line class="axis" y1={TOP} y2={HEIGHT - BOTTOM} />
                <text class="strong" text-anchor="middle" y="14">
                  {shortened(titleOf(axis.column))}
                </text>
                <text class="tick" text-anchor="middle" y={TOP - 6}>
                  {shortened(axis.high)}
                </text>
                <text class="tick" text-anchor="middle" y={HEIGHT - 8}>
                  {shortened(axis.low)}
                </text>
                {marked !== null && marked[0] !== undefined && marked[1] !== undefined && (
                  <rect
                    class="range"
                    x="-9"
                    width="18"
                    y={y(marked[1])}
                    height={Math.max(2, y(marked[0]) - y(marked[1]))}
                  />
                )}
                <rect
                  class={axis.value === null ? 'grip none' : 'grip'}
                  x="-14"
                  width="28"
                  y={TOP}
                  height={HEIGHT - TOP - BOTTOM}
                  onPointerDown={(event) => {
                    if (axis.value === null) return;
                    event.currentTarget.setPointerCapture(event.pointerId);
                    setDrag({ axis: i, from: shareAt(event), to: shareAt(event) });
                  }}
                />
              </g>
            );
          })}
        </svg>
      </section>
      <p class="dim over" aria-hidden="true">
        {over === null ? '\u00a0' : printable(over)}
      </p>
    </>
  );
}

/** Where a value lies on an axis: its scale goes up everywhere. */
function shareOf({ value }: Axis, wanted: number): number {
  if (value === null) return 0;
  let [low, high] = [0, 1];
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    if (value(middle) < wanted) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function shortened(text: string): string {
  const plain = printable(text);
  return plain.length > 16 ? `${plain.slice(0, 15)}…` : plain;
}
