/** `dlv desc` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { DescOptions, DescResult, WeightStatistics } from '../../use/ops/desc.js';
import { parseCount } from '../arguments.js';
import { collect } from '../flags.js';
import { printDesc } from '../output/networks.js';
import { EXAMPLE_VERSION } from '../output/render.js';
import { type HtmlFlag, htmlOption, pageFile, writePage } from '../pages/write-page.js';
import type { Cli } from '../run.js';

const EXAMPLE_STATISTICS: WeightStatistics = {
  elements: 520,
  least: -0.31,
  most: 0.29,
  mean: 0.0012,
  deviation: 0.11,
  absoluteMean: 0.09,
  l1: 46.8,
  l2: 2.5,
  kurtosis: 2.9,
  zeros: 0,
  nans: 0,
  infinities: 0,
  histogram: [
    { exponent: -4, negative: 130, positive: 127 },
    { exponent: -3, negative: 118, positive: 145 },
  ],
  bound: 0,
};

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
          succ: ['pool1'],
          graph: '',
          inputs: ['image'],
          outputs: [],
        },
      ],
      problems: [],
    },
  ],
  weights: [
    {
      kept: true,
      key: 'model.safetensors',
      step: 500,
      parameters: 530,
      buffers: 0,
      stored: 530,
      tensors: 2,
      layers: [
        {
          name: 'fc',
          kind: 'full',
          type: 'FULL',
          parameters: 530,
          buffers: 0,
          stored: 530,
          tensors: [{ name: 'fc.weight', dtype: 'F32', shape: [10, 52] }],
        },
      ],
      pairing: null,
    },
  ],
  curves: [{ name: 'loss', direction: 'min', count: 2, steps: [250, 500], values: [0.19, 0.061] }],
  statistics: [
    {
      key: 'model.safetensors',
      role: 'weights',
      step: 500,
      layers: [
        {
          name: 'fc',
          kind: 'full',
          tensors: ['fc.weight', 'fc.bias'],
          dtypes: ['F32'],
          statistics: EXAMPLE_STATISTICS,
        },
      ],
      buffers: { tensors: 0, elements: 0 },
      tensors: [
        { name: 'fc.weight', dtype: 'F32', shape: [10, 52], statistics: EXAMPLE_STATISTICS },
      ],
    },
  ],
};

interface Flags {
  batch?: string;
  shape?: string[];
  nodes?: boolean;
  weights?: boolean;
  exact?: boolean;
  all?: boolean;
  html?: HtmlFlag;
}

/** `--shape image=1,3,224,224`, or with × between sizes. @throws {UsageError} */
function parseShapes(texts: readonly string[]): Record<string, number[]> {
  const shapes: Record<string, number[]> = Object.create(null);
  for (const text of texts) {
    const at = text.lastIndexOf('=');
    const sizes = text.slice(at + 1).split(/[,x×]/);
    if (at <= 0 || !sizes.every((size) => /^\d{1,12}$/.test(size))) {
      throw new UsageError(`'${text}' is not the shape of an input`, {
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
        'functions such as exp count apart. Open dimensions keep their names in shapes and numbers, except the batch, which is 1 or ' +
        '--batch. For a checkpoint without a network, shows the layers that the names and shapes ' +
        'of its tensors suggest, and the architecture: that of config.json or of a model card ' +
        'beside it, of its metadata, or the one that the tensor names resemble. It also shows ' +
        'how its tensors pair with the weights of a network in the version, and the evidence: ' +
        'equal names, the name of the layer or the shape, and whether norms that were folded ' +
        'into convolutions give the weights of the network.\n\n--weights reads the weights and shows mean, standard deviation, least and largest ' +
        'value, norm, zeros, NaN and infinite values, and how many weights there are in each ' +
        'power of two, the largest on the right (logarithms of counts, exact in JSON). Layers ' +
        'count what is trained: running statistics, counters and masks are shown by tensor with ' +
        '--all, and integers that stand for weights have a row beside the floats. For tensors of ' +
        'more than 256 MiB, dlv reads two leading bytes of each float: the number is then ' +
        'followed by ± and its error bound. Counts by powers of two are exact in any case.',
      examples: [
        ['dlv desc', 'the network of the version that HEAD names'],
        ['dlv desc lenet@3 --json', 'the same of another version, for programs'],
        ['dlv desc --batch 8', 'what a batch of 8 costs'],
        ['dlv desc --shape x=1,3,48,320', 'open dimensions of an input, filled in'],
        ['dlv desc HEAD:checkpoint-500 --weights', 'the weights of one checkpoint in numbers'],
        ['dlv desc --nodes --all', 'every layer with its operators'],
        ['dlv desc lenet@3 --html lenet.html', 'a page with the network as a picture'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such revision' },
    })
    .argument('[revision]', 'version, or <rev>:<path> for one file or folder of it', 'HEAD')
    .option('--batch <n>', 'size of the batch, where the network leaves it open', '1')
    .option('--shape <input=sizes>', 'shape of an input; may be given several times', collect)
    .option('--nodes', 'the operators of each layer')
    .option('--weights', 'numbers and histograms of the weights, by layer and with --all by tensor')
    .option('--exact', 'read all bytes for them, also of large checkpoints')
    .option('--all', 'all layers, however many there are')
    .addOption(htmlOption('desc'))
    .action(
      cli.action(async (run, revision: string, flags: Flags) => {
        const { desc } = await import('../../use/ops/desc.js');
        const options: DescOptions = {
          shapes: parseShapes(flags.shape ?? []),
          batch: parseCount(flags.batch ?? '1', '--batch'),
          nodes: flags.nodes === true,
          statistics: flags.weights === true,
          exact: flags.exact === true,
        };
        const { html } = flags;
        if (html !== undefined) pageFile(html, 'desc');
        const described = await run.repository((repo) =>
          desc(repo, revision, options, run.context),
        );
        if (html !== undefined) {
          const { descPage } = await import('../pages/desc-page.js');
          await writePage(run, { verb: 'desc', flag: html }, (origin) =>
            descPage(described, origin),
          );
        }
        run.answer(described, (ui) => {
          if (html === undefined) printDesc(ui, described, flags.all === true);
        });
        return 0;
      }),
    );
}
