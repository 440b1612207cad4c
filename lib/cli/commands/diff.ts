/** `dlv diff` on the command line. */
import type { Command } from 'commander';
import type { DiffResult } from '../../use/ops/diff.js';
import {
  addChangeOptions,
  type ChangeFlags,
  type ChangeForm,
  changeForm,
  changeLines,
} from '../output/changes.js';
import type { Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags extends ChangeFlags {
  staged?: boolean;
  cached?: boolean;
  quiet?: boolean;
  model?: string;
  files?: boolean;
  all?: boolean;
  exitCode?: boolean;
}

const EXAMPLE: DiffResult = {
  before: { label: 'mnist@1', version: null, tier: null },
  after: { label: 'mnist@2', version: null, tier: null },
  same: false,
  files: [
    { path: 'model.safetensors', status: 'modified', bytesBefore: 5733472, bytesAfter: 5733472 },
  ],
  checkpoints: [],
  snapshots: [
    {
      role: 'weights',
      keyBefore: 'model.safetensors',
      keyAfter: 'model.safetensors',
      stepBefore: 2750,
      stepAfter: 3000,
      added: 0,
      removed: 0,
      changed: 1,
      equal: 25,
      renamed: 0,
      renamedAs: null,
      tensors: [
        {
          name: 'fc.weight',
          nameBefore: 'fc.weight',
          status: 'changed',
          before: { dtype: 'F32', shape: [10, 256] },
          after: { dtype: 'F32', shape: [10, 256] },
          numbers: {
            elements: 2560,
            equal: false,
            changed: 0.998,
            maxAbs: 0.0021,
            relativeL2: 0.0013,
            cosine: 0.9999991,
            nonFinite: 0,
            reshaped: false,
            dtypeChanged: false,
          },
        },
      ],
    },
  ],
};

export function register(program: Command, cli: Cli): void {
  const command = cli
    .command(program, 'diff', {
      summary: 'show which files and tensors differ, and by how much',
      about:
        'Without a revision, compares the work tree with what is staged; with one revision, the ' +
        'work tree with that version; with two, or a..b, the second version with the first; with ' +
        'a...b, b with the last common ancestor of both. <rev>:<path> is one folder or file of a ' +
        'version: two of them are compared with each other, whatever their names, and one is ' +
        'compared with the same path in the work tree, or with the path given after it.\n\nA ' +
        'moved file is found by its content or by its tensors and shown as renamed. Folders of ' +
        'checkpoints that were added, removed or moved as a whole are one row (in JSON, ' +
        'checkpoints), and a new checkpoint is compared with the last one before it. If the ' +
        'executable bit changed, both modes are shown after the size (in JSON, modeBefore and ' +
        'modeAfter).\n\nFor each changed tensor, dlv shows the share of elements whose bits ' +
        'differ, and over pairs of finite values the largest |b − a|, ‖b − a‖ / ‖a‖ and the ' +
        'cosine. Tensors whose names differ only by a prefix that frameworks add, such as ' +
        "'module.' or '_orig_mod.', are compared too. Paths come last, after -- if a revision " +
        'has the same name. --stat, --name-only and --name-status read no tensors. -q after the ' +
        'command prints nothing: the exit code is the answer.',
      examples: [
        ['dlv diff HEAD~1 HEAD', 'the last version against the one before'],
        ['dlv diff', 'what changed since dlv add'],
        ['dlv diff --staged', 'what the next version will change'],
        ['dlv diff --stat v1..HEAD', 'the files that changed since v1, with their sizes'],
        ['dlv diff mnist@1 mnist@4 -- model.safetensors', 'only one file'],
        ['dlv diff HEAD:checkpoint-500 HEAD:checkpoint-1000', 'two checkpoints of one version'],
        ['dlv diff base@1:model.pt HEAD:model.safetensors', 'two files of any versions'],
        ['dlv diff --quiet HEAD', 'exit code 1 if the work tree differs from the last version'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'with --exit-code or --quiet: something differs' },
    })
    .argument('[revisions...]', 'none, one or two revisions or <rev>:<path>, then paths')
    .option('--staged', 'compare what is staged instead of the work tree')
    .option('--cached', 'the same as --staged')
    .option('--model <name>', "model line of the work tree (default: HEAD's)");
  addChangeOptions(command)
    .option('--files', 'list files only')
    .option('--all', 'list equal tensors as well')
    .option('--exit-code', 'exit with 1 if something differs')
    .action(
      cli.action(async (run, operands: string[], flags: Flags) => {
        const { diff } = await import('../../use/ops/diff.js');
        const { before, after } = run.split(operands);
        const isQuiet = flags.quiet === true && !run.ui.json;
        const form = changeForm(flags) ?? 'patch';
        const options = {
          revisions: before,
          paths: after ?? [],
          staged: flags.staged === true || flags.cached === true,
          filesOnly: flags.files === true || form !== 'patch' || flags.quiet === true,
          all: flags.all === true,
          ...(flags.model === undefined ? {} : { model: flags.model }),
        };
        const result = await run.repository((repo) => diff(repo, options, run.context));
        run.answer(result, (ui) => isQuiet || print(ui, result, form));
        return (flags.exitCode || flags.quiet) && !result.same ? 1 : 0;
      }),
    );
}

function print(ui: Ui, result: DiffResult, form: ChangeForm): void {
  for (const { label, tier } of [result.before, result.after]) {
    if (tier === null) continue;
    ui.line(ui.style.red(`${label} is kept as ${tier}: its exact values were given up`));
  }
  for (const line of changeLines(ui, form, result)) ui.line(line);
  if (result.same) ui.note('no differences');
}
