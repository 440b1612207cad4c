/** `dlv keep` on the command line. */
import type { Command } from 'commander';
import type { KeepResult } from '../../use/ops/keep.js';
import { parseCount } from '../arguments.js';
import { type Cell, formatTable } from '../output/table.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  best?: number;
  by?: string;
  lower?: boolean;
  higher?: boolean;
  last?: number;
  optimizer?: number;
  model?: string;
  cached?: boolean;
  force?: boolean;
  dryRun?: boolean;
}

const EXAMPLE: KeepResult = {
  model: 'bert',
  checkpoints: [
    {
      series: 'checkpoint-*',
      path: 'checkpoint-500',
      step: 500,
      value: 0.31,
      status: 'removed',
      reasons: [],
      files: 2,
      bytes: 17212948,
    },
    {
      series: 'checkpoint-*',
      path: 'checkpoint-1000',
      step: 1000,
      value: 0.25,
      status: 'kept',
      reasons: ['best', 'last'],
      files: 0,
      bytes: 0,
    },
  ],
  removed: ['checkpoint-500/model.safetensors', 'checkpoint-500/optimizer.pt'],
  removesMost: false,
  dryRun: false,
};

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'keep', {
      summary: 'keep the best and the last checkpoints of a series, remove the others',
      about:
        'A series is folders or files with a step in their name: checkpoint-500, step_20, ' +
        'epoch=3-step=120.ckpt. Of each tracked series those that a rule names stay; the files of the ' +
        'others leave the work tree and the next version, as with dlv rm, and versions that are ' +
        'committed keep them. What a checkpoint measured is taken from the metrics of the last version ' +
        '(--metric eval_loss@500=0.25), from its trainer_state.json or from its name. --optimizer keeps ' +
        'what training goes on from (optimizer, scheduler, scaler, random generators) for the last ones ' +
        'alone.',
      examples: [
        ['dlv keep --best 1 --by eval_loss --last 2 --dry-run', 'says what would go'],
        [
          'dlv keep --best 1 --by eval_loss --last 2 --optimizer 1',
          'and the optimizer of the last',
        ],
        ['dlv keep --optimizer 1', 'all weights, the optimizer of the last one alone'],
        ['dlv keep --last 3 runs/low-rate', 'of the series in a folder'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'there is no series or no such metric, or content would be lost' },
    })
    .argument('[folders...]', 'folders of series (default: all)')
    .option('--best <n>', 'how many of the best stay', (text) => parseCount(text, '--best'))
    .option('--by <metric>', 'what makes one better: eval_loss, eval_accuracy, …')
    .option('--lower', 'less of the metric is better (the default for losses and errors)')
    .option('--higher', 'more of it is better (the default for accuracies and scores)')
    .option('--last <n>', 'how many of the last stay', (text) => parseCount(text, '--last'))
    .option('--optimizer <n>', 'for how many of the last the state of training stays', (text) =>
      parseCount(text, '--optimizer'),
    )
    .option('--model <name>', "model that the files belong to (default: HEAD's)")
    .option('--cached', 'leave the files in the work tree')
    .option('-f, --force', 'remove files whose content is in no version')
    .option('-n, --dry-run', 'only say what would go')
    .action(
      cli.action(async (run, paths: string[], flags: Flags) => {
        const { keep } = await import('../../use/ops/keep.js');
        const { optimizer: state, lower, higher, ...rest } = flags;
        const better = lower ? ('lower' as const) : higher ? ('higher' as const) : undefined;
        const options = { ...rest, paths, state, better };
        const result = await run.repository((repo) => keep(repo, options, run.context));
        run.answer(result, (ui) => print(ui, result, flags.by));
        return 0;
      }),
    );
}

function print(ui: Ui, result: KeepResult, by = ''): void {
  const { model, checkpoints, removed, removesMost, dryRun } = result;
  const styles = { kept: ui.style.green, 'state removed': ui.style.yellow, removed: ui.style.red };
  const rows = checkpoints.map(({ path, value, status, reasons, files, bytes }): Cell[] => [
    { text: status, style: styles[status] },
    path,
    value === null ? '' : `${by} ${Number(value.toPrecision(6))}`,
    reasons.join(', '),
    files === 0 ? '' : `${formatCount(files, 'file')}, ${formatBytes(bytes)}`,
  ]);
  for (const line of formatTable([{}, {}, {}, {}, {}], rows)) ui.line(line);
  const count = formatCount(removed.length, 'file');
  if (dryRun) ui.note(`${count} of '${model}' would be staged as removed`);
  else if (removed.length === 0) ui.note('nothing to remove');
  else
    ui.note(
      `${count} of '${model}' staged as removed; ` +
        `'dlv commit${removesMost ? ' --allow-removals' : ''}' makes the version without them`,
    );
}
