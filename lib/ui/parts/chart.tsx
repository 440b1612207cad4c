/** Curves that are read with a pointer: values where it is, stretches that are dragged are zoomed into. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { formatMetric } from '../../cli/output/render.js';
import type { Curve } from '../../use/history/curves.js';
import { aligned, smooth } from '../state/smoothing.js';

const HEIGHT = 260;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
/** Points of which each is marked. */
const DOTS_MAX = 40;
/** A line this close to the pointer is the one that is meant, in pixels. */
const NEAR = 16;
const LABEL_CHARS = 30;

export interface ChartSeries {
  name: string;
  curve: Curve;
}

interface ChartProps {
  metric: string;
  series: readonly ChartSeries[];
  weight: number;
  isLog: boolean;
  /** Steps since the first one of each. */
  isRelative: boolean;
  onPick?: (name: string) => void;
}

/** A colour of the page; the canvas has none of its own. */
function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A colour at a third of its strength: canvases do not know all that stylesheets do. */
function faint(text: string): string {
  return /^#[0-9a-f]{6}$/i.test(text) ? `${text}59` : text;
}

function numbersOf(
  { steps, values }: Curve,
  isRelative: boolean,
): { steps: number[]; values: number[] } {
  const start = isRelative ? (steps[0] ?? 0) : 0;
  return { steps: steps.map((step) => step - start), values: values.map(Number) };
}

/** What is drawn: the measured lines, and beside them the smoothed ones. */
function dataOf({ series, weight, isRelative }: ChartProps): uPlot.AlignedData {
  const curves = series.map(({ curve }) => numbersOf(curve, isRelative));
  const smoothed = curves.map(({ steps, values }) => ({ steps, values: smooth(values, weight) }));
  const { steps, values } = aligned(weight > 0 ? [...curves, ...smoothed] : curves);
  return [steps, ...values] as uPlot.AlignedData;
}

function optionsOf(props: ChartProps, width: number): uPlot.Options {
  const { series, weight, isLog, isRelative, metric } = props;
  const isSmooth = weight > 0;
  const [ink, rule] = [colour('--dim'), colour('--rule')];
  const font = '12px system-ui, sans-serif';
  const axis = {
    stroke: ink,
    grid: { stroke: rule, width: 1 },
    ticks: { stroke: rule, width: 1 },
    ...{ font, labelFont: font, labelSize: 18, labelGap: 0 },
  };
  const hasDots = series.every(({ curve }) => curve.steps.length < DOTS_MAX);
  const line = (i: number, isRaw: boolean): uPlot.Series => {
    const own = colour(`--s${i % 4}`);
    const isBehind = isRaw && isSmooth;
    const name = series[i]?.name ?? '';
    return {
      label: name,
      ...(isBehind ? { class: 'behind' } : {}),
      stroke: isBehind ? faint(own) : own,
      width: isBehind ? 1 : 2,
      dash: DASHES[Math.floor(i / 4) % 4],
      spanGaps: true,
      points: { show: hasDots && !isBehind },
      value: (plot, value, _, at) => {
        if (value === null || value === undefined) return '–';
        const measured = isSmooth && at !== null ? plot.data[i + 1]?.[at] : null;
        const text = formatMetric(Number(value.toPrecision(5)));
        return typeof measured === 'number' ? `${text} (${formatMetric(measured)})` : text;
      },
    };
  };
  const label = metric.length > LABEL_CHARS ? `${metric.slice(0, LABEL_CHARS - 1)}…` : metric;
  const step = isRelative ? 'steps since its start' : 'step';
  return {
    width,
    height: HEIGHT,
    scales: { x: { time: false }, y: { distr: isLog ? 3 : 1 } },
    axes: [
      { ...axis, label: step, size: 32 },
      {
        ...axis,
        label,
        size: 62,
        values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : formatMetric(tick))),
      },
    ],
    cursor: {
      sync: { key: 'curves' },
      drag: { x: true, y: false },
      focus: { prox: NEAR },
    },
    focus: { alpha: 1 },
    legend: { live: true },
    series: [
      { label: step },
      ...series.map((_, i) => line(i, true)),
      ...(isSmooth ? series.map((_, i) => line(i, false)) : []),
    ],
  };
}

/** A plot in a box: made anew when what it looks like changes, and given numbers when only these do. */
class Drawn {
  readonly #box: HTMLElement;
  #props: ChartProps;
  #plot: uPlot;
  #isZoomed = false;
  #near: number | null = null;

  constructor(box: HTMLElement, props: ChartProps) {
    this.#box = box;
    this.#props = props;
    this.#plot = this.#make();
  }

  #make(): uPlot {
    const options = optionsOf(this.#props, this.#box.clientWidth);
    const hooks: uPlot.Hooks.Arrays = {
      setSelect: [
        ({ select }) => {
          if (select.width > 0) this.#isZoomed = true;
        },
      ],
      setSeries: [
        (_, at) => {
          this.#near = at;
        },
      ],
    };
    const plot = new uPlot({ ...options, hooks }, dataOf(this.#props), this.#box);
    plot.over.addEventListener('dblclick', () => {
      this.#isZoomed = false;
    });
    plot.over.addEventListener('click', () => {
      const { series, onPick } = this.#props;
      if (this.#near === null || this.#near < 1) return;
      const one = series[(this.#near - 1) % series.length];
      if (one !== undefined) onPick?.(one.name);
    });
    return plot;
  }

  show(props: ChartProps): void {
    const was = this.#props;
    this.#props = props;
    const same =
      was.isLog === props.isLog &&
      was.isRelative === props.isRelative &&
      was.weight > 0 === props.weight > 0 &&
      was.series.map(({ name }) => name).join('\n') ===
        props.series.map(({ name }) => name).join('\n');
    if (same) this.#plot.setData(dataOf(props), !this.#isZoomed);
    else this.redraw();
    // A scale that stays is not drawn by itself.
    if (same && this.#isZoomed) this.#plot.redraw();
  }

  redraw(): void {
    this.#plot.destroy();
    this.#isZoomed = false;
    this.#plot = this.#make();
  }

  resize(): void {
    this.#plot.setSize({ width: this.#box.clientWidth, height: HEIGHT });
  }

  destroy(): void {
    this.#plot.destroy();
  }
}

export function Chart(props: ChartProps): JSX.Element {
  const { metric, series, weight, isLog, isRelative } = props;
  const ref = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  useEffect(() => {
    const box = ref.current;
    if (box === null) return;
    const one = new Drawn(box, props);
    drawn.current = one;
    const redraw = (): void => one.redraw();
    const observer = new ResizeObserver(() => one.resize());
    observer.observe(box);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', redraw);
    addEventListener('dlv-theme', redraw);
    return () => {
      drawn.current = null;
      observer.disconnect();
      dark.removeEventListener('change', redraw);
      removeEventListener('dlv-theme', redraw);
      one.destroy();
    };
  }, []);
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) drawn.current?.show(props);
    isFirst.current = false;
  }, [series, weight, isLog, isRelative]);
  return (
    <div
      ref={ref}
      class="chart"
      role="img"
      aria-label={`${metric} over steps, of ${series.map(({ name }) => name).join(', ')}`}
    />
  );
}
