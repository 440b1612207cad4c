/** Evaluations as `dlv eval` prints them. */
import type { EvalComparison, EvalMetric, EvalResult } from '../../use/ops/eval.js';
import { formatTable } from './table.js';
import { formatCount, type Ui } from './ui.js';

/** Four digits behind the point; five in all for large numbers, two for those that four do not show. */
function decimal(value: number): string {
  if (value !== 0 && Math.abs(value) < 5e-5) return value.toExponential(1);
  return Math.abs(value) < 10 ? value.toFixed(4) : value.toPrecision(5);
}

function between(interval: readonly [number, number] | null): string {
  return interval === null ? '' : ` [${decimal(interval[0])}, ${decimal(interval[1])}]`;
}

function metricText({ value, interval }: EvalMetric): string {
  return value === null ? 'not defined' : `${decimal(value)}${between(interval)}`;
}

function pText(p: number | null): string {
  if (p === null) return 'not defined';
  return p < 1e-4 ? p.toExponential(1) : p.toFixed(4);
}

export function printEval(ui: Ui, result: EvalResult): void {
  const { data, versions, comparisons } = result;
  ui.line(`${formatCount(data.examples, 'example')} of ${data.path}, labels of ${data.labels}`);
  ui.line('');
  const names = versions[0]?.metrics.map((one) => one.name) ?? [];
  const columns = [
    { title: 'version', limit: 40 },
    { title: 'network', limit: 40 },
    ...names.map((title) => ({ title })),
    { title: 'ms a batch', align: 'right' as const },
  ];
  const rows = versions.map((one) => [
    one.name,
    one.network,
    ...one.metrics.map(metricText),
    `${one.latency.milliseconds.toPrecision(3)} (${one.latency.batch})`,
  ]);
  for (const line of formatTable(columns, rows, { header: ui.style.bold })) ui.line(line);
  for (const { name, notFinite, ties } of versions) {
    if (notFinite > 0)
      ui.line(`${name}: ${formatCount(notFinite, 'example')} without finite scores`);
    if (ties !== null && ties > 0) {
      ui.line(`${name}: ${formatCount(ties, 'example')} with a score equal to that of the truth`);
    }
  }
  if (comparisons.length > 0) printComparisons(ui, result);
}

function printComparisons(ui: Ui, { versions, comparisons }: EvalResult): void {
  const nameOf = (id: string): string => versions.find((one) => one.version === id)?.name ?? id;
  ui.line('');
  ui.line(ui.style.bold(`Against ${versions[0]?.name ?? ''}, on the same examples`));
  const columns = [
    { title: 'version', limit: 40 },
    { title: 'metric' },
    { title: 'difference' },
    { title: 'p' },
    { title: 'adjusted' },
    { title: 'alone right' },
    { title: 'would show' },
    { title: '' },
  ];
  const alone = ({ onlyFirst, onlySecond }: EvalComparison): string =>
    onlyFirst === null ? '' : `${onlyFirst} : ${onlySecond}`;
  const rows = comparisons.map((one) => [
    nameOf(one.version),
    one.metric,
    one.difference === null
      ? 'not defined'
      : `${one.difference < 0 ? '' : '+'}${decimal(one.difference)}${between(one.interval)}`,
    pText(one.p),
    pText(one.adjustedP),
    alone(one),
    one.detectable === null ? '' : decimal(one.detectable),
    one.differs ? 'differ' : 'no difference shown',
  ]);
  for (const line of formatTable(columns, rows, { header: ui.style.bold })) ui.line(line);
}
