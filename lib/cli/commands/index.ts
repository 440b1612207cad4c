/**
 * Every command, in the order of `dlv --help`.
 *
 * A command is a file beside this one that exports `register`, and a line here. Its file is loaded
 * only when its name is on the command line, or when all of them are shown.
 */
import type { Command } from 'commander';
import type { Cli } from '../run.js';

/** Declares one command on the program. */
export type Register = (program: Command, cli: Cli) => void;

/** A line of the table. */
export interface CommandEntry {
  name: string;
  /** Heading of `dlv --help` under which it stands. */
  group: string;
  register: (program: Command, cli: Cli) => Promise<void>;
}

function entry(name: string, group: string, load: () => Promise<{ register: Register }>) {
  return {
    name,
    group,
    register: async (program: Command, cli: Cli): Promise<void> =>
      (await load()).register(program, cli),
  };
}

const WORK = 'Work on the current version:';
const LOOK = 'Look at versions:';
const MOVE = 'Move between versions, branches and models:';
const SHARE = 'Share versions:';
const KEEP = 'Maintain the repository:';

export const COMMANDS: readonly CommandEntry[] = [
  entry('init', WORK, () => import('./init.js')),
  entry('add', WORK, () => import('./add.js')),
  entry('rm', WORK, () => import('./rm.js')),
  entry('mv', WORK, () => import('./mv.js')),
  entry('keep', WORK, () => import('./keep.js')),
  entry('stash', WORK, () => import('./stash.js')),
  entry('status', WORK, () => import('./status.js')),
  entry('restore', WORK, () => import('./restore.js')),
  entry('commit', WORK, () => import('./commit.js')),
  entry('run', WORK, () => import('./run.js')),
  entry('list', LOOK, () => import('./list.js')),
  entry('log', LOOK, () => import('./log.js')),
  entry('show', LOOK, () => import('./show.js')),
  entry('desc', LOOK, () => import('./desc.js')),
  entry('reflog', LOOK, () => import('./reflog.js')),
  entry('diff', LOOK, () => import('./diff.js')),
  entry('eval', LOOK, () => import('./eval.js')),
  entry('query', LOOK, () => import('./query.js')),
  entry('ui', LOOK, () => import('./ui.js')),
  entry('cat', LOOK, () => import('./cat.js')),
  entry('checkout', MOVE, () => import('./checkout.js')),
  entry('switch', MOVE, () => import('./switch.js')),
  entry('branch', MOVE, () => import('./branch.js')),
  entry('model', MOVE, () => import('./model.js')),
  entry('tag', MOVE, () => import('./tag.js')),
  entry('reset', MOVE, () => import('./reset.js')),
  entry('revert', MOVE, () => import('./revert.js')),
  entry('merge', MOVE, () => import('./merge.js')),
  entry('copy', MOVE, () => import('./copy.js')),
  entry('clone', SHARE, () => import('./clone.js')),
  entry('export', SHARE, () => import('./export.js')),
  entry('import', SHARE, () => import('./import.js')),
  entry('remote', SHARE, () => import('./remote.js')),
  entry('push', SHARE, () => import('./push.js')),
  entry('fetch', SHARE, () => import('./fetch.js')),
  entry('pull', SHARE, () => import('./pull.js')),
  entry('detach', SHARE, () => import('./detach.js')),
  entry('du', KEEP, () => import('./du.js')),
  entry('archive', KEEP, () => import('./archive.js')),
  entry('forget', KEEP, () => import('./forget.js')),
  entry('gc', KEEP, () => import('./gc.js')),
  entry('fsck', KEEP, () => import('./fsck.js')),
  entry('bench', KEEP, () => import('./bench.js')),
  entry('config', KEEP, () => import('./config.js')),
  entry('batch', KEEP, () => import('./batch.js')),
  entry('completion', KEEP, () => import('./completion.js')),
];
