/**
 * Words of git and DVC that dlv lacks, each with what to do instead: for hints and docs/cli.md.
 *
 * When dlv gets a command or flag, it leaves these tables; a test checks that.
 */

import type { FlagTable } from './elsewhere/flag-table.js';
import { FILE_FLAGS } from './elsewhere/flags-files.js';
import { HISTORY_FLAGS } from './elsewhere/flags-history.js';
import { LINE_FLAGS } from './elsewhere/flags-lines.js';
import { IMMUTABLE, NO_EDITOR, NO_HOOKS, NO_SUBMODULES } from './elsewhere/reasons.js';

/** Short names that many have set up for git. */
export const SHORT_NAMES: Readonly<Record<string, string>> = {
  br: 'branch',
  ci: 'commit',
  co: 'checkout',
  st: 'status',
  sw: 'switch',
};

/** Commands. */
export const VERBS_ELSEWHERE: Readonly<Record<string, string>> = {
  compare: "'dlv diff <a> <b> <c>' compares up to eight versions",
  grep: "'dlv log --grep <pattern>' searches messages, 'dlv query' versions and layers",
  'ls-remote':
    "'dlv remote show <name>' lists what a remote has, 'dlv branch -r' what was seen there",
  'rev-parse': "'dlv show -s --format %H <rev>' prints the id that a revision names",
  search: "'dlv log --grep <pattern>' searches messages, 'dlv query' versions and layers",
  track: "'dlv add <paths>' tracks files, 'dlv run -- <command>' makes versions of a training",
  plot: "'dlv diff', 'dlv list --versions', 'dlv log', 'dlv bench' and 'dlv desc' take --html, a page with charts; 'dlv ui' shows all",
  plots:
    "'dlv diff', 'dlv list --versions', 'dlv log', 'dlv bench' and 'dlv desc' take --html, a page with charts; 'dlv ui' shows all",
  dag: "'dlv log --graph --all' draws the lineage",
  download: "'dlv clone <url>', 'dlv fetch' and 'dlv pull' bring versions from a remote",
  info: "'dlv show' tells of a version, 'dlv desc' of its network, 'dlv desc --weights' of its weights",
  login: "a remote needs no login: credentials come from the environment, as 'dlv remote' says",
  'merge-base': "'dlv diff a...b' compares b with the last common ancestor of both",
  rollback:
    "'dlv revert <rev>' makes a version that undoes one, 'dlv reset --hard <rev>' goes back",
  upload: "'dlv remote add origin <url>', then 'dlv push -u origin'",
  blame: "'dlv log -- <path>' shows the versions that changed a file",
  bisect: "'dlv log' lists versions; 'dlv checkout <version>' goes to one",
  'cat-file': "'dlv cat <rev>:<path>' writes a file of a version",
  'cherry-pick': "take files of another version with 'dlv checkout <rev> <paths>', then commit",
  'check-ignore':
    "'dlv status --ignored <paths>' says which of them are ignored, and by which file",
  clean: "dlv removes no untracked files: 'dlv status' lists them",
  data: "'dlv status' shows what is staged, changed and not tracked",
  describe: "'dlv log -n 1' names a version as model@number, with its tags",
  doctor: "'dlv --version --json' says which dlv and kernel run, 'dlv fsck' checks the repository",
  exp: "'dlv run -- python train.py' makes versions of a training; 'dlv run list' shows runs",
  get: "'dlv checkout <rev> <paths> --out <dir>' writes files of a version into a folder",
  lfs: 'dlv stores large files itself: add them with dlv add',
  ls: "'dlv show' lists the files of a version, 'dlv status' those of the work tree that changed",
  'ls-files': "'dlv show' lists the files of a version",
  'ls-tree': "'dlv show <rev>' lists the files of a version",
  metrics: "'dlv log' and 'dlv show' print metrics; 'dlv commit --metric loss=0.3' records them",
  params:
    "'dlv log' and 'dlv show' print hyperparameters; 'dlv commit --param lr=0.1' records them",
  rebase: `${IMMUTABLE}: 'dlv reset --soft <rev>' keeps your files, then commit again`,
  repro: "'dlv run --resume <run>' starts the command of a run again",
  root: "the folder that holds .dlv: 'dlv -C <dir> status' works from any other",
  stage: "'dlv add <paths>' stages files",
  submodule: "a work tree holds several models: 'dlv add --model <name> <paths>'",
  'filter-branch': "'dlv forget --path <glob>' takes files out of all versions",
  'filter-repo': "'dlv forget --path <glob>' takes files out of all versions",
  alias: 'dlv has no aliases of its own: make one in your shell',
  'count-objects': "'dlv du --verbose' shows what takes up space",
  delete:
    "'dlv branch -d <name>' deletes a branch, 'dlv tag -d <name>' a tag, 'dlv rm <paths>' files, 'dlv model delete <name>' a model",
  difftool: "'dlv diff --html <file>' makes a page; 'dlv ui' compares versions in a browser",
  evaluate: "'dlv eval <rev> --data <file>' runs the network of a version on data",
  files:
    "'dlv show' lists the files of a version, 'dlv status' those of the work tree that changed",
  'name-rev': "'dlv show -s <rev>' names a version as model@number, with its branches and tags",
  notes: 'a version has no notes: what is said of it is its message',
  rename:
    "'dlv mv <old> <new>' renames a file, 'dlv branch -m <old> <new>' a branch, 'dlv model rename <old> <new>' a model",
  repack: "'dlv gc' deletes what nothing needs, 'dlv archive' stores versions smaller",
  'rev-list': "'dlv log --format %H <rev>' prints the ids of versions",
  shortlog: "'dlv list --versions --group author' counts the versions of each author",
  sync: "'dlv pull' brings versions from a remote, 'dlv push' sends them",
  test: "'dlv eval <rev> --data <file>' runs the network of a version on data",
  train: "'dlv run -- <command>' makes versions of a training",
  prune: "'dlv gc --prune=now' deletes what nothing names",
  undo:
    "'dlv reset --soft HEAD~1' takes the last commit back and keeps its files; 'dlv revert' makes a version " +
    "that does; 'dlv reflog' shows where you were",
  unprotect: 'files in the work tree are plain copies: edit them as they are',
  unstage: "'dlv reset <paths>' takes files back out of the next version",
  version: "'dlv --version' says which dlv this is",
  worktree: "'dlv checkout <rev> --out <dir>' writes a version into another folder",
};

