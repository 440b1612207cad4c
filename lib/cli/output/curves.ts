/** Metrics over steps as text. */
import { maxOf } from '../../base/bytes/many.js';
import { sparkline, textPlot } from '../../pure/picture/text-plot.js';
import type { Curve } from '../../use/history/curves.js';
import { formatMetric } from './render.js';
import { displayWidth } from './terminal.js';
import type { Ui } from './ui.js';

const SPARK_WIDTH = 32;
const PLOT = { width: 48, height: 8 };
/** Curves of a version that are plotted, each below the other. */
const PLOTS_MAX = 6;

/** `▇▅▃▂▁`, as wide as asked for. */
export function sparkOf({ values }: Pick<Curve, 'values'>, width = SPARK_WIDTH): string {
  return sparkline(values.map(Number), width);
}

/** Best value with its step, or the last. */
function told({ values, steps, direction, count }: Curve): string {
  const numbers = values.map(Number);
  const last = formatMetric(values.at(-1) ?? '');
  const best = numbers.reduce((found, value, i) => {
    if (!Number.isFinite(value) || direction === null) return found;
    const before = numbers[found] ?? Number.NaN;
    const isBetter = found < 0 || (direction === 'min' ? value < before : value > before);
    return isBetter ? i : found;
  }, -1);
  const at = best < 0 ? '' : `, best ${formatMetric(values[best] ?? '')} at step ${steps[best]}`;
  return `${last} after ${count} points${at}`;
}

/** A line for each curve of a version. */
export function curveLines(curves: readonly Curve[]): string[] {
  const wide = maxOf(
    curves.map(({ name }) => displayWidth(name)),
    0,
  );
  return curves.map((curve) => {
    const fill = ' '.repeat(wide - displayWidth(curve.name));
    return `    ${curve.name}${fill}  ${sparkOf(curve).padEnd(SPARK_WIDTH)}  ${told(curve)}`;
  });
}

/** Prints curves as plots of dots, and those beyond as lines. */
export function printCurves(ui: Ui, curves: readonly Curve[]): void {
  if (curves.length === 0) return;
  ui.line('');
  ui.line(ui.style.bold('Metrics over steps'));
  for (const curve of curves.slice(0, PLOTS_MAX)) {
    ui.line('');
    ui.line(`  ${ui.style.bold(curve.name)}  ${told(curve)}`);
    const points = curve.steps.map((x, i) => ({ x, y: Number(curve.values[i]) }));
    for (const line of textPlot(points, PLOT)) ui.line(`  ${line}`);
  }
  if (curves.length > PLOTS_MAX) ui.line('');
  for (const line of curveLines(curves.slice(PLOTS_MAX))) ui.line(line);
}
