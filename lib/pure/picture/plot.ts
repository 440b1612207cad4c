/**
 * Plots as SVG: lines and points over two axes, stacked bars, intervals. Colours, dashes and sizes of
 * text are classes of the page (cli/pages/frame/style.ts); legends are markup beside the SVG.
 */
import { type Axis, axisOf, plainNumber } from './axis.js';
import { canDraw, type Point, thin } from './curve.js';
import { html, type Markup } from './markup.js';

export interface Series {
  name: string;
  points: readonly Point[];
  /** Default 'line': points joined in order. */
  kind?: 'line' | 'points' | 'hollow' | 'dashed' | 'faint';
  /** Its colour and dashes; default: its place. */
  look?: number;
}

export interface PlotOptions {
  /** What the plot shows, in a sentence, for who cannot see it. */
  title: string;
  xLabel: string;
  yLabel: string;
  xFormat?: (value: number) => string;
  yFormat?: (value: number) => string;
  xScale?: 'linear' | 'bytes' | 'log';
  yScale?: 'linear' | 'bytes' | 'log';
  /** Axes that start at 0 whatever the data; default: no. */
  xFromZero?: boolean;
  yFromZero?: boolean;
}

const WIDTH = 520;
const HEIGHT = 300;
const LEFT = 64;
const RIGHT = 16;
const TOP = 12;
const BOTTOM = 44;
/** Colours that a page defines, and ways to dash a line. */
const COLOURS = 4;
const DASHES = 4;
/** Points of a line in one plot; above twice this, the least and most of each bucket stand for it. */
const BUCKETS = 320;
/** Points of a line that get a dot each. */
const DOTS_MAX = 40;

/** Class of a series: four colours, then the same dashed; grey beyond. */
export function lookOf(index: number): string {
  if (index >= COLOURS * DASHES) return 'sx';
  const dash = Math.floor(index / COLOURS);
  return `s${index % COLOURS}${dash === 0 ? '' : ` d${dash}`}`;
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}

interface Frame {
  x: Axis;
  y: Axis;
  at(point: Pick<Point, 'x' | 'y'>): [x: string, y: string];
}

function frameOf(points: readonly Point[], options: PlotOptions): Frame {
  const { xScale = 'linear', yScale = 'linear', xFromZero = false, yFromZero = false } = options;
  const x = axisOf(
    points.map((point) => point.x),
    { scale: xScale, fromZero: xFromZero, count: 5, tight: true },
  );
  const y = axisOf(
    points.map((point) => point.y),
    { scale: yScale, fromZero: yFromZero },
  );
  return {
    x,
    y,
    at: (point) => [
      fixed(LEFT + x.share(point.x) * (WIDTH - RIGHT - LEFT)),
      fixed(HEIGHT - BOTTOM - y.share(point.y) * (HEIGHT - BOTTOM - TOP)),
    ],
  };
}

function gridX({ ticks, share }: Axis, format: (value: number) => string): Markup[] {
  const bottom = HEIGHT - BOTTOM;
  return ticks.map((tick) => {
    const at = fixed(LEFT + share(tick) * (WIDTH - RIGHT - LEFT));
    return html`<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom}"/><text class="tick" text-anchor="middle" x="${at}" y="${bottom + 16}">${format(tick)}</text>`;
  });
}

