/** Completion of command lines: what dlv answers, and what bash makes of it. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { completionScript } from '../../lib/cli/completion/scripts.js';
import { DLV_BIN } from '../helpers/dlv.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { tempDir } from '../helpers/temp-dir.js';

async function words(repo: TestRepository, ...line: string[]): Promise<string[]> {
  const { stdout, stderr, code } = await repo.dlv('__complete', ...line);
  if (code !== 0 || stderr !== '') throw new Error(`ended with ${code}: ${stderr}`);
  return stdout.split('\n').flatMap((row) => (row === '' ? [] : [row.split('\t')[0] as string]));
}

test('completion: commands, flags, values of flags, and names of the repository', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('branch', 'low-rate');
  await repo.json('tag', 'v1');
  await repo.json('remote', 'add', 'team', '/nowhere');
  t.deepEqual(await words(repo, 'swi'), ['switch']);
  t.true((await words(repo, '')).includes('commit'));
  t.deepEqual(await words(repo, 'help', 'comm'), ['commit']);
  t.deepEqual(await words(repo, 'merge', '--ff'), ['--ff-only']);
  t.deepEqual(await words(repo, 'merge', '--no-'), [
    '--no-ff',
    '--no-commit',
    '--no-progress',
    '--no-fetch',
  ]);
  t.deepEqual(await words(repo, 'merge', 'low'), ['low-rate']);
  t.deepEqual(await words(repo, 'merge', 'x', 'v'), ['v1']);
  t.deepEqual(await words(repo, 'merge', '--base', 'net/'), ['net/low-rate', 'net/main']);
  t.deepEqual(await words(repo, 'push', 't'), ['team']);
  t.deepEqual(await words(repo, 'config', 'user.n'), ['user.name']);
  t.deepEqual(await words(repo, 'completion', 'f'), ['fish']);
  t.deepEqual(await words(repo, '-C', repo.dir, 'merge', 'low'), ['low-rate']);
  // Paths are the shell's, and what is wrong is said when the command runs.
  t.deepEqual(await words(repo, 'add', ''), []);
  t.deepEqual(await words(repo, 'merge', '--message', ''), []);
  t.deepEqual(await words(repo, 'no-such-command', ''), []);
  t.deepEqual(await words(repo, '-C', '/no/such/folder', 'merge', ''), []);
});

test('completion: operands are what a command takes there, by its action and its flags', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('branch', 'low-rate');
  await repo.json('tag', 'v1');
  const url = path.join(repo.dir, '..', 'team.dlv');
  await repo.json('remote', 'add', 'team', url);
  await repo.json('branch', 'there');
  await repo.json('push', '--all', 'team');
  await repo.json('branch', '-d', 'there');
  await repo.json('query', '--save', 'good', 'select m from m');
  await repo.write('note.txt', 'unfinished');
  await repo.json('stash');
  // A branch that only a remote has is one to switch to, and none to delete.
  const own = ['low-rate', 'main', 'net/low-rate', 'net/main'];
  t.deepEqual(await words(repo, 'switch', ''), [...own, 'there', 'net']);
  t.deepEqual(await words(repo, 'switch', '-c', ''), []);
  t.deepEqual(await words(repo, 'switch', '-c', 'new', 'lo'), ['low-rate']);
  t.deepEqual(await words(repo, 'switch', '-t', 'team/th'), ['team/there']);
  t.deepEqual(await words(repo, 'branch', '-d', ''), own);
  t.deepEqual(await words(repo, 'branch', ''), []);
  t.deepEqual(await words(repo, 'branch', 'new', 'v'), ['v1']);
  t.deepEqual(await words(repo, 'branch', '-u', 'team/m'), ['team/main']);
  t.deepEqual(await words(repo, 'branch', '--set-upstream-to=team/m'), [
    '--set-upstream-to=team/main',
  ]);
  t.deepEqual(await words(repo, 'tag', '-d', ''), ['v1']);
  t.deepEqual(await words(repo, 'tag', ''), []);
  t.deepEqual(await words(repo, 'tag', 'v2', 'lo'), ['low-rate']);
  t.deepEqual(await words(repo, 'push', 'team', 'v'), ['v1']);
  t.deepEqual(await words(repo, 'push', 'team', 'main', 'lo'), ['low-rate']);
  t.deepEqual(await words(repo, 'fetch', 'team', 'm'), ['main']);
  t.deepEqual(await words(repo, 'merge', 'team/l'), ['team/low-rate']);
  t.deepEqual(await words(repo, 'remote', 'ad'), ['add']);
  t.deepEqual(await words(repo, 'remote', 'remove', ''), ['team']);
  t.deepEqual(await words(repo, 'remote', 'add', ''), []);
  t.deepEqual(await words(repo, 'stash', 'po'), ['pop']);
  t.deepEqual(await words(repo, 'stash', 'pop', ''), ['stash@{0}']);
  t.deepEqual(await words(repo, 'model', 'ren'), ['rename']);
  t.deepEqual(await words(repo, 'model', 'rename', ''), ['net']);
  t.deepEqual(await words(repo, 'run', 'sho'), ['show']);
  t.deepEqual(await words(repo, 'query', '--named', ''), ['good']);
  t.deepEqual(await words(repo, 'list', '--model', ''), ['net']);
  t.deepEqual(await words(repo, 'list', '--model=n'), ['--model=net']);
  // Files are the shell's, behind '--', too.
  t.deepEqual(await words(repo, 'diff', 'main', '--', ''), []);
  t.deepEqual(await words(repo, 'checkout', 'main', ''), []);
  t.deepEqual(await words(repo, 'rm', ''), []);
});

test('completion: runs are known by their names and their ids', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.dlv('run', '--name', 'first', '--', process.execPath, '-e', '0');
  const [first, id, ...more] = await words(repo, 'run', 'show', '');
  t.deepEqual([first, more], ['first', []]);
  t.regex(id as string, /^[0-9a-f]+$/);
});

test('completion: an unknown shell is a mistake', async (t) => {
  const repo = await TestRepository.create(t);
  t.regex((await repo.fails(2, 'completion', 'csh')).message, /csh/);
});

/** What bash puts in the place of the last word of a line. */
async function inBash(folder: string, line: string): Promise<string[]> {
  const script = path.join(folder, '..', 'complete.bash');
  await fs.writeFile(
    script,
    `${completionScript('bash')}
dlv() { "${process.execPath}" "${DLV_BIN}" "$@"; }
COMP_LINE=$1 COMP_POINT=\${#1}
# As readline cuts it: also at '=', ':' and '@'.
words=\${1//[=:@]/ & }
read -ra COMP_WORDS <<<"$words"
[[ $1 == *[[:blank:]] ]] && COMP_WORDS+=('')
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_dlv
printf '%s\\n' "\${COMPREPLY[@]}"
`,
  );
  const { stdout, stderr } = spawnSync('bash', [script, line], {
    cwd: folder,
    encoding: 'utf8',
    // A locale that is not installed is warned of.
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (stderr !== '') throw new Error(stderr);
  return stdout.split('\n').filter((word) => word !== '');
}

test('completion: bash puts words into the line quoted and runs nothing in them', async (t) => {
  if (spawnSync('bash', ['--version']).status !== 0) {
    t.log('SKIPPED: there is no bash: its completion is NOT tested');
    t.pass();
    return;
  }
  const dir = await tempDir(t);
  const repo = await TestRepository.create(t, dir);
  await repo.write('a.txt', 'a');
  await repo.commit('one');
  await repo.json('branch', 'low-rate');
  await repo.json('branch', 'x$(touch$IFS"run")');
  t.deepEqual(await inBash(repo.dir, 'dlv swi'), ['switch']);
  t.deepEqual(await inBash(repo.dir, 'dlv merge low'), ['low-rate']);
  t.deepEqual(await inBash(repo.dir, 'dlv merge x'), ['x\\$\\(touch\\$IFS\\"run\\"\\)']);
  t.deepEqual(await inBash(repo.dir, 'dlv merge --base low'), ['low-rate']);
  t.deepEqual((await fs.readdir(repo.dir)).sort(), ['.dlv', 'a.txt']);
});

for (const shell of ['zsh', 'fish'] as const) {
  test(`completion: ${shell} understands its script`, async (t) => {
    if (spawnSync(shell, ['--version']).status !== 0) {
      t.log(`SKIPPED: there is no ${shell}: its completion is NOT tested`);
      t.pass();
      return;
    }
    const file = path.join(await tempDir(t), 'script');
    await fs.writeFile(file, completionScript(shell));
    const { status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
    t.is(status, 0, stderr);
  });
}
