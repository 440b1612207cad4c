/** The page of `dlv eval --progressive --html`: how many answers are settled by how many bytes. */
import { html, type Markup } from '../../../pure/picture/markup.js';
import { legend, linePlot, type Series } from '../../../pure/picture/plot.js';
import type { ProgressiveResult } from '../../../use/ops/eval-progressive.js';
import { milliseconds } from '../../output/evaluations/evaluation.js';
import { finalText, percent, planesText } from '../../output/evaluations/progressive.js';
import { formatBytes, formatCount, formatNumber } from '../../output/ui.js';
import { type PageOrigin, pageOf } from '../frame/frame.js';
import { factList, figureOf, figures, tableOf } from '../parts.js';

/** Layers in the table; the rest is in the JSON. */
const LAYERS_MAX = 200;

export function progressivePage(result: ProgressiveResult, origin: PageOrigin): string {
  const { data, reference } = result;
  return pageOf({
    title: `Progressive evaluation of ${result.name}`,
    lead: html`<p class="dim">${result.decision} of ${result.network}, ${result.guarantee}, on ${formatCount(data.examples, 'example')}</p>`,
    sections: [
      { id: 'summary', title: 'Summary', body: summary(result) },
      { id: 'depths', title: 'Depths', body: stageTable(result) },
      { id: 'layers', title: 'Layers', body: layerTable(result) },
    ],
    notes: [
      `Certified answers are those of ${reference.name} ${reference.version} with all weights on the CPU, at any batch and number of threads.`,
      'Mismatch is the share of approximate answers, with unread bits in the middle of what they can be, that are not the final ones.',
      `The data are sha256 ${data.sha256}.`,
    ],
    origin,
  });
}

function summary({
  bytes,
  answers,
  unanswered,
  accuracy,
  differing,
  unbounded,
  whole,
  stages,
}: ProgressiveResult): Markup {
  const settled: Series = {
    name: 'settled',
    points: [{ x: 0, y: 0 }, ...stages.map((stage) => ({ x: stage.bytes, y: stage.settled }))],
  };
  const matching: Series = {
    name: 'approximate answers that are right',
    kind: 'dashed',
    points: stages.flatMap((stage) =>
      stage.mismatch === null ? [] : [{ x: stage.bytes, y: 1 - stage.mismatch }],
    ),
  };
  const series = matching.points.length > 0 ? [settled, matching] : [settled];
  const plot = linePlot(series, {
    title: 'Share of answers that are settled, against bytes of weights that are read',
    xLabel: 'bytes of weights read',
    yLabel: 'share of answers',
    xScale: 'bytes',
    xFromZero: true,
    yFromZero: true,
  });
  return html`${factList([
    unanswered === 0
      ? null
      : ['Interrupted', formatNumber(unanswered), 'examples without an answer'],
    ['Bytes for a query alone', formatBytes(bytes.mean), 'mean'],
    [
      'Bytes for all',
      formatBytes(bytes.union),
      formatCount(answers.length - unanswered, 'query', 'queries'),
    ],
    ['Bytes of all weights', formatBytes(bytes.all)],
    accuracy === null ? null : ['Accuracy', accuracy.toFixed(4)],
    differing === null ? null : ['Answers that differ', formatNumber(differing)],
    whole === null ? null : ['Read whole at first', whole],
    unbounded === null ? null : ['Not certified early', unbounded],
  ])}${figures([figureOf('Answers settled', plot, legend(series))])}`;
}

function stageTable({ stages }: ProgressiveResult): Markup {
  return tableOf({
    caption: 'Depths in the order in which they were read',
    columns: [
      { title: 'planes', kind: 'plain' },
      { title: 'bytes', kind: 'number' },
      { title: 'of all', kind: 'number' },
      { title: 'open', kind: 'number' },
      { title: 'settled', kind: 'number' },
      { title: 'mismatch', kind: 'number' },
      { title: 'ms', kind: 'number' },
      { title: 'final here' },
      { title: 'time' },
    ],
    rows: stages.map((stage) => {
      const times = Object.entries(stage.milliseconds).filter(([, ms]) => ms >= 0.5);
      return [
        planesText(stage),
        { shown: formatBytes(stage.bytes), sort: stage.bytes },
        { shown: percent(stage.share), sort: stage.share },
        { shown: formatNumber(stage.open), sort: stage.open },
        { shown: percent(stage.settled), sort: stage.settled },
        stage.mismatch === null ? '' : { shown: percent(stage.mismatch), sort: stage.mismatch },
        milliseconds(times.reduce((sum, [, ms]) => sum + ms, 0)),
        finalText(stage.final),
        times.map(([what, ms]) => `${what} ${milliseconds(ms)} ms`).join(', '),
      ];
    }),
  });
}

function layerTable({ layers }: ProgressiveResult): Markup {
  const shown = [...layers].sort((a, b) => b.allBytes - a.allBytes).slice(0, LAYERS_MAX);
  return tableOf({
    caption: 'Parameters by their size, with the planes that the last open example took',
    columns: [
      { title: 'parameter' },
      { title: 'elements', kind: 'number' },
      { title: 'planes', kind: 'number' },
      { title: 'of', kind: 'number' },
      { title: 'bytes', kind: 'number' },
      { title: 'of', kind: 'number' },
    ],
    rows: shown.map(({ parameter, elements, planes, of, bytes, allBytes }) => [
      parameter,
      { shown: formatNumber(elements), sort: elements },
      String(planes),
      String(of),
      { shown: formatBytes(bytes), sort: bytes },
      { shown: formatBytes(allBytes), sort: allBytes },
    ]),
  });
}
