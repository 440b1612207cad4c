/** `dlv reset` on the command line. */
import type { Command } from 'commander';
import { quoteSome } from '../../base/bytes/words/wording.js';
import { UsageError } from '../../base/errors.js';
import type { ResetMode, ResetOptions, ResetResult } from '../../use/ops/reset.js';
import { exampleId, noteFiles, shortId } from '../output/render.js';
import { formatCount } from '../output/ui.js';
import type { Cli } from '../run.js';
import { stagedSo } from './restore.js';

interface Flags {
  soft?: boolean;
  mixed?: boolean;
  hard?: boolean;
}

const EXAMPLE: ResetResult = {
  model: 'mnist',
  branch: 'main',
  mode: 'mixed',
  before: exampleId('9c1f0e6f0b'),
  version: exampleId('4be2a97d10'),
  staged: [],
  written: [],
  removed: [],
};

function modeOf(flags: Flags): { mode?: ResetMode } {
  const modes = (['soft', 'mixed', 'hard'] as const).filter((mode) => flags[mode]);
  if (modes.length > 1)
    throw new UsageError(`--${modes[0]} and --${modes[1]} cannot be used together`);
  return modes[0] === undefined ? {} : { mode: modes[0] };
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'reset', {
      summary: 'move the current branch to a version',
      about:
        'Moves the branch of HEAD. Also resets what is staged to the version, unless --soft is ' +
        'given; with --hard, the work files too, and changes that are in no version are lost. ' +
        'With paths, only resets what is staged for these files, and the branch does not move. ' +
        "The reflog keeps the versions left behind: 'dlv reset HEAD@{1}' goes back.",
      examples: [
        ['dlv reset --soft HEAD~1', 'undoes the last commit and keeps everything staged'],
        ['dlv reset', 'unstages everything'],
        [
          'dlv reset --hard mnist@3',
          'resets the branch, what is staged and the work files to a version',
        ],
        ['dlv reset -- model.safetensors', 'unstages one file'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such version, or one of another model' },
    })
    .argument('[rev]', 'version to move to (default: HEAD)')
    .argument('[paths...]', 'only these files, folders or globs')
    .option('--soft', 'move only the branch')
    .option('--mixed', 'move the branch and what is staged (the default)')
    .option('--hard', 'move the branch, what is staged and the work files')
    .action(
      cli.action(async (run, rev: string | undefined, paths: string[], flags: Flags) => {
        const { reset } = await import('../../use/ops/reset.js');
        const { before, after } = run.split([...(rev === undefined ? [] : [rev]), ...paths]);
        const [revision, ...more] = before;
        const options: ResetOptions = {
          ...modeOf(flags),
          ...(revision === undefined ? {} : { revision }),
          paths: [...more, ...(after ?? [])],
        };
        const result = await run.repository((repo) => reset(repo, options, run.context));
        run.report(result, (ui) => {
          noteFiles(ui, result);
          if ((options.paths?.length ?? 0) > 0) {
            ui.note(`${formatCount(result.staged.length, 'file')} ${stagedSo(revision)}`);
          } else if (result.version !== null) {
            if (result.staged.length > 0) {
              ui.note(`unstaged: ${quoteSome(result.staged)}; the work files stay`);
            }
            const where = result.branch === null ? 'HEAD' : `'${result.model}/${result.branch}'`;
            ui.note(`${where} is at ${shortId(result.version)}`);
          }
        });
        return 0;
      }),
    );
}