function gridY({ ticks, share }: Axis, format: (value: number) => string): Markup[] {
  return ticks.map((tick) => {
    const at = fixed(HEIGHT - BOTTOM - share(tick) * (HEIGHT - BOTTOM - TOP));
    return html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text class="tick" text-anchor="end" x="${LEFT - 6}" y="${at}" dy="4">${format(tick)}</text>`;
  });
}

function labels({ xLabel, yLabel }: Pick<PlotOptions, 'xLabel' | 'yLabel'>): Markup {
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  return html`<text class="label" text-anchor="middle" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}">${xLabel}</text><text class="label" text-anchor="middle" transform="translate(12 ${middle}) rotate(-90)">${yLabel}</text>`;
}

function svg(title: string, body: readonly (Markup | readonly Markup[])[]): Markup {
  return html`<svg class="plot" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">${body}</svg>`;
}

/** Lines and points. Numbers that are not finite are triangles on the axis. */
export function linePlot(series: readonly Series[], options: PlotOptions): Markup {
  const { xFormat = plainNumber, yFormat = plainNumber } = options;
  const frame = frameOf(
    series.flatMap(({ points }) => points),
    options,
  );
  const drawn = series.map((one, i) =>
    drawSeries(one, { frame, look: lookOf(one.look ?? i), xFormat, yFormat }),
  );
  return svg(options.title, [
    gridX(frame.x, xFormat),
    gridY(frame.y, yFormat),
    labels(options),
    drawn,
  ]);
}

interface Drawing {
  frame: Frame;
  look: string;
  xFormat: (value: number) => string;
  yFormat: (value: number) => string;
}

function drawSeries(
  { name, points, kind = 'line' }: Series,
  { frame, look, xFormat, yFormat }: Drawing,
): Markup {
  const shown = thin(
    points.filter(({ x }) => canDraw(x)),
    BUCKETS,
  );
  const runs: string[][] = [[]];
  const odd: Markup[] = [];
  for (const point of shown) {
    if (canDraw(point.y)) {
      runs.at(-1)?.push(frame.at(point).join(','));
      continue;
    }
    runs.push([]);
    const [x] = frame.at({ x: point.x, y: frame.y.ticks[0] as number });
    const bottom = HEIGHT - BOTTOM;
    odd.push(
      html`<path class="fill ${look}" d="M${Number(x) - 4} ${bottom}l4 -7l4 7z"><title>${name}: ${String(point.y)} at ${xFormat(point.x)}</title></path>`,
    );
  }
  const style = kind === 'dashed' ? ' dashed' : kind === 'faint' ? ' faint' : '';
  const isPoints = kind === 'points' || kind === 'hollow';
  const lines = isPoints
    ? []
    : runs
        .filter((run) => run.length > 1)
        .map((run) => html`<polyline class="line ${look}${style}" points="${run.join(' ')}"/>`);
  const isDotted = kind !== 'faint' && (isPoints || points.length <= DOTS_MAX);
  // A bound of one point has no line; without its dot it would not be seen.
  const hidesDots = kind === 'dashed' && points.length > 1;
  const dots =
    isDotted && !hidesDots
      ? shown
          .filter(({ y }) => canDraw(y))
          .map((point) => {
            const [x, y] = frame.at(point);
            const title = point.title ?? `${name}: ${yFormat(point.y)} at ${xFormat(point.x)}`;
            return html`<circle class="${kind === 'hollow' ? 'line' : 'fill'} ${look}" cx="${x}" cy="${y}" r="3.5"><title>${title}</title></circle>`;
          })
      : [];
  return html`<g>${lines}${dots}${odd}</g>`;
}

/** Names of series beside their looks. */
export function legend(series: readonly Pick<Series, 'name' | 'kind' | 'look'>[]): Markup {
  const items = series.map(({ name, kind = 'line', look }, i) => {
    const mark =
      kind === 'points' || kind === 'hollow'
        ? html`<circle class="${kind === 'hollow' ? 'line' : 'fill'} ${lookOf(look ?? i)}" cx="11" cy="6" r="4"/>`
        : html`<line class="line ${lookOf(look ?? i)}${kind === 'dashed' ? ' dashed' : ''}" x1="0" x2="22" y1="6" y2="6"/>`;
    return html`<li><svg viewBox="0 0 22 12" width="22" height="12" aria-hidden="true">${mark}</svg> ${name}</li>`;
  });
  return html`<ul class="legend">${items}</ul>`;
}

/** One bar: parts from the bottom up. */
export interface Bar {
  name: string;
  parts: readonly number[];
}

/** Stacked bars side by side; their names are told below by `names` of the parts in the legend. */
export function barPlot(
  bars: readonly Bar[],
  names: readonly string[],
  options: Omit<PlotOptions, 'xFormat' | 'xScale' | 'xFromZero'>,
): Markup {
  const { yFormat = plainNumber, yScale = 'linear' } = options;
  const sums = bars.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0));
  const y = axisOf(sums, { scale: yScale, fromZero: true });
  const height = (value: number): number => y.share(value) * (HEIGHT - BOTTOM - TOP);
  const step = (WIDTH - RIGHT - LEFT) / Math.max(1, bars.length);
  const drawn = bars.map(({ name, parts }, i) => {
    const left = LEFT + step * (i + 0.12);
    let below = 0;
    const stack = parts.map((part, k) => {
      const top = HEIGHT - BOTTOM - height(below + part);
      const tall = Math.max(0, height(below + part) - height(below));
      below += part;
      return html`<rect class="fill ${lookOf(k)}" x="${fixed(left)}" y="${fixed(top)}" width="${fixed(step * 0.76)}" height="${fixed(tall)}"><title>${name}, ${names[k] ?? ''}: ${yFormat(part)}</title></rect>`;
    });
    const middle = fixed(LEFT + step * (i + 0.5));
    const row = HEIGHT - BOTTOM + 14 + (bars.length > 6 && i % 2 === 1 ? 12 : 0);
    return html`${stack}<text class="tick small" text-anchor="middle" x="${middle}" y="${row}">${name}</text>`;
  });
  return svg(options.title, [gridY(y, yFormat), labels(options), drawn]);
}

