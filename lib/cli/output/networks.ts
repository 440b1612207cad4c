/** Networks and checkpoints as `dlv desc` prints them. */
import type {
  DescResult,
  DescribedLayer,
  DescribedNetworkFile,
  DescribedValue,
} from '../../use/ops/desc.js';
import { OpenSizes } from '../pages/network/open-sizes.js';
import { printCurves } from './curves.js';
import { versionLines, versionTitle } from './render.js';
import { formatTable } from './table.js';
import { formatBytes, formatCount, formatNumber, type Ui } from './ui.js';
import { printStatistics } from './weight-table.js';

/** Layers that do not carry weights are left out of long lists unless all are asked for. */
const LAYERS_SHOWN = 60;

/** A number with commas, or an expression. */
export function count(value: number | string | null): string {
  return typeof value === 'number' ? formatNumber(value) : (value ?? 'unknown');
}

/** Sizes that are explained unless all are asked for. */
const SIZES_SHOWN = 26;

/** True for an expression with a part that has no text, being too long or decided by values: it is called ?8 or so. */
function hasUnnamed(expression: string): boolean {
  return /\?\d/.test(expression);
}

/** `4.09 G`: three digits of a large number. */
export function short(value: number | string | null): string {
  if (typeof value !== 'number') return value ?? 'unknown';
  if (value < 10_000) return formatNumber(value);
  const unit = value < 1e6 ? 'k' : value < 1e9 ? 'M' : value < 1e12 ? 'G' : 'T';
  const scaled = value / { k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[unit];
  return `${scaled.toPrecision(scaled < 1000 ? 3 : 4)} ${unit}`;
}

/** `[1, 3, 28, 28]`. */
export function shapeText(shape: readonly (number | string)[] | null): string {
  return shape === null ? '?' : `[${shape.join(', ')}]`;
}

/** `image F32 [1, 3, 28, 28]`. */
export function valueText({ name, dtype, shape }: DescribedValue): string {
  return `${name} ${dtype ?? '?'} ${shapeText(shape)}`;
}

function printNetwork(ui: Ui, network: DescribedNetworkFile, all: boolean): void {
  const { style } = ui;
  const opset = network.opsets['ai.onnx'];
  const made = [network.producer, opset === undefined ? '' : `opset ${opset}`].filter(Boolean);
  ui.line('');
  ui.line(
    style.bold(`Network of ${network.path}`) + (made.length > 0 ? `  ${made.join(', ')}` : ''),
  );
  const line = (title: string, text: string): void => ui.line(`  ${title.padEnd(13)}${text}`);
  const shapes = [...network.inputs, ...network.outputs, ...network.layers];
  const sizes = new OpenSizes(shapes.map(({ shape }) => shape));
  /** Numbers of operations, in the letters of sizes where they depend on them. */
  const operations = (value: number | string): string => {
    if (typeof value === 'number') return count(value);
    return hasUnnamed(value) ? 'open' : sizes.expression(value);
  };
  line('Inputs', network.inputs.map(valueText).join(', '));
  line(
    'Outputs',
    network.outputs
      .map(({ name, dtype, shape }) => `${name} ${dtype ?? '?'} ${sizes.shape(shape)}`)
      .join(', '),
  );
  const layers = formatCount(network.layers.length, 'layer');
  line('Size', `${layers}, ${formatCount(network.nodes, 'operator')}`);
  const kept = network.storedElements - network.parameters - network.buffers;
  const beside = [
    network.buffers > 0 ? `${formatNumber(network.buffers)} in buffers` : '',
    kept > 0 ? `${formatNumber(kept)} constants` : '',
  ].filter(Boolean);
  line('Parameters', [formatNumber(network.parameters), ...beside].join(', '));
  line('MACs', `${operations(network.macs)} (convolutions and products)`);
  line(
    'FLOPs',
    `${operations(network.flops)} (2·MACs + the rest), and ${operations(network.special)} special functions`,
  );
  const bytes = (value: number | string | null): string =>
    typeof value === 'number'
      ? formatBytes(value)
      : value === null
        ? 'unknown'
        : hasUnnamed(value)
          ? 'open'
          : `${operations(value)} bytes`;
  const peak = network.peakActivationBytes;
  line(
    'Activations',
    `${bytes(network.activationBytes)} in all${peak === null ? '' : `, ${bytes(peak)} at once`}`,
  );
  const uncounted = Object.entries(network.uncounted).map(([op, times]) => `${op} ×${times}`);
  if (uncounted.length > 0) line('Not counted', uncounted.join(', '));
  printOpenSizes(ui, network, { sizes, all });
  printLayers(ui, network.layers, { sizes, all });
  for (const { node, op, what } of network.problems.slice(0, 5)) {
    ui.line(`  ${style.yellow('unknown shape:')} ${op} '${node}': ${what}`);
  }
  const more = network.problems.length - 5;
  if (more > 0) ui.line(`  and ${formatCount(more, 'more node')} of unknown shape`);
}

/** What each letter of open sizes means, and how to fill them in. */
function printOpenSizes(
  ui: Ui,
  { inputs }: DescribedNetworkFile,
  { sizes, all }: { sizes: OpenSizes; all: boolean },
): void {
  const open = inputs.filter(({ shape }) => shape?.some((dim) => typeof dim === 'string'));
  if (open.length === 0) return;
  const flags = open.map(({ name, shape }) => {
    const given = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : `<${dim}>`));
    return `--shape '${`${name}=${given.join(',')}`.replaceAll("'", String.raw`'\''`)}'`;
  });
  ui.line(`  ${'Open sizes'.padEnd(13)}fill them in with ${flags.join(' ')}`);
  const key = sizes.key();
  const shown = all ? key : key.slice(0, SIZES_SHOWN);
  for (const { letter, meaning } of shown) ui.line(`${' '.repeat(15)}${letter} = ${meaning}`);
  const hidden = key.length - shown.length;
  if (hidden > 0) {
    ui.line(`${' '.repeat(15)}… and ${formatCount(hidden, 'more size')} (--all shows them)`);
  }
}

