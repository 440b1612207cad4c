/** `dlv commit` on the command line. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { PathChange } from '../../use/history/commit/staged-changes.js';
import { parseDate } from '../../use/history/dates.js';
import type { CommitOptions, CommitPreview, CommitResult, KeptLog } from '../../use/ops/commit.js';
import {
  branchOf,
  branchOption,
  type Level,
  levelOption,
  parseAuthor,
  parseCount,
  parseMetrics,
  parseNamed,
  parseOperation,
  parseParams,
  parseStep,
} from '../arguments.js';
import { canEdit, withWritten } from '../editor.js';
import { collect } from '../flags.js';
import { readMessage } from '../message.js';
import { exampleId, subject } from '../output/render.js';
import { formatBytes, formatCount, formatDuration, type Ui } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  message?: string[];
  file?: string;
  all?: boolean;
  from?: string;
  heldOf?: string;
  keepOthers?: boolean;
  amend?: boolean;
  model?: string;
  branch?: string;
  param?: string[];
  metric?: string[];
  log?: string[];
  operation?: string;
  env?: string[];
  data?: string[];
  step?: string;
  parent?: string[];
  allowEmpty?: boolean;
  allowRemovals?: boolean;
  author?: string;
  date?: string;
  dryRun?: boolean;
  verbose?: boolean;
  level?: Level;
}

const EXAMPLE: CommitResult = {
  version: exampleId('9c1f0e6f0b'),
  model: 'mnist',
  branch: 'main',
  number: 3,
  name: 'mnist@3',
  files: 2,
  tensors: 26,
  logicalBytes: 5733904,
  changes: [{ path: 'model.safetensors', status: 'modified' }],
  amended: null,
  logs: [
    {
      log: 'runs/low-rate',
      files: 1,
      format: 'tensorboard',
      metrics: 2,
      points: 1200,
      params: 4,
      problem: null,
    },
  ],
  storedBytes: 2913280,
  metadataBytes: 2320,
  seconds: 0.42,
};

/** `<run>:<n>`, as programs that tell of themselves write it. */
function parseHeld(text: string): { run: string; n: number } {
  const [run = '', n = ''] = text.split(':');
  return { run, n: parseCount(n, '--held-of') };
}

async function options(run: Run, flags: Flags): Promise<CommitOptions> {
  const message = await readMessage(flags.message, flags.file, run);
  return {
    all: flags.all === true,
    amend: flags.amend === true,
    ...(flags.from === undefined ? {} : { from: flags.from }),
    ...(flags.keepOthers ? { keepOthers: true } : {}),
    ...(flags.heldOf === undefined ? {} : { heldOf: parseHeld(flags.heldOf) }),
    allowEmpty: flags.allowEmpty === true,
    allowRemovals: flags.allowRemovals === true,
    params: parseParams(flags.param ?? []),
    metrics: parseMetrics(flags.metric ?? [], run.context.warn),
    logs: flags.log ?? [],
    parents: flags.parent ?? [],
    environment: parseNamed(flags.env ?? [], 'environment', '--env python=3.12'),
    data: parseNamed(flags.data ?? [], 'data set', '--data train=./train.npz'),
    ...(flags.operation === undefined ? {} : { operation: parseOperation(flags.operation) }),
    ...(message === null ? {} : { message }),
    ...(flags.model === undefined ? {} : { model: flags.model }),
    ...branchOf(flags.branch, run.env),
    ...(flags.level === undefined ? {} : { level: flags.level }),
    ...(flags.step === undefined ? {} : { step: parseStep(flags.step) }),
    ...(flags.author === undefined ? {} : { author: parseAuthor(flags.author) }),
    ...(flags.date === undefined ? {} : { date: parseDate(flags.date) }),
  };
}

function noteChanges(ui: Ui, changes: readonly PathChange[]): void {
  for (const { path, status } of changes) ui.note(`  ${status.padEnd(9)} ${path}`);
}

