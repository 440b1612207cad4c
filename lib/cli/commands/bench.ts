/** `dlv bench` on the command line. */
import path from 'node:path';
import { type Command, Option } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { BenchOptions, BenchPart, BenchResult } from '../../use/ops/bench.js';
import { exampleId } from '../render.js';
import type { Cli, Run } from '../run.js';
import { formatTable } from '../table.js';
import { formatDuration, type Ui } from '../ui.js';

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
  seconds: 41.2,
};

interface Flags {
  files?: string[];
  only?: string;
  last?: string;
  repeat?: string;
  budgets?: string;
  scheme?: BenchOptions['scheme'];
  unit?: BenchOptions['unit'];
  most?: string;
  timeLimit?: string;
  html?: string;
}

const PARTS: readonly BenchPart[] = ['storage', 'recovery', 'plans'];

function readOptions(revisions: string[], flags: Flags): BenchOptions {
  const options: BenchOptions = { revisions };
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

type Tables = typeof import('../bench-tables.js');

function print(ui: Ui, result: BenchResult, tables: Tables): void {
  ui.line(tables.machineLine(result));
  ui.line(tables.noiseLine(result));
  for (const { title, notes, head, rows } of tables.benchTables(result)) {
    ui.line();
    ui.line(ui.style.bold(title));
    for (const note of notes) ui.line(ui.style.dim(note));
    const columns = head.map((name, i) =>
      i === 0 ? { title: name } : { title: name, align: 'right' as const },
    );
    for (const line of formatTable(columns, rows, { header: ui.style.bold })) ui.line(line);
  }
  ui.note(formatDuration(result.seconds));
}

async function action(run: Run, revisions: string[], flags: Flags): Promise<number> {
  const { bench, writeReport } = await import('../../use/ops/bench.js');
  const result = await bench(readOptions(revisions, flags), run.context);
  const { html } = flags;
  if (html !== undefined) {
    const { benchPage } = await import('../bench-html.js');
    await writeReport(path.resolve(run.context.cwd, html), benchPage(result));
  }
  const tables = await import('../bench-tables.js');
  run.answer(result, (ui) => {
    print(ui, result, tables);
    if (html !== undefined) ui.note(`plots are in '${html}'`);
  });
  return 0;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'bench', {
      summary: 'measure storage, recovery and plans',
      about:
        'Measures what the tensors (of 16 KiB and more) of some snapshots take in other encodings, ' +
        'how long they take to come back, and what every planner would make of the repository ' +
        'over a sweep of budgets. Changes nothing but a file of times of this machine, with --unit ms. Without revisions it takes the last snapshots ' +
        "of HEAD's history; with --files it stores checkpoints in a temporary repository, one " +
        'version each, oldest first. The machine is described with the spread of the same work ' +
        'before and after; times are of one run after another on a machine that nothing else uses, ' +
        'or they say little. storage, recovery and plans are null where --only leaves them out.',
      examples: [
        ['dlv bench', 'the last ten snapshots, everything'],
        ['dlv bench net@1 net@5 --only recovery --repeat 9', 'how fast two versions come back'],
        ['dlv bench --only plans --budgets 1.1,1.5,2,4 --html plans.html', 'plans, with plots'],
        ['dlv bench --files base.safetensors tuned.safetensors', 'files that are in no repository'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such version or file, or no tensors to measure' },
    })
    .argument('[revisions...]', 'versions whose snapshots are measured')
    .option('--files <files...>', 'measure these checkpoints instead of a repository')
    .option('--only <parts>', `some of ${PARTS.join(', ')}, with commas between`)
    .option('--last <n>', 'snapshots that are measured if none is named (10)')
    .option('--repeat <n>', 'runs of each recovery (5)')
    .option('--budgets <factors>', 'budgets of plans, times the least cost (1,1.1,1.25,1.5 … 4)')
    .addOption(
      new Option('--scheme <scheme>', 'how plans rebuild a snapshot (independent)').choices([
        'independent',
        'parallel',
        'reusable',
      ]),
    )
    .addOption(
      new Option('--unit <unit>', 'what plans count as recreation (bytes)').choices([
        'bytes',
        'ms',
      ]),
    )
    .option('--most <MiB>', 'tensors whose encodings are measured at most (256)')
    .option('--time-limit <seconds>', 'for one planner on one budget (5)')
    .option('--html <file>', 'also write a page with tables and plots')
    .action(cli.action(action));
}
