/** Parallel coordinates: a line for each version through its values; dragging on an axis writes a condition. */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import { printable } from '../../base/bytes/printable.js';
import { formatCount } from '../../cli/output/ui.js';
import type { ListedVersion } from '../../use/ops/versions.js';
import { axesOf, type DataAxis } from '../state/axes.js';
import { rangeOf, withRange } from '../state/brush.js';
import { go, setParams } from '../state/router.js';
import { titleOf } from '../state/rows.js';

const AXES_MAX = 12;
const LINES_MAX = 2000;
const HEIGHT = 380;
const TOP = 34;
const BOTTOM = 16;
const SIDE = 70;
/** Shades of lines, by the values of one axis. */
const SHADES = 5;
const STEP_MIN = 110;
const STEP_MAX = 200;
/** Width that most windows have. */
const WIDTH = 1150;

interface ParallelProps {
  /** All versions: they are drawn faint; those that fit are drawn over them. */
  all: readonly ListedVersion[];
  rows: readonly ListedVersion[];
  columns: readonly string[];
  where: string;
}

export function Parallel({ all, rows, columns, where }: ParallelProps): JSX.Element {
  const axes = useMemo(() => axesOf(all, columns, AXES_MAX), [all, columns]);
  const [drag, setDrag] = useState<{ axis: number; from: number; to: number } | null>(null);
  const [over, setOver] = useState<string | null>(null);
  const ref = useRef<SVGSVGElement>(null);
  if (axes.length < 2) {
    return (
      <p class="empty">Parallel coordinates need two metrics or hyperparameters that differ.</p>
    );
  }
  const names = axes.map(({ column }) => column);
  const step = Math.min(STEP_MAX, Math.max(STEP_MIN, (WIDTH - 2 * SIDE) / (axes.length - 1)));
  const width = 2 * SIDE + (axes.length - 1) * step;
  const x = (i: number): number => SIDE + i * step;
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
    const shade = axes.find(({ column }) => column.includes('metrics.')) ?? (axes[0] as DataAxis);
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
          aria-label={`parallel coordinates of ${formatCount(rows.length, 'version')} over ${names.map((column) => printable(titleOf(column, names))).join(', ')}`}
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
                  : range.map((value) => axis.shareOf(value));
            return (
              <g key={axis.column} transform={`translate(${x(i)} 0)`}>
                <line class="axis" y1={TOP} y2={HEIGHT - BOTTOM} />
                <text class="strong" text-anchor="middle" y="14">
                  {shortened(titleOf(axis.column, names))}
                  {axis.isLog && ' (log)'}
                  <title>{printable(axis.column)}</title>
                </text>
                {axis.ticks.map(({ share, text }) => (
                  <text key={text} class="tick small" x="6" y={y(share) + 4}>
                    {shortened(text)}
                  </text>
                ))}
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

function shortened(text: string): string {
  const plain = printable(text);
  return plain.length > 16 ? `${plain.slice(0, 15)}…` : plain;
}
