/** `dlv eval` on the command line. */
import { type Command, Option } from 'commander';
import { ERROR_TABLE, UsageError } from '../../base/errors.js';
import type { DataOptions, EvalOptions, EvalResult } from '../../use/ops/eval.js';
import type { ProgressiveOptions } from '../../use/ops/eval-progressive.js';
import { parseCount } from '../arguments.js';
import { printEval } from '../output/evaluations/evaluation.js';
import { EXAMPLE_VERSION, exampleId } from '../output/render.js';
import { type HtmlFlag, htmlOption, pageFile, writePage } from '../pages/write-page.js';
import type { Cli, Run } from '../run.js';

const { version, model, number, name } = EXAMPLE_VERSION;
const RUN = {
  network: 'lenet.onnx',
  weights: null,
  latency: { milliseconds: 9.4, batch: 64 },
  timings: [{ batch: 1, milliseconds: 0.31, slowest: 0.52, passes: 30, memoryBytes: 31457280 }],
  calibration: [{ examples: 133, confidence: 0.41, accuracy: 0.39 }],
  confusion: [
    [190, 10],
    [3, 197],
  ],
  runtime: { name: 'onnxruntime-node', version: '1.30.0', threads: 1, optimization: 'all' },
  ties: 0,
  notFinite: 0,
};
const EXAMPLE: EvalResult = {
  data: {
    path: 'images.npy',
    labels: 'labels.npy',
    examples: 2000,
    tokens: null,
    sha256: '5c2e0d27c6f1f1c1a1fbd6fb8d3a7b9f9bfa5c3a0e4d2f6b7a8c9d0e1f2a3b4c',
    preprocess: {
      scale: 0.00392156862745098,
      mean: [0],
      std: [1],
      layout: 'as-is',
      resize: null,
      crop: null,
      channels: null,
    },
  },
  task: 'classes',
  classes: ['shirt', 'shoe'],
  versions: [
    {
      version: exampleId('4be2a97d10'),
      model,
      number: 1,
      name: 'mnist@1',
      ...RUN,
      metrics: [
        {
          name: 'accuracy',
          direction: 'max',
          value: 0.8585,
          interval: [0.8425, 0.8731],
          why: null,
        },
      ],
      known: true,
      note: exampleId('71d2c0a9be'),
    },
    {
      version,
      model,
      number,
      name,
      ...RUN,
      metrics: [
        {
          name: 'accuracy',
          direction: 'max',
          value: 0.8665,
          interval: [0.8509, 0.8807],
          why: null,
        },
      ],
      known: false,
      note: exampleId('20f3a1b8cd'),
    },
  ],
  comparisons: [
    {
      version,
      baseline: exampleId('4be2a97d10'),
      metric: 'accuracy',
      difference: 0.008,
      interval: [-0.0006, 0.0167],
      test: 'mcnemar-midp',
      p: 0.0694,
      exactP: 0.0853,
      detectable: 0.0123,
      onlyFirst: 31,
      onlySecond: 47,
      adjustedP: 0.0694,
      differs: false,
    },
  ],
  seed: 0,
  seconds: 2.1,
};

interface Flags {
  progressive?: boolean;
  guarantee?: 'certified' | 'approximate';
  goal?: 'bytes' | 'time';
  margin?: string;
  decide?: string;
  effort?: string;
  check?: boolean;
  data?: string;
  labels?: string;
  module?: string;
  tokenizer?: string;
  maxTokens?: string;
  stride?: string;
  startToken?: string;
  oneText?: boolean;
  resize?: string;
  crop?: string;
  channels?: '1' | '3';
  metric?: string;
  classes?: string;
  scale?: string;
  mean?: string;
  std?: string;
  layout?: 'as-is' | 'hwc';
  preprocess?: string;
  network?: string;
  weights?: string;
  output?: string;
  task?: 'classes' | 'values' | 'tokens';
  scores?: 'logits' | 'probabilities';
  batch: string;
  limit?: string;
  threads: string;
  seed: string;
  record: boolean;
  rerun?: boolean;
  time?: string;
  html?: HtmlFlag;
  acceptTier?: boolean;
}

