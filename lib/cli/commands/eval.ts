/** `dlv eval` on the command line. */
import { type Command, Option } from 'commander';
import { ERROR_TABLE } from '../../base/errors.js';
import { type EvalFlags, parseOptions, parseProgressive } from '../evaluation/eval-options.js';
import { EVAL_EXAMPLE } from '../evaluation/example.js';
import { printEval } from '../output/evaluations/evaluation.js';
import { htmlOption, pageFile, writePage } from '../pages/write-page.js';
import type { Cli, Run } from '../run.js';

async function answerProgressively(
  run: Run,
  revisions: readonly string[],
  flags: EvalFlags,
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
      json: EVAL_EXAMPLE,
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
      cli.action(async (run, revisions: string[], flags: EvalFlags) => {
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
