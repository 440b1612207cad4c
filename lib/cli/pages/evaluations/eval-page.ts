/** The page of `dlv eval --html`: how well versions do, whether they differ, and how sure they are. */
import { maxOf, minOf } from '../../../base/bytes/many.js';
import { plainNumber } from '../../../pure/picture/axis.js';
import { html, type Markup } from '../../../pure/picture/markup.js';
import { intervalPlots } from '../../../pure/picture/plot.js';
import type { EvalComparison, EvalResult, EvalVersion } from '../../../use/ops/eval.js';
import {
  between,
  decimal,
  metricText,
  networkText,
  pText,
} from '../../output/evaluations/evaluation.js';
import { formatCount, formatNumber } from '../../output/ui.js';
import { type PageOrigin, pageOf } from '../frame/frame.js';
import {
  factList,
  largeFigures,
  type Section,
  type TableCell,
  type TableColumn,
  tableOf,
} from '../parts.js';
import { calibrationSection, confusionSection, timingSection } from './eval-pictures.js';
export function evalPage(result: EvalResult, origin: PageOrigin): string {
  const { versions, data } = result;
  return pageOf({
    title: `Evaluation on ${data.path.replace(/^.*[\\/](?=.)/, '')}`,
    lead: html`<p class="dim">${formatCount(versions.length, 'version')} on ${formatCount(data.examples, 'example')}</p>${verdict(result)}`,
    sections: evalSections(result),
    notes: [
      'Intervals are of 95 %. Differences are paired: mid-p McNemar for accuracy and top-k, a paired bootstrap for other metrics; p values are adjusted by Holm.',
      'No difference shown does not mean that there is none: a difference below “would show” is found in less than 80 % of cases.',
      ...versions.map(({ name, version }) => `${name} is version ${version}.`),
      `The data are sha256 ${data.sha256}.`,
    ],
    origin,
  });
}

/** Data, metrics, paired differences, calibration, confusion, time. */
export function evalSections(result: EvalResult): (Section | null)[] {
  const { versions, comparisons } = result;
  const paired = {
    id: 'differences',
    title: `Against ${versions[0]?.name ?? ''}, on the same examples`,
  };
  return [
    { id: 'data', title: 'Data', body: dataFacts(result) },
    { id: 'metrics', title: 'Metrics', body: metricTables(result) },
    comparisons.length === 0 ? null : { ...paired, body: comparisonTables(result) },
    calibrationSection(versions),
    confusionSection(result),
    timingSection(versions),
  ];
}

