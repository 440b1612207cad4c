/** `dlv show` on the command line. */

import type { Command } from 'commander';
import { maxOf } from '../../base/bytes/many.js';
import { shellWord } from '../../base/bytes/words/wording.js';
import { UsageError } from '../../base/errors.js';
import type { ShownCheckpoint } from '../../use/history/shown-files.js';
import type { ShowFileResult, ShowFolderResult, ShowResult } from '../../use/ops/show.js';
import { placePath } from '../../use/worktree/operands/path-input.js';
import { splitPlace } from '../arguments.js';
import {
  addChangeOptions,
  type ChangeFlags,
  type ChangeForm,
  changeForm,
  changeLines,
} from '../output/changes.js';
import { preprocessText } from '../output/evaluations/evaluation.js';
import {
  bytesOf,
  formatErrors,
  formatMetric,
  versionLines,
  versionTitle,
} from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import { SHOW_EXAMPLE } from '../output/versions/show-example.js';
import { VersionFormat } from '../output/versions/version-format.js';
import type { Cli } from '../run.js';

type Print = (title: string, rows: (string | number)[][]) => void;

/** Tables of what a version or a folder holds: a row for a checkpoint of a series, one for any other file. */
function printContent(shown: ShowResult | ShowFolderResult, print: Print): void {
  const grouped = shown.checkpoints.flatMap(({ checkpoints }) => checkpoints);
  for (const { name, checkpoints } of shown.checkpoints) {
    const bytes = checkpoints.reduce((sum, checkpoint) => sum + checkpoint.bytes, 0);
    const count = formatCount(checkpoints.length, 'checkpoint');
    print(`${name}: ${count}, ${formatBytes(bytes)}`, checkpoints.map(checkpointRow));
  }
  const isApart = (path: string): boolean =>
    !grouped.some((checkpoint) => isPartOf(path, checkpoint.path));
  const files = shown.files.filter(({ path }) => isApart(path));
  const count = formatCount(shown.files.length, 'file');
  const beside = grouped.length > 0 ? `; ${files.length} beside checkpoints` : '';
  print(
    `${count}, ${formatBytes(shown.logicalBytes)}${beside}`,
    files.map(({ path, mode, size, sha256, role, tier, givenUp }) => [
      formatBytes(size),
      path,
      sha256.slice(0, 10) +
        (tier === null ? '' : `, kept as ${tier}`) +
        (givenUp === null ? '' : ', given up'),
      [...(role === 'other' ? [] : [role]), ...(mode === '755' ? ['executable'] : [])].join(', '),
    ]),
  );
  print(
    'Snapshots',
    shown.snapshots
      .filter(({ key }) => isApart(key))
      .map(({ key, role, step, bytes }) => [
        formatBytes(bytes),
        key,
        step === null ? role : `${role}, step ${step}`,
      ]),
  );
}

