/** The page of `dlv diff --html`: how versions differ, their networks as one picture, how far layers moved. */
import { maxOf, minOf } from '../../base/bytes/many.js';
import { plainTensorName } from '../../pure/network/layers/names.js';
import { html, type Markup } from '../../pure/picture/markup.js';
import type { Curve } from '../../use/history/curves.js';
import type {
  ComparedNetwork,
  DiffResult,
  LayerDrift,
  ManyDiffResult,
  MergedLayer,
  PairDiff,
} from '../../use/ops/diff.js';
import { kindSection, markOf, networkTitle } from '../comparison/merged-graph.js';
import type { Section as TextSection } from '../comparison/sections.js';
import {
  fileSection,
  isMany,
  layerSection,
  metricSection,
  valueSection,
} from '../comparison/values.js';
import { tierText } from '../output/render.js';
import { cosineText, driftText, percent, significant, within } from '../output/tensor-numbers.js';
import { formatCount, formatNumber } from '../output/ui.js';
import { filesOf, tensorSections, textSections } from './diff-tables.js';
import { type PageOrigin, pageOf } from './frame/frame.js';
import type { DrawnLayer } from './network/box.js';
import { networkFigure } from './network/network-figure.js';
import { OpenSizes } from './network/open-sizes.js';
import { factList, figures, namedTensor, type Section, type TableCell, tableOf } from './parts.js';
import { curveFigure } from './versions.js';

const CURVES_MAX = 12;

/** A comparison, and the curves of each version that is compared. */
export interface ShownComparison {
  result: DiffResult | ManyDiffResult;
  /** In the order of the versions. */
  curves: readonly (readonly Curve[])[];
}

export function diffPage(shown: ShownComparison, origin: PageOrigin): string {
  const { ends, baseline, same } = shown.result;
  const base = ends[baseline]?.label ?? '';
  const others = ends.filter((_, at) => at !== baseline).map(({ label }) => label);
  return pageOf({
    title: `${others.join(', ')} against ${base}`,
    lead: html`<p class="dim">${same ? 'Files and tensors do not differ.' : `${formatCount(ends.length, 'version')}, compared with ${base}`}</p>`,
    sections: diffSections(shown),
    notes: diffNotes(shown.result),
    origin,
  });
}

/** How versions differ: values, metrics, networks, layers, files, tensors, texts. */
export function diffSections({ result, curves }: ShownComparison): (Section | null)[] {
  const shown = { all: false, top: null };
  const values: [string, TextSection | null][] = [
    ['metrics', metricSection(result, shown)],
    ['params', valueSection('Hyperparameters', result.params, result, shown)],
    ['operation', valueSection('Operation', result.operation, result, shown)],
    ['data', valueSection('Data', result.data, result, shown)],
    ['environment', valueSection('Environment', result.environment, result, shown)],
  ];
  const pairs = isMany(result) ? result.pairs : [result];
  return [
    { id: 'summary', title: 'Summary', body: summary(result, pairs) },
    ...values.map(([id, section]) => sectionOf(id, section)),
    curveSection(result, curves),
    ...result.networks.map((network, i) => networkSection(result, network, i)),
    driftSection(result),
    isMany(result) ? sectionOf('files', fileSection(result)) : filesOf(pairs),
    ...pairs.flatMap((pair, i) => tensorSections(pair, i, pairs.length > 1)),
    ...pairs.flatMap((pair, i) => textSections(pair, i, pairs.length > 1)),
  ];
}

/** What else has to be known of a comparison. */
export function diffNotes({ ends }: DiffResult | ManyDiffResult): string[] {
  return [
    'Drift is ‖b − a‖ / ‖a‖ over the weights of a layer; a number followed by ± comes from leading bytes and is right to that.',
    ...ends
      .filter(({ tier }) => tier !== null)
      .map(({ label, tier }) => `${label}: ${tierText(tier as string)}.`),
    ...ends.flatMap(({ label, version }) =>
      version === null ? [] : [`${label} is version ${version}.`],
    ),
  ];
}

function sectionOf(id: string, section: TextSection | null): Section | null {
  if (section === null) return null;
  return { id, title: section.title, body: tableBody(section) };
}

/** A table of the terminal as one of a page. */
function tableBody({ title, columns, rows, notes }: TextSection): Markup {
  const table = tableOf({
    caption: title,
    columns: columns.map(({ title: name, isNumber }, i) => ({
      title: name,
      kind: isNumber ? 'number' : i === 0 ? 'plain' : 'text',
    })),
    rows: rows.map(({ cells, style }) =>
      cells.map((cell, i): TableCell => {
        const look = style === undefined || style === 'dim' ? undefined : style;
        return i === 0 && look !== undefined ? { shown: cell, look } : cell;
      }),
    ),
  });
  return html`${rows.length > 0 ? table : null}${notes.map((note) => html`<p class="note">${note}</p>`)}`;
}

