/** `dlv status` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { ModelStatus, StatusResult } from '../../use/ops/status.js';
import type { WorkChange } from '../../use/worktree/changes.js';
import { distance, distanceSentence } from '../output/distance.js';
import type { Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  short?: boolean;
  porcelain?: boolean;
  branch?: boolean;
  untrackedFiles?: string | true;
  rehash?: boolean;
  ignored?: boolean;
}

const EXAMPLE: StatusResult = {
  head: { model: 'mnist', branch: 'main', version: null, name: null, upstream: null },
  models: [
    {
      model: 'mnist',
      branch: 'main',
      version: null,
      name: null,
      merging: [],
      current: true,
      staged: [{ path: 'model.safetensors', status: 'added' }],
      unstaged: [],
      absent: [],
      trackedFiles: 1,
    },
  ],
  apart: [],
  untracked: ['notes.txt'],
  gitIgnored: [],
  ignored: [{ path: 'cache/', by: '.dlvignore' }],
  clean: false,
};

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'status', {
      summary: 'show staged, changed and untracked files',
      about:
        'Does not read file contents: a file whose size and times are the same counts as ' +
        'unchanged. With --rehash, dlv reads every tracked file, for disks and programs that do ' +
        "not update times; 'dlv add --rehash' then stages the changes. A symbolic link counts as " +
        "unchanged while its target has the content of the tracked file, as after 'dlv add " +
        "--follow'. If the target changes, the file is shown as modified, and the same command " +
        'stages it.\n\nWith --ignored, what .dlvignore and .gitignore leave out is listed too, with the file that says so; ' +
        'paths tell of these alone whether they are ignored.',
      examples: [
        ['dlv status', 'all models of the work tree'],
        ['dlv status -s', 'one line for each file: staged state, work tree state, path'],
        ['dlv status --json', 'the same for scripts'],
        ['dlv status -uno runs', 'only the tracked files of a folder'],
        ['dlv status --ignored cache/a.pt', 'whether a file is ignored, and by what'],
        ['dlv status --rehash', 'compares contents instead of times'],
      ],
      json: EXAMPLE,
    })
    .argument('[paths...]', 'only these files, folders or globs')
    .option('-s, --short', 'one line for each file, in the form of git status -s')
    .option('--porcelain', 'the same as -s, for scripts; without the line that -b adds')
    .option('-b, --branch', 'with -s: print the model and its branch first')
    .option(
      '-u, --untracked-files [mode]',
      'no: list only tracked files; all: list untracked ones too (the default)',
    )
    .option('--ignored', 'also list what is ignored, and by which file')
    .option('--rehash', 'read every tracked file, even if its size and times are unchanged')
    .action(
      cli.action(async (run, paths: string[], flags: Flags) => {
        const { status } = await import('../../use/ops/status.js');
        const options = {
          paths,
          untracked: !isNo(flags.untrackedFiles),
          rehash: flags.rehash === true,
          ignored: flags.ignored === true,
        };
        const result = await run.repository((repo) => status(repo, run.context, options));
        const isShort = flags.short || flags.porcelain;
        run.answer(result, (ui) => (isShort ? printShort(ui, result, flags) : print(ui, result)));
        return 0;
      }),
    );
}

/** @throws {UsageError} unless the mode is one of git's; git takes -u alone for all. */
function isNo(mode: string | true | undefined): boolean {
  if (mode === undefined || mode === true || mode === 'all' || mode === 'normal') return false;
  if (mode === 'no') return true;
  throw new UsageError(`--untracked-files is '${mode}'`, {
    hint: 'write no or all, and paths before the flag',
  });
}

/** Files that were never written here are named up to so many. */
const ABSENT_SHOWN = 10;

const LETTERS = { added: 'A', modified: 'M', deleted: 'D' } as const;

/** Letters of the staged and of the work file, then the path; `??` for what is not tracked, `!!` if it is ignored. */
function printShort(
  ui: Ui,
  { head, models, untracked, ignored }: StatusResult,
  flags: Flags,
): void {
  if (flags.branch && !flags.porcelain) {
    const follows = head.upstream === null ? '' : `...${distance(head.upstream)}`;
    ui.line(
      `## ${head.model}${head.branch === null ? ' (no branch)' : `/${head.branch}`}${follows}`,
    );
  }
  const rows = new Map<string, { staged: string; work: string }>();
  for (const { staged, unstaged } of models) {
    for (const { path, status } of staged) rows.set(path, { staged: LETTERS[status], work: ' ' });
    for (const { path, status, became } of unstaged) {
      // T as in git: the type of the file changed. A link may have been one when it was added.
      const work = became === 'special file' ? 'T' : LETTERS[status];
      rows.set(path, { staged: rows.get(path)?.staged ?? ' ', work });
    }
  }
  for (const [path, { staged, work }] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
    ui.line(`${ui.style.green(staged)}${ui.style.red(work)} ${path}`);
  }
  for (const path of untracked) ui.line(`${ui.style.red('??')} ${path}`);
  for (const { path } of ignored) ui.line(`${ui.style.red('!!')} ${path}`);
}

