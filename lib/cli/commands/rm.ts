/** `dlv rm` on the command line. */
import type { Command } from 'commander';
import type { RmResult } from '../../use/ops/rm.js';
import { formatCount } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  model?: string;
  cached?: boolean;
  recursive?: boolean;
  force?: boolean;
}

const EXAMPLE: RmResult = { model: 'mnist', removed: ['old.safetensors'], unstaged: [] };

function said(count: number, what: string): string[] {
  return count === 0 ? [] : [`${formatCount(count, 'file')} ${what}`];
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'rm', {
      summary: 'remove files from the next version and from the work tree',
      about:
        'Committed versions keep the files. A file whose content is in no version is removed ' +
        'only with --force.',
      examples: [
        ['dlv rm old.safetensors', 'removes the file and stages its removal'],
        ['dlv rm --cached notes.txt', 'stops tracking the file and leaves it in place'],
        ['dlv rm -r checkpoints', 'removes all tracked files of a folder'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'a path is not tracked, or content would be lost' },
    })
    .argument('<paths...>', 'tracked files, or folders with -r')
    .option('--model <name>', "model that the files belong to (default: HEAD's)")
    .option('--cached', 'keep the files in the work tree')
    .option('-r, --recursive', 'remove the files of folders')
    .option('-f, --force', 'remove files whose content is in no version')
    .action(
      cli.action(async (run, paths: string[], flags: Flags) => {
        const { rm } = await import('../../use/ops/rm.js');
        const options = { ...flags, paths };
        const result = await run.repository((repo) => rm(repo, options, run.context));
        run.report(result, (ui) => {
          const { model, removed, unstaged } = result;
          if (flags.cached !== true) for (const path of removed) ui.note(`removed '${path}'`);
          const parts = [
            ...said(removed.length - unstaged.length, `of '${model}' staged as removed`),
            ...said(unstaged.length, 'not staged any more'),
          ];
          ui.note(parts.join(', '));
        });
        return 0;
      }),
    );
}
