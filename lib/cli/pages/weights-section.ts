/** Numbers and histograms of weights on a page. */
import { maxOf, minOf } from '../../base/bytes/many.js';
import { html, type Markup } from '../../pure/picture/markup.js';
import type { CheckpointStatistics, WeightStatistics } from '../../use/ops/desc.js';
import { within } from '../output/tensor-numbers.js';
import { formatCount, formatNumber } from '../output/ui.js';
import { buffersText } from '../output/weight-table.js';
import { namedTensor, type Section, type TableCell, type TableColumn, tableOf } from './parts.js';

const ROWS_MAX = 600;
/** Octaves that are drawn: those of the largest values. */
const OCTAVES_MAX = 24;
const WIDTH = 196;
const HEIGHT = 30;

/** Checkpoints whose weights were read, each a section. */
export function statisticsSections(checkpoints: readonly CheckpointStatistics[]): Section[] {
  return checkpoints.map((checkpoint, i) => ({
    id: `statistics-${i + 1}`,
    title: `Numbers of the weights of ${checkpoint.key}`,
    body: statisticsTable(checkpoint),
  }));
}

function statisticsTable({ layers, buffers }: CheckpointStatistics): Markup {
  const shown = layers.slice(0, ROWS_MAX);
  const tops = shown.flatMap(({ statistics }) => statistics.histogram.at(-1)?.exponent ?? []);
  const bottoms = shown.flatMap(({ statistics }) => statistics.histogram[0]?.exponent ?? []);
  const top = maxOf(tops, 0);
  const low = Math.max(minOf(bottoms, top), top - OCTAVES_MAX + 1);
  const rows = shown.map(({ name, kind, dtypes, statistics }): TableCell[] => [
    namedTensor(name),
    kind,
    dtypes.join(', '),
    { shown: formatNumber(statistics.elements), sort: statistics.elements },
    ...numberCells(statistics),
    oddText(statistics),
    histogramOf(statistics, low, top, name),
  ]);
  const columns: TableColumn[] = [
    { title: 'layer', kind: 'plain' },
    { title: 'kind', kind: 'plain' },
    { title: 'dtype', kind: 'plain' },
    ...['values', 'mean', 'std', 'min', 'max', 'L2'].map((title) => ({
      title,
      kind: 'number' as const,
    })),
    { title: '', spoken: 'what is special' },
    { title: `-2^${top + 1} \u2026 0 \u2026 2^${top + 1}`, kind: 'plain' },
  ];
  const left = layers.length - shown.length;
  const table = tableOf({
    caption:
      'Histograms by powers of two: negative values at the left, small ones in the middle; heights are logarithms',
    columns,
    rows,
  });
  return html`${table}${left > 0 ? html`<p class="note">${formatCount(left, 'more layer')} are left out.</p>` : null}${
    buffers.tensors > 0 ? html`<p class="note">${buffersText(buffers)}.</p>` : null
  }`;
}

function numberCells(statistics: WeightStatistics): TableCell[] {
  const { mean, deviation, least, most, l2, bound, absoluteMean } = statistics;
  const number = (value: number | null, scale: number | null): TableCell => ({
    shown: value === null ? '\u2013' : within(value, bound * Math.abs(scale ?? 0)),
    sort: value,
  });
  return [
    number(mean, absoluteMean),
    number(deviation, 2 * (deviation ?? 0)),
    number(least, least),
    number(most, most),
    number(l2, l2),
  ];
}

function oddText({ zeros, nans, infinities, elements }: WeightStatistics): string {
  return [
    zeros > 0 ? `${((100 * zeros) / elements).toFixed(1)} % zero` : '',
    nans > 0 ? `${formatNumber(nans)} NaN` : '',
    infinities > 0 ? `${formatNumber(infinities)} infinite` : '',
  ]
    .filter(Boolean)
    .join(', ');
}

/** Octaves of both signs about 0, of which smaller ones than are drawn go into the innermost. */
function histogramOf(
  { histogram, elements }: WeightStatistics,
  low: number,
  top: number,
  name: string,
): Markup | null {
  if (histogram.length === 0) return null;
  const count = top - low + 1;
  const bars = new Array<number>(2 * count).fill(0);
  for (const { exponent, negative, positive } of histogram) {
    const at = Math.max(0, exponent - low);
    bars[count - 1 - at] = (bars[count - 1 - at] as number) + negative;
    bars[count + at] = (bars[count + at] as number) + positive;
  }
  const most = Math.log2(1 + elements);
  const step = WIDTH / bars.length;
  const drawn = bars.flatMap((value, i) => {
    if (value === 0) return [];
    const height = Math.max(1, (Math.log2(1 + value) / most) * (HEIGHT - 2));
    const exponent = i < count ? low + count - 1 - i : low + i - count;
    const title = `${i < count ? 'negative' : 'positive'}, from 2^${exponent}: ${formatNumber(value)}`;
    return [
      html`<rect class="fill ${i < count ? 's1' : 's0'}" x="${Number((i * step).toFixed(1))}" y="${Number((HEIGHT - height).toFixed(1))}" width="${Number(Math.max(1, step - 0.8).toFixed(1))}" height="${Number(height.toFixed(1))}"><title>${title}</title></rect>`,
    ];
  });
  return html`<svg class="interval" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="histogram of ${name}">${drawn}<line class="grid" x1="${WIDTH / 2}" x2="${WIDTH / 2}" y1="0" y2="${HEIGHT}"/></svg>`;
}