function print(ui: Ui, result: StatusResult): void {
  const { head, models, untracked } = result;
  const where = head.branch === null ? 'no branch' : `branch ${head.branch}`;
  const version =
    head.version === null ? 'no version yet' : `${head.name} (${head.version.slice(0, 10)})`;
  ui.line(`On model ${head.model}, ${where}, ${version}`);
  if (head.upstream !== null) ui.line(distanceSentence(head.upstream));
  // What is below the first line is HEAD's model; the others follow under lines of their own.
  for (const model of [...models].sort((a, b) => Number(b.current) - Number(a.current))) {
    const { current, staged, unstaged, absent, merging } = model;
    const count = staged.length + unstaged.length + absent.length + merging.length;
    if (!current && count === 0) continue;
    printModel(ui, model);
  }
  for (const { model, branch, staged } of result.apart) {
    const title = `Staged for ${model}/${branch} (use 'dlv commit --branch ${model}/${branch}'):`;
    printChanges(ui, title, staged, ui.style.green);
  }
  if (untracked.length > 0) {
    ui.line('');
    ui.line("Not tracked (use 'dlv add <path>'):");
    for (const path of untracked) ui.line(`  ${ui.style.red(path)}`);
  }
  if (result.gitIgnored.length > 0) {
    ui.line('');
    ui.line("Left out by .gitignore (use 'dlv add <path>', or see 'dlv help ignore'):");
    for (const path of result.gitIgnored) ui.line(`  ${ui.style.dim(path)}`);
  }
  if (result.ignored.length > 0) {
    ui.line('');
    ui.line("Ignored (see 'dlv help ignore'):");
    for (const { path, by } of result.ignored) ui.line(`  ${ui.style.dim(path)}  by ${by}`);
  }
  if (!result.clean) return;
  const isWhole = models.every(({ absent }) => absent.length === 0);
  if (!isWhole) ui.line('');
  ui.line(`Nothing to commit${isWhole ? ': the work tree matches the version' : ''}.`);
}

function printModel(ui: Ui, model: ModelStatus): void {
  if (!model.current) {
    ui.line('');
    ui.line(`Model ${model.model}${model.branch === null ? '' : `, branch ${model.branch}`}`);
  }
  if (model.merging.length > 0) {
    const names = model.merging.map(({ name, version }) => `${name} (${version.slice(0, 10)})`);
    ui.line('');
    ui.line(
      `Merging ${names.join(', ')}: 'dlv commit' makes the version that joins them, 'dlv reset --hard' gives it up`,
    );
  }
  printChanges(ui, 'Staged for the next version:', model.staged, ui.style.green);
  printChanges(ui, "Changed but not staged (use 'dlv add <path>'):", model.unstaged, ui.style.red);
  const { absent } = model;
  if (absent.length === 0) return;
  ui.line('');
  ui.line("Never written here (use 'dlv restore <path>'):");
  for (const path of absent.slice(0, ABSENT_SHOWN)) ui.line(`  ${path}`);
  if (absent.length > ABSENT_SHOWN) ui.line(`  … ${absent.length - ABSENT_SHOWN} more`);
}

function printChanges(
  ui: Ui,
  title: string,
  changes: readonly WorkChange[],
  style: (text: string) => string,
): void {
  if (changes.length === 0) return;
  ui.line('');
  ui.line(title);
  for (const change of changes) {
    const { path, status } = change;
    ui.line(`  ${style(`${`${status}:`.padEnd(10)} ${path}`)}${noteOf(change)}`);
  }
}

/** What is in the place of a file, if it is not a plain one, and how its content is taken. */
function noteOf({ path, became, isBehind }: WorkChange): string {
  if (became === undefined) return '';
  return isBehind
    ? ` (${became}; 'dlv add --follow ${path}' takes what it leads to)`
    : ` (${became})`;
}