function isPartOf(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** Numbers of a checkpoint that one row has room for: those of an evaluation first. */
const METRICS_SHOWN = 3;

function checkpointRow({ path, step, files, bytes, roles, metrics }: ShownCheckpoint): string[] {
  const parts = Object.entries(roles)
    .filter(([role]) => role === 'weights' || role === 'optimizer' || role === 'ema')
    .map(([role, size]) => `${role} ${formatBytes(size)}`);
  const rank = (name: string): number => (/^(eval|val|test)/.test(name) ? 0 : 1);
  const numbers = Object.entries(metrics)
    .filter(([name]) => name !== 'step' && name !== 'epoch')
    .sort(([a], [b]) => rank(a) - rank(b))
    .slice(0, METRICS_SHOWN)
    .map(
      ([name, value]) =>
        `${name} ${typeof value === 'number' ? Number(value.toPrecision(6)) : value}`,
    );
  return [
    formatBytes(bytes),
    path,
    `step ${step}`,
    formatCount(files, 'file'),
    parts.join(', '),
    numbers.join(', '),
  ];
}

function printFolder(ui: Ui, folder: ShowFolderResult): void {
  ui.line(ui.style.bold(`${folder.path}/`));
  printContent(folder, tablePrinter(ui));
}

function tablePrinter(ui: Ui): Print {
  const columns = [{ align: 'right' as const }, {}, {}, {}, {}, {}];
  return (title, rows) => {
    if (rows.length === 0) return;
    ui.line('');
    ui.line(ui.style.bold(title));
    const wide = maxOf(rows.map((row) => row.length));
    for (const line of formatTable(columns.slice(0, wide), rows, { indent: '  ' })) ui.line(line);
  };
}

function printVersion(ui: Ui, shown: ShowResult): void {
  ui.line(versionTitle(ui, shown));
  for (const line of versionLines(shown)) ui.line(line);
  for (const { tag, message, author, time } of shown.tagged) {
    ui.line('');
    ui.line(`Tag ${tag}, by ${author}, ${time.slice(0, 10)}`);
    for (const line of message.split('\n')) ui.line(`  ${line}`);
  }
  if (shown.git !== null) {
    ui.line('');
    ui.line(`Git:     ${shown.git.commit}${shown.git.dirty ? ' (with changes)' : ''}`);
  }
  const print = tablePrinter(ui);
  printContent(shown, print);
  print(
    'Data',
    Object.entries(shown.data).map(([name, id]) => ['', name, id]),
  );
  print(
    'Environment',
    Object.entries(shown.environment).map(([name, text]) => ['', name, text]),
  );
  print(
    'Logs',
    shown.logs.map(({ name, bytes }) => [formatBytes(bytes), name]),
  );
  const whys = new Set(shown.files.map(({ givenUp }) => givenUp).filter((why) => why !== null));
  for (const why of whys) ui.line(`Files were given up on ${why}`);
  for (const { tier, author, time, files } of shown.tiers) {
    if (files.length === 0) continue;
    print(
      `Tier ${tier}, by ${author}, ${time.slice(0, 10)}`,
      files.map((file) => [file.path, formatErrors(file)]),
    );
  }
  print(
    'Evaluations',
    shown.evaluations.map(({ data, network, preprocess, examples, metrics }) => [
      formatCount(examples, 'example'),
      data,
      network,
      preprocessText(preprocess),
      Object.entries(metrics)
        .map(([name, value]) => `${name} ${formatMetric(value)}`)
        .join(', '),
    ]),
  );
  const told = shown.evaluations.length + shown.tagged.length;
  if (shown.notes.length <= told) return;
  ui.line('');
  ui.line(formatCount(shown.notes.length - told, told === 0 ? 'note' : 'other note'));
}

function printFile(ui: Ui, file: ShowFileResult, place: string): void {
  const { style } = ui;
  ui.line(`${style.bold(file.path)}  ${formatBytes(file.size)}, mode ${file.mode}`);
  const extents = ui.verbose ? `, ${formatCount(file.extents, 'extent')}` : '';
  ui.line(`Format:  ${file.format}${extents}`);
  ui.line(`sha256:  ${file.sha256}${file.tier === null ? '' : `, of the tier ${file.tier}`}`);
  if (file.tensors.length === 0) {
    ui.note(`'dlv cat ${shellWord(place)}' prints its content`);
    return;
  }
  const count = formatCount(file.tensors.length, 'tensor');
  ui.line('');
  ui.line(style.bold(`${count}, ${bytesOf(file.tensorBytes, file.size)}`));
  const rows = file.tensors.map(({ name, dtype, shape, bytes, kind, extent, role }) => [
    name,
    dtype,
    `[${shape.join(', ')}]`,
    formatBytes(bytes),
    ui.verbose ? (extent?.slice(0, 10) ?? kind) : '',
    role === 'weights' ? '' : role,
  ]);
  const columns = [{}, {}, {}, { align: 'right' as const }, {}, {}];
  for (const line of formatTable(columns, rows, { indent: '  ' })) ui.line(line);
}

interface Flags extends ChangeFlags {
  format?: string;
}

export function register(program: Command, cli: Cli): void {
  const command = cli
    .command(program, 'show', {
      summary: 'show a version, a folder or a file',
      about:
        'For a version, shows its message, files, snapshots and metrics. For <rev>:<path>, shows ' +
        'how a file is stored, and its tensors; with --json, an object with version, path, mode, ' +
        'size, sha256, gitSha1, format, recipe, extents, tensorBytes and tensors (each with ' +
        'name, role, dtype, shape, bytes, kind and extent). For a folder, shows its content; ' +
        'with --json, an object with version, path, files, logicalBytes, snapshots and ' +
        'checkpoints.\n\nFolders and files with a step in their names (checkpoint-500, step_20, ' +
        'epoch=3-step=120.ckpt) form series of checkpoints. They are shown with one row for each ' +
        'step and its metrics, which come from the version, from trainer_state.json or from the ' +
        'name. --stat, --name-only, --name-status and -p show what the version changed since its ' +
        'first parent; with --json, as changes, an object with files and snapshots.',
      examples: [
        ['dlv show', 'the version that HEAD names'],
        ['dlv show bert@3', 'the third version of the model bert'],
        ['dlv show --stat v1', 'a version and the files that it changed'],
        ['dlv show -s --format %H v1', 'only the id of a version'],
        ['dlv show HEAD:model.safetensors', 'the tensors of a file'],
        ['dlv show HEAD:checkpoint-500', 'the content of a folder'],
      ],
      json: SHOW_EXAMPLE,
      exitCodes: { 1: 'no such revision or file' },
    })
    .argument('[revision]', 'version, or <rev>:<path>', 'HEAD');
  addChangeOptions(command)
    .option('--format <format>', 'a text with placeholders, as in dlv log')
    .option('-s, --no-patch', 'with --format: print nothing else (the default)')
    .action(
      cli.action(async (run, place: string, flags: Flags) => {
        const { show, showPath } = await import('../../use/ops/show.js');
        const { revision, path } = splitPlace(place);
        const form = changeForm({ ...flags, patch: flags.patch === true });
        const format = flags.format === undefined ? null : new VersionFormat(flags.format);
        await run.repository(async (repo) => {
          if (path !== undefined) {
            if (form !== null || format !== null) {
              throw new UsageError('these flags are for versions, not for files');
            }
            const whole = placePath(repo.layout, run.context.cwd, path);
            const found = await showPath(repo, revision, whole, run.context);
            run.answer(found, (ui) =>
              'files' in found ? printFolder(ui, found) : printFile(ui, found, place),
            );
            return;
          }
          const detail = form === 'patch' ? 'tensors' : 'files';
          const options = form === null ? {} : { changes: detail as 'tensors' | 'files' };
          const shown = await show(repo, revision, run.context, options);
          run.answer(shown, (ui) => printShown(ui, shown, form, format));
        });
        return 0;
      }),
    );
}

/** The version: whole, or its title with what it changed, or after a format. */
function printShown(
  ui: Ui,
  shown: ShowResult,
  form: ChangeForm | null,
  format: VersionFormat | null,
): void {
  if (format !== null) for (const line of format.format(shown).split('\n')) ui.line(line);
  else if (form === null) printVersion(ui, shown);
  else for (const line of [versionTitle(ui, shown), ...versionLines(shown), '']) ui.line(line);
  if (form === null) return;
  const changes = shown.changes ?? { files: [], checkpoints: [], snapshots: [] };
  for (const line of changeLines(ui, form, changes)) ui.line(line);
}
