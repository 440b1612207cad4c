/** `dlv desc` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type {
  DescOptions,
  DescResult,
  DescribedLayer,
  DescribedNetworkFile,
  DescribedValue,
} from '../../use/ops/desc.js';
import { parseCount } from '../arguments.js';
import { EXAMPLE_VERSION, versionLines, versionTitle } from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatBytes, formatCount, formatNumber, type Ui } from '../output/ui.js';
import { type Cli, collect } from '../run.js';

const EXAMPLE: DescResult = {
  ...EXAMPLE_VERSION,
  files: 1,
  logicalBytes: 1725569,
  architecture: null,
  networks: [
    {
      path: 'lenet.onnx',
      stored: true,
      producer: 'pytorch 2.1.0',
      opsets: { 'ai.onnx': 17 },
      inputs: [{ name: 'image', dtype: 'F32', shape: [1, 1, 28, 28] }],
      outputs: [{ name: 'logits', dtype: 'F32', shape: [1, 10] }],
      nodes: 8,
      parameters: 431080,
      buffers: 0,
      storedElements: 431080,
      macs: 2293000,
      flops: 4616450,
      special: 0,
      activationBytes: 80840,
      peakActivationBytes: 57600,
      uncounted: {},
      layers: [
        {
          name: 'conv1',
          alias: 'conv1',
          kind: 'conv',
          type: 'CONV',
          shape: [1, 20, 24, 24],
          parameters: 520,
          buffers: 0,
          macs: 288000,
          flops: 587520,
          receptiveField: [5, 5],
          next: ['pool1'],
        },
      ],
      problems: [],
    },
  ],
  weights: [],
};

/** Layers that do not carry weights are left out of long lists unless all are asked for. */
const LAYERS_SHOWN = 60;

/** A number with commas, or an expression. */
function count(value: number | string | null): string {
  return typeof value === 'number' ? formatNumber(value) : (value ?? 'unknown');
}