function print(ui: Ui, result: CommitResult, title: string, flags: Flags): void {
  ui.line(`[${result.model}/${result.branch} ${result.version.slice(0, 10)}] ${title}`);
  if (flags.verbose) noteChanges(ui, result.changes);
  ui.note(
    `${result.name}: ${formatCount(result.files, 'file')}, ` +
      `${formatCount(result.tensors, 'tensor')}, ${formatBytes(result.logicalBytes)}; ` +
      `the repository grew by ${formatBytes(result.storedBytes)}; ${formatDuration(result.seconds)}`,
  );
  for (const log of result.logs) ui.note(logLine(log));
  if (result.amended !== null) {
    ui.note(`the version before it stays as ${result.amended.slice(0, 10)} for now: see 'dlv gc'`);
  }
}

/** What was made of a log. */
function logLine({ log, format, metrics, points, params, problem }: KeptLog): string {
  if (format === null) return `log '${log}': kept; its format is not known, so nothing was read`;
  const read = [
    `${formatCount(metrics, 'metric')} with ${formatCount(points, 'point')}`,
    ...(params > 0 ? [formatCount(params, 'hyperparameter')] : []),
  ];
  return `log '${log}' (${format}): read ${read.join(', ')}${problem === null ? '' : `; ${problem}`}`;
}

function printPreview(ui: Ui, preview: CommitPreview): void {
  ui.line(
    `would commit ${formatCount(preview.changes.length, 'change')} to ` +
      `${preview.model}/${preview.branch}: ${formatCount(preview.files, 'file')}, ` +
      formatBytes(preview.logicalBytes),
  );
  for (const { path, status } of preview.changes) {
    ui.line(`  ${status.padEnd(9)} ${path}`);
  }
}

async function action(run: Run, flags: Flags): Promise<number> {
  const { commit, dryCommit } = await import('../../use/ops/commit.js');
  const asked = await options(run, flags);
  if (flags.dryRun && flags.from !== undefined) {
    throw new UsageError('--from and --dry-run are given', {
      option: '--from',
      hint: 'leave one of them out',
    });
  }
  if (flags.dryRun) {
    const preview = await run.repository((repo) => dryCommit(repo, asked, run.context));
    run.answer(preview, (ui) => printPreview(ui, preview));
    return 0;
  }
  const make = async (given: CommitOptions): Promise<void> => {
    const result = await run.repository((repo) => commit(repo, given, run.context));
    const title =
      given.message === undefined ? 'amended, its message kept' : subject(given.message);
    run.report(result, (ui) => print(ui, result, title, flags));
  };
  const isWritten = asked.message === undefined && !asked.amend && asked.heldOf === undefined;
  if (isWritten && canEdit(run)) {
    const draft = await run.repository(async (repo) => ({
      comment: aboutVersion(asked.from ?? (await dryCommit(repo, asked, run.context))),
      setting: repo.config.get('core.editor'),
    }));
    await withWritten(run, draft, (message) => make({ ...asked, message }));
  } else await make(asked);
  return 0;
}

