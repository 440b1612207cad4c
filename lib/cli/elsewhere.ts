/**
 * Words of git and DVC that dlv lacks, each with what to do instead: for hints and docs/cli.md.
 *
 * When dlv gets a command or flag, it leaves these tables; a test checks that.
 */

/** Short names that many have set up for git. */
export const SHORT_NAMES: Readonly<Record<string, string>> = {
  br: 'branch',
  ci: 'commit',
  co: 'checkout',
  st: 'status',
  sw: 'switch',
};

const IMMUTABLE = 'versions do not change';

/** Commands. */
export const VERBS_ELSEWHERE: Readonly<Record<string, string>> = {
  blame: "'dlv log -- <path>' shows the versions that changed a file",
  bisect: "'dlv log' lists versions; 'dlv checkout <version>' goes to one",
  'cat-file': "'dlv cat <rev>:<path>' writes a file of a version",
  'cherry-pick': "take files of another version with 'dlv checkout <rev> <paths>', then commit",
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
  plots: "'dlv log --json' has the metrics of every version",
  rebase: `${IMMUTABLE}: 'dlv reset --soft <rev>' keeps your files, then commit again`,
  repro: "'dlv run --resume <run>' starts the command of a run again",
  root: "the folder that holds .dlv: 'dlv -C <dir> status' works from any other",
  stage: "'dlv add <paths>' stages files",
  submodule: "a work tree holds several models: 'dlv add --model <name> <paths>'",
  'filter-branch': "'dlv forget --path <glob>' takes files out of all versions",
  'filter-repo': "'dlv forget --path <glob>' takes files out of all versions",
  prune: "'dlv gc --prune=now' deletes what nothing names",
  undo:
    "'dlv reset --soft HEAD~1' takes the last commit back and keeps its files; 'dlv revert' makes a version " +
    "that does; 'dlv reflog' shows where you were",
  unprotect: 'files in the work tree are plain copies: edit them as they are',
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
    '-g': "'dlv reflog' shows where HEAD was, 'dlv reflog <ref>' where a branch was",
    '--walk-reflogs': "'dlv reflog' shows where HEAD was, 'dlv reflog <ref>' where a branch was",
    '--follow': 'name the old path of a renamed file too: dlv log -- <new> <old>',
    '-S': "'dlv log -p -- <path>' shows what each version changed in the tensors of a file",
    '-G': "'dlv log -p -- <path>' shows what each version changed in the tensors of a file",
    '-L': 'model files have no lines: name whole files after --',
    '--committer': 'the author of a version is who committed it: use --author',
    '--abbrev-commit': 'ids are short; --format %H shows them whole',
    '--date':
      "choose with --format '%h %ar %s': %ad local, %aI ISO 8601, %as day, %ar relative, %at seconds",
    '--shortstat': 'use --stat',
    '--numstat': "use --stat, or 'dlv log --stat --json' for exact bytes",
    '--branches': 'use --all',
    '--tags': 'use --all',
  },
  diff: {
    '--shortstat': 'use --stat',
    '--numstat': "use --stat, or 'dlv diff --stat --json' for exact bytes",
    '--word-diff': 'model files have no words: every tensor is compared in numbers',
    '-w': 'model files have no white space: every tensor is compared in numbers',
    '-U': 'model files have no lines: every tensor is compared in numbers',
    '--color': 'set FORCE_COLOR=1, or NO_COLOR=1 for none',
    '--no-index': "'dlv bench --files <a> <b>' measures files outside of a repository",
    '--diff-filter': "'dlv diff --name-status' says A, M or D before each path",
  },
  status: {
    '-v': "'dlv diff' shows what changed, 'dlv diff --staged' what is staged",
    '--ignored': "'dlv help ignore' tells what .dlvignore and .gitignore leave out",
    '-z': "'dlv status --json' is for scripts",
  },
  show: {
    '--pretty': 'use --format',
    '--oneline': "use --format '%h %s'",
    '-w': 'model files have no white space: every tensor is compared in numbers',
  },
  checkout: {
    '-B': "'dlv reset --soft <rev>' moves a branch; 'dlv checkout -b <name>' makes one",
    '--detach': "'dlv checkout <version id>' goes to a version and to no branch",
    '-p': 'files are checked out whole',
    '--orphan': "'dlv init --model <name>' or 'dlv add --model <name>' begins another model",
  },
  switch: {
    '-d': "'dlv checkout <rev>' goes to a version and to no branch",
    '--detach': "'dlv checkout <rev>' goes to a version and to no branch",
    '-f': "'dlv checkout --force <branch>' goes there and loses changes",
    '--discard-changes': "'dlv checkout --force <branch>' goes there and loses changes",
    '--force-create': "'dlv switch -c <name>' makes a branch; 'dlv reset <rev>' moves one",
  },
  branch: {
    '-f': "'dlv reset --soft <rev>' moves the current branch",
    '--force': "'dlv reset --soft <rev>' moves the current branch",
    '-M': "'dlv branch -m <old> <new>' renames; 'dlv branch -D <new>' deletes what has that name",
    '--sort': "'dlv branch --json' has the time of every version",
    '--merged': "'dlv branch --contains <rev>' lists the branches that derive from a version",
  },
  tag: {
    '-s': 'dlv signs nothing yet',
    '--sort': "'dlv tag --json' has the time of every version",
    '--points-at': "'dlv show <rev>' names the tags of a version",
  },
  rm: {
    '-n': "'dlv show' lists the files of a version; rm without -r removes only files that are named",
    '--dry-run':
      "'dlv show' lists the files of a version; rm without -r removes only files that are named",
  },
  gc: {
    '--aggressive': "'dlv archive --budget 1.5' stores everything anew in fewer bytes",
  },
  config: {
    '--global': 'use --user for your own file',
    '--local': "the repository's file is meant unless --user is given",
    '--get': "'dlv config <key>' prints a setting",
    '--add': "'dlv config <key> <value>' sets a setting; none has several values",
  },
  revert: {
    '-n': 'write --no-commit to make no version, or --dry-run to only see what would change',
    '-e': 'dlv opens no editor: give the message with -m',
    '--edit': 'dlv opens no editor: give the message with -m',
    '--no-edit': 'dlv opens no editor: leave the flag out',
    '--abort': 'a revert that meets a conflict changes nothing: there is nothing to abort',
    '--continue': 'a revert that meets a conflict changes nothing: there is nothing to continue',
  },
  reflog: {
    '--all': "'dlv reflog <ref>' shows one branch or tag, 'dlv reflog --deleted' the deleted ones",
  },
  stash: {
    '-p': "files are put aside whole; 'dlv stash show' says the id that 'dlv diff' takes",
    '--patch': "files are put aside whole; 'dlv stash show' says the id that 'dlv diff' takes",
  },
  restore: {
    '-p': 'files are restored whole',
  },
};

/** `-C` after a command: git has another flag of that letter there; here it names a folder. */
export const FOLDER_FLAG_ELSEWHERE: Readonly<Record<string, string>> = {
  branch: "-C is the folder to start in; 'dlv branch -c <old> <new>' makes a branch where one is",
  commit:
    "-C is the folder to start in; 'dlv commit --amend' keeps the message of the last version",
  switch: "-C is the folder to start in; 'dlv switch -c <name>' makes a branch",
};

/** What operands of a command that takes none were probably meant for. */
export const OPERANDS_ELSEWHERE: Readonly<Record<string, string>> = {
  commit: "stage the files first: 'dlv add <paths>', or 'dlv commit -a' for all that are tracked",
  reflog: "'dlv reflog <ref>' shows the moves of a branch or tag, 'dlv reflog' those of HEAD",
};
