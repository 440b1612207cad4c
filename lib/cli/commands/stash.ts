/** `dlv stash` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { StashEntry, StashResult } from '../../use/ops/stash.js';
import { exampleId, noteFiles, shortId, subject } from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatCount, type Ui } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  message?: string;
  includeUntracked?: boolean;
}

const STASH: StashEntry = {
  name: 'stash@{0}',
  ref: 'refs/stash/mnist/1',
  version: exampleId('9c1f0e6f0b'),
  model: 'mnist',
  base: exampleId('4be2a97d10'),
  message: 'WIP on mnist/main: train 10 more epochs',
  time: '2026-01-31T12:00:00.000+02:00',
  changes: [{ path: 'model.safetensors', status: 'modified' }],
};

const EXAMPLE: StashResult = {
  action: 'pushed',
  stash: STASH,
  written: ['model.safetensors'],
  removed: [],
};

const ACTIONS = ['push', 'save', 'list', 'show', 'pop', 'apply', 'drop'] as const;
type Action = (typeof ACTIONS)[number];

/** `stash@{2}` or `2`. @throws {UsageError} */
function parseIndex(text: string | undefined): { index?: number } {
  if (text === undefined) return {};
  const [, digits] = /^(?:stash@\{)?(\d{1,9})\}?$/.exec(text) ?? [];
  if (digits === undefined) {
    throw new UsageError(`'${text}' is no stash`, { hint: 'write stash@{0}, or 0 for the newest' });
  }
  return { index: Number(digits) };
}

function printList(ui: Ui, stashes: readonly StashEntry[]): void {
  const rows = stashes.map(({ name, version, message, changes }) => [
    name,
    { text: shortId(version), style: ui.style.yellow },
    formatCount(changes.length, 'file'),
    subject(message),
  ]);
  for (const line of formatTable([{}, {}, {}, {}], rows)) ui.line(line);
}

function printStash(ui: Ui, { name, version, message, changes }: StashEntry): void {
  ui.line(`${name} ${ui.style.yellow(shortId(version))} ${subject(message)}`);
  for (const { path, status } of changes) ui.line(`  ${status}  ${path}`);
}

function print(ui: Ui, result: StashResult): void {
  const { action, stash } = result;
  noteFiles(ui, result);
  ui.note(`${action} ${stash.name} (${shortId(stash.version)}): ${subject(stash.message)}`);
  if (action === 'dropped') {
    ui.note(`until gc drops it, 'dlv checkout ${shortId(stash.version)}' has its files`);
  }
}

async function look(run: Run, action: 'list' | 'show', name: string | undefined): Promise<void> {
  const ops = await import('../../use/ops/stash.js');
  if (action === 'list') {
    const stashes = await run.repository((repo) => ops.listStashes(repo, {}, run.context));
    run.answer(stashes, (ui) => printList(ui, stashes));
    return;
  }
  const options = parseIndex(name);
  const stash = await run.repository((repo) => ops.showStash(repo, options, run.context));
  run.answer(stash, (ui) => printStash(ui, stash));
}

async function change(
  run: Run,
  action: Exclude<Action, 'list' | 'show'>,
  name: string | undefined,
  { message, includeUntracked }: Flags,
): Promise<void> {
  const ops = await import('../../use/ops/stash.js');
  const isPush = action === 'push' || action === 'save';
  if (isPush && name !== undefined) {
    throw new UsageError(`'${name}' is given, but a stash takes all changes`, {
      hint: 'give a message with -m',
    });
  }
  const index = parseIndex(name);
  const options = {
    untracked: includeUntracked === true,
    ...(message === undefined ? {} : { message }),
  };
  const result = await run.repository((repo) => {
    if (isPush) return ops.pushStash(repo, options, run.context);
    if (action === 'drop') return ops.dropStash(repo, index, run.context);
    return ops.applyStash(repo, { ...index, drop: action === 'pop' }, run.context);
  });
  run.answer(result, (ui) => print(ui, result));
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'stash', {
      summary: 'put unfinished work aside, and bring it back',
      about:
        'push (the default) stores the changes of the current model and makes the work files those of ' +
        'its version again. pop brings them back and deletes the stash; apply keeps it. A file that ' +
        'changed since, too, is a conflict: it is named, and nothing is changed. Files come back as ' +
        'changes, added ones as staged, as are removals that were; what was staged of a file that was changed again since is not ' +
        "kept apart. A stash is a version: 'dlv diff' and 'dlv checkout' take its id. With --json, list " +
        'answers with an array of stashes and show with one.',
      examples: [
        ['dlv stash', 'puts all changes of tracked files aside'],
        ["dlv stash push -u -m 'wider layers'", 'also files that are not tracked, with a message'],
        ['dlv stash list', 'what is put aside, the newest first'],
        ['dlv stash pop', 'brings the newest back'],
        ['dlv stash drop stash@{1}', 'deletes the one before'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'nothing to put aside or no such stash, or a file changed since' },
    })
    .argument('[action]', 'push, list, show, pop, apply or drop')
    .argument('[stash]', 'stash@{n} or n: of the newest, 0')
    .option('-m, --message <text>', 'what is put aside (push)')
    .option('-u, --include-untracked', 'take files that are not tracked, too (push)')
    .action(
      cli.action(async (run, word: string | undefined, name: string | undefined, flags: Flags) => {
        const action = ACTIONS.find((known) => known === (word ?? 'push'));
        if (action === undefined) {
          throw new UsageError(`'${word}' is none of ${ACTIONS.join(', ')}`);
        }
        if (action === 'list' || action === 'show') await look(run, action, name);
        else await change(run, action, name, flags);
        return 0;
      }),
    );
}
