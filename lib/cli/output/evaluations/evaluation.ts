/** Evaluations as `dlv eval` prints them. */
import { maxOf, minOf } from '../../../base/bytes/many.js';
import { sparkline, textInterval } from '../../../pure/picture/text-plot.js';
import type { EvalComparison, EvalMetric, EvalResult, EvalVersion } from '../../../use/ops/eval.js';
import type { KeptEvaluation } from '../../../use/ops/show.js';
import { formatTable } from '../table.js';
import { formatBytes, formatCount, formatNumber, type Ui } from '../ui.js';

/** Three digits of a time. */
export function milliseconds(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : value.toPrecision(3);
}

/** Four digits behind the point; five in all for large numbers, two for those that four do not show. */
export function decimal(value: number): string {
  if (value !== 0 && Math.abs(value) < 5e-5) return value.toExponential(1);
  return Math.abs(value) < 10 ? value.toFixed(4) : value.toPrecision(5);
}

/** ` [0.85, 0.88]`. */
export function between(interval: readonly [number, number] | null): string {
  return interval === null ? '' : ` [${decimal(interval[0])}, ${decimal(interval[1])}]`;
}

/** A metric with its interval. */
export function metricText({ value, interval }: EvalMetric): string {
  return value === null ? 'not defined' : `${decimal(value)}${between(interval)}`;
}

/** A p value. */
export function pText(p: number | null): string {
  if (p === null) return 'not defined';
  return p < 1e-4 ? p.toExponential(1) : p.toFixed(4);
}

/** `scale 1/255, mean 0.286`: how numbers went in; empty if that is not known. */
export function preprocessText(given: KeptEvaluation['preprocess']): string {
  if (given === null) return '';
  const { scale, mean, std, layout, resize, crop, channels } = given;
  const parts = Math.round(1 / scale);
  const isPart = scale < 1 && scale > 0 && Math.abs(1 / scale - parts) < 1e-6 * parts;
  const said: [name: string, isPlain: boolean, text: string | number][] = [
    ['scale', scale === 1, isPart ? `1/${parts}` : formatNumber(scale)],
    ['mean', mean.every((one) => one === 0), mean.map(formatNumber).join(',')],
    ['std', std.every((one) => one === 1), std.map(formatNumber).join(',')],
    ['layout', layout === 'as-is', layout],
    ['resize', resize === null, [resize].flat().join('x')],
    ['crop', crop === null, [crop].flat().join('x')],
    ['channels', channels === null, channels ?? ''],
  ];
  const told = said.flatMap(([name, isPlain, text]) => (isPlain ? [] : [`${name} ${text}`]));
  return told.length === 0 ? 'values as they are' : told.join(', ');
}

/** The network of a version, with the checkpoint whose weights were put in it. */
export function networkText({ network, weights }: EvalVersion): string {
  return weights === null ? network : `${network} with ${weights}`;
}

export function printEval(ui: Ui, result: EvalResult): void {
  const { data, versions, comparisons } = result;
  ui.line(
    data.tokens === null
      ? `${formatCount(data.examples, 'example')} of ${data.path}, labels of ${data.labels}`
      : `${formatCount(data.tokens, 'token')} of ${data.path}, predicted in ${formatCount(data.examples, 'window')}`,
  );
  ui.line('');
  const names = versions[0]?.metrics.map((one) => one.name) ?? [];
  const columns = [
    { title: 'version', limit: 40 },
    { title: 'network', limit: 60 },
    ...names.map((title) => ({ title })),
    { title: 'ms a batch', align: 'right' as const },
  ];
  const rows = versions.map((one) => [
    one.name,
    networkText(one),
    ...one.metrics.map(metricText),
    `${milliseconds(one.latency.milliseconds)} (${one.latency.batch})`,
  ]);
  for (const line of formatTable(columns, rows, { header: ui.style.bold })) ui.line(line);
  for (const { name, metrics } of versions) {
    for (const metric of metrics) {
      if (metric.why !== null) ui.line(`${name}: ${metric.name} is not defined: ${metric.why}`);
    }
  }
  for (const { name, notFinite, ties } of versions) {
    if (notFinite > 0)
      ui.line(
        `${name}: ${formatCount(notFinite, data.tokens === null ? 'example' : 'window')} without finite scores`,
      );
    if (ties !== null && ties > 0) {
      ui.line(`${name}: ${formatCount(ties, 'example')} with a score equal to that of the truth`);
    }
  }
  if (comparisons.length > 0) printComparisons(ui, result);
  printCalibration(ui, result);
  printTimings(ui, result);
}

