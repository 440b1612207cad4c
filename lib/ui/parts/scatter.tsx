/** Versions as points over two columns; dragging a rectangle writes a condition. */

import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import { maxOf } from '../../base/bytes/many.js';
import { printable } from '../../base/bytes/printable.js';
import { formatCount } from '../../cli/output/ui.js';
import type { ListedVersion } from '../../use/ops/versions.js';
import { axisOfColumn, type DataAxis, isMeasured } from '../state/axes.js';
import { withRange } from '../state/brush.js';
import { go, selectedOf, setParams, toggleSelected, useRoute } from '../state/router.js';
import { titleOf } from '../state/rows.js';
import { valueText } from './grid.js';
import { useMedia } from './window.js';

const SIZE = { wide: { width: 860, height: 460 }, narrow: { width: 340, height: 320 } };
const [LEFT, RIGHT, TOP, BOTTOM] = [74, 18, 14, 50];
const SHADES = 5;
/** A point this close to the pointer is meant, in pixels. */
const NEAR = 14;
/** Least side of a rectangle that is a range and no click. */
const DRAG_MIN = 6;

interface ScatterProps {
  /** All versions: those that do not fit are drawn faint. */
  all: readonly ListedVersion[];
  rows: readonly ListedVersion[];
  /** Columns that are shown: of these the first that can be axes are, where none are chosen. */
  columns: readonly string[];
  /** Columns that may be chosen. */
  offered: readonly string[];
  where: string;
}

interface Point {
  row: ListedVersion;
  x: number;
  y: number;
  /** 0 to SHADES − 1, by the column that colours; −1 without a value. */
  shade: number;
}

/** The columns of the axes: those of the address, else a hyperparameter and the first metric. */
function scatterColumns(
  params: Readonly<Record<string, string>>,
  all: readonly ListedVersion[],
  columns: readonly string[],
): { x: string | undefined; y: string | undefined; colour: string | undefined } {
  const measured = columns.filter((one) => isMeasured(one) && axisOfColumn(all, one) !== null);
  const first = measured.find((one) => one.includes('metrics.'));
  const y = params.y ?? first ?? measured[0];
  const x = params.x ?? measured.find((one) => one.includes('params.') && one !== y);
  return { y, x: x ?? measured.find((one) => one !== y), colour: params.colour };
}

