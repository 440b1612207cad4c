/** `dlv show` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { ShowFileResult, ShowResult } from '../../use/ops/show.js';
import { splitPlace } from '../arguments.js';
import {
  addChangeOptions,
  type ChangeFlags,
  type ChangeForm,
  changeForm,
  changeLines,
} from '../output/changes.js';
import {
  bytesOf,
  EXAMPLE_VERSION,
  exampleId,
  formatErrors,
  versionLines,
  versionTitle,
} from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import { VersionFormat } from '../output/version-format.js';
import type { Cli } from '../run.js';

const EXAMPLE: ShowResult = {
  ...EXAMPLE_VERSION,
  files: [
    {
      path: 'model.safetensors',
      mode: '644',
      size: 5733472,
      sha256: exampleId('8d2f6c1a97'),
      tier: null,
    },
  ],
  logicalBytes: 5733472,
  snapshots: [{ key: 'model.safetensors', role: 'weights', step: 500, files: 1, bytes: 5733472 }],
  series: [
    { name: 'accuracy', step: null, value: 0.981 },
    { name: 'loss', step: 500, value: 0.061 },
  ],
  logs: [{ name: 'train.log', bytes: 1834 }],
  git: { commit: exampleId('b2').slice(0, 40), dirty: false },
  tiers: [],
  notes: [],
};

function printVersion(ui: Ui, shown: ShowResult): void {
  ui.line(versionTitle(ui, shown));
  for (const line of versionLines(shown)) ui.line(line);
  if (shown.git !== null) {
    ui.line('');
    ui.line(`Git:     ${shown.git.commit}${shown.git.dirty ? ' (with changes)' : ''}`);
  }
  const columns = [{ align: 'right' as const }, {}, {}];
  const print = (title: string, rows: (string | number)[][]): void => {
    if (rows.length === 0) return;
    ui.line('');
    ui.line(ui.style.bold(title));
    for (const line of formatTable(columns, rows, { indent: '  ' })) ui.line(line);
  };
  const count = formatCount(shown.files.length, 'file');
  print(
    `${count}, ${formatBytes(shown.logicalBytes)}`,
    shown.files.map(({ path, size, sha256, tier }) => [
      formatBytes(size),
      path,
      tier === null ? sha256.slice(0, 10) : `${sha256.slice(0, 10)}, kept as ${tier}`,
    ]),
  );
  print(
    'Snapshots',
    shown.snapshots.map(({ key, role, step, bytes }) => [
      formatBytes(bytes),
      key,
      step === null ? role : `${role}, step ${step}`,
    ]),
  );
  print(
    'Logs',
    shown.logs.map(({ name, bytes }) => [formatBytes(bytes), name]),
  );
  for (const { tier, author, time, files } of shown.tiers) {
    if (files.length === 0) continue;
    print(
      `Tier ${tier}, by ${author}, ${time.slice(0, 10)}`,
      files.map((file) => [file.path, formatErrors(file)]),
    );
  }
  if (shown.notes.length === 0) return;
  ui.line('');
  ui.line(formatCount(shown.notes.length, 'note'));
}

function printFile(ui: Ui, file: ShowFileResult): void {
  const { style } = ui;
  ui.line(`${style.bold(file.path)}  ${formatBytes(file.size)}, mode ${file.mode}`);
  ui.line(`Format:  ${file.format}, ${formatCount(file.extents, 'extent')}`);
  ui.line(`sha256:  ${file.sha256}${file.tier === null ? '' : `, of the tier ${file.tier}`}`);
  if (file.tensors.length === 0) return;
  const inExtents = file.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const count = formatCount(file.tensors.length, 'tensor');
  ui.line('');
  ui.line(style.bold(`${count}, ${bytesOf(inExtents, file.size)}`));
  const rows = file.tensors.map(({ name, dtype, shape, bytes, kind, extent, role }) => [
    name,
    dtype,
    `[${shape.join(', ')}]`,
    formatBytes(bytes),
    extent?.slice(0, 10) ?? kind,
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
      summary: 'show what a version holds, or how a file is made',
      about:
        'For <rev>:<path>, shows the format of the file and its tensors: with --json an object with ' +
        'version, path, mode, size, sha256, gitSha1, format, recipe, extents and tensors, each with ' +
        'name, role, dtype, shape, bytes, kind and extent. --stat, --name-only, --name-status and -p ' +
        'show what the version changed against its first parent; with --json as changes, an object ' +
        'of files and snapshots.',
      examples: [
        ['dlv show', 'the version that HEAD names'],
        ['dlv show bert@3', 'the third version of the model bert'],
        ['dlv show --stat v1', 'a version and the files that it changed'],
        ['dlv show -s --format %H v1', 'the id of a version alone'],
        ['dlv show HEAD:model.safetensors', 'the tensors of a file'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such revision or file' },
    })
    .argument('[revision]', 'version, or <rev>:<path>', 'HEAD');
  addChangeOptions(command)
    .option('--format <format>', 'a text with placeholders, as in dlv log')
    .option('-s, --no-patch', 'with --format: nothing below it (the default)')
    .action(
      cli.action(async (run, place: string, flags: Flags) => {
        const { show, showFile } = await import('../../use/ops/show.js');
        const { revision, path } = splitPlace(place);
        const form = changeForm({ ...flags, patch: flags.patch === true });
        const format = flags.format === undefined ? null : new VersionFormat(flags.format);
        await run.repository(async (repo) => {
          if (path !== undefined) {
            if (form !== null || format !== null) {
              throw new UsageError('a file is shown as it is: name a version alone');
            }
            const file = await showFile(repo, revision, path, run.context);
            run.answer(file, (ui) => printFile(ui, file));
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
  const changes = shown.changes ?? { files: [], snapshots: [] };
  for (const line of changeLines(ui, form, changes)) ui.line(line);
}
