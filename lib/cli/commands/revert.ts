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
      summary: 'make a version that undoes the changes of an earlier one',
      about:
        'Makes a new version on the current branch, and in the work tree, in which each file ' +
        'that <rev> changed is what it was before. If a file has changed again since, the ' +
        'command names it as a conflict and changes nothing. The reverted version stays in ' +
        "history: 'dlv forget' removes a version.",
      examples: [
        ['dlv revert HEAD', 'undoes the last version'],
        ['dlv revert --dry-run mnist@2', 'prints which files would change'],
        ['dlv revert --no-commit mnist@2', 'changes and stages the files, and makes no version'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'a file was changed again since, changes are staged, or there is no such version',
      },
    })
    .argument('<rev>', 'version whose changes are undone')
    .option('-m, --message <text>', 'message of the new version')
    .option('--mainline <n>', 'compare the version with its <n>-th parent (default: 1)')
    .option('--no-commit', 'change and stage the files, but make no version')
    .option('--dry-run', 'only print what would change')
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
        run.report(result, (ui) => print(ui, result));
        return 0;
      }),
    );
}
