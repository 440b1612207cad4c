/** `dlv restore` on the command line. */
import type { Command } from 'commander';
import type { RestoreOptions, RestoreResult } from '../../use/ops/restore.js';
import { branchOf, branchOption } from '../arguments.js';
import { noteFiles } from '../output/render.js';
import { formatCount } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

const EXAMPLE: RestoreResult = {
  model: 'mnist',
  source: null,
  staged: [],
  written: ['model.safetensors'],
  removed: [],
  bytes: 5733472,
};

/** What is said of files whose staging was reset. */
export function stagedSo(source: string | undefined): string {
  return source === undefined ? 'not staged any more' : `staged as in '${source}'`;
}

/** Runs the op and answers; `dlv checkout -- <paths>` does the same. */
export async function restoreFiles(run: Run, options: RestoreOptions): Promise<number> {
  const { restore } = await import('../../use/ops/restore.js');
  const result = await run.repository((repo) => restore(repo, options, run.context));
  run.report(result, (ui) => {
    noteFiles(ui, result);
    const { length } = result.staged;
    if (length > 0) ui.note(`${formatCount(length, 'file')} ${stagedSo(options.source)}`);
  });
  return 0;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'restore', {
      summary: 'discard changes of files',
      about:
        'By default, resets work files to what is staged. With --staged, resets what is staged ' +
        'to the version of HEAD; with --source, takes the files from that version instead. ' +
        'Changes of the work files are lost. Files without read permission are replaced without ' +
        'being read. If a file is named and a symbolic link stands in its place, the link is ' +
        'replaced; in folders and globs, a link is replaced only if its target has other ' +
        "content. If a folder on the path is a link, the command fails: 'dlv checkout --force' " +
        'replaces it.',
      examples: [
        ['dlv restore model.safetensors', 'discards changes that are not staged'],
        ['dlv restore --staged .', 'unstages everything; the work files do not change'],
        ['dlv restore --source HEAD~2 model.safetensors', 'the file as it was two versions ago'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such version, or a path that is not tracked' },
    })
    .argument('<paths...>', 'files, folders or globs')
    .option('-S, --staged', 'restore what is staged')
    .option('-W, --worktree', 'restore the work files (the default without --staged)')
    .option('-s, --source <rev>', 'take the files from this version')
    .addOption(branchOption('with --staged: what is staged for that branch'))
    .option('--model <name>', "model of the files (default: the source's, else HEAD's)")
    .action(
      cli.action((run, paths: string[], flags: Omit<RestoreOptions, 'paths'>) => {
        const isStagedOnly = flags.staged === true && flags.worktree !== true;
        const branch = branchOf(flags.branch, isStagedOnly ? run.env : {});
        return restoreFiles(run, { paths, ...flags, ...branch });
      }),
    );
}