/** `4.09 G`: three digits of a large number. */
function short(value: number | string | null): string {
  if (typeof value !== 'number') return value ?? 'unknown';
  if (value < 10_000) return formatNumber(value);
  const unit = value < 1e6 ? 'k' : value < 1e9 ? 'M' : value < 1e12 ? 'G' : 'T';
  const scaled = value / { k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[unit];
  return `${scaled.toPrecision(scaled < 1000 ? 3 : 4)} ${unit}`;
}

function shapeText(shape: readonly (number | string)[] | null): string {
  return shape === null ? '?' : `[${shape.join(', ')}]`;
}

function valueText({ name, dtype, shape }: DescribedValue): string {
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
  line('Inputs', network.inputs.map(valueText).join(', '));
  line('Outputs', network.outputs.map(valueText).join(', '));
  const layers = formatCount(network.layers.length, 'layer');
  line('Size', `${layers}, ${formatCount(network.nodes, 'operator')}`);
  const kept = network.storedElements - network.parameters - network.buffers;
  const beside = [
    network.buffers > 0 ? `${formatNumber(network.buffers)} in buffers` : '',
    kept > 0 ? `${formatNumber(kept)} constants` : '',
  ].filter(Boolean);
  line('Parameters', [formatNumber(network.parameters), ...beside].join(', '));
  line('MACs', `${count(network.macs)} (convolutions and products)`);
  line(
    'FLOPs',
    `${count(network.flops)} (2·MACs + the rest), and ${count(network.special)} special functions`,
  );
  const bytes = (value: number | string | null): string =>
    typeof value === 'number' ? formatBytes(value) : value === null ? 'unknown' : `${value} bytes`;
  const peak = network.peakActivationBytes;
  line(
    'Activations',
    `${bytes(network.activationBytes)} in all${peak === null ? '' : `, ${bytes(peak)} at once`}`,
  );
  const uncounted = Object.entries(network.uncounted).map(([op, times]) => `${op} ×${times}`);
  if (uncounted.length > 0) line('Not counted', uncounted.join(', '));
  printLayers(ui, network.layers, all);
  for (const { node, op, what } of network.problems.slice(0, 5)) {
    ui.line(`  ${style.yellow('unknown shape:')} ${op} '${node}': ${what}`);
  }
  const more = network.problems.length - 5;
  if (more > 0) ui.line(`  and ${formatCount(more, 'more node')} of unknown shape`);
}

function printLayers(ui: Ui, layers: readonly DescribedLayer[], all: boolean): void {
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
    shapeText(layer.shape),
    layer.parameters === 0 ? '' : formatNumber(layer.parameters),
    layer.macs === 0 ? '' : short(layer.macs),
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

function fieldText(field: DescribedLayer['receptiveField']): string {
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
function pairingText(pairing: NonNullable<DescResult['weights'][number]['pairing']>): string {
  const { network, pairs, unpaired, foldsChecked, foldError } = pairing;
  const by = (['name', 'layer', 'shape'] as const).flatMap((evidence) => {
    const found = pairs.filter((pair) => pair.evidence === evidence).length;
    return found === 0
      ? []
      : [`${found} by ${evidence === 'shape' ? 'shape and order' : evidence}`];
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

function printDesc(ui: Ui, result: DescResult, all: boolean): void {
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
}

interface Flags {
  batch?: string;
  shape?: string[];
  nodes?: boolean;
  all?: boolean;
}

/** `--shape image=1,3,224,224`, or with × between sizes. @throws {UsageError} */
function parseShapes(texts: readonly string[]): Record<string, number[]> {
  const shapes: Record<string, number[]> = Object.create(null);
  for (const text of texts) {
    const at = text.lastIndexOf('=');
    const sizes = text.slice(at + 1).split(/[,x×]/);
    if (at <= 0 || !sizes.every((size) => /^\d{1,12}$/.test(size))) {
      throw new UsageError(`'${text}' is no shape of an input`, {
        hint: 'write it as --shape image=1,3,224,224',
      });
    }
    shapes[text.slice(0, at)] = sizes.map(Number);
  }
  return shapes;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'desc', {
      summary: 'show what the networks of a version are and cost',
      about:
        'Shows the networks that the files of a version define (ONNX): inputs and outputs, parameters, ' +
        'multiply-adds, activations, and layers with their names. A layer is what people call one: a ' +
        'convolution with its bias and norm, a product with its bias, GELU, layer norm, attention. Each has an ' +
        'alias (conv1, fc2, relu3) by its kind and order, and next, the structural layers behind it: ' +
        'activations, norms, dropout and reshaping are passed over. Names are stored with the version and do ' +
        'not change. MACs count convolutions and products; FLOPs are 2·MACs and all other operations; special ' +
        'functions such as exp count apart. Dimensions that are open stay names in shapes and numbers, but for ' +
        'the batch, which is 1 or --batch. For a checkpoint without a network, shows its layers as names and ' +
        'shapes of tensors tell, and the architecture that config.json beside it names, or that the names ' +
        'of the tensors look like.',
      examples: [
        ['dlv desc', 'the network of the version that HEAD names'],
        ['dlv desc lenet@3 --json', 'the same of another version, for programs'],
        ['dlv desc --batch 8', 'what a batch of 8 costs'],
        ['dlv desc --shape x=1,3,48,320', 'open dimensions of an input, filled in'],
        ['dlv desc --nodes --all', 'every layer with its operators'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such revision' },
    })
    .argument('[revision]', 'version', 'HEAD')
    .option('--batch <n>', 'size of the batch, where the network leaves it open', '1')
    .option('--shape <input=sizes>', 'shape of an input; may be given several times', collect)
    .option('--nodes', 'the operators of each layer')
    .option('--all', 'all layers, however many there are')
    .action(
      cli.action(async (run, revision: string, flags: Flags) => {
        const { desc } = await import('../../use/ops/desc.js');
        const options: DescOptions = {
          shapes: parseShapes(flags.shape ?? []),
          batch: parseCount(flags.batch ?? '1', '--batch'),
          nodes: flags.nodes === true,
        };
        await run.repository(async (repo) => {
          const described = await desc(repo, revision, options, run.context);
          run.answer(described, (ui) => printDesc(ui, described, flags.all === true));
        });
        return 0;
      }),
    );
}
