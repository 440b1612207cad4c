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

export const ACTIONS = ['push', 'save', 'list', 'show', 'pop', 'apply', 'drop', 'clear'] as const;
type Action = (typeof ACTIONS)[number];

/** `stash@{2}` or `2`. @throws {UsageError} */
function parseIndex(text: string | undefined): { index?: number } {
  if (text === undefined) return {};
  const [, digits] = /^(?:stash@\{)?(\d{1,9})\}?$/.exec(text) ?? [];
  if (digits === undefined) {
    throw new UsageError(`'${text}' is not a stash`, {
      hint: 'write stash@{0}, or 0 for the newest',
    });
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
    ui.note(`until gc deletes it, 'dlv checkout ${shortId(stash.version)}' has its files`);
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

async function clear(run: Run): Promise<void> {
  const ops = await import('../../use/ops/stash.js');
  const stashes = await run.repository((repo) => ops.clearStashes(repo, {}, run.context));
  run.report(stashes, (ui) => {
    for (const { version, message } of stashes) {
      ui.note(`dropped ${shortId(version)}: ${subject(message)}`);
    }
    if (stashes.length === 0) ui.note('nothing was put aside');
    else ui.note("until gc drops them, 'dlv checkout' takes these ids");
  });
}

async function change(
  run: Run,
  action: Exclude<Action, 'list' | 'show' | 'clear'>,
  word: string | undefined,
  { message: given, includeUntracked }: Flags,
): Promise<void> {
  // As in git, what follows 'save' is the message.
  const message = action === 'save' ? (given ?? word) : given;
  const name = action === 'save' && message === word ? undefined : word;
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
  run.report(result, (ui) => print(ui, result));
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'stash', {
      summary: 'set unfinished work aside, and bring it back',
      about:
        'push (the default) stores the changes of the current model and resets the work files to ' +
        'its version. pop applies a stash and deletes it; apply keeps it. If a file has changed ' +
        'since the stash was made, in what is staged or in the work tree, the command names it ' +
        'as a conflict and changes nothing. Where the stash removes a file that is not tracked ' +
        'any more, an untracked file of that name stays, and a warning names it. ' +
        'Changed files come back as changes, and added files and staged removals come back ' +
        'staged. If a file was staged and then changed again, only the later content is kept. A ' +
        "stash is a version: 'dlv diff' and 'dlv checkout' accept its id. With --json, list " +
        'prints an array of stashes, and show prints one.',
      examples: [
        ['dlv stash', 'sets all changes of tracked files aside'],
        ["dlv stash push -u -m 'wider layers'", 'also untracked files, with a message'],
        ['dlv stash list', 'lists the stashes, the newest first'],
        ['dlv stash pop', 'brings the newest back'],
        ['dlv stash drop stash@{1}', 'deletes the second newest'],
        ['dlv stash clear', 'deletes all stashes of the model'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'nothing to set aside, no such stash, or a file has changed since' },
    })
    .argument('[action]', 'push, list, show, pop, apply, drop or clear')
    .argument('[stash]', 'stash@{n} or n; the newest is 0')
    .option('-m, --message <text>', 'description of the stash (push)')
    .option('-u, --include-untracked', 'include untracked files (push)')
    .action(
      cli.action(async (run, word: string | undefined, name: string | undefined, flags: Flags) => {
        const action = ACTIONS.find((known) => known === (word ?? 'push'));
        if (action === undefined) {
          throw new UsageError(`'${word}' is not one of ${ACTIONS.join(', ')}`);
        }
        if (action === 'list' || action === 'show') await look(run, action, name);
        else if (action === 'clear') await clear(run);
        else await change(run, action, name, flags);
        return 0;
      }),
    );
}