export function Scatter({ all, rows, columns, offered, where }: ScatterProps): JSX.Element {
  const route = useRoute();
  const chosen = useMemo(
    () => scatterColumns(route.params, all, columns),
    [route.params, all, columns],
  );
  const axis = (column: string | undefined): DataAxis | null =>
    column === undefined ? null : axisOfColumn(all, column);
  const [x, y, colour] = useMemo(
    () => [axis(chosen.x), axis(chosen.y), axis(chosen.colour)],
    [all, chosen.x, chosen.y, chosen.colour],
  );
  const choose = (name: 'x' | 'y' | 'colour', title: string, none?: string): JSX.Element => (
    <label class="field">
      <span>{title}</span>
      <select
        value={chosen[name] ?? ''}
        onChange={({ currentTarget: { value } }) => setParams({ [name]: value })}
      >
        {none !== undefined && <option value="">{none}</option>}
        {[...new Set([...offered, chosen[name] ?? ''])].filter(Boolean).map((column) => (
          <option key={column} value={column}>
            {printable(titleOf(column, offered))}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <>
      <div class="bar filter">
        {choose('x', 'across')}
        {choose('y', 'up')}
        {choose('colour', 'shade', 'none')}
      </div>
      {x === null || y === null ? (
        <p class="empty">
          {chosen.x === undefined || chosen.y === undefined
            ? 'A scatter plot needs two metrics or hyperparameters.'
            : `All versions are the same in ${printable(titleOf(x === null ? chosen.x : chosen.y, offered))}, or have many texts there.`}
        </p>
      ) : (
        <Points all={all} rows={rows} where={where} x={x} y={y} colour={colour} />
      )}
    </>
  );
}

interface PointsProps extends Omit<ScatterProps, 'columns' | 'offered'> {
  x: DataAxis;
  y: DataAxis;
  colour: DataAxis | null;
}

function pointsOf(
  rows: readonly ListedVersion[],
  { x, y, colour }: Pick<PointsProps, 'x' | 'y' | 'colour'>,
): Point[] {
  return rows.flatMap((row) => {
    const [across, up] = [x.share(row), y.share(row)];
    if (across === null || up === null) return [];
    const shade = colour === null ? SHADES - 1 : colour.share(row);
    return [
      {
        ...{ row, x: across, y: up },
        shade:
          colour === null
            ? SHADES - 1
            : shade === null
              ? -1
              : Math.min(SHADES - 1, Math.floor(shade * SHADES)),
      },
    ];
  });
}

function Points({ all, rows, where, x, y, colour }: PointsProps): JSX.Element {
  const ref = useRef<SVGSVGElement>(null);
  const [over, setOver] = useState<Point | null>(null);
  const [drag, setDrag] = useState<{ from: [number, number]; to: [number, number] } | null>(null);
  const selected = selectedOf(useRoute());
  const { width, height } = useMedia('(max-width: 640px)') ? SIZE.narrow : SIZE.wide;
  const across = (share: number): number => LEFT + share * (width - LEFT - RIGHT);
  const up = (share: number): number => height - BOTTOM - share * (height - TOP - BOTTOM);
  const points = useMemo(() => {
    const fit = new Set(rows.map(({ version }) => version));
    const every = pointsOf(all, { x, y, colour });
    return {
      fitting: every.filter(({ row }) => fit.has(row.version)),
      others: every.filter(({ row }) => !fit.has(row.version)),
    };
  }, [all, rows, x, y, colour]);
  // A point is a line of no length with round ends: ten thousand of them are a few paths.
  const pathOf = (some: readonly Point[]): string =>
    some.map((one) => `M${across(one.x).toFixed(1)} ${up(one.y).toFixed(1)}h0`).join('');
  const paths = useMemo(
    () => ({
      others: pathOf(points.others),
      shades: Array.from({ length: SHADES + 1 }, (_, i) =>
        pathOf(points.fitting.filter(({ shade }) => shade === i - 1)),
      ),
    }),
    [points, width],
  );
  const placeOf = (event: PointerEvent): [number, number] => {
    const box = ref.current?.getBoundingClientRect();
    if (box === undefined) return [0, 0];
    return [
      ((event.clientX - box.left) / box.width) * width,
      ((event.clientY - box.top) / box.height) * height,
    ];
  };
  const nearest = ([px, py]: [number, number]): Point | null => {
    let found: Point | null = null;
    let least = NEAR * NEAR;
    for (const point of points.fitting) {
      const distance = (across(point.x) - px) ** 2 + (up(point.y) - py) ** 2;
      if (distance < least) [found, least] = [point, distance];
    }
    return found;
  };
  const finish = (event: PointerEvent): void => {
    if (drag === null) return;
    setDrag(null);
    const sides = [0, 1].map((i) => Math.abs((drag.from[i] as number) - (drag.to[i] as number)));
    if (maxOf(sides) < DRAG_MIN) {
      const point = nearest(drag.to);
      if (point === null) return;
      if (event.shiftKey) toggleSelected(point.row.name);
      else go('version', { v: point.row.name });
      return;
    }
    const shares = (i: 0 | 1): [number, number] => {
      const share = (at: number): number =>
        i === 0
          ? (at - LEFT) / (width - LEFT - RIGHT)
          : (height - BOTTOM - at) / (height - TOP - BOTTOM);
      const [a, b] = [share(drag.from[i]), share(drag.to[i])];
      return [Math.max(0, Math.min(a, b)), Math.min(1, Math.max(a, b))];
    };
    let next = where;
    for (const [axis, [low, high]] of [
      [x, shares(0)],
      [y, shares(1)],
    ] as const) {
      if (axis.value === null) continue;
      next = withRange(next, axis.column, [axis.value(low), axis.value(high)]);
    }
    setParams({ where: next });
  };
  const marked = points.fitting.filter(({ row }) => selected.includes(row.name));
  const names = [x, y, ...(colour === null ? [] : [colour])].map(({ column }) => column);
  const title = (axis: DataAxis): string =>
    `${printable(titleOf(axis.column, names))}${axis.isLog ? ' (log)' : ''}`;
  const said =
    over === null
      ? `${formatCount(points.fitting.length, 'point')}${colour === null ? '' : `; the stronger its colour, the higher ${title(colour)}`}`
      : `${over.row.name}: ${[x, y, ...(colour === null ? [] : [colour])]
          .map(({ column }) => `${titleOf(column, names)} ${valueText(column, over.row)}`)
          .join(', ')}`;
  return (
    <>
      <p class="dim">
        A click opens a version, with shift it selects it; a rectangle that is dragged is written
        into the condition.
      </p>
      <section class="wide parallel" tabIndex={0} aria-label="scatter plot">
        <svg
          ref={ref}
          class={`scatter ${over === null ? '' : 'over'}`}
          viewBox={`0 0 ${width} ${height}`}
          width={width}
          height={height}
          role="img"
          aria-label={`${formatCount(points.fitting.length, 'version')} by ${title(x)} and ${title(y)}`}
          onPointerDown={(event) => {
            if (event.button !== 0) return;
            event.currentTarget.setPointerCapture(event.pointerId);
            const at = placeOf(event);
            setDrag({ from: at, to: at });
          }}
          onPointerMove={(event) => {
            const at = placeOf(event);
            if (drag !== null) setDrag({ ...drag, to: at });
            setOver(nearest(at));
          }}
          onPointerLeave={() => setOver(null)}
          onPointerUp={finish}
        >
          {x.ticks.map(({ share, text }) => (
            <g key={text}>
              <line
                class="grid"
                x1={across(share)}
                x2={across(share)}
                y1={TOP}
                y2={height - BOTTOM}
              />
              <text class="tick" text-anchor="middle" x={across(share)} y={height - BOTTOM + 18}>
                {shortened(text, Math.max(5, Math.floor(90 / x.ticks.length)))}
              </text>
            </g>
          ))}
          {y.ticks.map(({ share, text }) => (
            <g key={text}>
              <line class="grid" x1={LEFT} x2={width - RIGHT} y1={up(share)} y2={up(share)} />
              <text class="tick" text-anchor="end" x={LEFT - 8} y={up(share) + 4}>
                {shortened(text, 8)}
              </text>
            </g>
          ))}
          <text class="label" text-anchor="middle" x={across(0.5)} y={height - 10}>
            {shortened(title(x), 40)}
          </text>
          <text
            class="label"
            text-anchor="middle"
            transform={`translate(15 ${up(0.5)}) rotate(-90)`}
          >
            {shortened(title(y), 34)}
          </text>
          <path class="dots faint" d={paths.others} />
          {paths.shades.map((path, i) => (
            <path key={i - 1} class={`dots ${i === 0 ? 'none' : `pl${i - 1}`}`} d={path} />
          ))}
          {marked.map(({ row, x: mx, y: my }) => (
            <circle key={row.version} class="ring" cx={across(mx)} cy={up(my)} r="7" />
          ))}
          {over !== null && <circle class="ring now" cx={across(over.x)} cy={up(over.y)} r="7" />}
          {drag !== null && (
            <rect
              class="range"
              x={Math.min(drag.from[0], drag.to[0])}
              y={Math.min(drag.from[1], drag.to[1])}
              width={Math.abs(drag.from[0] - drag.to[0])}
              height={Math.abs(drag.from[1] - drag.to[1])}
            />
          )}
        </svg>
      </section>
      <p class="dim over" aria-hidden="true">
        {printable(said)}
      </p>
    </>
  );
}

function shortened(text: string, most: number): string {
  const plain = printable(text);
  return plain.length > most ? `${plain.slice(0, most - 1)}…` : plain;
}
