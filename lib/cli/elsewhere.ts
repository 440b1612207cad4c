/**
 * Words of git and DVC that dlv has not, each with what to do instead: for hints and docs/cli.md.
 *
 * A command or flag that dlv gets leaves these tables; a test sees to it.
 */

/** Short names that many have set up for git. */
export const SHORT_NAMES: Readonly<Record<string, string>> = {
  br: 'branch',
  ci: 'commit',
  co: 'checkout',
  st: 'status',
  sw: 'switch',
};

const NO_REMOTES = 'dlv has no remotes yet';
const COPY_FOLDER = `${NO_REMOTES}: copy the folder with its .dlv, for example with rsync`;
const IMMUTABLE = 'versions do not change';

/** Commands. */
export const VERBS_ELSEWHERE: Readonly<Record<string, string>> = {
  blame: "'dlv log -- <path>' shows the versions that changed a file",
  bisect: "'dlv log' lists versions; 'dlv checkout <version>' goes to one",
  'cat-file': "'dlv cat <rev>:<path>' writes a file of a version",
  'cherry-pick': "take files of another version with 'dlv checkout <rev> <paths>', then commit",
  clean: "dlv removes no untracked files: 'dlv status' lists them",
  clone: COPY_FOLDER,
  describe: "'dlv log -n 1' names a version as model@number, with its tags",
  exp: "each run is a version: 'dlv commit --param lr=0.1 --metric loss=0.3'",
  export: "'dlv checkout <rev> --out <dir>' writes a version into a folder",
  fetch: COPY_FOLDER,
  get: "'dlv checkout <rev> <paths> --out <dir>' writes files of a version into a folder",
  import: "put the files in the work tree and 'dlv add' them",
  lfs: 'dlv stores large files itself: add them with dlv add',
  ls: "'dlv show' lists the files of a version, 'dlv status' those of the work tree that changed",
  'ls-files': "'dlv show' lists the files of a version",
  'ls-tree': "'dlv show <rev>' lists the files of a version",
  merge: "weights are not merged: record where files come from with 'dlv commit --parent <rev>'",
  metrics: "'dlv log' and 'dlv show' print metrics; 'dlv commit --metric loss=0.3' records them",
  mv: "move the file, then 'dlv add' both names: its content is not stored again",
  params:
    "'dlv log' and 'dlv show' print hyperparameters; 'dlv commit --param lr=0.1' records them",
  plots: "'dlv log --json' has the metrics of every version",
  pull: COPY_FOLDER,
  push: COPY_FOLDER,
  rebase: `${IMMUTABLE}: 'dlv reset --soft <rev>' keeps your files, then commit again`,
  reflog: "'HEAD@{1}' is where HEAD was before: 'dlv log HEAD@{1}'",
  remote: COPY_FOLDER,
  repro: 'dlv runs nothing: train, then add and commit what came out',
  revert: "take the files of an earlier version with 'dlv checkout <rev> <paths>', then commit",
  run: 'dlv runs nothing: train, then add and commit what came out',
  stage: "'dlv add <paths>' stages files",
  stash: "keep unfinished work on a branch: 'dlv switch -c wip', then 'dlv commit -a'",
  submodule: "a work tree holds several models: 'dlv add --model <name> <paths>'",
  undo: "'dlv reset --soft HEAD~1' takes the last commit back and keeps its files",
  unstage: "'dlv reset <paths>' takes files back out of the next version",
  version: "'dlv --version' says which dlv this is",
  worktree: "'dlv checkout <rev> --out <dir>' writes a version into another folder",
};

/** Flags, by command. */
export const FLAGS_ELSEWHERE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  add: {
    '-e': 'files are staged whole',
    '-p': 'files are staged whole',
    '--patch': 'files are staged whole',
    '-i': "name the files, or 'dlv add .' for all",
    '--interactive': "name the files, or 'dlv add .' for all",
    '-N': 'a file is stored when it is added; there is no empty entry for later',
    '--intent-to-add': 'a file is stored when it is added; there is no empty entry for later',
  },
  commit: {
    '-e': 'dlv opens no editor: give the message with -m or -F',
    '--edit': 'dlv opens no editor: give the message with -m or -F',
    '-t': 'dlv opens no editor: give the message with -m or -F',
    '--template': 'dlv opens no editor: give the message with -m or -F',
    '-c': "'dlv commit --amend' keeps the message of the last version",
    '--reuse-message': "'dlv commit --amend' keeps the message of the last version",
    '--allow-empty-message': 'every version has a message: give it with -m',
    '-n': 'dlv runs no hooks',
    '--no-verify': 'dlv runs no hooks',
    '-s': 'write the line into the message, with a second -m',
    '--signoff': 'write the line into the message, with a second -m',
    '--trailer': 'write the line into the message, with a second -m',
    '-S': 'dlv signs nothing yet',
    '--gpg-sign': 'dlv signs nothing yet',
    '--fixup': "'dlv commit --amend' changes the last version",
    '--squash': "'dlv reset --soft <rev>' keeps your files, then commit once",
    '-p': 'files are committed whole',
    '--patch': 'files are committed whole',
    '-i': "stage the files with 'dlv add', then commit",
    '--include': "stage the files with 'dlv add', then commit",
    '-o': "stage only these files with 'dlv add', then commit",
    '--only': "stage only these files with 'dlv add', then commit",
    '--reset-author': 'name the author with --author',
    '--porcelain': "'dlv commit --dry-run --json' is for scripts",
    '--short': "'dlv commit --dry-run' lists what would be committed",
  },
  log: {
    '-p': "'dlv diff <rev>~1 <rev>' shows what a version changed",
    '--patch': "'dlv diff <rev>~1 <rev>' shows what a version changed",
    '--stat': "'dlv diff --files <rev>~1 <rev>' lists the files that a version changed",
    '--name-only': "'dlv diff --files <rev>~1 <rev>' lists the files that a version changed",
    '--name-status': "'dlv diff --files <rev>~1 <rev>' lists the files that a version changed",
    '--grep': "'dlv list --message <text>' finds versions by their message",
    '--since': "'dlv log --json' has the time of every version",
    '--until': "'dlv log --json' has the time of every version",
    '--author': "'dlv log --json' has the author of every version",
    '--format': "'dlv log --json' has all that there is to format",
    '--pretty': "'dlv log --oneline' is short; 'dlv log --json' has everything",
  },
  diff: {
    '--cached': "'dlv diff --staged' compares what is staged",
    '--stat': "'dlv diff --files' lists files alone",
    '--name-only': "'dlv diff --files' lists files alone",
    '--name-status': "'dlv diff --files' lists files alone",
  },
  status: {
    '-s': "'dlv status --json' is for scripts",
    '--short': "'dlv status --json' is for scripts",
    '--porcelain': "'dlv status --json' is for scripts",
  },
  checkout: {
    '-b': "'dlv switch -c <name>' makes a branch and goes there",
  },
  branch: {
    '--list': "'dlv branch' without a name lists the branches",
    '-c': "'dlv branch <name> <start>' makes another branch at a version",
  },
  tag: {
    '-m': 'a tag has no message: that of the version is shown',
    '-a': 'a tag has no message: that of the version is shown',
  },
};

/** What operands of a command that takes none were probably meant for. */
export const OPERANDS_ELSEWHERE: Readonly<Record<string, string>> = {
  commit: "stage the files first: 'dlv add <paths>', or 'dlv commit -a' for all that are tracked",
};
