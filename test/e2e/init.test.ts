/** `dlv init` and `dlv config`. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { dlv, dlvJson } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { tempDir } from '../helpers/temp-dir.js';

test('init: makes a repository named after its folder; files stay', async (t) => {
  const cwd = await tempDir(t);
  await fs.writeFile(path.join(cwd, 'model.bin'), 'x');
  const result = await dlvJson<Record<string, string>>(['init', 'my models'], { cwd });
  const dir = path.join(cwd, 'my models');
  t.deepEqual(result, { path: dir, model: 'my-models', branch: 'main', warnings: [] });
  t.deepEqual(await fs.readdir(cwd), ['model.bin', 'my models']);
  t.is((await dlv(['status'], { cwd: dir })).code, 0);
});

test('init: model and branch as told; bad names and a second init are refused', async (t) => {
  const cwd = await tempDir(t);
  const bad = await dlv(['init', '--model', 'a/b'], { cwd });
  t.is(bad.code, 2);
  t.deepEqual(await fs.readdir(cwd), []);
  const result = await dlvJson(['init', '--model', 'bert', '--branch', 'trunk'], { cwd });
  t.like(result, { model: 'bert', branch: 'trunk' });
  const again = await dlv(['init', '--json'], { cwd });
  t.is(again.code, 1);
  t.is(JSON.parse(again.stdout).error.code, 'DLV_EXISTS');
});

test('init: warns inside another repository', async (t) => {
  const repo = await TestRepository.create(t);
  const result = await repo.dlv('init', 'inner');
  t.is(result.code, 0);
  t.regex(result.stderr, /warning: .* inside another/);
});

test('config: sets, shows, lists and unsets; the repository wins over the user', async (t) => {
  const repo = await TestRepository.create(t);
  repo.hasUserSettings = true;
  t.is((await repo.dlv('config', 'user.name')).code, 1);
  t.like(await repo.json('config', '--user', 'user.name', 'Ada'), {
    key: 'user.name',
    value: 'Ada',
    origin: 'user',
  });
  t.like(await repo.json('config', '--user', 'chain.depth', '7'), { value: 7, origin: 'user' });
  t.like(await repo.json('config', 'chain.depth', '5'), { value: 5, origin: 'repository' });
  t.is((await repo.dlv('config', 'chain.depth')).stdout, '5\n');
  const rows = await repo.json<{ key: string; value: unknown }[]>('config', '--list');
  t.is(rows.find((row) => row.key === 'chain.depth')?.value, 5);
  t.like(await repo.json('config', '--unset', 'chain.depth'), { value: 7, origin: 'user' });
  t.is((await repo.fails(1, 'config', '--unset', 'chain.depth')).code, 'DLV_NOT_FOUND');
});

test('config: a repository may say who the user is once the user allows it', async (t) => {
  const repo = await TestRepository.create(t);
  repo.hasUserSettings = true;
  const refused = await repo.fails(1, 'config', 'user.name', 'Grace');
  t.is(refused.code, 'DLV_CONFIG');
  const allow = `dlv config --user safe.config '${repo.dir}'`;
  t.true(refused.data.hint?.includes(allow), refused.data.hint);
  await fs.appendFile(repo.file('.dlv/config'), '[user]\nname = Mallory\n');
  await repo.write('a', 'a');
  const env = { DLV_AUTHOR_NAME: '', DLV_AUTHOR_EMAIL: '' };
  const added = await dlv(['add', 'a'], { cwd: repo.dir, env });
  t.regex(added.stderr, /warning: 'user\.name' in line \d of '.*config' is ignored/);
  await dlv(['commit', '-m', 'one'], { cwd: repo.dir, env });
  const author = async () => (await repo.json<{ author: string }[]>('log', '-n', '1'))[0]?.author;
  t.notRegex(String(await author()), /Mallory/);
  await repo.json('config', '--user', 'safe.config', repo.dir);
  t.like(await repo.json('config', 'user.name', 'Grace'), { value: 'Grace', origin: 'repository' });
  const second = await dlv(['commit', '--allow-empty', '-m', 'two'], { cwd: repo.dir, env });
  t.is(second.stderr.includes('is ignored'), false);
  t.regex(String(await author()), /^Grace/);
});

test('config: an unknown key names the nearest, a bad value says why', async (t) => {
  const repo = await TestRepository.create(t);
  const unknown = await repo.fails(1, 'config', 'chain.dept', '3');
  t.is(unknown.code, 'DLV_CONFIG');
  t.regex(unknown.data.hint ?? '', /chain\.depth/);
  t.is((await repo.fails(1, 'config', 'chain.depth', 'deep')).code, 'DLV_CONFIG');
  t.is((await repo.fails(2, 'config', '--unset')).code, 'DLV_USAGE');
});

test('config: works for the user outside of a repository', async (t) => {
  const cwd = await tempDir(t);
  t.is((await dlv(['config', '--user', 'init.branch', 'trunk'], { cwd, process: true })).code, 0);
  const made = await dlvJson(['init', 'sub'], { cwd, process: true }).catch(
    (error: Error) => error,
  );
  t.like(made, { branch: 'trunk' });
  t.is((await dlv(['config', 'user.name', 'Ada'], { cwd, process: true })).code, 10);
});
