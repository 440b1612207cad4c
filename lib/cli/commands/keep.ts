/** `dlv keep` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { KeepResult } from '../../use/ops/keep.js';
import type { KeepVersionsResult, RecallResult } from '../../use/ops/keep-versions.js';
import {
  jobsOption,
  type LineFlags,
  limitRateOption,
  lineSettings,
  parseCount,
} from '../arguments.js';
import { type Cell, formatTable } from '../output/table.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

interface Flags extends LineFlags {
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
  versions?: string | true;
  recall?: boolean;
  remote?: string;
  from?: string;
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
        '(optimizer, scheduler, scaler, random generators) of the last checkpoints only. ' +
        'With --versions, the rules are about versions that are committed: files of those that no rule ' +
        'keeps are given up. Such a version stays in history with its id, message, metrics and logs; its ' +
        'files cannot be checked out, and gc frees their space after gc.graceDays (14) days. ' +
        'Until then --recall brings them back; after that, --recall --from <remote> where a remote has them. What a tag, the tip of a branch, HEAD, a stash or a merge ' +
        'names is kept in any case, and so is a file that a kept version has as well. Rules are words: ' +
        "'last 5', 'best 3 by eval_loss', 'every 1000' (steps), 'within 30 days', 'daily 7', 'weekly 4', " +
        "'monthly 12', 'branches release/*', 'optimizer 2'; what any of them selects is kept. Without rules, " +
        'the setting keep.versions says them.',
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
        [
          "dlv keep --versions 'last 5, best 3 by eval_loss, optimizer 1' --dry-run",
          'says which versions would keep their files, and how much gc would free',
        ],
        [
          "dlv keep --versions 'last 20' --remote origin",
          'gives up files at a remote, and leaves those here alone',
        ],
        [
          "dlv config keep.versions 'bert: last 5, every 1000; *: last 20'",
          "sets the rules that 'dlv keep --versions' carries out",
        ],
        ['dlv keep --recall bert@3', 'takes back that files of a version were given up'],
        [
          'dlv keep --recall bert@3 --from origin',
          'brings files that gc has deleted here from a remote',
        ],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'there is no series or no such metric, or content would be lost' },
    })
    .argument('[folders...]', 'folders of series (default: all); with --recall, versions')
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
    .option('--versions [rules]', 'give up files of versions that no rule keeps')
    .option('--recall', 'take back that files of the versions named were given up')
    .option('--remote <name>', 'with --versions or --recall: at a remote, not here')
    .option('--from <remote>', 'with --recall: bring files that are gone here from a remote')
    .option('-n, --dry-run', 'only print what would be removed')
    .addOption(limitRateOption())
    .addOption(jobsOption())
    .action(
      cli.action(async (run, paths: string[], flags: Flags) => {
        if (flags.recall) return recall(run, paths, flags);
        if (flags.from !== undefined) {
          throw new UsageError('--from is for --recall', {
            option: 'from',
            hint: "'dlv keep --recall <version> --from <remote>'",
          });
        }
        if (flags.versions !== undefined) return keepVersions(run, paths, flags);
        if (flags.remote !== undefined) {
          throw new UsageError('--remote is about versions', {
            option: 'remote',
            hint: "give rules for them: --versions 'last 5'; or --recall",
          });
        }
        const { keep } = await import('../../use/ops/keep.js');
        const { best, by, last, optimizer: state, lower, higher, model, cached, force } = flags;
        const better = lower ? ('lower' as const) : higher ? ('higher' as const) : undefined;
        const { dryRun } = flags;
        const options = { best, by, last, state, better, model, cached, force, dryRun, paths };
        const result = await run.repository((repo) => keep(repo, options, run.context));
        run.report(result, (ui) => print(ui, result, flags.by));
        return 0;
      }),
    );
}

/** Flags that are about the files of the next version alone. */
const OF_FILES = ['cached', 'force', 'best', 'by', 'lower', 'higher', 'last', 'optimizer'] as const;

/** @throws {UsageError} for flags that mean nothing beside `flag`. */
function refuseFlags(flags: Flags, flag: string, refused: readonly (keyof Flags)[]): void {
  const first = refused.find((name) => flags[name] !== undefined);
  if (first === undefined) return;
  throw new UsageError(
    `--${first} is about checkpoints in the work tree: it means nothing with ${flag}`,
    {
      option: first,
      hint: "rules for versions are words: --versions 'last 5, best 3 by eval_loss, optimizer 1'",
    },
  );
}

