/** Curves that are read with a pointer: values where it is, stretches that are dragged are zoomed into. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { formatMetric } from '../../cli/output/render.js';
import type { Curve } from '../../use/history/curves.js';
import { aligned, smooth } from '../state/smoothing.js';

const HEIGHT = 260;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

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
}

/** A colour of the page; the canvas has none of its own. */
function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function numbersOf(
  { steps, values }: Curve,
  isRelative: boolean,
): { steps: number[]; values: number[] } {
  const start = isRelative ? (steps[0] ?? 0) : 0;
  return { steps: steps.map((step) => step - start), values: values.map(Number) };
}

export function Chart({ metric, series, weight, isLog, isRelative }: ChartProps): JSX.Element {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = ref.current;
    if (box === null) return;
    let plot: uPlot | null = null;
    const draw = (): void => {
      plot?.destroy();
      const curves = series.map(({ curve }) => numbersOf(curve, isRelative));
      const smoothed = curves.map(({ steps, values }) => ({
        steps,
        values: smooth(values, weight),
      }));
      const isSmooth = weight > 0;
      const { steps, values } = aligned(isSmooth ? [...curves, ...smoothed] : curves);
      const [ink, rule] = [colour('--dim'), colour('--rule')];
      const axis = {
        stroke: ink,
        grid: { stroke: rule, width: 1 },
        ticks: { stroke: rule, width: 1 },
        font: '12px system-ui, sans-serif',
      };
      const line = (i: number, isRaw: boolean): uPlot.Series => {
        const own = colour(`--s${i % 4}`);
        return {
          label: isRaw && isSmooth ? `${series[i]?.name}, measured` : (series[i]?.name ?? ''),
          stroke: isRaw && isSmooth ? `color-mix(in srgb, ${own} 35%, transparent)` : own,
          width: isRaw && isSmooth ? 1 : 2,
          dash: DASHES[Math.floor(i / 4) % 4],
          spanGaps: true,
          points: { show: steps.length < 40 && !(isRaw && isSmooth) },
          value: (_, value) => (value === null || value === undefined ? '–' : formatMetric(value)),
        };
      };
      plot = new uPlot(
        {
          width: box.clientWidth,
          height: HEIGHT,
          scales: { x: { time: false }, y: { distr: isLog ? 3 : 1 } },
          axes: [
            axis,
            {
              ...axis,
              size: 64,
              values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : formatMetric(tick))),
            },
          ],
          cursor: { sync: { key: 'curves' }, drag: { x: true, y: false } },
          legend: { live: true },
          series: [
            { label: isRelative ? 'steps since its start' : 'step' },
            ...series.map((_, i) => line(i, true)),
            ...(isSmooth ? series.map((_, i) => line(i, false)) : []),
          ],
        },
        [steps, ...values] as uPlot.AlignedData,
        box,
      );
    };
    draw();
    const observer = new ResizeObserver(() =>
      plot?.setSize({ width: box.clientWidth, height: HEIGHT }),
    );
    observer.observe(box);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    addEventListener('dlv-theme', draw);
    return () => {
      observer.disconnect();
      dark.removeEventListener('change', draw);
      removeEventListener('dlv-theme', draw);
      plot?.destroy();
    };
  }, [series, weight, isLog, isRelative]);
  return (
    <div
      ref={ref}
      class="chart"
      role="img"
      aria-label={`${metric} over steps, of ${series.length} versions`}
    />
  );
}