function summary(result: DiffResult | ManyDiffResult, pairs: readonly PairDiff[]): Markup {
  const { ends, baseline } = result;
  const moved = (at: number): string => {
    const cells = result.layers.flatMap(({ name, cells: all }) => {
      const drift = all[at]?.relativeL2 ?? null;
      return drift === null ? [] : [{ name, drift }];
    });
    const most = cells.reduce<(typeof cells)[number] | null>(
      (found, one) => (found === null || one.drift > found.drift ? one : found),
      null,
    );
    return most === null
      ? ''
      : `${plainTensorName(most.name)} moved most: ${significant(most.drift)}`;
  };
  let next = 0;
  return factList(
    ends.map(({ label }, at) => {
      if (at === baseline) return [label, 'baseline'] as const;
      const pair = pairs[next++];
      const tensors = pair?.snapshots.reduce((sum, { changed }) => sum + changed, 0) ?? 0;
      const value = pair?.same
        ? 'the same'
        : `${formatCount(pair?.files.length ?? 0, 'file')}, ${formatCount(tensors, 'tensor')}`;
      return [label, value, moved(at)] as const;
    }),
  );
}

/** Curves of metrics that several versions have, in one picture each. */
function curveSection(
  { ends }: DiffResult | ManyDiffResult,
  curves: ShownComparison['curves'],
): Section | null {
  const names = [...new Set(curves.flatMap((own) => own.map(({ name }) => name)))].sort();
  const pictures = names.slice(0, CURVES_MAX).map((name) =>
    curveFigure(
      name,
      ends.flatMap(({ label }, look) => {
        const curve = curves[look]?.find((one) => one.name === name);
        return curve === undefined ? [] : [{ series: label, curve, look }];
      }),
    ),
  );
  if (pictures.length === 0) return null;
  return { id: 'curves', title: 'Metrics over steps', body: figures(pictures) };
}

const STATUSES = { '+': 'added', '-': 'removed', '~': 'changed' } as const;

/** What a layer is in all versions together: of several changes, 'changed'. */
function statusOf(
  layer: MergedLayer,
  { ends, baseline }: DiffResult | ManyDiffResult,
  network: ComparedNetwork,
): DrawnLayer['status'] {
  const found = new Set(
    [...ends.keys()]
      .filter((at) => at !== baseline && network.paths[at] !== null)
      .flatMap((at) => {
        const mark = markOf(layer, at, baseline);
        return mark === '+' || mark === '-' || mark === '~' ? [STATUSES[mark]] : [];
      }),
  );
  const [only] = found;
  if (only === undefined) return 'equal';
  return found.size === 1 ? only : 'changed';
}

function networkSection(
  result: DiffResult | ManyDiffResult,
  network: ComparedNetwork,
  index: number,
): Section | null {
  const { ends, baseline } = result;
  const others = [...ends.keys()].filter((at) => at !== baseline && network.paths[at] !== null);
  if (others.length === 0 || network.paths[baseline] === null) return null;
  const cellOf = (layer: MergedLayer) =>
    layer.cells[baseline] ?? layer.cells.find((cell) => cell !== null) ?? null;
  const sizes = new OpenSizes(network.layers.map((layer) => cellOf(layer)?.shape ?? null));
  const succ = network.layers.map((): string[] => []);
  for (const { from, to } of network.edges) {
    const target = network.layers[to];
    if (target !== undefined) succ[from]?.push(target.alias);
  }
  // Layers that only names tell have no edges: they stand in order.
  const layers = network.layers.map((layer, i): DrawnLayer => {
    const cell = cellOf(layer);
    const drifts = others.map((at) => layer.cells[at]?.drift ?? null);
    const next = network.layers[i + 1]?.alias;
    return {
      alias: layer.alias,
      name: layer.name,
      kind: layer.kind,
      type: layer.type,
      shape: cell?.shape == null ? '' : sizes.shape(cell.shape),
      size: drifts.some((drift) => drift !== null && drift > 0)
        ? `Δ ${drifts.map((drift) => (drift === null ? '–' : drift.toPrecision(2))).join(' ')}`
        : '',
      about: aboutLayer(layer, result, network),
      succ: network.isGraph ? (succ[i] ?? []) : next === undefined ? [] : [next],
      graph: layer.alias.slice(0, layer.alias.lastIndexOf('/') + 1),
      inputs: [],
      outputs: [],
      status: statusOf(layer, result, network) ?? 'equal',
    };
  });
  const title = networkTitle(network, result);
  const { picture } = networkFigure(layers, title);
  const kinds = kindSection(network, result);
  const odd = layers.filter(({ status }) => status !== 'equal').length;
  const order = others.map((at) => ends[at]?.label).join(', ');
  const body = html`<p>${title}</p>
<ul class="legend"><li class="up"><b>+</b> added</li><li class="down"><b>\u2212</b> removed</li><li><b>~</b> changed</li><li class="dim">\u0394: how far the weights moved${others.length > 1 ? `, of ${order}` : ''}</li></ul>
${odd === 0 ? html`<p class="note">The layers are the same; only weights differ.</p>` : null}${picture}${kinds === null ? null : tableBody(kinds)}`;
  const path = network.paths[baseline] ?? '';
  return { id: `network-${index + 1}`, title: `Network of ${path} in all versions`, body };
}