/** What a message is written for, as lines. @param of  changes, or the folder whose files are taken. */
function aboutVersion(of: CommitPreview | string): string[] {
  if (typeof of === 'string') return [`A version of the files of '${of}'.`];
  const { model, branch, changes } = of;
  return [
    `${formatCount(changes.length, 'change')} to ${model}/${branch}:`,
    ...changes.map(({ path, status }) => `  ${status.padEnd(9)} ${path}`),
  ];
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'commit', {
      summary: 'make a version from the staged files',
      about:
        'Without -m and -F, in a terminal, an editor opens for the message, below which it lists the changes: that of the setting ' +
        'core.editor, else VISUAL, EDITOR, vi.\n\nA metric may have a step: --metric loss@2000=0.31. A number may be nan, inf or -inf. With --amend, the new version ' +
        'replaces the last one on the branch: it keeps the message, author, hyperparameters, ' +
        'metrics and logs that are not given again, and gets a number of its own. In the JSON ' +
        'document, storedBytes counts what was stored for this version since its parent, also by ' +
        "'dlv add', and not what was staged and dropped again.\n\nWith --branch, or DLV_BRANCH in the environment, the " +
        'version goes to that branch, and HEAD, the work files and what is staged for them do ' +
        "not change. The version is the tip of that branch with what was staged by 'dlv add " +
        "--branch'; -a takes only files that were added in this way. If HEAD is on that branch, " +
        'the flag has no effect.\n\nWith --from, the version has the files of a folder, under their names below it, and no ' +
        'others; or one file. With --keep-others, the other files of the last version stay. Work files and what is staged do not count and stay as they are. So a checkpoint ' +
        'that a training has just written becomes a version of its line, wherever you are.\n\nTracked files that were never written to the work tree, as ' +
        'after copy and switch, are not deletions. A version with fewer than half of the files ' +
        'of the previous one needs --allow-removals. With --dry-run, the JSON document has ' +
        'dryRun, model, branch, parents, changes, files and logicalBytes.\n\n' +
        'A value of --param is a number, a boolean, null or a list if it is valid JSON (1e-3, true, ' +
        '[64, 32]), else a text; put a text that looks like a number in double quotes. --log stores a ' +
        'file, or the logs of a folder, and reads metrics and hyperparameters from JSON lines, CSV ' +
        '(also of Keras and Lightning), name=value lines, trainer_state.json, TensorBoard event files, ' +
        'MLflow run folders and offline runs of W&B; the format is detected from the content. --param ' +
        'and --metric override logs; the curve of a metric that is given without a step is kept.',
      examples: [
        ["dlv commit -m 'first run'", 'makes a version from the staged files'],
        ['dlv commit -a', 'opens an editor for the message'],
        [
          "dlv commit -a -m 'step 3000' --step 3000 --metric accuracy=0.92",
          'stages changed tracked files first',
        ],
        [
          "dlv commit -a --branch bert/run-2 -m 'step 500' --step 500",
          'from a training script, while you work on another branch here',
        ],
        [
          'dlv commit --from out/checkpoint-500 --branch bert/run-2 -m "step 500" --step 500',
          'a version of the files of a checkpoint, as they are there',
        ],
        ['dlv commit --amend --metric accuracy=0.93', 'adds a result to the last version'],
        ['dlv commit -a -F notes.txt --dry-run', 'prints what would be committed'],
        [
          'dlv commit -a -m sweep --param lr=1e-3 --param opt=adam --log runs/7 --operation train',
          'reads the curves of a TensorBoard folder',
        ],
        ["dlv commit -m 'fine-tuned' --parent bert@4", 'records another model as a second parent'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1:
          'nothing to commit, a file that may not be read, most files would be removed, or another command ' +
          'moved the branch',
      },
    })
    .option('-m, --message <text>', 'message of the version; repeat for more paragraphs', collect)
    .option('-F, --file <file>', 'take the message from a file, or from stdin with -')
    .option('-a, --all', 'first stage every tracked file that was changed or deleted')
    .option('--from <path>', 'make the version of the files of a folder, or of one file, alone')
    .option('--keep-others', 'with --from: keep the other files of the last version, too')
    .option('--amend', 'replace the last version on the branch')
    .option('--no-edit', 'with --amend: keep the message (the default)')
    .option('--model <name>', "model line to commit (default: HEAD's)")
    .addOption(branchOption('branch that the version goes to'))
    .option('--param <name=value>', 'hyperparameter; may be repeated', collect)
    .option(
      '--metric <name=number>',
      'measured result, or name@step=number; :min or :max after the number or the name says which ' +
        'values are better; may be repeated',
      collect,
    )
    .option('--log <path>', 'training log to store and read; may be repeated', collect)
    .option(
      '--operation <kind>',
      'what made the version: train, pre-train, fine-tune, distill, prune, quantize, convert, or another word; ' +
        'details may follow a colon',
    )
    .option('--env <name=text>', 'fact about the machine or the software; may be repeated', collect)
    .option(
      '--data <name=id>',
      'data set by its id, or by a file (./train.npz) whose sha256 is stored; may be repeated',
      collect,
    )
    .option('--step <n>', 'training step of the snapshots that changed')
    .option('--parent <rev>', 'additional parent version; may be repeated', collect)
    .option('--allow-empty', 'make a version even if no file changed')
    .option('--allow-removals', 'make a version even if most files are removed')
    .option('--author <name>', "who made it, as 'Ada <ada@example.org>'")
    .option('--date <date>', "when it was made: '2026-01-31 12:00', '2 days ago'")
    .option('--dry-run', 'only print what would be committed')
    .option('-v, --verbose', 'list the files that changed')
    .addOption(levelOption('effort of the encoder for --all'))
    .addOption(new Option('--held-of <held>').hideHelp())
    .action(cli.action(action));
}
