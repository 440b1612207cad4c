/** `dlv bench` on the command line. */
import { type Command, Option } from 'commander';
import { ERROR_TABLE, UsageError } from '../../base/errors.js';
import type { BriefResult } from '../../use/measure/brief.js';
import type { BenchOptions, BenchPart, BenchResult } from '../../use/ops/bench.js';
import {
  type BenchTable,
  benchTables,
  briefTables,
  briefTitle,
  machineLine,
  noiseLine,
} from '../output/bench-tables.js';
import { exampleId } from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatDuration, type Ui } from '../output/ui.js';
import { type HtmlFlag, htmlOption, pageFile, writePage } from '../pages/write-page.js';
import type { Cli, Run } from '../run.js';

const SPREAD = { median: 10.2, min: 9.8, max: 11.5, n: 10 };
const EXAMPLE: BenchResult = {
  machine: {
    cpu: 'AMD EPYC',
    cores: 2,
    memoryBytes: 25769803776,
    node: 'v20.20.2',
    system: 'Linux 6.1.0 x64',
    kernel: { kind: 'native', isa: 'avx512' },
    loadBefore: 0.1,
    loadAfter: 0.9,
    copy: SPREAD,
    sha256: { median: 1.7, min: 1.6, max: 1.75, n: 10 },
    noise: 0.17,
  },
  snapshots: [
    {
      version: exampleId('9c1f0e6f0b'),
      model: 'mnist',
      number: 3,
      name: 'mnist@3',
      message: 'third epoch',
      key: 'model.safetensors',
      role: 'weights',
      step: 3000,
      extents: 5,
      tensorBytes: 5718016,
      storedBytes: 2881021,
      meanDepth: 2,
      maxDepth: 2,
    },
  ],
  brief: {
    rawBytes: 57180160,
    stores: [
      { how: 'kept whole', bytes: 57180160, isExact: true },
      { how: 'gzip -6', bytes: 52901233, isExact: false },
      { how: 'zstd -3', bytes: 52713842, isExact: false },
      { how: 'dlv now', bytes: 29410221, isExact: true },
    ],
    plans: [{ budget: 1.5, bytes: 31201332, lowerBound: 31190112 }],
    storedBytes: 29410221,
    reads: [
      {
        which: 'newest',
        snapshot: 0,
        ms: { median: 11.3, min: 10.9, max: 13.2, n: 3 },
        readBytes: 10441022,
      },
    ],
    leftOut: [],
  },
  storage: {
    tensorBytes: 17154048,
    measuredBytes: 17154048,
    deltaShare: 0.667,
    rows: [
      {
        codec: 'dlv delta default',
        bytes: 10441022,
        share: 0.609,
        bytesPerSecond: 612000000,
        classes: { hi: 2561022, mid: 3590000, low: 4290000 },
      },
    ],
    missing: ['zstd: this Node has none and there is no zstd program'],
  },
  recovery: {
    repeat: 5,
    rows: [
      {
        snapshot: 0,
        scheme: 'independent',
        planes: null,
        cache: 'warm',
        ms: { median: 11.3, min: 10.9, max: 13.2, n: 5 },
        readBytes: 10441022,
      },
    ],
    notCold: null,
  },
  plans: {
    scheme: 'independent',
    unit: 'bytes',
    extents: 15,
    candidates: 45,
    snapshots: 3,
    now: { storage: 10441022, recreation: 21003411 },
    points: [
      {
        planner: 'auto',
        budget: 1.5,
        storage: 11201332,
        recreation: 18441210,
        stretch: 1.48,
        within: true,
        seconds: 0.2,
      },
    ],
    bounds: [{ budget: 1.5, storage: 11201332, optimal: true }],
  },
  leftOut: [],
  seconds: 41.2,
};

interface Flags {
  full?: boolean;
  files?: string[];
  only?: string;
  last?: string;
  repeat?: string;
  budgets?: string;
  scheme?: BenchOptions['scheme'];
  unit?: BenchOptions['unit'];
  most?: string;
  timeLimit?: string;
  html?: HtmlFlag;
}

const PARTS: readonly BenchPart[] = ['storage', 'recovery', 'plans'];

function readOptions(revisions: string[], flags: Flags): BenchOptions {
  // Whoever names a detail of the full measurement wants it.
  const { full, only, repeat, scheme, unit, most, html } = flags;
  const details = [only, repeat, scheme, unit, most, html];
  const isFull = full === true || details.some((flag) => flag !== undefined);
  const options: BenchOptions = { revisions, full: isFull };
  if (flags.files !== undefined) options.files = flags.files;
  if (flags.scheme !== undefined) options.scheme = flags.scheme;
  if (flags.unit !== undefined) options.unit = flags.unit;
  if (flags.only !== undefined) options.only = flags.only.split(',').map(readPart);
  if (flags.budgets !== undefined) {
    options.budgets = flags.budgets.split(',').map((text) => readNumber(text, '--budgets'));
  }
  if (flags.last !== undefined) options.last = readNumber(flags.last, '--last');
  if (flags.repeat !== undefined) options.repeat = readNumber(flags.repeat, '--repeat');
  if (flags.most !== undefined) options.mostBytes = readNumber(flags.most, '--most') * 2 ** 20;
  if (flags.timeLimit !== undefined) {
    options.timeLimitSeconds = readNumber(flags.timeLimit, '--time-limit');
  }
  return options;
}