/** Bars of accuracy by confidence, one for each version: a column is a bin. */
function printCalibration(ui: Ui, { versions }: EvalResult): void {
  const rows = versions.flatMap(({ name, calibration }) => {
    if (calibration === null || calibration.length < 2) return [];
    const [first, last] = [calibration[0], calibration.at(-1)];
    const from = `${decimal(first?.confidence ?? 0)} … ${decimal(last?.confidence ?? 0)}`;
    const bars = calibration.map(({ accuracy }) => accuracy);
    return [
      [
        name,
        from,
        sparkline(bars, bars.length),
        `${decimal(bars[0] ?? 0)} … ${decimal(bars.at(-1) ?? 0)}`,
      ],
    ];
  });
  if (rows.length === 0) return;
  ui.line('');
  const columns = [
    { title: 'version', limit: 40 },
    { title: 'confidence of bins' },
    { title: 'accuracy' },
    { title: '' },
  ];
  for (const line of formatTable(columns, rows, { header: ui.style.bold })) ui.line(line);
}

function printTimings(ui: Ui, { versions }: EvalResult): void {
  const rows = versions.flatMap(({ name, timings }) =>
    timings.map(({ batch, milliseconds: ms, slowest, memoryBytes }) => [
      name,
      batch,
      milliseconds(ms),
      milliseconds(slowest),
      formatNumber(Math.round((1000 * batch) / ms)),
      formatBytes(memoryBytes),
    ]),
  );
  if (rows.length === 0) return;
  ui.line('');
  const right = { align: 'right' as const };
  const columns = [
    { title: 'version', limit: 40 },
    { title: 'batch', ...right },
    { title: 'ms', ...right },
    { title: 'slowest', ...right },
    { title: 'a second', ...right },
    { title: 'memory', ...right },
  ];
  for (const line of formatTable(columns, rows, { header: ui.style.bold })) ui.line(line);
}

/** Characters of a drawn interval. */
const INTERVAL_WIDTH = 17;

function printComparisons(ui: Ui, { versions, comparisons }: EvalResult): void {
  const nameOf = (id: string): string => versions.find((one) => one.version === id)?.name ?? id;
  ui.line('');
  ui.line(ui.style.bold(`Against ${versions[0]?.name ?? ''}, on the same examples`));
  const columns = [
    { title: 'version', limit: 40 },
    { title: 'metric' },
    { title: 'difference' },
    { title: '' },
    { title: 'p' },
    { title: 'adjusted' },
    { title: 'alone right' },
    { title: 'would show' },
    { title: '' },
  ];
  const alone = ({ onlyFirst, onlySecond }: EvalComparison): string =>
    onlyFirst === null ? '' : `${onlyFirst} : ${onlySecond}`;
  /** Differences of one metric on one axis, which has 0 on it. */
  const drawn = ({ metric, difference, interval }: EvalComparison): string => {
    if (difference === null || interval === null) return '';
    const ends = comparisons.flatMap((one) => (one.metric === metric ? (one.interval ?? []) : []));
    const [low, high] = [minOf(ends, 0), maxOf(ends, 0)];
    return textInterval(difference, interval, { low, high, width: INTERVAL_WIDTH });
  };
  const rows = comparisons.map((one) => [
    nameOf(one.version),
    one.metric,
    one.difference === null
      ? 'not defined'
      : `${one.difference < 0 ? '' : '+'}${decimal(one.difference)}${between(one.interval)}`,
    drawn(one),
    pText(one.p),
    pText(one.adjustedP),
    alone(one),
    one.detectable === null ? '' : decimal(one.detectable),
    one.differs ? 'differ' : 'no difference shown',
  ]);
  for (const line of formatTable(columns, rows, { header: ui.style.bold })) ui.line(line);
}
