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
      summary: 'keep the best and the last checkpoints of a series and remove the others',
      about:
        'A series is a set of folders or files with a step in their names: checkpoint-500, ' +
        'step_20, epoch=3-step=120.ckpt. In each tracked series, the checkpoints that a rule ' +
        'selects are kept. The files of all others are removed from the work tree and from the ' +
        "next version, as 'dlv rm' does; committed versions keep them. The value of a metric is " +
        "taken from the last version (--metric eval_loss@500=0.25), else from the checkpoint's " +
        'trainer_state.json, else from its name. --optimizer keeps the training state ' +
        '(optimizer, scheduler, scaler, random generators) of the last checkpoints only.',
      examples: [
        ['dlv keep --best 1 --by eval_loss --last 2 --dry-run', 'prints what would be removed'],
        [
          'dlv keep --best 1 --by eval_loss --last 2 --optimizer 1',
          'also removes the training state of all but the last checkpoint',
        ],
        [
          'dlv keep --optimizer 1',
          'keeps all weights, and the training state of the last checkpoint only',
        ],
        ['dlv keep --last 3 runs/low-rate', 'only the series in a folder'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'there is no series or no such metric, or content would be lost' },
    })
    .argument('[folders...]', 'folders of series (default: all)')
    .option('--best <n>', 'keep the <n> best checkpoints', (text) => parseCount(text, '--best'))
    .option('--by <metric>', 'the metric that decides: eval_loss, eval_accuracy, …')
    .option('--lower', 'lower values are better (the default for losses and errors)')
    .option('--higher', 'higher values are better (the default for accuracies and scores)')
    .option('--last <n>', 'keep the <n> last checkpoints', (text) => parseCount(text, '--last'))
    .option('--optimizer <n>', 'keep the training state of the <n> last checkpoints', (text) =>
      parseCount(text, '--optimizer'),
    )
    .option('--model <name>', "model that the files belong to (default: HEAD's)")
    .option('--cached', 'keep the files in the work tree')
    .option('-f, --force', 'remove files whose content is in no version')
    .option('-n, --dry-run', 'only print what would be removed')
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