function readPart(text: string): BenchPart {
  const part = PARTS.find((name) => name === text);
  if (part !== undefined) return part;
  throw new UsageError(`--only takes ${PARTS.join(', ')}, not '${text}'`, { option: '--only' });
}

function readNumber(text: string, option: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value > 0 && value < Infinity) return value;
  throw new UsageError(`${option} takes a number above 0, not '${text}'`, { option });
}

function printTable(ui: Ui, { title, notes, head, rows }: BenchTable): void {
  ui.line();
  ui.line(ui.style.bold(title));
  for (const note of notes) ui.line(ui.style.dim(note));
  const columns = head.map((name, i) =>
    i === 0 ? { title: name } : { title: name, align: 'right' as const },
  );
  for (const line of formatTable(columns, rows, { header: ui.style.bold })) ui.line(line);
}

function print(ui: Ui, result: BenchResult): void {
  ui.line(machineLine(result));
  ui.line(noiseLine(result));
  for (const table of benchTables(result)) printTable(ui, table);
  const { leftOut } = result;
  if (leftOut.length > 0) ui.line(`interrupted; not measured to the end: ${leftOut.join(', ')}`);
  ui.note(formatDuration(result.seconds));
}

function printBrief(ui: Ui, result: BenchResult, brief: BriefResult): void {
  ui.line(briefTitle(result, brief));
  for (const table of briefTables(result, brief)) printTable(ui, table);
  ui.line();
  for (const what of brief.leftOut) ui.line(ui.style.dim(`not measured: ${what}`));
  ui.note(`${formatDuration(result.seconds)}; 'dlv bench --full' measures everything, for minutes`);
}

async function action(run: Run, revisions: string[], flags: Flags): Promise<number> {
  const { html } = flags;
  if (html !== undefined) pageFile(html, 'bench');
  const { bench } = await import('../../use/ops/bench.js');
  const result = await bench(readOptions(revisions, flags), run.context);
  if (html !== undefined) {
    const { benchPage } = await import('../pages/bench-page.js');
    await writePage(run, { verb: 'bench', flag: html }, (origin) => benchPage(result, origin));
  }
  run.answer(result, (ui) => {
    if (result.brief === null) print(ui, result);
    else printBrief(ui, result, result.brief);
  });
  return run.context.signal?.aborted ? ERROR_TABLE.DLV_ABORTED : 0;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'bench', {
      summary: 'measure storage, recovery and plans',
      about:
        'In about ten seconds, measures how much space the tensors (of 4 KiB or more) of some ' +
        "snapshots take uncompressed, compressed, in dlv now, and after 'dlv archive', and how " +
        'long it takes to rebuild the newest snapshot, the oldest, and the one that reads most. ' +
        'Ctrl-C stops early and prints the results so far (leftOut lists the missing parts). ' +
        '--full measures every encoding, retrieval scheme, depth and planner over a range of ' +
        'budgets, which takes minutes; options marked (full) imply it. Without revisions, ' +
        'measures the last snapshots in the history of HEAD. With --files, stores checkpoints in ' +
        'a temporary repository, one version each, oldest first. The repository is not changed, ' +
        'except that --unit ms saves timings of this machine. Times are unreliable while other ' +
        'programs use the machine. In JSON, brief is null with --full; storage, recovery and ' +
        'plans are null without it, or if --only leaves them out.',
      examples: [
        ['dlv bench', 'the last ten snapshots, on one screen'],
        ['dlv bench --full --html bench.html', 'every table, and a page with plots'],
        [
          'dlv bench net@1 net@5 --only recovery --repeat 9',
          'how long it takes to rebuild two versions',
        ],
        ['dlv bench --only plans --budgets 1.1,1.5,2,4 --html plans.html', 'plans, with plots'],
        [
          'dlv bench --files base.safetensors tuned.safetensors',
          'checkpoints that are in no repository',
        ],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such version or file, or no tensors to measure' },
    })
    .argument('[revisions...]', 'versions whose snapshots are measured')
    .option('--files <files...>', 'measure these checkpoints instead of a repository')
    .option('--full', 'measure everything: takes minutes')
    .option('--only <parts>', `(full) parts to measure, separated by commas: ${PARTS.join(', ')}`)
    .option('--last <n>', 'without revisions: measure the last <n> snapshots (10)')
    .option('--repeat <n>', '(full) how often to measure each recovery (5)')
    .option(
      '--budgets <factors>',
      'budgets to plan for, as factors of the least cost (1.5,2,4; full: 1,1.1 … 4)',
    )
    .addOption(
      new Option(
        '--scheme <scheme>',
        '(full) how the tensors of a snapshot are rebuilt (independent)',
      ).choices(['independent', 'parallel', 'reusable']),
    )
    .addOption(
      new Option('--unit <unit>', '(full) the unit of recreation costs (bytes)').choices([
        'bytes',
        'ms',
      ]),
    )
    .option('--most <MiB>', '(full) measure the encodings of at most <MiB> of tensors (256)')
    .option(
      '--time-limit <seconds>',
      'time limit for everything (12); full: for one planner and one budget (5)',
    )
    .addOption(htmlOption('bench'))
    .action(cli.action(action));
}