/** One sentence on what was found, if versions were compared. */
export function verdict({ versions, comparisons }: EvalResult): Markup | null {
  if (comparisons.length === 0) return null;
  const nameOf = (id: string): string => versions.find((one) => one.version === id)?.name ?? id;
  const found = comparisons.filter(({ differs }) => differs);
  if (found.length === 0)
    return html`<p>No difference from ${versions[0]?.name ?? ''} is shown.</p>`;
  const items = found.slice(0, 6).map(({ version, metric, difference }) => {
    const text = difference === null ? '' : signed(difference);
    return html`<li><b>${nameOf(version)}</b> differs in ${metric}: ${text}</li>`;
  });
  const more = found.length - items.length;
  return html`<ul>${items}${more > 0 ? html`<li>and ${formatCount(more, 'more difference')}</li>` : null}</ul>`;
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${decimal(Math.abs(value))}`;
}

function dataFacts({ data, task, classes, seed }: EvalResult): Markup {
  const { scale, mean, std, layout } = data.preprocess;
  const one = (list: readonly number[]): string => list.map(plainNumber).join(', ');
  return factList([
    [data.tokens === null ? 'Examples' : 'Windows', formatNumber(data.examples), data.path],
    data.tokens === null
      ? ['Labels', data.labels, task === 'classes' ? 'classes' : 'numbers']
      : ['Tokens', formatNumber(data.tokens), 'predicted from those before them'],
    classes === null ? null : ['Classes', String(classes.length), classes.slice(0, 12).join(', ')],
    [
      'Preprocessing',
      `(x · ${plainNumber(scale)} − ${one(mean)}) / ${one(std)}`,
      layout === 'hwc' ? 'channels come last' : '',
    ],
    ['Seed of the bootstrap', String(seed)],
  ]);
}

/** A table for each metric, with intervals drawn on one axis. */
function metricTables({ versions }: EvalResult): Markup {
  const names = versions[0]?.metrics.map(({ name }) => name) ?? [];
  const tables = names.map((name, at) => {
    const metrics = versions.map(({ metrics: all }) => all[at]);
    const { plots, low, high } = intervalPlots(
      metrics.map((metric, i) =>
        metric === undefined || metric.value === null
          ? null
          : { value: metric.value, interval: metric.interval, look: i },
      ),
      { title: (i) => `${versions[i]?.name ?? ''}: ${metricText(metrics[i] as never)}` },
    );
    const values = metrics.flatMap((metric) => metric?.value ?? []);
    const direction = metrics[0]?.direction ?? 'max';
    const best = direction === 'max' ? maxOf(values) : minOf(values);
    const rows = versions.map((version, i): TableCell[] => {
      const metric = metrics[i];
      const value = metric?.value ?? null;
      return [
        html`<b>${version.name}</b>`,
        networkText(version),
        {
          shown: value === null ? `not defined: ${metric?.why ?? ''}` : decimal(value),
          sort: value,
          ...(value !== null && value === best && versions.length > 1
            ? { look: 'best' as const }
            : {}),
        },
        metric?.interval ? between(metric.interval).trim() : '',
        plots[i],
        notesOf(version),
      ];
    });
    const columns: TableColumn[] = [
      { title: 'version', kind: 'plain' },
      { title: 'network' },
      { title: name, kind: 'number' },
      { title: 'interval', kind: 'plain' },
      { title: `${decimal(low)} … ${decimal(high)}`, kind: 'plain' },
      { title: '', spoken: 'notes' },
    ];
    const caption = `${name}: ${direction === 'max' ? 'more' : 'less'} is better`;
    return html`<div><h3>${name}</h3>${tableOf({ caption, columns, rows })}</div>`;
  });
  return largeFigures(tables);
}

function notesOf({ notFinite, ties, known }: EvalVersion): string {
  return [
    notFinite > 0 ? `${formatCount(notFinite, 'example')} without finite scores` : '',
    ties !== null && ties > 0 ? `${formatCount(ties, 'tie')} with the truth` : '',
    known ? 'kept from an earlier run' : '',
  ]
    .filter(Boolean)
    .join('; ');
}

function comparisonTables({ versions, comparisons }: EvalResult): Markup {
  const indexOf = (id: string): number => versions.findIndex((one) => one.version === id);
  const byMetric = new Map<string, EvalComparison[]>();
  for (const comparison of comparisons) {
    byMetric.set(comparison.metric, [...(byMetric.get(comparison.metric) ?? []), comparison]);
  }
  return html`${[...byMetric].map(([metric, rows]) => {
    const { plots, low, high } = intervalPlots(
      rows.map(({ version, difference, interval }) =>
        difference === null ? null : { value: difference, interval, look: indexOf(version) },
      ),
      { title: (i) => `difference ${decimal(rows[i]?.difference ?? 0)}`, mark: 0 },
    );
    const cells = rows.map((row, i): TableCell[] => [
      html`<b>${versions[indexOf(row.version)]?.name ?? row.version}</b>`,
      {
        shown: row.difference === null ? 'not defined' : signed(row.difference),
        sort: row.difference,
      },
      row.interval === null ? '' : between(row.interval).trim(),
      plots[i],
      { shown: pText(row.p), sort: row.p },
      { shown: pText(row.adjustedP), sort: row.adjustedP },
      row.onlyFirst === null ? '' : `${row.onlyFirst} : ${row.onlySecond}`,
      { shown: row.detectable === null ? '' : decimal(row.detectable), sort: row.detectable },
      row.differs ? html`<b>differ</b>` : 'no difference shown',
    ]);
    const columns: TableColumn[] = [
      { title: 'version', kind: 'plain' },
      { title: 'difference', kind: 'number' },
      { title: 'interval', kind: 'plain' },
      { title: `${decimal(low)} … ${decimal(high)}`, kind: 'plain' },
      { title: 'p', kind: 'number' },
      { title: 'adjusted', kind: 'number' },
      { title: 'alone right', kind: 'plain' },
      { title: 'would show', kind: 'number' },
      { title: '', spoken: 'whether they differ' },
    ];
    const caption = `Difference of ${metric}, with its interval; the dashed line is no difference`;
    return html`<h3>${metric}</h3>${tableOf({ caption, columns, rows: cells })}`;
  })}`;
}
