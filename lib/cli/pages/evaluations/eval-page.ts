/** The page of `dlv eval --html`: how well versions do, whether they differ, and how sure they are. */
import { maxOf, minOf } from '../../../base/bytes/many.js';
import { plainNumber } from '../../../pure/picture/axis.js';
import { html, type Markup } from '../../../pure/picture/markup.js';
import { intervalPlots, legend, linePlot, type Series } from '../../../pure/picture/plot.js';
import type { EvalComparison, EvalResult, EvalVersion } from '../../../use/ops/eval.js';
import {
  between,
  decimal,
  metricText,
  milliseconds,
  networkText,
  pText,
} from '../../output/evaluations/evaluation.js';
import { formatBytes, formatCount, formatNumber } from '../../output/ui.js';
import { type PageOrigin, pageOf } from '../frame/frame.js';
import {
  factList,
  figureOf,
  figures,
  largeFigures,
  type Section,
  type TableCell,
  type TableColumn,
  tableOf,
} from '../parts.js';

/** Versions that have curves and matrices; tables have all. */
const PICTURES_MAX = 12;

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

/** Accuracy against confidence: on the diagonal a network is as sure as it is right. */
function calibrationSection(versions: readonly EvalVersion[]): Section | null {
  const series: Series[] = versions
    .slice(0, PICTURES_MAX)
    .flatMap(({ name, calibration }, look) => {
      if (calibration === null) return [];
      const points = calibration.map(({ confidence, accuracy, examples }) => ({
        x: confidence,
        y: accuracy,
        title: `${name}: ${formatCount(examples, 'example')}, confidence ${decimal(confidence)}, accuracy ${decimal(accuracy)}`,
      }));
      return [{ name, points, look }];
    });
  if (series.length === 0) return null;
  const low = minOf(series.flatMap(({ points }) => points.map(({ x, y }) => Math.min(x, y))));
  const diagonal: Series = {
    name: 'as sure as right',
    kind: 'dashed',
    look: 99,
    points: [
      { x: low, y: low },
      { x: 1, y: 1 },
    ],
  };
  const plot = linePlot([...series, diagonal], {
    title: 'accuracy against confidence, in 15 bins of equal numbers of examples',
    xLabel: 'mean confidence of a bin',
    yLabel: 'accuracy',
  });
  const body = html`${figures([figureOf('Reliability', plot, legend([...series, diagonal]))])}<p class="note">Points below the dashed line: surer than right. Each of 15 bins holds equally many examples.</p>`;
  return { id: 'calibration', title: 'Calibration', body };
}

function confusionSection({ versions, classes }: EvalResult): Section | null {
  const shown = versions.slice(0, PICTURES_MAX).filter(({ confusion }) => confusion !== null);
  if (shown.length === 0) return null;
  const name = (i: number, of: number): string =>
    i >= of ? 'not finite' : (classes?.[i] ?? String(i));
  const tables = shown.map(({ name: version, confusion }) => {
    const rows = confusion as number[][];
    const width = rows[0]?.length ?? 0;
    const body = rows.map((row, truth) => {
      const sum = row.reduce((total, count) => total + count, 0);
      const cells = row.map((count, guess) => {
        const share = sum > 0 ? count / sum : 0;
        const title = `${name(truth, rows.length)} taken for ${name(guess, rows.length)}: ${formatNumber(count)} of ${formatNumber(sum)}`;
        return html`<td class="h${Math.round(10 * share)}" title="${title}">${count === 0 ? '' : count}</td>`;
      });
      return html`
<tr><th scope="row">${name(truth, rows.length)}</th>${cells}</tr>`;
    });
    const heads = Array.from(
      { length: width },
      (_, i) => html`<th scope="col">${name(i, rows.length)}</th>`,
    );
    return html`<figure><figcaption>${version}</figcaption><div class="wide" tabindex="0" role="group" aria-label="confusion of ${version}"><table class="heat"><caption>Rows are true classes, columns predicted ones</caption><thead><tr><td></td>${heads}</tr></thead><tbody>${body}
</tbody></table></div></figure>`;
  });
  return {
    id: 'confusion',
    title: 'Which classes are taken for which',
    body: largeFigures(tables),
  };
}

function timingSection(versions: readonly EvalVersion[]): Section {
  const rows = versions.flatMap((version): TableCell[][] => {
    const { name, latency, timings, runtime } = version;
    const how = `${runtime.name} ${runtime.version}, ${formatCount(runtime.threads, 'thread')}`;
    const timed = timings.map(({ batch, milliseconds: ms, slowest, passes, memoryBytes }) => [
      html`<b>${name}</b>`,
      batch,
      { shown: milliseconds(ms), sort: ms },
      { shown: milliseconds(slowest), sort: slowest },
      { shown: formatNumber(Math.round((1000 * batch) / ms)), sort: (1000 * batch) / ms },
      { shown: formatBytes(memoryBytes), sort: memoryBytes },
      `${formatCount(passes, 'pass', 'passes')}; ${how}`,
    ]);
    if (timed.length > 0) return timed;
    const { batch, milliseconds: ms } = latency;
    return [
      [
        html`<b>${name}</b>`,
        batch,
        { shown: milliseconds(ms), sort: ms },
        null,
        { shown: formatNumber(Math.round((1000 * batch) / ms)), sort: (1000 * batch) / ms },
        null,
        how,
      ],
    ];
  });
  const columns: TableColumn[] = [
    { title: 'version', kind: 'plain' },
    { title: 'batch', kind: 'number' },
    { title: 'ms, median', kind: 'number' },
    { title: 'slowest', kind: 'number' },
    { title: 'examples a second', kind: 'number' },
    { title: 'memory', kind: 'number' },
    { title: 'how' },
  ];
  const caption =
    'Time of a batch after the first one; memory is that of runtime, network and passes';
  const table = tableOf({ caption, columns, rows });
  const series: Series[] = versions.flatMap(({ name, timings }, look) =>
    timings.length < 2
      ? []
      : [
          {
            name,
            look,
            points: timings.map(({ batch, milliseconds: ms }) => ({ x: batch, y: ms / batch })),
          },
        ],
  );
  const plot =
    series.length === 0
      ? null
      : figures([
          figureOf(
            'Milliseconds for each example, by size of the batch',
            linePlot(series, {
              title: 'milliseconds for each example by size of the batch',
              xLabel: 'batch',
              yLabel: 'ms',
              xScale: 'log',
              yFromZero: true,
            }),
            legend(series),
          ),
        ]);
  return { id: 'time', title: 'Time and memory', body: html`${table}${plot}` };
}
