/** The page of `dlv desc --html`: a version, its networks as pictures, what they cost, how it trained. */
import { html, type Markup } from '../../pure/picture/markup.js';
import type {
  DescResult,
  DescribedLayer,
  DescribedNetworkFile,
  DescribedValue,
} from '../../use/ops/desc.js';
import { count, fieldText, pairingText, shapeText, short } from '../output/networks.js';
import { subject } from '../output/render.js';
import { formatBytes, formatCount, formatNumber } from '../output/ui.js';
import { type PageOrigin, pageOf } from './frame/frame.js';
import type { DrawnLayer, Folding } from './network/box.js';
import { networkFigure } from './network/network-figure.js';
import { OpenSizes } from './network/open-sizes.js';
import {
  barCell,
  type Fact,
  factList,
  figures,
  type Section,
  type TableCell,
  tableOf,
  textBlock,
} from './parts.js';
import { curveFigure, refMarks, versionFacts } from './versions.js';
import { statisticsSections } from './weights-section.js';

/** Curves on a page; those beyond are told by number. */
const CURVES_MAX = 100;
/** Rows of the table of layers. */
const LAYERS_MAX = 1500;

export function descPage(result: DescResult, origin: PageOrigin): string {
  const { networks, message, name, refs } = result;
  return pageOf({
    title: `${name}: ${subject(message)}`,
    lead: html`<p>${refMarks(refs)}</p>`,
    sections: descSections(result),
    notes: [
      `Version ${result.version}.`,
      networks.length > 0
        ? 'MACs are multiply-adds of convolutions and products; FLOPs are 2·MACs and all other operations.'
        : '',
    ].filter(Boolean),
    origin,
  });
}

/** A version, its networks, its weights, its curves. */
export function descSections(result: DescResult): (Section | null)[] {
  const { networks, weights, statistics } = result;
  return [
    about(result),
    ...networks.map((network, i) => networkSection(network, i)),
    ...weights.map((one, i) => weightsSection(one, i)),
    ...statisticsSections(statistics),
    curvesSection(result),
  ];
}

function about(result: DescResult): Section {
  const { message, files, logicalBytes, architecture } = result;
  const facts: (Fact | null)[] = [
    ...versionFacts(result),
    ['Files', formatNumber(files), formatBytes(logicalBytes)],
  ];
  if (architecture !== null) {
    const sizes = Object.entries(architecture.sizes).map(([name, value]) => `${name} ${value}`);
    const from = `${architecture.isInferred ? 'inferred from' : 'from'} ${architecture.source}`;
    facts.push(['Architecture', architecture.name, [...sizes, from].join(', ')]);
  }
  const rest = message.trimEnd().includes('\n') ? textBlock(message) : null;
  return { id: 'version', title: 'Version', body: html`${factList(facts)}${rest}` };
}

/** A layer as it is drawn. */
export function drawnLayer(layer: DescribedLayer, sizes: OpenSizes): DrawnLayer {
  const { alias, name, kind, type, parameters, macs, receptiveField } = layer;
  const about = [
    name === alias ? alias : `${alias} (${name})`,
    `${kind} ${type}`,
    `output ${sizes.shape(layer.shape)}`,
    parameters > 0 ? `${formatNumber(parameters)} parameters` : '',
    macs === 0 ? '' : `${amount(macs, sizes)} MACs`,
    receptiveField === null ? '' : `field ${fieldText(receptiveField)}`,
  ];
  return {
    alias,
    name,
    kind,
    type,
    shape: sizes.shape(layer.shape),
    size: parameters > 0 ? short(parameters) : '',
    about: about.filter(Boolean).join(', '),
    succ: layer.succ,
    graph: layer.graph,
    inputs: layer.inputs,
    outputs: layer.outputs,
  };
}

/** Kinds of layers and their colours, as far as a network has them. */
export function kindLegend(layers: readonly Pick<DescribedLayer, 'kind'>[]): Markup {
  const has = new Set<string>(layers.map(({ kind }) => kind));
  const kinds = [
    ['conv', 'convolution', ['conv', 'deconv']],
    ['full', 'product', ['full']],
    ['pool', 'pooling', ['pool']],
    ['norm', 'norm', ['norm']],
    ['attn', 'attention, recurrent, embedding', ['attn', 'rnn', 'embed']],
    ['act', 'activation', ['act', 'dropout']],
  ] as const;
  const items = kinds.flatMap(([look, text, of]) =>
    of.some((kind) => has.has(kind))
      ? [
          html`<li><svg viewBox="0 0 18 12" width="18" height="12" aria-hidden="true"><rect class="k-${look}" width="18" height="12" rx="3"/></svg> ${text}</li>`,
        ]
      : [],
  );
  return html`<ul class="legend">${items}<li class="dim">a box holds a layer and, below, what alone follows it; at the right its parameters</li></ul>`;
}