/** `1/255`, or numbers with commas. @throws {UsageError} */
function parseNumbers(text: string, flag: string): number[] {
  return text.split(',').map((one) => {
    const match = /^\s*([^/]+?)\s*(?:\/\s*([^/]+?)\s*)?$/.exec(one);
    const value = match === null ? Number.NaN : Number(match[1]) / Number(match[2] ?? 1);
    if (Number.isFinite(value)) return value;
    throw new UsageError(`${flag} is '${text}', which is no number`, { option: flag });
  });
}

/** `224`, or `224x320` for height and width. @throws {UsageError} */
function parseSize(text: string, flag: string): number | [number, number] {
  const [height = 0, width] = text.split(/[x×,]/).map((size) => parseCount(size.trim(), flag));
  return width === undefined ? height : [height, width];
}

function list(text: string): string[] {
  return text.split(',').map((one) => one.trim());
}

function parseData(flags: Flags): DataOptions {
  const { scale, mean, std, layout } = flags;
  const [factor, more] = scale === undefined ? [] : parseNumbers(scale, '--scale');
  if (more !== undefined) throw new UsageError('--scale is one number', { option: '--scale' });
  return {
    ...(flags.data === undefined ? {} : { data: flags.data }),
    ...(flags.labels === undefined ? {} : { labels: flags.labels }),
    ...(flags.module === undefined ? {} : { module: flags.module }),
    ...(flags.tokenizer === undefined ? {} : { tokenizer: flags.tokenizer }),
    ...(flags.maxTokens === undefined
      ? {}
      : { maxTokens: parseCount(flags.maxTokens, '--max-tokens') }),
    ...(flags.stride === undefined ? {} : { stride: parseCount(flags.stride, '--stride') }),
    ...(flags.startToken === undefined ? {} : { startToken: flags.startToken }),
    ...(flags.oneText === undefined ? {} : { oneText: flags.oneText }),
    preprocess: {
      ...(factor === undefined ? {} : { scale: factor }),
      ...(mean === undefined ? {} : { mean: parseNumbers(mean, '--mean') }),
      ...(std === undefined ? {} : { std: parseNumbers(std, '--std') }),
      ...(layout === undefined ? {} : { layout }),
      ...(flags.resize === undefined ? {} : { resize: parseSize(flags.resize, '--resize') }),
      ...(flags.crop === undefined ? {} : { crop: parseSize(flags.crop, '--crop') }),
      ...(flags.channels === undefined ? {} : { channels: flags.channels === '1' ? 1 : 3 }),
    },
    ...(flags.classes === undefined ? {} : { classes: list(flags.classes) }),
    ...(flags.preprocess === undefined ? {} : { preprocessFile: flags.preprocess }),
    ...(flags.limit === undefined ? {} : { limit: parseCount(flags.limit, '--limit') }),
  };
}

function parseOptions(revisions: readonly string[], flags: Flags): EvalOptions {
  const [stray] = PROGRESSIVE_ALONE.filter((name) => flags[name] !== undefined);
  if (stray !== undefined) {
    throw new UsageError(`--${stray} needs --progressive`, { option: `--${stray}` });
  }
  return {
    ...parseData(flags),
    revisions: revisions.length === 0 ? ['HEAD'] : revisions,
    ...(flags.metric === undefined ? {} : { metrics: list(flags.metric) }),
    ...(flags.network === undefined ? {} : { network: flags.network }),
    ...(flags.weights === undefined ? {} : { weights: flags.weights }),
    ...(flags.output === undefined ? {} : { output: flags.output }),
    ...(flags.task === undefined ? {} : { task: flags.task }),
    ...(flags.scores === undefined ? {} : { scores: flags.scores }),
    batch: parseCount(flags.batch, '--batch'),
    threads: parseCount(flags.threads, '--threads'),
    seed: parseCount(flags.seed, '--seed'),
    record: flags.record,
    rerun: flags.rerun === true,
    timed:
      flags.time === undefined ? [] : list(flags.time).map((size) => parseCount(size, '--time')),
    acceptTier: flags.acceptTier === true,
  };
}

