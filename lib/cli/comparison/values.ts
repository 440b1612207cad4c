/** Tables of what versions have: hyperparameters, metrics, environment, layers, files. */
import { plainTensorName } from '../../pure/network/layers/names.js';
import type {
  ComparedMetric,
  ComparedValue,
  Comparison,
  DiffResult,
  LayerDrift,
  ManyDiffResult,
} from '../../use/ops/diff.js';
import { paramText } from '../output/render.js';
import { shorten } from '../output/table.js';
import {
  cosineText,
  driftText,
  metricText,
  percent,
  signed,
  significant,
  within,
} from '../output/tensor-numbers.js';
import { printable } from '../output/terminal.js';
import { formatCount, formatNumber } from '../output/ui.js';
import type { Section } from './sections.js';

/** Width of the name of a version. */
const LABEL_MAX = 40;

/** What is shown of equal rows, and how many layers are. */
export interface Shown {
  all: boolean;
  top: number | null;
}

/** A column for each version; that of the baseline says so where there are more than two. */
export function endColumns({ ends, baseline }: Comparison): Section['columns'] {
  return ends.map(({ label }, at) => ({
    title: ends.length > 2 && at === baseline ? `${label} (baseline)` : label,
    limit: LABEL_MAX,
  }));
}

function hiddenNote(rows: readonly { equal: boolean }[], { all }: Shown): string[] {
  const hidden = all ? 0 : rows.filter(({ equal }) => equal).length;
  return hidden === 0 ? [] : [`${formatNumber(hidden)} the same (--all lists them)`];
}

/** Named values; null if all are equal and none is asked for. */
export function valueSection(
  title: string,
  rows: readonly ComparedValue[],
  comparison: Comparison,
  shown: Shown,
): Section | null {
  const listed = rows.filter(({ equal }) => shown.all || !equal);
  if (listed.length === 0) return null;
  return {
    title,
    columns: [{ title: 'name' }, ...endColumns(comparison)],
    rows: listed.map(({ name, cells, equal }) => ({
      cells: [name, ...cells.map(valueText)],
      ...(equal ? { style: 'dim' as const } : {}),
    })),
    notes: hiddenNote(rows, shown),
  };
}

function valueText(cell: ComparedValue['cells'][number]): string {
  if (cell === null) return '–';
  const { value, delta } = cell;
  const text = paramText(value);
  return delta === null || delta === 0 ? text : `${text} (${signed(delta)})`;
}

/** Metrics of each version, and where curves part. */
export function metricSection(comparison: Comparison, shown: Shown): Section | null {
  const { metrics, ends, baseline } = comparison;
  const listed = metrics.filter(({ equal }) => shown.all || !equal);
  if (listed.length === 0) return null;
  const base = ends[baseline]?.label ?? '';
  return {
    title: 'Metrics',
    columns: [
      { title: 'metric' },
      { title: 'better' },
      // A number is never cut, as the name of a version may be.
      ...endColumns(comparison).map(({ title = '' }) => ({
        title: shorten(printable(title), LABEL_MAX),
        isNumber: true,
      })),
    ],
    rows: listed.map(({ name, direction, cells, leaders }) => ({
      cells: [
        name,
        direction ?? '',
        ...cells.map((cell, at) => `${metricText(cell)}${leaders.includes(at) ? ' *' : ''}`),
      ],
    })),
    notes: [
      ...listed.flatMap((metric) => partingNotes(metric, comparison, base)),
      ...hiddenNote(metrics, shown),
    ],
  };
}

function partingNotes(
  { name, cells }: ComparedMetric,
  { ends }: Comparison,
  base: string,
): string[] {
  return cells.flatMap((cell, at) => {
    const parting = cell?.parting ?? null;
    if (parting === null || parting.differs === null || parting.common < 2) return [];
    const { step, delta, noise, differs, common } = parting;
    const who = `${name}: ${ends[at]?.label} differs from ${base} from step ${differs} on`;
    if (step === null)
      return [`${who}, never beyond noise (${formatCount(common, 'step')} in common)`];
    return [
      `${who}, beyond noise from step ${step} on (Δ ${signed(delta ?? 0)}, noise ${significant(noise ?? 0)})`,
    ];
  });
}

/** Layers by how far they moved from the baseline. */
export function layerSection(
  comparison: Comparison,
  layers: readonly LayerDrift[],
  { top }: Shown,
): Section | null {
  if (layers.length === 0) return null;
  const { ends, baseline } = comparison;
  const listed = top === null ? layers : layers.slice(0, top);
  const others = [...ends.keys()].filter((at) => at !== baseline);
  const isPair = others.length === 1;
  const number = (title: string) => ({ title, isNumber: true });
  const columns = isPair
    ? ['rel. L2', 'changed', 'max |Δ|', 'cosine', 'flips'].map(number)
    : others.map((at) => number(ends[at]?.label ?? ''));
  const rows = listed.map((layer) => {
    const cells = others.map((at) => layer.cells[at] ?? null);
    return {
      cells: [
        plainTensorName(layer.name),
        layer.kind,
        formatNumber(layer.elements),
        ...(isPair ? pairCells(cells[0] ?? null) : cells.map(driftText)),
      ],
    };
  });
  const left = layers.length - listed.length;
  return {
    title: isPair
      ? `Layers, ${ends[others[0] as number]?.label} from ${ends[baseline]?.label}`
      : `Layers: ‖Δ‖ / ‖${ends[baseline]?.label}‖ of their weights`,
    columns: [{ title: 'layer' }, { title: 'kind' }, number('elements'), ...columns],
    rows,
    notes: left > 0 ? [`and ${formatCount(left, 'more layer')}`] : [],
  };
}

function pairCells(cell: LayerDrift['cells'][number]): string[] {
  if (cell === null) return ['', '', '', '', ''];
  const { changed, maxAbs, cosine, signFlips } = cell;
  return [
    driftText(cell),
    changed === null ? '–' : `${cell.bound > 0 ? '≥ ' : ''}${percent(changed)}`,
    maxAbs === null ? '–' : within(maxAbs, cell.maxAbsBound),
    cosineText(cosine, cell.cosineBound),
    signFlips === null ? '–' : percent(signFlips),
  ];
}

const LETTERS = { added: 'added', removed: 'removed', modified: 'modified', renamed: 'renamed' };

/** Files of more than two versions: what each is against the baseline's. */
export function fileSection(result: ManyDiffResult): Section | null {
  const { pairs, ends, baseline } = result;
  const paths = [...new Set(pairs.flatMap(({ files }) => files.map(({ path }) => path)))].sort();
  if (paths.length === 0) return null;
  const others = [...ends.keys()].filter((at) => at !== baseline);
  return {
    title: `Files that differ from ${ends[baseline]?.label}`,
    columns: [{ title: 'file' }, ...others.map((at) => ({ title: ends[at]?.label ?? '' }))],
    rows: paths.map((path) => ({
      cells: [
        path,
        ...pairs.map(({ files }) => {
          const found = files.find((file) => file.path === path);
          return found === undefined ? '=' : LETTERS[found.status];
        }),
      ],
    })),
    notes: [],
  };
}

/** True for a comparison of more than two versions, or with a baseline. */
export function isMany(result: DiffResult | ManyDiffResult): result is ManyDiffResult {
  return 'pairs' in result;
}
