/** Places, branches and repositories that cannot be used as named: what the errors say. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { dlv } from '../helpers/dlv.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

const WEIGHTS = randomTensors({ 'fc.weight': [64, 64] }, 1);

test('cat: a folder says how its weights are had, one without names where there are some', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('checkpoint-400/notes.txt', 'none here');
  await repo.write('checkpoint-500/model.safetensors', safetensors(WEIGHTS));
  await repo.commit('first');
  const folder = await repo.fails(1, 'cat', 'HEAD:checkpoint-500/');
  t.regex(folder.message, /'HEAD:checkpoint-500' names a folder/);
  t.regex(folder.data.hint ?? '', /'dlv cat HEAD:checkpoint-500 --format safetensors'/);
  await repo.json('cat', 'HEAD:checkpoint-500', '--format', 'safetensors');
  const none = await repo.fails(1, 'cat', 'HEAD:checkpoint-400', '--format', 'safetensors');
  t.regex(none.message, /'checkpoint-400' of .* has no weights/);
  t.regex(none.data.hint ?? '', /there is weights in 'checkpoint-500/);
  for (const verb of ['cat', 'show']) {
    const empty = await repo.fails(2, verb, 'HEAD:');
    t.regex(empty.message, /'HEAD:' has no path/);
    t.regex(empty.data.hint ?? '', /'dlv show HEAD'/);
  }
});

test('branch: a name that is none is told with where it was given', async (t) => {
  const { repo } = await threeVersions(t);
  const answer = await dlv(['add', '.'], { cwd: repo.dir, env: { DLV_BRANCH: 'bad/' } });
  t.is(answer.code, 2);
  t.regex(answer.stderr, /DLV_BRANCH is 'bad\/', which names no branch/);
  t.regex((await repo.fails(2, 'add', '--branch', '/x', '.')).message, /--branch is '\/x'/);
});

test('read-only: the error names the repository', async (t) => {
  const { repo } = await threeVersions(t);
  const { dir } = repo;
  const folders = [path.join(dir, '.dlv')];
  for (const entry of await fs.readdir(path.join(dir, '.dlv'), {
    recursive: true,
    withFileTypes: true,
  })) {
    if (entry.isDirectory()) folders.push(path.join(entry.parentPath, entry.name));
  }
  const all = async (mode: number): Promise<void> => {
    for (const folder of folders) await fs.chmod(folder, mode);
  };
  await all(0o555);
  try {
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    // The other user must get here at all.
    await fs.chmod(path.dirname(dir), 0o755);
    const bin = path.resolve('dist/bin/dlv.cjs');
    for (const args of [
      ['tag', 'v'],
      ['model', 'rename', 'net', 'web'],
    ]) {
      const env = { ...process.env, HOME: dir, DLV_SAFE_DIRECTORY: dir };
      const { status, stderr } = spawnSync(process.execPath, [bin, ...args], {
        cwd: dir,
        env,
        encoding: 'utf8',
        ...user,
      });
      t.is(status, 1, stderr);
      t.regex(stderr, /the repository '.*\.dlv' cannot be written: you may not write there/);
    }
    const elsewhere = await tempDir(t);
    await fs.chmod(elsewhere, 0o777);
    const out = path.join(elsewhere, 'x.dlv');
    const env = { ...process.env, HOME: dir, DLV_SAFE_DIRECTORY: dir };
    const how = { cwd: dir, env, encoding: 'utf8', ...user } as const;
    const { status, stderr } = spawnSync(
      process.execPath,
      [bin, 'export', '--all', '-o', out],
      how,
    );
    t.is(status, 0, stderr);
    t.deepEqual(await fs.readdir(elsewhere), ['x.dlv']);
    const copy = path.join(await tempDir(t), 'copy');
    const cloned = await dlv(['clone', '-q', out, copy], { cwd: elsewhere });
    t.is(cloned.code, 0, cloned.stderr);
    t.is(
      (await dlv(['log', '--oneline', 'net'], { cwd: copy })).stdout.trim().split('\n').length,
      3,
    );
  } finally {
    await all(0o755);
  }
});

test('words of git: each is answered with what dlv has', async (t) => {
  const { repo } = await threeVersions(t);
  for (const [line, hint] of [
    ['revert -n HEAD', /--no-commit/],
    ['revert HEAD --no-edit', /leave the flag out/],
    ['revert --abort', /nothing to abort/],
    ['log -g', /'dlv reflog'/],
    ['reflog show main', /'dlv reflog <ref>'/],
    ['stash show -p', /'dlv stash show'/],
    ['show HEAD@{yesterday}', /HEAD@\{1\}/],
  ] as const) {
    const { data } = await repo.fails(2, ...line.split(' '));
    t.regex(data.hint ?? '', hint, line);
  }
});

test('places: a path after the colon that begins with a dot begins in this folder', async (t) => {
  const { repo } = await threeVersions(t);
  for (const text of ['one', 'two']) {
    await repo.write('sub/a.txt', text);
    await repo.write('sub/deep/a.txt', 'deep');
    await repo.commit(text);
  }
  const sub = ['-C', repo.file('sub')];
  const { files } = await repo.json<{ files: unknown[] }>(
    ...sub,
    'diff',
    'HEAD~1:./a.txt',
    'HEAD:./a.txt',
  );
  t.is(files.length, 1);
  t.like(await repo.json(...sub, 'show', 'HEAD:./a.txt'), { path: 'sub/a.txt' });
  t.is((await repo.dlv(...sub, 'cat', 'HEAD:./a.txt')).stdout, 'two');
  t.is((await repo.dlv(...sub, 'cat', 'HEAD:../note.txt')).stdout, 'version 3\n');
  t.is((await repo.dlv(...sub, 'cat', 'HEAD:note.txt')).stdout, 'version 3\n');
  t.regex((await repo.fails(2, 'cat', 'HEAD:../note.txt')).message, /outside/);
});

test('add: a file that cannot be read as a model is warned of once, until it changes', async (t) => {
  const repo = await TestRepository.create(t);
  const warnings = async (...args: string[]): Promise<number> =>
    (await repo.json<{ warnings: string[] }>(...args)).warnings.length;
  await repo.write('net.pt', 'no archive, and no pickle');
  t.is(await warnings('add', '.'), 1);
  t.is(await warnings('add', '--rehash', '.'), 0);
  t.is(await warnings('commit', '-am', 'first'), 0);
  await fs.utimes(repo.file('net.pt'), 1, 1);
  t.is(await warnings('add', '.'), 0);
  await repo.write('net.pt', 'another text');
  t.is(await warnings('add', '.'), 1);
});

test('commit: -q prints nothing, and makes the version', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'quiet');
  const { code, stdout, stderr } = await repo.dlv('commit', '-q', '-am', 'quiet');
  t.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' });
  t.is((await repo.json<unknown[]>('log')).length, 4);
});