/** Flags that only progressive evaluation has, and those that it has not. */
const PROGRESSIVE_ALONE = ['guarantee', 'goal', 'margin', 'decide', 'effort', 'check'] as const;
const WHOLE_ALONE = ['metric', 'task', 'scores', 'time', 'rerun', 'weights'] as const;

function parseProgressive(revisions: readonly string[], flags: Flags): ProgressiveOptions {
  const [revision = 'HEAD', more] = revisions;
  if (more !== undefined) {
    throw new UsageError('--progressive evaluates one version', {
      option: '--progressive',
      hint: `name '${revision}' or '${more}'; without --progressive, versions are compared`,
    });
  }
  const [stray] = WHOLE_ALONE.filter((name) => flags[name] !== undefined);
  if (stray !== undefined) {
    throw new UsageError(`--${stray} does not go with --progressive`, { option: `--${stray}` });
  }
  const number = (name: 'margin' | 'effort'): Record<string, number> => {
    const text = flags[name];
    if (text === undefined) return {};
    const value = Number(text);
    if (text.trim() !== '' && value >= 0 && Number.isFinite(value)) return { [name]: value };
    throw new UsageError(`--${name} is '${text}', not a number from 0`, { option: `--${name}` });
  };
  return {
    ...parseData(flags),
    revision,
    ...(flags.network === undefined ? {} : { network: flags.network }),
    ...(flags.output === undefined ? {} : { output: flags.output }),
    ...(flags.decide === undefined ? {} : { decide: flags.decide }),
    ...(flags.guarantee === undefined ? {} : { guarantee: flags.guarantee }),
    ...(flags.goal === undefined ? {} : { goal: flags.goal }),
    ...number('margin'),
    ...number('effort'),
    batch: parseCount(flags.batch, '--batch'),
    threads: parseCount(flags.threads, '--threads'),
    check: flags.check === true,
    acceptTier: flags.acceptTier === true,
  };
}