function aboutLayer(
  layer: MergedLayer,
  { ends, baseline }: DiffResult | ManyDiffResult,
  network: ComparedNetwork,
): string {
  const parts = [layer.name === layer.alias ? layer.alias : `${layer.alias} (${layer.name})`];
  for (const [at, { label }] of ends.entries()) {
    if (at === baseline || network.paths[at] === null) continue;
    const cell = layer.cells[at] ?? null;
    const mark = markOf(layer, at, baseline);
    if (mark === '+' || mark === '-') parts.push(`${label}: ${STATUSES[mark]}`);
    for (const { what, before, after } of cell?.changes ?? []) {
      parts.push(`${label}: ${what} ${before} → ${after}`);
    }
    if (cell?.drift) parts.push(`${label}: Δ ${significant(cell.drift)}`);
  }
  return parts.join('; ');
}

/** How far each layer moved in each version: numbers, shaded by their magnitude. */
function driftSection(result: DiffResult | ManyDiffResult): Section | null {
  const { layers, ends, baseline } = result;
  const section = layerSection(result, layers, { all: false, top: null });
  if (section === null) return null;
  const others = [...ends.keys()].filter((at) => at !== baseline);
  if (others.length === 1) return sectionOf('drift', section);
  const drifts = layers.flatMap(({ cells }) => others.map((at) => cells[at]?.relativeL2 ?? 0));
  const positive = drifts.filter((drift) => drift > 0);
  const [low, high] = [minOf(positive), maxOf(positive)];
  const shade = (drift: number | null): number => {
    if (drift === null || drift <= 0) return 0;
    return high > low ? Math.round(1 + (9 * Math.log(drift / low)) / Math.log(high / low)) : 5;
  };
  const heads = others.map((at) => html`<th scope="col">${ends[at]?.label}</th>`);
  const rows = layers.map((layer: LayerDrift) => {
    const cells = others.map((at) => {
      const cell = layer.cells[at] ?? null;
      const title = cell === null ? '' : tellDrift(cell);
      return html`<td class="h${shade(cell?.relativeL2 ?? null)}" title="${title}">${driftText(cell)}</td>`;
    });
    return html`
<tr><th scope="row">${namedTensor(layer.name)}</th><td>${layer.kind}</td><td class="n">${formatNumber(layer.elements)}</td>${cells}</tr>`;
  });
  const heat = html`<div class="wide" tabindex="0" role="group" aria-label="drift of layers"><table class="heat" data-sorts="1"><caption>\u2016b \u2212 a\u2016 / \u2016a\u2016 of the weights of each layer; darker is more, by magnitude</caption><thead><tr><th scope="col">layer</th><th scope="col">kind</th><th scope="col" class="n">elements</th>${heads}</tr></thead><tbody>${rows}
</tbody></table></div>`;
  return { id: 'drift', title: 'Which layers moved', body: heat };
}

function tellDrift(cell: NonNullable<LayerDrift['cells'][number]>): string {
  const { changed, maxAbs, cosine, signFlips } = cell;
  return [
    changed === null ? '' : `${cell.bound > 0 ? 'at least ' : ''}${percent(changed)} changed`,
    maxAbs === null ? '' : `max |Δ| ${within(maxAbs, cell.maxAbsBound)}`,
    cosine === null ? '' : `cosine ${cosineText(cosine, cell.cosineBound)}`,
    signFlips === null ? '' : `${percent(signFlips)} of signs turned`,
  ]
    .filter(Boolean)
    .join(', ');
}
