/** `dlv revert` on the command line. */
import type { Command } from 'commander';
import type { RevertOptions, RevertResult } from '../../use/ops/revert.js';
import { parseCount } from '../arguments.js';
import { exampleId, noteFiles, subject } from '../output/render.js';
import type { Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  message?: string;
  mainline?: string;
  commit?: boolean;
  dryRun?: boolean;
}

const EXAMPLE: RevertResult = {
  dryRun: false,
  version: exampleId('9c1f0e6f0b'),
  model: 'mnist',
  branch: 'main',
  number: 4,
  reverted: exampleId('4be2a97d10'),
  message: 'Revert "wider layers"\n\nThis takes back mnist@2 (4be2a97d10…).',
  changes: [{ path: 'model.safetensors', status: 'modified' }],
  written: ['model.safetensors'],
  removed: [],
};

function print(ui: Ui, result: RevertResult): void {
  const { version, model, branch, message, changes, dryRun } = result;
  for (const { path, status } of changes) ui.line(`${status}  ${path}`);
  noteFiles(ui, result);
  if (version !== null) ui.line(`[${model}/${branch} ${version.slice(0, 10)}] ${subject(message)}`);
  else ui.note(dryRun ? 'nothing was changed' : "staged; 'dlv commit' makes the version");
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'revert', {
      summary: 'make a version that takes back what an earlier one changed',
      about:
        'Each file that the version changed becomes what it was before, in a new version on the current ' +
        'branch and in the work tree. A file that was changed again since is a conflict: it is named, ' +
        'and nothing is changed. History stays: to take a version out of it, see dlv forget.',
      examples: [
        ['dlv revert HEAD', 'takes the last version back'],
        ['dlv revert --dry-run mnist@2', 'says which files would change'],
        ['dlv revert --no-commit mnist@2', 'changes and stages the files, and makes no version'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'a file was changed again since, changes are staged, or there is no such version',
      },
    })
    .argument('<rev>', 'version whose changes are taken back')
    .option('-m, --message <text>', 'message of the new version')
    .option('--mainline <n>', 'tell the changes of the version from its n-th parent (default: 1)')
    .option('--no-commit', 'only change and stage the files')
    .option('--dry-run', 'only say what would change')
    .action(
      cli.action(async (run, revision: string, flags: Flags) => {
        const { revert } = await import('../../use/ops/revert.js');
        const { message, mainline } = flags;
        const options: RevertOptions = {
          revision,
          ...(message === undefined ? {} : { message }),
          ...(mainline === undefined ? {} : { mainline: parseCount(mainline, '--mainline') }),
          noCommit: flags.commit === false,
          dryRun: flags.dryRun === true,
        };
        const result = await run.repository((repo) => revert(repo, options, run.context));
        run.answer(result, (ui) => print(ui, result));
        return 0;
      }),
    );
}