function printLayers(
  ui: Ui,
  layers: readonly DescribedLayer[],
  { sizes, all }: { sizes: OpenSizes; all: boolean },
): void {
  const structural = layers.filter(
    ({ kind, parameters }) =>
      parameters > 0 || !['act', 'norm', 'dropout', 'reshape'].includes(kind),
  );
  const listed = all || layers.length <= LAYERS_SHOWN ? layers : structural;
  const shown = all ? listed : listed.slice(0, LAYERS_SHOWN);
  const columns = [
    { title: 'layer', limit: 40 },
    { title: 'name', limit: 48 },
    { title: 'kind' },
    { title: 'output', limit: 40 },
    { title: 'parameters', align: 'right' as const },
    { title: 'MACs', align: 'right' as const, limit: 32 },
    { title: 'field', limit: 16 },
    { title: 'next', limit: 40 },
  ];
  const rows = shown.map((layer) => [
    layer.alias,
    layer.name === layer.alias ? '' : layer.name,
    layer.kind === layer.type.toLowerCase() ? layer.kind : `${layer.kind} ${layer.type}`,
    sizes.shape(layer.shape),
    layer.parameters === 0 ? '' : formatNumber(layer.parameters),
    layer.macs === 0
      ? ''
      : typeof layer.macs === 'number'
        ? short(layer.macs)
        : hasUnnamed(layer.macs)
          ? 'open'
          : sizes.expression(layer.macs),
    fieldText(layer.receptiveField),
    layer.next.join(', '),
  ]);
  ui.line('');
  for (const text of formatTable(columns, rows, { indent: '  ', header: ui.style.dim }))
    ui.line(text);
  const hidden = layers.length - shown.length;
  if (hidden > 0) ui.line(`  … and ${formatCount(hidden, 'more layer')} (--all shows them)`);
  for (const layer of shown) printNodes(ui, layer);
}

/** `5×5`: what one output depends on. */
export function fieldText(field: DescribedLayer['receptiveField']): string {
  return field === null ? '' : field === 'all' ? 'all' : field.join('×');
}

