/** `dlv branch` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { BranchChange, BranchDeletion } from '../../use/ops/branch.js';
import type { BranchEntry } from '../../use/ops/branch-list.js';
import { distance } from '../output/distance.js';
import { exampleId, shortId, subject } from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatCount, type Ui } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  all?: boolean;
  model?: string;
  delete?: boolean;
  forceDelete?: boolean;
  move?: boolean;
  copy?: boolean;
  list?: boolean;
  contains?: string;
  showCurrent?: boolean;
  verbose?: boolean;
  remotes?: boolean;
  setUpstreamTo?: string;
  unsetUpstream?: boolean;
  track?: boolean;
}

const EXAMPLE: BranchEntry[] = [
  {
    remote: null,
    model: 'mnist',
    branch: 'main',
    current: true,
    version: exampleId('9c1f0e6f0b'),
    number: 3,
    name: 'mnist@3',
    message: 'train 10 more epochs',
    time: '2026-01-31T12:00:00.000+02:00',
    upstream: {
      name: 'origin/mnist/main',
      remote: 'origin',
      version: exampleId('7d1b64f0aa'),
      ahead: 1,
      behind: 0,
    },
  },
];

function printList(ui: Ui, branches: readonly BranchEntry[], isVerbose: boolean): void {
  const rows = branches.map(({ remote, model, branch, current, version, name, ...rest }) => [
    current ? '*' : ' ',
    {
      text: [remote, model, branch].filter((part) => part !== null).join('/'),
      style: current ? ui.style.green : remote !== null ? ui.style.red : (text: string) => text,
    },
    { text: shortId(version), style: ui.style.yellow },
    name,
    (isVerbose && rest.upstream !== null ? `[${distance(rest.upstream)}] ` : '') +
      subject(rest.message),
  ]);
  for (const line of formatTable([{}, {}, {}, {}, {}], rows)) ui.line(line);
}

/** What deleting a branch left. */
function printDeletion(
  ui: Ui,
  { lost, derived, detached, version, model, branch }: BranchDeletion,
): void {
  if (derived.length > 0) ui.note(`kept, and derived from it: ${derived.join(', ')}`);
  if (lost.length > 0) {
    ui.note(
      `${formatCount(lost.length, 'version')} on no branch or tag any more; gc keeps what reflogs ` +
        `name for gc.graceDays: 'dlv branch ${model}/${branch} ${shortId(version)}' brings it back`,
    );
  }
  if (detached) ui.note(`HEAD is at ${shortId(version)}, on no branch; no file changed`);
}

function printChange(ui: Ui, change: BranchChange): void {
  const name = `'${change.model}/${change.branch}'`;
  const was = change.from === null ? '' : `, was '${change.from}'`;
  const at = change.action === 'deleted' ? ', was at' : ' at';
  ui.note(`${change.action} ${name}${was}${at} ${shortId(change.version)}`);
  if (change.upstream !== null) ui.note(`${name} follows '${change.upstream}'`);
}

/** Makes, deletes or renames. */
async function change(run: Run, names: string[], flags: Flags): Promise<void> {
  const ops = await import('../../use/ops/branch.js');
  const [first = '', second, ...more] = names;
  const model = flags.model === undefined ? {} : { model: flags.model };
  const removes = flags.delete || flags.forceDelete;
  if (more.length > 0 || (removes && second !== undefined)) {
    throw new UsageError('too many names', { hint: 'delete one branch at a time' });
  }
  if ([removes, flags.move, flags.copy].filter(Boolean).length > 1) {
    throw new UsageError('-d, -m and -c cannot be used together');
  }
  const result = await run.repository<BranchChange | BranchDeletion>((repo) => {
    if (removes) {
      const force = flags.forceDelete === true;
      return ops.deleteBranch(repo, { name: first, force, ...model }, run.context);
    }
    if (flags.move) {
      const names = second === undefined ? { to: first } : { from: first, to: second };
      return ops.renameBranch(repo, { ...names, ...model }, run.context);
    }
    const isCopy = flags.copy && second !== undefined;
    const [name, start] = isCopy ? [second, first] : [first, second];
    const { track } = flags;
    const options = {
      name,
      ...(start === undefined ? {} : { start }),
      ...(track === undefined ? {} : { track }),
      ...model,
    };
    return ops.createBranch(repo, options, run.context);
  });
  run.report(result, (ui) => {
    printChange(ui, result);
    if ('lost' in result) printDeletion(ui, result);
  });
}

