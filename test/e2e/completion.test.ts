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
