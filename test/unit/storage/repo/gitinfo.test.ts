/**
 * What git says of the folder around: commit, state and names; and that nothing which a git repository
 * names in its own settings is run or believed, since it may be a stranger's.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { initRepository } from '../../../../lib/storage/repo/init.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { readGitState, readGitUser } from '../../../../lib/storage/repo/settings/gitinfo.js';
import { tempDir } from '../../../helpers/temp-dir.js';

function git(dir: string, ...args: string[]): string | null {
  const identity = [
    '-c',
    'user.name=t',
    '-c',
    'user.email=t@t',
    '-c',
    'protocol.file.allow=always',
  ];
  try {
    return execFileSync('git', [...identity, ...args], { cwd: dir, stdio: 'pipe' }).toString();
  } catch {
    return null;
  }
}

/** A git repository with one commit of the file `a`; null without git. */
async function gitRepository(t: ExecutionContext): Promise<string | null> {
  const dir = await tempDir(t);
  if (git(dir, 'init', '-q') === null) {
    t.log('SKIPPED: no git on this machine');
    t.pass();
    return null;
  }
  await fs.writeFile(path.join(dir, 'a'), '1');
  git(dir, 'add', 'a');
  git(dir, 'commit', '-q', '-m', 'one');
  return dir;
}

/** A program that leaves a proof when it is run, and the place of the proof. */
async function program(
  t: ExecutionContext,
): Promise<{ script: string; wasRun(): Promise<boolean> }> {
  const dir = await tempDir(t);
  const proof = path.join(dir, 'ran');
  const script = path.join(dir, 'run.sh');
  await fs.writeFile(script, `#!/bin/sh\ntouch '${proof}'\nexit 1\n`, { mode: 0o755 });
  const wasRun = () =>
    fs
      .stat(proof)
      .then(() => true)
      .catch(() => false);
  return { script, wasRun };
}

test('git: commit and dirty flag of the repository around, null without one', async (t) => {
  t.is(await readGitState(await tempDir(t)), null);
  const dir = await gitRepository(t);
  if (dir === null) return;
  const empty = await tempDir(t);
  git(empty, 'init', '-q');
  t.is(await readGitState(empty), null, 'before the first commit');
  const commit = git(dir, 'rev-parse', 'HEAD')!.trim();
  t.deepEqual(await readGitState(dir), { commit, dirty: false });
  await initRepository(new Layout(dir), { model: 'm', branch: 'main' });
  t.is(git(dir, 'status', '--porcelain'), '', 'git does not see the repository');
  await fs.writeFile(path.join(dir, 'new'), 'untracked');
  t.deepEqual(await readGitState(path.join(dir, '.dlv')), { commit, dirty: false });
  await fs.mkdir(path.join(dir, 'deep', 'er'), { recursive: true });
  const link = path.join(await tempDir(t), 'link');
  await fs.symlink(path.join(dir, 'deep', 'er'), link);
  t.deepEqual(await readGitState(link), { commit, dirty: false }, 'what a link leads to counts');
  await fs.writeFile(path.join(dir, 'a'), '22');
  t.deepEqual(await readGitState(dir), { commit, dirty: true });
});

test('git: a repository says who the user is only where it is trusted', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  git(dir, 'config', 'user.name', 'Mallory');
  git(dir, 'config', 'user.email', '');
  t.not((await readGitUser(dir)).name, 'Mallory');
  t.deepEqual(await readGitUser(dir, true), { name: 'Mallory', email: null });
  await fs.writeFile(path.join(dir, 'included'), '[user]\n\tname = Included\n');
  git(dir, 'config', 'include.path', '../included');
  t.not((await readGitUser(dir)).name, 'Included');
});

test('git: a monitor that a repository names is not run', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const { script, wasRun } = await program(t);
  git(dir, 'config', 'core.fsmonitor', script);
  t.not(await readGitState(dir), null);
  t.false(await wasRun());
  git(dir, 'status');
  t.true(await wasRun(), 'git itself runs it');
});

for (const kind of ['clean', 'process']) {
  test(`git: a ${kind} filter that a repository names is not run`, async (t) => {
    const dir = await gitRepository(t);
    if (dir === null) return;
    const { script, wasRun } = await program(t);
    await fs.writeFile(path.join(dir, '.gitattributes'), '* filter=x.y\n');
    git(dir, 'config', `filter.x.y.${kind}`, script);
    git(dir, 'config', 'filter.x.y.required', 'true');
    const later = new Date(Date.now() + 5000);
    await fs.utimes(path.join(dir, 'a'), later, later);
    t.not(await readGitState(dir), null);
    t.false(await wasRun());
    git(dir, 'status');
    t.true(await wasRun(), 'git itself runs it');
  });
}

test('git: a filter whose name no option can hold is not run either', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const { script, wasRun } = await program(t);
  await fs.writeFile(path.join(dir, '.gitattributes'), '* filter=a=b\n');
  git(dir, 'config', 'filter.a=b.clean', script);
  const later = new Date(Date.now() + 5000);
  await fs.utimes(path.join(dir, 'a'), later, later);
  t.like(await readGitState(dir), { dirty: true });
  t.false(await wasRun());
});

test('git: what a submodule names is not run', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const { script, wasRun } = await program(t);
  git(dir, 'submodule', '--quiet', 'add', dir, 'sub');
  git(dir, 'commit', '-q', '-m', 'two');
  git(path.join(dir, 'sub'), 'config', 'core.fsmonitor', script);
  t.like(await readGitState(dir), { dirty: false });
  t.false(await wasRun());
  git(dir, 'status');
  t.true(await wasRun(), 'git itself runs it');
});

test('git: a missing object is not fetched by a command of the repository', async (t) => {
  const dir = await gitRepository(t);
  if (dir === null) return;
  const { script, wasRun } = await program(t);
  git(dir, 'config', 'remote.origin.url', `ext::${script}`);
  git(dir, 'config', 'remote.origin.promisor', 'true');
  git(dir, 'config', 'protocol.ext.allow', 'always');
  git(dir, 'config', 'core.repositoryFormatVersion', '1');
  git(dir, 'config', 'extensions.partialClone', 'origin');
  await fs.writeFile(path.join(dir, '.git', 'HEAD'), `${'ab'.repeat(20)}\n`);
  await readGitState(dir);
  t.false(await wasRun());
  git(dir, 'rev-parse', '--verify', 'HEAD^{commit}');
  t.true(await wasRun(), 'git itself runs it');
});