/** Sets or takes away what a branch follows. */
async function follow(run: Run, name: string | undefined, flags: Flags): Promise<void> {
  const { setUpstream } = await import('../../use/ops/branch-upstream.js');
  const options = {
    ...(name === undefined ? {} : { name }),
    ...(flags.model === undefined ? {} : { model: flags.model }),
    upstream: flags.setUpstreamTo ?? null,
  };
  const result = await run.repository((repo) => setUpstream(repo, options, run.context));
  run.report(result, (ui) => {
    const what = result.upstream === null ? 'follows nothing now' : `follows '${result.upstream}'`;
    ui.note(`'${result.model}/${result.branch}' ${what}`);
  });
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'branch', {
      summary: 'list, create, rename or delete branches',
      about:
        'Without a name, lists the branches of the current model. With a name, creates a branch ' +
        'at <start> (default: the current version) and does not switch to it; one that starts at a branch of a ' +
        'remote follows that. The branch that ' +
        'HEAD is on is deleted with -D alone: HEAD then names its version. With --json, a change ' +
        'prints an object with action, model, branch, version, from and upstream; a deletion also has ' +
        'lost, derived and detached.',
      examples: [
        ['dlv branch', 'the branches of the current model and their versions'],
        ['dlv branch wider mnist@3', 'creates a branch at the third version'],
        ["dlv branch --list 'exp/*'", 'the branches whose names match'],
        [
          'dlv branch -vv',
          'also what each follows at a remote, and how far it is ahead and behind',
        ],
        ['dlv branch -u origin/main', 'makes the current branch follow one of a remote'],
        ['dlv branch -m wider narrower', 'renames it'],
        ['dlv branch -d narrower', 'deletes it, if its versions are on another branch or tag'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such branch, it exists already, or versions would be lost' },
    })
    .argument('[name]', 'branch, or <model>/<branch>')
    .argument('[start]', 'version at which it starts; with -m: the new name')
    .option('-a, --all', 'list the branches of all models, and those of remotes as last seen')
    .option('--model <name>', "model of the branch (default: HEAD's)")
    .option('-d, --delete', 'delete a branch')
    .option('-D, --force-delete', 'delete it even if its versions are on no other branch or tag')
    .option('-l, --list', 'list the branches, or those whose names fit globs: -l [pattern]')
    .option('-r, --remotes', 'list the branches of remotes, as last seen')
    .option(
      '-v, --verbose',
      'also show which branch of a remote each follows, and how far it is from it',
    )
    .option('-u, --set-upstream-to <branch>', 'make a branch follow <remote>/<branch>')
    .option('--unset-upstream', 'make a branch follow none')
    .option('-t, --track', 'follow <start>, a branch of a remote (the default if it is one)')
    .option('--no-track', 'follow no branch of a remote')
    .option('--show-current', 'print only the name of the branch that HEAD is on')
    .option('--contains <rev>', 'list the branches whose tip is <rev> or descends from it')
    .option('-c, --copy', 'copy a branch: -c [old] <new>')
    .option('-m, --move', 'rename a branch: -m [old] <new>')
    .action(
      cli.action(async (run, name: string | undefined, start: string | undefined, flags: Flags) => {
        if (flags.setUpstreamTo !== undefined || flags.unsetUpstream) {
          await follow(run, name, flags);
          return 0;
        }
        const isList =
          flags.list || flags.remotes || flags.contains !== undefined || flags.showCurrent;
        if (name !== undefined && !isList) {
          await change(run, start === undefined ? [name] : [name, start], flags);
          return 0;
        }
        if (flags.remotes && (flags.delete || flags.forceDelete)) {
          throw new UsageError('what was seen at a remote is forgotten with a fetch', {
            option: '--remotes',
            hint: "'dlv fetch --prune' forgets branches that are gone there, 'dlv push --delete <branch>' deletes one there",
          });
        }
        if (flags.delete || flags.forceDelete || flags.move || flags.copy) {
          throw new UsageError('no branch given');
        }
        const { all, model, contains } = flags;
        const options = {
          patterns: [name, start].filter((pattern) => pattern !== undefined),
          current: flags.showCurrent === true,
          ...(all ? { all } : {}),
          ...(flags.remotes ? { remotes: true } : {}),
          ...(model === undefined ? {} : { model }),
          ...(contains === undefined ? {} : { contains }),
        };
        const { listBranchEntries } = await import('../../use/ops/branch-list.js');
        const branches = await run.repository((repo) =>
          listBranchEntries(repo, options, run.context),
        );
        run.answer(branches, (ui) => {
          if (!flags.showCurrent) printList(ui, branches, flags.verbose === true);
          else for (const { model, branch } of branches) ui.line(`${model}/${branch}`);
        });
        return 0;
      }),
    );
}
