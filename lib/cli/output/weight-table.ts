/** Numbers and histograms of weights as `dlv desc --weights` prints them. */
import { plainTensorName } from '../../pure/network/layers/names.js';
import { sparkline } from '../../pure/picture/text-plot.js';
import type { CheckpointStatistics, WeightStatistics } from '../../use/ops/desc.js';
import { formatTable } from './table.js';
import { within } from './tensor-numbers.js';
import { formatCount, formatNumber, type Ui } from './ui.js';

/** Rows of long lists that are shown unless all are asked for. */
const ROWS_SHOWN = 60;
/** Octaves of a histogram that are drawn: those of the largest values. */
const OCTAVES_SHOWN = 16;

/** The octaves of |w| that are drawn, the least first: logarithms of their counts as blocks. */
function histogramText({ histogram }: WeightStatistics): string {
  const top = histogram.at(-1)?.exponent;
  if (top === undefined) return '';
  const counts = new Map(
    histogram.map(({ exponent, negative, positive }) => [exponent, negative + positive]),
  );
  const logs = Array.from({ length: OCTAVES_SHOWN }, (_, i) => {
    return Math.log2(1 + (counts.get(top - OCTAVES_SHOWN + 1 + i) ?? 0));
  });
  // A constant line would be drawn low, and a count of nothing is the least there is.
  return `${sparkline([0, ...logs], OCTAVES_SHOWN + 1).slice(1)} 2^${top + 1}`;
}

function cells(statistics: WeightStatistics | null): string[] {
  if (statistics === null) return ['', '', '', '', '', '', ''];
  const { mean, deviation, least, most, l2, elements, zeros, nans, infinities, bound } = statistics;
  const number = (value: number | null, scale = 1): string =>
    value === null ? '–' : within(value, bound * Math.abs(scale));
  const odd = [
    ...(zeros > 0 ? [`${((100 * zeros) / elements).toFixed(1)} % zero`] : []),
    ...(nans > 0 ? [`${formatNumber(nans)} NaN`] : []),
    ...(infinities > 0 ? [`${formatNumber(infinities)} infinite`] : []),
  ];
  return [
    number(mean, statistics.absoluteMean ?? 0),
    number(deviation, 2 * (deviation ?? 0)),
    number(least, least ?? 0),
    number(most, most ?? 0),
    number(l2, l2 ?? 0),
    odd.join(', '),
    histogramText(statistics),
  ];
}

const COLUMNS = [
  ...['mean', 'std', 'min', 'max', 'L2'].map((title) => ({ title, align: 'right' as const })),
  { title: '' },
  { title: '|w| by powers of two' },
];

/** Prints the statistics of every checkpoint: layers, then with `all` tensors. */
export function printStatistics(
  ui: Ui,
  checkpoints: readonly CheckpointStatistics[],
  all: boolean,
): void {
  for (const { key, role, layers, buffers, tensors } of checkpoints) {
    if (layers.length === 0 && buffers.tensors === 0) continue;
    ui.line('');
    ui.line(ui.style.bold(`Weights of ${key} (${role}) by layer`));
    const head = [
      { title: 'layer', limit: 48 },
      { title: 'kind' },
      { title: 'dtype' },
      { title: 'elements', align: 'right' as const },
    ];
    const rows = layers.map(({ name, kind, dtypes, statistics }) => [
      plainTensorName(name),
      kind,
      dtypes.join(', '),
      formatNumber(statistics.elements),
      ...cells(statistics),
    ]);
    printRows(ui, [...head, ...COLUMNS], rows, { all, what: 'layer' });
    if (buffers.tensors > 0)
      ui.line(`  ${buffersText(buffers)}${all ? '' : ' (--all shows them)'}`);
    if (!all) continue;
    ui.line('');
    ui.line(ui.style.bold(`Weights of ${key} (${role}) by tensor`));
    const named = [{ title: 'tensor', limit: 48 }, { title: 'dtype' }, { title: 'shape' }];
    const own = tensors.map(({ name, dtype, shape, statistics }) => [
      name,
      dtype,
      `[${shape.join(', ')}]`,
      ...cells(statistics),
    ]);
    printRows(ui, [...named, ...COLUMNS], own, { all, what: 'tensor' });
  }
}

/** `not counted: 714 elements of 12 buffers, which are not trained`. */
export function buffersText({ tensors, elements }: CheckpointStatistics['buffers']): string {
  return `not counted: ${formatCount(elements, 'element')} of ${formatCount(tensors, 'buffer')}, which are not trained`;
}

function printRows(
  ui: Ui,
  columns: Parameters<typeof formatTable>[0],
  rows: string[][],
  { all, what }: { all: boolean; what: string },
): void {
  const shown = all ? rows : rows.slice(0, ROWS_SHOWN);
  for (const line of formatTable(columns, shown, { indent: '  ', header: ui.style.dim })) {
    ui.line(line);
  }
  const hidden = rows.length - shown.length;
  if (hidden > 0) ui.line(`  … and ${formatCount(hidden, `more ${what}`)} (--all shows them)`);
}
