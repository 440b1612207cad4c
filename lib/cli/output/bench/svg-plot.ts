/**
 * Small plots as SVG text: lines and points over two axes, and stacked bars. Self-contained: no
 * script, no font, no address. Colours are classes of the page that holds them (bench-html.ts).
 */
import { printable } from '../terminal.js';

/** One line, or points only. */
export interface Series {
  name: string;
  points: readonly { x: number; y: number; title?: string }[];
  /** Default 'line': points joined in order. */
  kind?: 'line' | 'points' | 'dashed';
}

export interface PlotOptions {
  title: string;
  xLabel: string;
  yLabel: string;
  xFormat?: (value: number) => string;
  yFormat?: (value: number) => string;
  /** Axes of bytes: their ticks are round numbers of KiB, MiB and so on. */
  xIsBytes?: boolean;
  yIsBytes?: boolean;
  /** Axes that start at 0 whatever the data; default: x no, y yes. */
  xFromZero?: boolean;
  yFromZero?: boolean;
}

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 84;
const RIGHT = 176;
const TOP = 36;
const BOTTOM = 48;
/** Colours that the page defines: c0 … c11. */
export const COLOURS = 12;
const TICKS = 6;

/** Text between tags or in an attribute. */
export function escapeXml(text: string): string {
  return printable(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** About `count` round numbers that cover a range, ascending; the first and last enclose it. */
export function niceTicks(low: number, high: number, count = TICKS): number[] {
  // Steps of a narrower range would get lost in rounding.
  const narrow = 1e-9 * Math.max(Math.abs(low), Math.abs(high), 1e-280);
  if (!(high - low > narrow)) return [low, low + Math.max(1, Math.abs(low))];
  const rough = (high - low) / Math.max(1, count - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough) as number;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** As niceTicks, round in the binary unit that the larger end is written in: 0, 10 MiB, 20 MiB. */
export function byteTicks(low: number, high: number, count = TICKS): number[] {
  const most = Math.max(Math.abs(low), Math.abs(high), 1);
  const unit = 1024 ** Math.floor(Math.log2(most) / 10);
  return niceTicks(low / unit, high / unit, count).map((tick) => tick * unit);
}

function plain(value: number): string {
  return String(Number(value.toPrecision(4)));
}

interface Scale {
  ticks: number[];
  at(value: number): number;
}

interface Range {
  fromZero: boolean;
  isBytes: boolean;
  from: number;
  to: number;
}

function scaleOf(values: readonly number[], { fromZero, isBytes, from, to }: Range): Scale {
  let low = values.length > 0 ? values.reduce((a, b) => Math.min(a, b)) : 0;
  const high = values.length > 0 ? values.reduce((a, b) => Math.max(a, b)) : 1;
  if (fromZero) low = Math.min(0, low);
  const ticks = (isBytes ? byteTicks : niceTicks)(low, high);
  const [first, last] = [ticks[0] as number, ticks.at(-1) as number];
  return { ticks, at: (value) => from + ((value - first) / (last - first)) * (to - from) };
}

function shell(title: string, body: string): string {
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeXml(title)}">` +
    `<text class="title" x="${LEFT}" y="20">${escapeXml(title)}</text>${body}</svg>`
  );
}

function axes(x: Scale | null, y: Scale, options: Omit<PlotOptions, 'title'>): string {
  const { xLabel, yLabel, xFormat = plain, yFormat = plain } = options;
  const right = WIDTH - RIGHT;
  const bottom = HEIGHT - BOTTOM;
  const parts = y.ticks.map((tick) => {
    const at = y.at(tick).toFixed(1);
    return (
      `<line class="grid" x1="${LEFT}" x2="${right}" y1="${at}" y2="${at}"/>` +
      `<text class="tick" text-anchor="end" x="${LEFT - 6}" y="${at}" dy="4">` +
      `${escapeXml(yFormat(tick))}</text>`
    );
  });
  for (const tick of x?.ticks ?? []) {
    const at = x?.at(tick).toFixed(1);
    parts.push(
      `<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom}"/>` +
        `<text class="tick" text-anchor="middle" x="${at}" y="${bottom + 16}">` +
        `${escapeXml(xFormat(tick))}</text>`,
    );
  }
  const middle = (TOP + bottom) / 2;
  parts.push(
    `<text class="label" text-anchor="middle" x="${(LEFT + right) / 2}" y="${HEIGHT - 10}">` +
      `${escapeXml(xLabel)}</text>`,
    `<text class="label" text-anchor="middle" transform="translate(14 ${middle}) rotate(-90)">` +
      `${escapeXml(yLabel)}</text>`,
  );
  return parts.join('');
}

function legend(names: readonly string[]): string {
  return names
    .map((name, i) => {
      const y = TOP + 10 + 18 * i;
      const x = WIDTH - RIGHT + 14;
      return (
        `<rect class="fill c${i % COLOURS}" x="${x}" y="${y - 8}" width="10" height="10"/>` +
        `<text class="tick" x="${x + 16}" y="${y + 1}">${escapeXml(name)}</text>`
      );
    })
    .join('');
}

/** Lines and points. Series without points are left out of the plot and are in the legend. */
export function linePlot(series: readonly Series[], options: PlotOptions): string {
  const all = series.flatMap(({ points }) => points);
  const { xFromZero = false, yFromZero = true, xIsBytes = false, yIsBytes = false } = options;
  const x = scaleOf(
    all.map((p) => p.x),
    { fromZero: xFromZero, isBytes: xIsBytes, from: LEFT, to: WIDTH - RIGHT },
  );
  const y = scaleOf(
    all.map((p) => p.y),
    { fromZero: yFromZero, isBytes: yIsBytes, from: HEIGHT - BOTTOM, to: TOP },
  );
  const drawn = series.map(({ points, kind = 'line', name }, i) => {
    const colour = `c${i % COLOURS}`;
    const places = points.map((p) => `${x.at(p.x).toFixed(1)},${y.at(p.y).toFixed(1)}`);
    const style = kind === 'dashed' ? ' dashed' : '';
    const line =
      kind === 'points' || points.length < 2
        ? ''
        : `<polyline class="line ${colour}${style}" points="${places.join(' ')}"/>`;
    const dots = points.map((p, at) => {
      const [cx, cy] = (places[at] as string).split(',');
      const title = escapeXml(p.title ?? name);
      return `<circle class="fill ${colour}" cx="${cx}" cy="${cy}" r="3"><title>${title}</title></circle>`;
    });
    // A bound of one point has no line; without its dot it would not be seen.
    return line + (kind === 'dashed' && points.length > 1 ? '' : dots.join(''));
  });
  const names = series.map(({ name }) => name);
  return shell(options.title, axes(x, y, options) + drawn.join('') + legend(names));
}

/** One bar: parts from the bottom up. */
export interface Bar {
  name: string;
  parts: readonly number[];
}

/** Stacked bars side by side. @param names  of the parts. */
export function barPlot(
  bars: readonly Bar[],
  names: readonly string[],
  options: PlotOptions,
): string {
  const sums = bars.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0));
  const { yFormat = plain, yIsBytes = false } = options;
  const y = scaleOf(sums, { fromZero: true, isBytes: yIsBytes, from: HEIGHT - BOTTOM, to: TOP });
  const step = (WIDTH - RIGHT - LEFT) / Math.max(1, bars.length);
  const drawn = bars.map(({ name, parts }, i) => {
    const left = LEFT + step * (i + 0.12);
    let below = 0;
    const stack = parts.map((part, k) => {
      const [from, to] = [y.at(below), y.at(below + part)];
      below += part;
      const title = `${name}, ${names[k] ?? ''}: ${yFormat(part)}`;
      return (
        `<rect class="fill c${k % COLOURS}" x="${left.toFixed(1)}" y="${to.toFixed(1)}" ` +
        `width="${(step * 0.76).toFixed(1)}" height="${Math.max(0, from - to).toFixed(1)}">` +
        `<title>${escapeXml(title)}</title></rect>`
      );
    });
    const middle = (LEFT + step * (i + 0.5)).toFixed(1);
    return (
      `${stack.join('')}<text class="tick small" text-anchor="middle" x="${middle}" ` +
      `y="${HEIGHT - BOTTOM + 14}">${escapeXml(name)}</text>`
    );
  });
  return shell(options.title, axes(null, y, options) + drawn.join('') + legend(names));
}