async function keepVersions(run: Run, paths: readonly string[], flags: Flags): Promise<number> {
  const { keepVersions: give } = await import('../../use/ops/keep-versions.js');
  refuseFlags(flags, '--versions', OF_FILES);
  const [first] = paths;
  if (first !== undefined) {
    throw new UsageError(`'${first}' is one operand too many: rules are one word of the shell`, {
      hint: "put them in quotes: --versions 'last 5, best 3 by eval_loss'",
    });
  }
  const { versions: rules, model, dryRun = false } = flags;
  const options = {
    dryRun,
    ...(typeof rules === 'string' ? { rules } : {}),
    ...(model === undefined ? {} : { model }),
  };
  if (flags.remote !== undefined) {
    const { keepRemote } = await import('../../use/ops/keep-remote.js');
    const there = { ...options, ...lineSettings(flags), remote: flags.remote };
    const result = await run.repository((repo) => keepRemote(repo, there, run.context));
    run.report(result, (ui) => {
      const command = `dlv gc --remote ${result.remote ?? result.url}`;
      printVersions(ui, result, `'${command}' takes them out of '${result.url}' in two steps`);
    });
    return 0;
  }
  const result = await run.repository((repo) => give(repo, options, run.context));
  const from = result.freedFrom.slice(0, 10);
  run.report(result, (ui) =>
    printVersions(ui, result, `'dlv gc --prune=now' at once, 'dlv gc' from ${from} on`),
  );
  return 0;
}

function printVersions(ui: Ui, result: Omit<KeepVersionsResult, 'freedFrom'>, how: string): void {
  const { versions, rules, freedBytes, baseBytes, dryRun } = result;
  const { green, yellow, red, dim } = ui.style;
  const styles = { kept: green, 'state given up': yellow, 'given up': red, gone: dim };
  const rows = versions.map((row): Cell[] => [
    { text: row.status, style: styles[row.status] },
    row.version.slice(0, 10),
    row.name,
    row.step === null ? '' : `step ${row.step}`,
    row.reasons.join(', '),
    row.files === 0
      ? ''
      : `${formatCount(row.files, 'file')}, ${formatBytes(row.bytes)}, frees ${formatBytes(row.freedBytes)}`,
  ]);
  for (const line of formatTable([{}, {}, {}, {}, {}, {}], rows)) ui.line(line);
  for (const { model, rules: text } of rules) ui.line(`${model}: ${text}`);
  const going = versions.filter(({ files }) => files > 0).length;
  const would = dryRun ? 'would be' : going === 1 ? 'was' : 'were';
  if (going === 0) {
    ui.note('nothing to give up');
    return;
  }
  ui.line(
    `files of ${formatCount(going, 'version')} ${would} given up: ${dryRun ? 'would free' : 'frees'} ` +
      `${formatBytes(freedBytes)}, ${how}`,
  );
  if (baseBytes > 0) {
    ui.line(
      `${formatBytes(baseBytes)} stay: versions that are kept are stored as differences from them; ` +
        "'dlv archive' stores those in another way",
    );
  }
  ui.note(
    dryRun
      ? 'nothing was changed'
      : "until gc has deleted them, 'dlv keep --recall <version>' brings them back",
  );
}

async function recall(run: Run, revisions: readonly string[], flags: Flags): Promise<number> {
  const { recallVersions } = await import('../../use/ops/keep-versions.js');
  refuseFlags(flags, '--recall', [...OF_FILES, 'versions', 'model', 'dryRun']);
  const { remote, from } = flags;
  if (remote !== undefined) {
    if (from !== undefined) {
      throw new UsageError('--remote sends files there, --from brings them here', {
        option: 'from',
        hint: 'give one of the two',
      });
    }
    const { recallRemote } = await import('../../use/ops/keep-remote.js');
    const there = { ...lineSettings(flags), remote };
    const recalled = await run.repository((repo) =>
      recallRemote(repo, there, revisions, run.context),
    );
    run.report(recalled, (ui) => printRecalled(ui, recalled.versions));
    return 0;
  }
  const how = { ...lineSettings(flags), ...(from === undefined ? {} : { from }) };
  const result = await run.repository((repo) => recallVersions(repo, revisions, how, run.context));
  run.report(result, (ui) => printRecalled(ui, result.versions));
  return 0;
}

function printRecalled(ui: Ui, versions: RecallResult['versions']): void {
  for (const { model, number, files } of versions) {
    const are = files === 1 ? 'is' : 'are';
    ui.line(`${formatCount(files, 'file')} of ${model}@${number} ${are} kept again`);
  }
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
