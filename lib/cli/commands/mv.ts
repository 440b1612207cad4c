/** `dlv mv` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { MvResult } from '../../use/ops/mv.js';
import { formatCount } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  model?: string;
  force?: boolean;
  dryRun?: boolean;
}

const EXAMPLE: MvResult = {
  dryRun: false,
  model: 'mnist',
  moved: [{ from: 'model.safetensors', to: 'best/model.safetensors' }],
};

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'mv', {
      summary: 'move or rename tracked files',
      about:
        'Moves the files in the work tree and stages the move; no data is stored again. If the ' +
        'last operand is an existing folder, the files are moved into it. Untracked files stay ' +
        'where they are.',
      examples: [
        ['dlv mv model.safetensors base.safetensors', 'renames a file'],
        ['dlv mv checkpoint-500 archive/', 'moves a folder into another'],
        ["dlv mv 'logs/*.txt' old/", 'moves the files that a glob matches'],
        ["dlv mv 'checkpoint-*' old/", 'moves each folder that a glob matches, under its own name'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'a path is not tracked, there is a file of the new name, or a folder would go into itself',
      },
    })
    .argument('<paths...>', 'tracked files, folders or globs, then the new name or a folder')
    .option('--model <name>', "model that the files belong to (default: HEAD's)")
    .option('-f, --force', 'replace a file that has the new name')
    .option('-n, --dry-run', 'only print what would be moved')
    .action(
      cli.action(async (run, paths: string[], { force, dryRun, model }: Flags) => {
        const { mv } = await import('../../use/ops/mv.js');
        const destination = paths.at(-1) as string;
        const sources = paths.slice(0, -1);
        if (sources.length === 0) {
          throw new UsageError('a new name is missing', { hint: 'dlv mv <from…> <to>' });
        }
        const options = {
          sources,
          destination,
          force: force === true,
          dryRun: dryRun === true,
          ...(model === undefined ? {} : { model }),
        };
        const result = await run.repository((repo) => mv(repo, options, run.context));
        run.report(result, (ui) => {
          for (const { from, to } of result.moved) ui.line(`${from} → ${to}`);
          const word = result.dryRun ? 'would be moved' : 'moved';
          ui.note(`${formatCount(result.moved.length, 'file')} of '${result.model}' ${word}`);
        });
        return 0;
      }),
    );
}