/** `4.09 G`, or an expression in the letters of open sizes. */
function amount(value: number | string, sizes: OpenSizes): string {
  return typeof value === 'number' ? short(value) : sizes.expression(value);
}

function networkFacts(network: DescribedNetworkFile, sizes: OpenSizes): Fact[] {
  const opset = network.opsets['ai.onnx'];
  const kept = network.storedElements - network.parameters - network.buffers;
  const beside = [
    network.buffers > 0 ? `${formatNumber(network.buffers)} in buffers` : '',
    kept > 0 ? `${formatNumber(kept)} constants` : '',
  ];
  const bytes = (value: number | string | null): string =>
    typeof value === 'number'
      ? formatBytes(value)
      : value === null
        ? 'unknown'
        : `${sizes.expression(value)} bytes`;
  const value = ({ name, dtype, shape }: DescribedValue): string =>
    `${name} ${dtype ?? '?'} ${sizes.shape(shape)}`;
  const peak = network.peakActivationBytes;
  return [
    ['Inputs', network.inputs.map(value).join(', ')],
    ['Outputs', network.outputs.map(value).join(', ')],
    ['Parameters', formatNumber(network.parameters), beside.filter(Boolean).join(', ')],
    [
      'MACs',
      amount(network.macs, sizes),
      typeof network.macs === 'number' ? count(network.macs) : '',
    ],
    [
      'FLOPs',
      amount(network.flops, sizes),
      `and ${amount(network.special, sizes)} special functions`,
    ],
    ['Activations', bytes(network.activationBytes), peak === null ? '' : `${bytes(peak)} at once`],
    ['Size', formatCount(network.layers.length, 'layer'), formatCount(network.nodes, 'operator')],
    ['Made by', network.producer || 'unknown', opset === undefined ? '' : `opset ${opset}`],
  ];
}

export function networkSection(network: DescribedNetworkFile, i: number): Section {
  const { facts, legend, picture, notes, table } = networkParts(network);
  const body = html`${facts}${legend}${picture}${notes}
<h3>Layers</h3>
${table}`;
  return { id: `network-${i + 1}`, title: `Network of ${network.path}`, body };
}

/** What is shown of a network, in parts. */
export interface NetworkParts {
  facts: Markup;
  /** Colours of its boxes. */
  legend: Markup;
  picture: Markup;
  notes: readonly Markup[];
  table: Markup;
}

export function networkParts(network: DescribedNetworkFile, folding: Folding = {}): NetworkParts {
  const { layers, path } = network;
  const sizes = new OpenSizes([...network.inputs, ...layers].map(({ shape }) => shape));
  const { picture, hidden } = networkFigure(
    layers.map((layer) => drawnLayer(layer, sizes)),
    `network of ${path}: ${formatCount(layers.length, 'layer')}`,
    folding,
  );
  const uncounted = Object.entries(network.uncounted).map(([op, times]) => `${op} ×${times}`);
  const notes = [
    hidden > 0 ? `${formatCount(hidden, 'long edge')} are not drawn.` : '',
    uncounted.length > 0 ? `Not counted: ${uncounted.join(', ')}.` : '',
    ...network.problems
      .slice(0, 5)
      .map(({ node, op, what }) => `Unknown shape: ${op} '${node}': ${what}.`),
    network.problems.length > 5
      ? `And ${formatCount(network.problems.length - 5, 'more node')} of unknown shape.`
      : '',
  ].filter(Boolean);
  return {
    facts: html`${factList(networkFacts(network, sizes))}
${sizesKey(sizes)}`,
    legend: kindLegend(layers),
    picture,
    notes: notes.map((note) => html`<p class="note">${note}</p>`),
    table: layerTable(layers, sizes),
  };
}

/** What the letters in shapes mean. */
function sizesKey(sizes: OpenSizes): Markup | null {
  const key = sizes.key();
  if (key.length === 0) return null;
  const text = key.map(
    ({ letter, meaning }, i) => html`${i > 0 ? ', ' : ''}<b>${letter}</b> = ${meaning}`,
  );
  return html`<p class="note">Open sizes: ${text}. With --shape they are filled in.</p>`;
}