function printNodes(ui: Ui, { alias, nodes }: DescribedLayer): void {
  if (nodes === undefined) return;
  ui.line('');
  ui.line(`  ${ui.style.bold(alias)}`);
  const rows = nodes.map((node) => [
    node.op,
    node.name,
    `${node.inputs.join(', ')} → ${node.outputs.map(valueText).join(', ')}`,
  ]);
  for (const text of formatTable([{}, { limit: 60 }, { limit: 120 }], rows, { indent: '    ' }))
    ui.line(text);
}

function printWeights(ui: Ui, { weights }: DescResult, all: boolean): void {
  for (const { key, tensors, parameters, buffers, layers, pairing } of weights) {
    ui.line('');
    ui.line(`${ui.style.bold(`Weights of ${key}`)}  (layers as the names of tensors tell)`);
    const beside = buffers > 0 ? `, ${formatNumber(buffers)} in buffers` : '';
    ui.line(
      `  ${'Parameters'.padEnd(13)}${formatNumber(parameters)}${beside}, in ${formatCount(tensors, 'tensor')}`,
    );
    if (pairing !== null) ui.line(`  ${'Pairs'.padEnd(13)}${pairingText(pairing)}`);
    const shown = all ? layers : layers.slice(0, LAYERS_SHOWN);
    const rows = shown.map((layer) => [
      layer.name,
      layer.kind === layer.type.toLowerCase() ? layer.kind : `${layer.kind} ${layer.type}`,
      formatNumber(layer.parameters),
      layer.tensors
        .map(({ name, shape }) => `${name.split('.').at(-1)} ${shapeText(shape)}`)
        .join(', '),
    ]);
    const columns = [
      { title: 'layer', limit: 48 },
      { title: 'kind' },
      { title: 'parameters', align: 'right' as const },
      { title: 'tensors', limit: 80 },
    ];
    ui.line('');
    for (const text of formatTable(columns, rows, { indent: '  ', header: ui.style.dim }))
      ui.line(text);
    const hidden = layers.length - shown.length;
    if (hidden > 0) ui.line(`  … and ${formatCount(hidden, 'more layer')} (--all shows them)`);
  }
}

/** `10 of 12 parameters of net.onnx: 4 by name, 6 by layer; 4 norms folded in, checked on 4 to 3e-7`. */
export function pairingText(
  pairing: NonNullable<DescResult['weights'][number]['pairing']>,
): string {
  const { network, pairs, unpaired, foldsChecked, foldError } = pairing;
  const by = (['name', 'layer', 'shape'] as const).flatMap((evidence) => {
    const found = pairs.filter((pair) => pair.evidence === evidence).length;
    return found === 0 ? [] : [`${found} by ${evidence}`];
  });
  const norms = new Set(pairs.flatMap(({ foldedNorm }) => foldedNorm ?? [])).size;
  const folds =
    norms === 0
      ? ''
      : `; ${formatCount(norms, 'norm')} folded in` +
        (foldError === null
          ? ''
          : `, ${foldsChecked} of them checked: error ${foldError.toPrecision(2)}`);
  const whole = pairs.length + unpaired.length;
  return `${pairs.length} of ${whole} parameters of ${network}: ${by.join(', ')}${folds}`;
}

/** The version, its networks, and checkpoints without one. @param all lists every layer. */
export function printDesc(ui: Ui, result: DescResult, all: boolean): void {
  ui.line(versionTitle(ui, result));
  for (const line of versionLines(result)) ui.line(line);
  ui.line('');
  ui.line(`Files:   ${formatNumber(result.files)}, ${formatBytes(result.logicalBytes)}`);
  const { architecture } = result;
  if (architecture !== null) {
    const sizes = Object.entries(architecture.sizes).map(([name, value]) => `${name} ${value}`);
    const from = `${architecture.isInferred ? 'inferred from' : 'from'} ${architecture.source}`;
    ui.line(`Network: ${[architecture.name, ...sizes].join(', ')} (${from})`);
  }
  for (const network of result.networks) printNetwork(ui, network, all);
  printWeights(ui, result, all);
  printStatistics(ui, result.statistics, all);
  printCurves(ui, result.curves);
}
