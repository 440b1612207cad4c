/** Flags of git and DVC that commands lack which work on branches and remotes, by command. */
import type { FlagTable } from './flag-table.js';
import { IMMUTABLE, NO_EDITOR, NO_SUBMODULES } from './reasons.js';

const ONE_MERGE =
  "conflicts end a merge before it changes anything: 'dlv merge -X ours' and 'dlv merge -X theirs' choose a side";
const NO_PROGRAMS = 'a remote runs no programs: leave the flag out';
const ONLY_NEW = 'only what the remote lacks is sent: leave the flag out';
const MOVES_NOTHING = 'a fetch moves no branch here: leave the flag out';
const FETCH_FIRST = "'dlv fetch' takes that flag; 'dlv pull' then moves the branch";
const NO_REBASE =
  `${IMMUTABLE}: a pull moves the branch forward or, where both sides have versions, fails; ` +
  "'dlv merge @{u}' then joins them";
const NO_MERGE =
  "a pull moves the branch forward or fails: leave the flag out; 'dlv merge @{u}' joins versions of both sides";
const ONE_ADDRESS = "a remote has one address: 'dlv remote add <name> <url>' adds another remote";

export const LINE_FLAGS: FlagTable = {
  checkout: {
    '-d': "'dlv checkout <version id>' goes to a version and to no branch",
    '-m': 'changes are kept where a file is the same in both versions: leave the flag out',
    '--merge': 'changes are kept where a file is the same in both versions: leave the flag out',
    '--ours': "'dlv merge -X ours' keeps the files of this branch",
    '--theirs': "'dlv merge -X theirs' takes the files of the other branch",
    '-R': 'folders are written with all that is in them: leave the flag out',
    '--relink': 'dlv writes plain copies: leave the flag out',
    '--summary': 'the files are listed: leave the flag out',
    '-l': 'every move of a branch is in its reflog: leave the flag out',
    '-B': "'dlv reset --soft <rev>' moves a branch; 'dlv checkout -b <name>' makes one",
    '--detach': "'dlv checkout <version id>' goes to a version and to no branch",
    '-p': 'files are checked out whole',
    '--orphan': "'dlv init --model <name>' or 'dlv add --model <name>' begins another model",
  },
  archive: {
    '-o': "'dlv checkout <rev> --out <dir>' writes its files, 'dlv export <rev>' a bundle of versions",
    '--output':
      "'dlv checkout <rev> --out <dir>' writes its files, 'dlv export <rev>' a bundle of versions",
  },
  switch: {
    '-d': "'dlv checkout <rev>' goes to a version and to no branch",
    '--detach': "'dlv checkout <rev>' goes to a version and to no branch",
    '-f': "'dlv checkout --force <branch>' goes there and loses changes",
    '--force': "'dlv checkout --force <branch>' goes there and loses changes",
    '-m': 'changes are kept where a file is the same in both versions: leave the flag out',
    '--merge': 'changes are kept where a file is the same in both versions: leave the flag out',
    '--discard-changes': "'dlv checkout --force <branch>' goes there and loses changes",
    '--force-create': "'dlv switch -c <name>' makes a branch; 'dlv reset <rev>' moves one",
  },
  branch: {
    '-f': "'dlv reset --soft <rev>' moves the current branch",
    '--force': "'dlv reset --soft <rev>' moves the current branch",
    '-M': "'dlv branch -m <old> <new>' renames; 'dlv branch -D <new>' deletes what has that name",
    '--sort': "'dlv branch --json' has the time of every version",
    '--merged': "'dlv branch --contains <rev>' lists the branches that derive from a version",
    '--no-merged': "'dlv branch --contains <rev>' lists the branches that derive from a version",
    '--no-contains': "'dlv branch --contains <rev>' lists the branches that derive from a version",
    '--points-at': "'dlv show <rev>' names the branches of a version",
    '--format': "'dlv branch --json' is for scripts",
    '--edit-description': 'a branch has no text of its own: say it in the message of a version',
  },
  merge: {
    '--abort': 'a merge that meets a conflict changes nothing: there is nothing to abort',
    '--quit': 'a merge that meets a conflict changes nothing: there is nothing to abort',
    '--continue': 'a merge that meets a conflict changes nothing: there is nothing to continue',
    '--ff': 'a branch is moved forward where that is enough: leave the flag out',
    '--commit': 'a merge makes a version unless --no-commit is given: leave the flag out',
    '--squash':
      "'dlv checkout <rev> <paths>' takes the files of another version, without its history",
    '-s': ONE_MERGE,
    '--strategy': ONE_MERGE,
    '--stat': "'dlv show --stat' lists the files that a merge changed",
    '-n': "'dlv show --stat' lists the files that a merge changed",
    '--allow-unrelated-histories':
      "'dlv merge --base <rev>' says from which version changes are counted",
    '--log': "'dlv log --graph' shows what was merged",
    '--signoff': 'write the line into the message',
    '-e': NO_EDITOR,
  },
  clone: {
    '--bare':
      "--no-checkout writes no work files; 'dlv push <folder>' makes a remote that has none",
    '--mirror':
      '--no-checkout writes no work files; a clone has all branches and tags of the remote',
    '--filter': '--depth, --only and --planes leave content at the remote until it is needed',
    '--tag': '--branch names what is checked out; tags come with the history',
    '--shallow-since': '--depth leaves the files of older versions at the remote',
    '--recursive': NO_SUBMODULES,
  },
  push: {
    '--mirror':
      "'dlv push --all --tags --prune' pushes everything and deletes other branches there",
    '--branches': 'use --all',
    '--follow-tags': "'dlv push --tags' pushes all tags, 'dlv push origin <tag>' one",
    '--atomic':
      "what is refused stays and all else moves at once: 'dlv push --dry-run' says what would be refused",
    '--force-with-lease=':
      "it counts for all that is pushed: name the branch after the remote, as in 'dlv push --force-with-lease origin main'",
    '--force-if-includes':
      'use --force-with-lease: it refuses where the branch moved since a fetch',
    '--no-force-if-includes': 'leave the flag out',
    '-o': NO_PROGRAMS,
    '--push-option': NO_PROGRAMS,
    '--receive-pack': NO_PROGRAMS,
    '--exec': NO_PROGRAMS,
    '--porcelain': "'dlv push --json' is for scripts",
    '--thin': ONLY_NEW,
    '--no-thin': ONLY_NEW,
    '--signed': 'dlv signs nothing yet',
    '--repo': "name the remote itself: 'dlv push <remote>'",
  },
  fetch: {
    '--deepen': '--depth <n> says how many versions of each branch have their files here',
    '--shallow-since': '--depth <n> says how many versions of each branch have their files here',
    '--shallow-exclude': '--depth <n> says how many versions of each branch have their files here',
    '--multiple': 'use --all, or fetch from one remote at a time',
    '--set-upstream': "'dlv branch -u origin/main' makes the current branch follow one of a remote",
    '-P': "--prune forgets branches; 'dlv tag -d <name>' deletes a tag",
    '--prune-tags': "--prune forgets branches; 'dlv tag -d <name>' deletes a tag",
    '-u': MOVES_NOTHING,
    '--update-head-ok': MOVES_NOTHING,
    '--refmap': MOVES_NOTHING,
    '--append': "what was fetched is noted by branch: 'dlv branch -r' lists it",
    '--write-fetch-head': "what was fetched is noted by branch: 'dlv branch -r' lists it",
    '--no-write-fetch-head': "what was fetched is noted by branch: 'dlv branch -r' lists it",
    '--atomic': 'refs are noted in one step: leave the flag out',
    '--porcelain': "'dlv fetch --json' is for scripts",
    '--refetch': "'dlv fsck --repair <remote>' brings again what is damaged here",
    '-k': 'leave the flag out: what arrives is stored as it came',
    '--keep': 'leave the flag out: what arrives is stored as it came',
    '--upload-pack': NO_PROGRAMS,
  },
  pull: {
    '--rebase': NO_REBASE,
    '-r': NO_REBASE,
    '--no-rebase': NO_MERGE,
    '--ff': 'a pull moves the branch forward or fails: leave the flag out',
    '--no-ff': NO_MERGE,
    '--squash': NO_MERGE,
    '--commit': NO_MERGE,
    '--no-commit': NO_MERGE,
    '-s': NO_MERGE,
    '--strategy': NO_MERGE,
    '-X': NO_MERGE,
    '--strategy-option': NO_MERGE,
    '--allow-unrelated-histories': NO_MERGE,
    '-m': NO_MERGE,
    '--autostash':
      "changes stay where the pull changes other files; else 'dlv stash' sets them aside",
    '--no-autostash': 'leave the flag out: a pull sets nothing aside',
    '-t': FETCH_FIRST,
    '--tags': FETCH_FIRST,
    '--no-tags': FETCH_FIRST,
    '-a': "'dlv fetch --all' fetches from all remotes; 'dlv pull' then moves the branch",
    '--all': "'dlv fetch --all' fetches from all remotes; 'dlv pull' then moves the branch",
    '--depth': FETCH_FIRST,
    '--unshallow': FETCH_FIRST,
    '-f': FETCH_FIRST,
    '--force': FETCH_FIRST,
    '-n': "'dlv fetch --dry-run' says what would come",
    '--dry-run': "'dlv fetch --dry-run' says what would come",
    '--set-upstream': "'dlv branch -u origin/main' makes the current branch follow one of a remote",
  },
  remote: {
    '-f': "'dlv fetch <name>' brings what the remote has",
    '--fetch': "'dlv fetch <name>' brings what the remote has",
    '-t': "'dlv fetch <name> <branches>' brings some branches",
    '--track': "'dlv fetch <name> <branches>' brings some branches",
    '--tags': "'dlv fetch --tags <name>' brings all tags",
    '--mirror':
      "'dlv push --all --tags --prune' pushes everything and deletes other branches there",
    '--push': ONE_ADDRESS,
    '--all': ONE_ADDRESS,
    '--add': ONE_ADDRESS,
    '--delete': ONE_ADDRESS,
    '-n': "'dlv branch -r' lists what was seen of remotes, without asking them",
  },
};