/** A curve without axes, as wide as a word; null without two finite numbers. */
export function sparkPlot(points: readonly Point[], title: string): Markup | null {
  const finite = thin(points, 48).filter(({ y }) => canDraw(y));
  if (finite.length < 2) return null;
  const [width, height] = [96, 22];
  const [low, high] = [finite[0]?.x ?? 0, finite.at(-1)?.x ?? 1];
  const least = finite.reduce((a, { y }) => Math.min(a, y), Infinity);
  const most = finite.reduce((a, { y }) => Math.max(a, y), -Infinity);
  const at = ({ x, y }: Point): string =>
    `${fixed(2 + ((x - low) / (high - low || 1)) * (width - 4))},${fixed(
      height - 3 - ((y - least) / (most - least || 1)) * (height - 6),
    )}`;
  const end = at(finite.at(-1) as Point).split(',') as [string, string];
  return html`<svg class="spark" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}"><polyline class="line s0" points="${finite.map(at).join(' ')}"/><circle class="fill s0" cx="${end[0]}" cy="${end[1]}" r="2.2"/></svg>`;
}

/** A value within its interval. */
export interface IntervalRow {
  value: number;
  interval: readonly [number, number] | null;
  look?: number;
}

/** Values within their intervals on one axis, for rows of a table: an SVG each, and the axis' ends. */
export function intervalPlots(
  rows: readonly (IntervalRow | null)[],
  { title, mark = null }: { title: (i: number) => string; mark?: number | null },
): { plots: (Markup | null)[]; low: number; high: number } {
  const numbers = rows.flatMap((row) => (row === null ? [] : [row.value, ...(row.interval ?? [])]));
  if (mark !== null) numbers.push(mark);
  const { ticks, share } = axisOf(numbers, { count: 5 });
  const [width, height] = [180, 22];
  const at = (value: number): string => fixed(6 + share(value) * (width - 12));
  const plots = rows.map((row, i) => {
    if (row === null) return null;
    const look = lookOf(row.look ?? 0);
    const [low, high] = row.interval ?? [row.value, row.value];
    return html`<svg class="interval" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title(i)}"><line class="grid" x1="6" x2="${width - 6}" y1="11" y2="11"/>${
      mark === null
        ? null
        : html`<line class="mark" x1="${at(mark)}" x2="${at(mark)}" y1="1" y2="21"/>`
    }<line class="line ${look}" x1="${at(low)}" x2="${at(high)}" y1="11" y2="11"/><circle class="fill ${look}" cx="${at(row.value)}" cy="11" r="4.5"/></svg>`;
  });
  return { plots, low: ticks[0] as number, high: ticks.at(-1) as number };
}
