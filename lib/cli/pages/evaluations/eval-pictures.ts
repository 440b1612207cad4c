/** Pictures of an evaluation: calibration, confusion, time by size of the batch. */
import { minOf } from '../../../base/bytes/many.js';
import { html } from '../../../pure/picture/markup.js';
import { legend, linePlot, type Series } from '../../../pure/picture/plot.js';
import type { EvalResult, EvalVersion } from '../../../use/ops/eval.js';
import { decimal, milliseconds } from '../../output/evaluations/evaluation.js';
import { formatBytes, formatCount, formatNumber } from '../../output/ui.js';
import {
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

/** Accuracy against confidence: on the diagonal a network is as sure as it is right. */
export function calibrationSection(versions: readonly EvalVersion[]): Section | null {
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

export function confusionSection({ versions, classes }: EvalResult): Section | null {
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

export function timingSection(versions: readonly EvalVersion[]): Section {
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