/** Flags that many commands of git and DVC have. */
export const FLAGS_EVERYWHERE: Readonly<Record<string, string>> = {
  '--color': 'set FORCE_COLOR=1, or NO_COLOR=1 for none',
  '--no-color': 'set NO_COLOR=1',
  '--colour': 'set FORCE_COLOR=1, or NO_COLOR=1 for none',
  '--no-pager': 'dlv opens no pager: leave the flag out',
  '--paginate': "dlv opens no pager: pipe its output into one, as in '| less'",
  '--progress': 'progress is shown in a terminal; --no-progress hides it',
  '--git-dir': '-C <dir> runs a command as if started in another folder',
  '--work-tree': '-C <dir> runs a command as if started in another folder',
  '--cd': '-C <dir> runs a command as if started in another folder',
  '-v': 'write --verbose',
  '-z': '--json is for scripts',
  '--no-edit': NO_EDITOR,
  '--edit': NO_EDITOR,
  '--no-verify': NO_HOOKS,
  '--no-gpg-sign': 'dlv signs nothing yet: leave the flag out',
  '--gpg-sign': 'dlv signs nothing yet',
  '--recurse-submodules': NO_SUBMODULES,
  '--ignore-submodules': NO_SUBMODULES,
  '--pathspec-from-file': "name the files: 'xargs dlv add < list' takes them from a list",
};

/** Flags, by command. */
export const FLAGS_ELSEWHERE: FlagTable = { ...FILE_FLAGS, ...HISTORY_FLAGS, ...LINE_FLAGS };

/** `-C` after a command: git has another flag of that letter there; here it names a folder. */
export const FOLDER_FLAG_ELSEWHERE: Readonly<Record<string, string>> = {
  branch: "-C is the folder to start in; 'dlv branch -c <old> <new>' makes a branch where one is",
  commit:
    "-C is the folder to start in; 'dlv commit --amend' keeps the message of the last version",
  switch: "-C is the folder to start in; 'dlv switch -c <name>' makes a branch",
};

/** What operands of a command that takes none were probably meant for. */
export const OPERANDS_ELSEWHERE: Readonly<Record<string, string>> = {
  show: "one at a time; 'dlv log' shows several versions, 'dlv diff <a> <b>' compares two",
  commit: "stage the files first: 'dlv add <paths>', or 'dlv commit -a' for all that are tracked",
  revert: 'one at a time, the newest first',
  reflog: "'dlv reflog <ref>' shows the moves of a branch or tag, 'dlv reflog' those of HEAD",
};
