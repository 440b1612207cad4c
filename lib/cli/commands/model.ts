/** `dlv model` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { ModelDeletion, ModelEntry, ModelRenaming } from '../../use/ops/model.js';
import { formatTable } from '../output/table.js';
import { formatCount, type Ui } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  force?: boolean;
  dryRun?: boolean;
}

const EXAMPLE: ModelEntry[] = [{ model: 'mnist', current: true, branches: ['main', 'wider'] }];

/** Words for what is done, git's and those of model registries. */
export const ACTIONS: Readonly<Record<string, 'list' | 'rename' | 'delete'>> = {
  list: 'list',
  ls: 'list',
  rename: 'rename',
  mv: 'rename',
  delete: 'delete',
  rm: 'delete',
  remove: 'delete',
};

function printList(ui: Ui, models: readonly ModelEntry[]): void {
  const rows = models.map(({ model, current, branches }) => [
    current ? '*' : ' ',
    { text: model, style: current ? ui.style.green : (text: string) => text },
    branches.length === 0 ? '(no version yet)' : branches.join(', '),
  ]);
  for (const line of formatTable([{}, {}, {}], rows)) ui.line(line);
}

function printRenaming(ui: Ui, { model, from, versions, derived, dryRun }: ModelRenaming): void {
  ui.note(`${dryRun ? 'would rename' : 'renamed'} '${from}' to '${model}'`);
  const others = derived > 0 ? `, and ${formatCount(derived, 'version')} of other models` : '';
  if (versions > 0) {
    const isOne = versions + derived === 1;
    const has = dryRun ? 'would have' : isOne ? 'has' : 'have';
    const them = isOne
      ? 'a new id; its old id and name lead to it'
      : 'new ids; old ids and names lead to them';
    ui.note(`${formatCount(versions, 'version')}${others} ${has} ${them}`);
  }
}

function printDeletion(ui: Ui, result: ModelDeletion): void {
  const { model, branches, lost, derived, untracked, head, dryRun } = result;
  ui.note(
    `${dryRun ? 'would delete' : 'deleted'} '${model}': ${formatCount(branches.length, 'branch', 'branches')}`,
  );
  if (derived.length > 0) ui.note(`kept, and derived from it: ${derived.join(', ')}`);
  if (lost.length > 0) {
    ui.note(
      `${formatCount(lost.length, 'version')} on no branch or tag any more; gc keeps what reflogs ` +
        "name for gc.graceDays: 'dlv reflog --deleted' says how to bring them back",
    );
  }
  if (untracked.length > 0) {
    const files = formatCount(untracked.length, 'file');
    ui.note(`${files} of it stay in the work tree, and no model tracks them`);
  }
  if (head !== null) ui.note(`HEAD ${dryRun ? 'would be' : 'is'} at '${head}'`);
}

async function change(
  run: Run,
  action: 'rename' | 'delete',
  names: string[],
  flags: Flags,
): Promise<void> {
  const ops = await import('../../use/ops/model.js');
  const dryRun = flags.dryRun === true;
  if (action === 'rename') {
    const [from, to, ...more] = names;
    if (from === undefined || to === undefined || more.length > 0) {
      throw new UsageError('model rename needs two names', {
        hint: 'dlv model rename <old> <new>',
      });
    }
    const result = await run.repository((repo) =>
      ops.renameModel(repo, { from, to, dryRun }, run.context),
    );
    run.report(result, (ui) => printRenaming(ui, result));
    return;
  }
  const [name, ...more] = names;
  if (name === undefined || more.length > 0) {
    throw new UsageError('model delete needs one name', { hint: 'dlv model delete <name>' });
  }
  const force = flags.force === true;
  const result = await run.repository((repo) =>
    ops.deleteModel(repo, { name, force, dryRun }, run.context),
  );
  run.report(result, (ui) => printDeletion(ui, result));
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'model', {
      summary: 'list, rename or delete models',
      about:
        'rename (or mv) gives a model another name. The name is part of each version, so its ' +
        'versions and their descendants get new ids; old ids and the old name lead to the new ' +
        'ones. delete (or rm) deletes all branches of a model, wherever HEAD is. Work files and ' +
        'models derived from it are kept. Versions that no other branch or tag reaches are ' +
        'deleted only with --force, and stay in the reflog until gc. With --json, a change ' +
        'prints an object: rename with action, dryRun, model, from, branches, versions, derived ' +
        'and refs; delete with action, dryRun, model, branches, lost, derived, untracked and ' +
        'head.',
      examples: [
        ['dlv model', 'the models here and their branches'],
        ['dlv model rename minst mnist', 'corrects a name'],
        ['dlv model delete --dry-run trial', 'prints what would be lost and what would be kept'],
        ['dlv model delete --force trial', 'deletes it and its versions'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'no such model, the name is taken, or versions or staged files would be lost',
      },
    })
    .argument('[action]', 'list (the default), rename or delete')
    .argument('[names...]', 'rename: <old> <new>; delete: <name>')
    .option('-f, --force', 'delete versions that no other branch or tag reaches, and staged files')
    .option('-n, --dry-run', 'only print what would be done')
    .action(
      cli.action(async (run, word: string | undefined, names: string[], flags: Flags) => {
        const action = ACTIONS[word ?? 'list'];
        if (action === undefined) {
          throw new UsageError(`'${word}' is not one of list, rename and delete`, {
            hint: `'dlv list --model ${word}' shows a model`,
          });
        }
        if (action !== 'list') {
          await change(run, action, names, flags);
          return 0;
        }
        const { listModelEntries } = await import('../../use/ops/model.js');
        const models = await run.repository((repo) => listModelEntries(repo, {}, run.context));
        run.answer(models, (ui) => printList(ui, models));
        return 0;
      }),
    );
}