function layerTable(layers: readonly DescribedLayer[], sizes: OpenSizes): Markup {
  const shown = layers.slice(0, LAYERS_MAX);
  const most = (of: (layer: DescribedLayer) => number): number =>
    shown.reduce((max, layer) => Math.max(max, of(layer)), 0);
  const macsOf = ({ macs }: DescribedLayer): number => (typeof macs === 'number' ? macs : 0);
  const mostParameters = most(({ parameters }) => parameters);
  const mostMacs = most(macsOf);
  const bar = (value: number, of: number, text: string): TableCell =>
    value > 0 ? barCell(value, of, text) : { shown: null, sort: 0 };
  const rows = shown.map((layer): TableCell[] => {
    const macs = macsOf(layer);
    return [
      layer.alias,
      layer.name === layer.alias ? '' : layer.name,
      layer.kind === layer.type.toLowerCase() ? layer.kind : `${layer.kind} ${layer.type}`,
      sizes.shape(layer.shape),
      { shown: layer.parameters > 0 ? formatNumber(layer.parameters) : '', sort: layer.parameters },
      bar(layer.parameters, mostParameters, `${formatNumber(layer.parameters)} parameters`),
      { shown: layer.macs === 0 ? '' : amount(layer.macs, sizes), sort: macs },
      bar(macs, mostMacs, `${amount(layer.macs, sizes)} MACs`),
      fieldText(layer.receptiveField),
      layer.next.join(', '),
    ];
  });
  const columns = [
    { title: 'layer', kind: 'plain' as const },
    { title: 'name' },
    { title: 'kind', kind: 'plain' as const },
    { title: 'output', kind: 'plain' as const },
    { title: 'parameters', kind: 'number' as const },
    { title: '', spoken: 'share of parameters' },
    { title: 'MACs', kind: 'number' as const },
    { title: '', spoken: 'share of MACs' },
    { title: 'field', kind: 'plain' as const },
    { title: 'next' },
  ];
  const left = layers.length - shown.length;
  const caption =
    left > 0
      ? `The first ${formatNumber(shown.length)} of ${formatCount(layers.length, 'layer')}`
      : 'Layers in order, with their parameters and multiply-adds';
  return tableOf({ caption, columns, rows });
}

function weightsSection(weights: DescResult['weights'][number], i: number): Section {
  const { key, layers, tensors, parameters, buffers, pairing, step } = weights;
  const most = layers.reduce((max, layer) => Math.max(max, layer.parameters), 0);
  const rows = layers
    .slice(0, LAYERS_MAX)
    .map((layer): TableCell[] => [
      layer.name,
      layer.kind === layer.type.toLowerCase() ? layer.kind : `${layer.kind} ${layer.type}`,
      { shown: formatNumber(layer.parameters), sort: layer.parameters },
      layer.parameters > 0
        ? barCell(layer.parameters, most, `${formatNumber(layer.parameters)} parameters`)
        : null,
      layer.tensors
        .map(({ name, dtype, shape }) => `${name} ${dtype ?? '?'} ${shapeText(shape)}`)
        .join(', '),
    ]);
  const facts: (Fact | null)[] = [
    [
      'Parameters',
      formatNumber(parameters),
      buffers > 0 ? `${formatNumber(buffers)} in buffers` : '',
    ],
    ['Tensors', formatNumber(tensors)],
    step === null ? null : ['Step', String(step)],
    pairing === null ? null : ['Pairs', pairingText(pairing)],
  ];
  const left = layers.length - rows.length;
  const table = tableOf({
    caption: `Layers as names and shapes of tensors tell them${left > 0 ? `; ${formatNumber(left)} more are left out` : ''}`,
    columns: [
      { title: 'layer' },
      { title: 'kind', kind: 'plain' },
      { title: 'parameters', kind: 'number' },
      { title: '', spoken: 'share of parameters' },
      { title: 'tensors' },
    ],
    rows,
  });
  return {
    id: `weights-${i + 1}`,
    title: `Weights of ${key}`,
    body: html`${factList(facts)}${table}`,
  };
}

function curvesSection({ curves, name }: DescResult): Section | null {
  if (curves.length === 0) return null;
  const shown = curves.slice(0, CURVES_MAX);
  const left = curves.length - shown.length;
  const body = html`${figures(
    shown.map((curve) => curveFigure(curve.name, [{ series: name, curve, look: 0 }])),
  )}${left > 0 ? html`<p class="note">${formatCount(left, 'more metric')} are left out.</p>` : null}`;
  return { id: 'curves', title: 'Metrics over steps', body };
}
