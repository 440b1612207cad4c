/** Parallel coordinates: a line for each thing, through an axis for each of its properties. */
import { axisOf, plainNumber } from './axis.js';
import { html, type Markup } from './markup.js';
import { lookOf } from './plot.js';

/** An axis: numbers, or texts side by side. */
export type ParallelAxis = { name: string } & (
  | { kind: 'number'; scale: 'linear' | 'log'; format?: (value: number) => string }
  | { kind: 'text'; values: readonly string[] }
);

export interface ParallelLine {
  title: string;
  /** A value for each axis; null, and the line has a gap there. */
  values: readonly (number | string | null)[];
  look: number;
  /** Of lines that do not stand out. */
  isFaint: boolean;
}

const STEP = 150;
const HEIGHT = 260;
const TOP = 30;
const BOTTOM = 12;
const SIDE = 70;
const NAME_CHARS = 20;

/** Where values lie on an axis, from 0 to 1. */
export interface PlacedAxis {
  /** Null for what has no place on it. */
  share(value: number | string | null): number | null;
  /** The number at a share; null for an axis of texts. */
  value: ((share: number) => number) | null;
  ticks: { share: number; text: string }[];
}

/** An axis laid out over the values that it has to hold. */
export function placeAxis(
  axis: ParallelAxis,
  values: readonly (number | string | null)[],
): PlacedAxis {
  if (axis.kind === 'text') {
    const places = new Map(axis.values.map((text, i) => [text, i]));
    const share = (i: number): number => (places.size < 2 ? 0.5 : i / (places.size - 1));
    return {
      share: (value) => {
        const i = value === null ? undefined : places.get(String(value));
        return i === undefined ? null : share(i);
      },
      value: null,
      ticks: axis.values.map((text, i) => ({ share: share(i), text })),
    };
  }
  const numbers = values.filter((value): value is number => typeof value === 'number');
  const { ticks, share, value: valueAt } = axisOf(numbers, { scale: axis.scale, count: 5 });
  const format = axis.format ?? plainNumber;
  return {
    share: (value) => (typeof value === 'number' && Number.isFinite(value) ? share(value) : null),
    value: valueAt,
    ticks: ticks.map((tick) => ({ share: share(tick), text: format(tick) })),
  };
}

function y(share: number): number {
  return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
}

function short(text: string): string {
  return text.length > NAME_CHARS ? `…${text.slice(1 - NAME_CHARS)}` : text;
}

/** Lines that stand out are drawn above the others. */
export function parallelPlot(
  axes: readonly ParallelAxis[],
  lines: readonly ParallelLine[],
  title: string,
): Markup {
  const placed = axes.map((axis, i) =>
    placeAxis(
      axis,
      lines.map(({ values }) => values[i] ?? null),
    ),
  );
  const x = (i: number): number => SIDE + i * STEP;
  const width = 2 * SIDE + Math.max(0, axes.length - 1) * STEP;
  const drawn = [...lines]
    .sort((a, b) => Number(b.isFaint) - Number(a.isFaint))
    .map((line) => lineOf(line, placed, x));
  const scales = axes.map((axis, i) => {
    const ticks = placed[i]?.ticks.map(
      ({ share, text }) =>
        html`<text class="tick small" x="${x(i) + 5}" y="${y(share)}" dy="4">${short(text)}</text>`,
    );
    return html`<line class="grid" x1="${x(i)}" x2="${x(i)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>${ticks}<text class="label" text-anchor="middle" x="${x(i)}" y="14">${short(axis.name)}<title>${axis.name}</title></text>`;
  });
  return html`<svg class="plot" viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${title}">${drawn}${scales}</svg>`;
}

function lineOf(
  { title, values, look, isFaint }: ParallelLine,
  placed: readonly PlacedAxis[],
  x: (i: number) => number,
): Markup {
  const runs: string[][] = [[]];
  for (const [i, { share }] of placed.entries()) {
    const at = share(values[i] ?? null);
    if (at === null) runs.push([]);
    else runs.at(-1)?.push(`${x(i)},${Number(y(at).toFixed(1))}`);
  }
  const style = `line ${lookOf(look)}${isFaint ? ' faint' : ''}`;
  return html`<g><title>${title}</title>${runs
    .filter((run) => run.length > 1)
    .map((run) => html`<polyline class="${style}" points="${run.join(' ')}"/>`)}</g>`;
}