async function answerProgressively(
  run: Run,
  revisions: readonly string[],
  flags: Flags,
): Promise<number> {
  const { evaluateProgressively } = await import('../../use/ops/eval-progressive.js');
  const options = parseProgressive(revisions, flags);
  const { html } = flags;
  if (html !== undefined) pageFile(html, 'eval');
  if (options.guarantee !== 'approximate' && !run.ui.json) {
    run.ui.note(
      'bounds are computed for every example: a convolutional network may take seconds for each, far longer than ' +
        'a plain run; --limit takes fewer examples, --guarantee approximate proves nothing and is fast',
    );
  }
  const result = await run.repository((repo) => evaluateProgressively(repo, options, run.context));
  if (html !== undefined) {
    const { progressivePage } = await import('../pages/evaluations/progressive-page.js');
    await writePage(run, { verb: 'eval', flag: html }, (origin) => progressivePage(result, origin));
  }
  const { printProgressive } = await import('../output/evaluations/progressive.js');
  run.answer(result, (ui) => {
    if (html === undefined) printProgressive(ui, result);
  });
  if (result.unanswered > 0) return ERROR_TABLE.DLV_ABORTED;
  return (result.differing ?? 0) === 0 ? 0 : 1;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'eval', {
      summary: 'run versions on a data set and say whether they differ',
      about:
        'Runs the ONNX network of each version on a data set, in a process of its own, and shows ' +
        'metrics with 95 % intervals, and how long a batch takes. Several versions are compared ' +
        'with the first one on the same examples: accuracy and top-k by the mid-p McNemar test, ' +
        'other metrics by a paired bootstrap, with p values adjusted for the number of versions ' +
        '(Holm) and the smallest difference that so many examples can show. Outcomes are stored ' +
        'as a note on the version, so that a later comparison does not run it again.\n\n' +
        'Data and labels are .npy, .npz, IDX (gzip or not) or CSV files; file#name is an array of a .npz or ' +
        'columns of a CSV. Data can also be a folder of PNG and JPEG files, with a folder for each class or with ' +
        '--labels, or, with --tokenizer, texts: one on each line, or a column of a CSV. --module ' +
        'runs a module that you name: its function load returns inputs and labels. You declare ' +
        'how numbers are prepared for the network, (x · scale − mean) / std, by flags or in a ' +
        'JSON file that is named like the data with .preprocess.json behind it; dlv guesses ' +
        'nothing. Metrics of classes are accuracy, top5 (any k), macro-f1, micro-f1, auc, loss, perplexity and ' +
        'ece; of numbers mae and rmse. Texts without labels are for language models: how well each token is predicted ' +
        'from those before it, with the metrics perplexity, loss, accuracy, word-perplexity, byte-perplexity and ' +
        'bits-per-byte over all tokens. onnxruntime-node runs the networks; install it separately.\n\n' +
        '--network rev:path runs the weights of each version through the network of another one, and --weights path ' +
        'puts those of a checkpoint into it, or into the network of the version itself. Weights that find no place, and ' +
        'places that find no weights, are errors.\n\n' +
        '--progressive answers from the leading planes of the weights. Bounds prove that an ' +
        'answer is the one that all weights give; an example whose bounds do not prove it is ' +
        'answered from more planes, in the end from all. dlv reads only the planes that it ' +
        'needs, also from a remote, and reports the share of answers and the bytes at each depth. Proofs cost time: seconds for an example of a convolutional network, where a plain run takes milliseconds. Ctrl-C stops it and prints the report of the examples that were answered by then. What is certified, and against which run, is in docs/progressive.md.',
      examples: [
        [
          'dlv eval mnist@1 mnist@2 --data t10k-images.gz --labels t10k-labels.gz --scale 1/255',
          'two versions on a test set',
        ],
        [
          'dlv eval --data x.npy --labels y.npy --metric accuracy,top5,ece --mean 0.286 --std 0.353',
          'three metrics of the version that HEAD names',
        ],
        [
          'dlv eval --data iris.csv --labels iris.csv#species --classes setosa,versicolor,virginica',
          'a table whose labels are names',
        ],
        [
          'dlv eval run@3 run@4 --network export@1:net.onnx --data x.npy --labels y.npy',
          'weights alone, through the network of another version',
        ],
        [
          'dlv eval v1 pruned --network v1:net.onnx --weights model.safetensors --data x.npy --labels y.npy',
          'the checkpoint that is meant, where versions have several',
        ],
        [
          'dlv eval --data photos --resize 256 --crop 224 --scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225',
          'pictures, a folder for each class',
        ],
        [
          'dlv eval --data reviews.csv#text --labels reviews.csv#label --tokenizer tokenizer.json',
          'texts of a table',
        ],
        [
          'dlv eval lm@1 lm@2 --data wiki.txt --one-text --tokenizer tokenizer.json --max-tokens 1024 --stride 512',
          'perplexity of two language models on one long text',
        ],
        ['dlv eval --module load-data.mjs', 'data that a module of yours makes'],
        ['dlv eval v1 HEAD --data d.npz#x --labels d.npz#y --no-record', 'keeps no outcomes'],
        [
          'dlv eval --progressive --data x.npy --labels y.npy --check',
          'answers from leading planes, compared with those of all weights',
        ],
        [
          'dlv eval v1 HEAD --data x.npy --labels y.npy --time 1,8,64 --html eval.html',
          'time and memory by size of the batch, as a page with calibration and confusion',
        ],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'no such version, the network cannot be run, or --check found another answer',
        2: 'data, labels and network do not fit together',
        12: 'a data file is damaged',
      },
    })
    .argument('[revisions...]', 'versions; the first is the baseline (default: HEAD)')
    .option('--data <file>', 'examples: a file, or a folder of pictures')
    .option(
      '--labels <file>',
      'what is true of them; of pictures by default the folders they lie in',
    )
    .option('--module <file>', 'a module of yours that gives data and labels; it is run')
    .option('--tokenizer <file>', 'tokenizer.json for data that are texts, one a line or a column')
    .option('--max-tokens <n>', 'tokens of a text (default: as the tokenizer says, else 512)')
    .option(
      '--stride <n>',
      'of language models: tokens that a window predicts after the first one (default: half of --max-tokens)',
    )
    .option('--start-token <token>', 'of language models: put before each text')
    .option('--one-text', 'of language models: the file is one text, not one a line')
    .option('--resize <size>', 'of pictures: the shorter side, or height x width')
    .option('--crop <size>', 'of pictures: the middle part')
    .addOption(new Option('--channels <n>', 'of pictures: 1 is grey').choices(['1', '3']))
    .option(
      '--metric <names>',
      'metrics, with commas (default: accuracy,loss or mae,rmse or perplexity,accuracy)',
    )
    .option('--classes <names>', 'names of classes in order, where labels are names')
    .option('--scale <number>', 'factor of every number, as 1/255')
    .option('--mean <numbers>', 'what is subtracted then: one number, or one a channel')
    .option('--std <numbers>', 'what is divided by then')
    .addOption(new Option('--layout <name>', 'axes of an example').choices(['as-is', 'hwc']))
    .option('--preprocess <file>', 'JSON with scale, mean, std and layout')
    .option(
      '--network <path>',
      'network of the versions, where they have several; rev:path runs weights through that of another version',
    )
    .option(
      '--weights <path>',
      'checkpoint whose weights are put in the network, where the versions have several',
    )
    .option('--output <name>', 'output of the network (default: the first)')
    .addOption(
      new Option('--task <name>', 'what is predicted (default: by labels and outputs)').choices([
        'classes',
        'values',
        'tokens',
      ]),
    )
    .addOption(
      new Option('--scores <kind>', 'what outputs are (default: logits)').choices([
        'logits',
        'probabilities',
      ]),
    )
    .option('--batch <n>', 'examples of one pass', '64')
    .option('--limit <n>', 'take the first <n> examples')
    .option('--threads <n>', 'threads of the runtime, up to 512', '1')
    .option('--seed <n>', 'seed of the bootstrap', '0')
    .option('--no-record', 'keep no outcomes')
    .option('--rerun', 'run again what notes already say')
    .option('--time <sizes>', 'measure time and memory of batches of these sizes, as 1,8,64')
    .option('--progressive', 'read as few planes of the weights as the answers need')
    .addOption(
      new Option(
        '--guarantee <kind>',
        'with --progressive: which answers count (default: certified)',
      ).choices(['certified', 'approximate']),
    )
    .addOption(
      new Option(
        '--goal <what>',
        'with --progressive: what is saved; for time, no proof takes longer than reading the rest (default: bytes)',
      ).choices(['bytes', 'time']),
    )
    .option('--decide <what>', 'with --progressive: top1, top5, order3, above:0.5 or within:0.01')
    .option(
      '--margin <number>',
      'with --progressive: least distance of scores from another decision',
    )
    .option('--effort <n>', 'with --progressive: multiplications for tighter bounds of an example')
    .option('--check', 'with --progressive: read all weights in the end and compare every answer')
    .addOption(htmlOption('eval'))
    .option('--accept-tier', 'take files whose exact bytes were given up')
    .action(
      cli.action(async (run, revisions: string[], flags: Flags) => {
        if (flags.progressive === true) return answerProgressively(run, revisions, flags);
        const { evaluate } = await import('../../use/ops/eval.js');
        const options = parseOptions(revisions, flags);
        const { html } = flags;
        if (html !== undefined) pageFile(html, 'eval');
        const result = await run.repository((repo) => evaluate(repo, options, run.context));
        if (html !== undefined) {
          const { evalPage } = await import('../pages/evaluations/eval-page.js');
          await writePage(run, { verb: 'eval', flag: html }, (origin) => evalPage(result, origin));
        }
        run.answer(result, (ui) => {
          if (html === undefined) printEval(ui, result);
        });
        return 0;
      }),
    );
}
