/** Commands in work trees that hold more than one thing: repositories inside, shells, lost parts. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { AddResult } from '../../lib/use/ops/add.js';
import { dlv } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

test('add: files of a repository inside the work tree are its own, however they are named', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'outer');
  await repo.write('sub/inner/b.txt', 'inner');
  await repo.write('sub/c.txt', 'outer too');
  t.is((await dlv(['init'], { cwd: repo.file('sub/inner') })).code, 0);
  for (const input of ['sub/inner', 'sub/inner/b.txt']) {
    const error = await repo.fails(2, 'add', input);
    t.is(error.code, 'DLV_USAGE', input);
    t.regex(error.message, /'sub\/inner'/);
  }
  const globbed = await repo.json<AddResult>('add', 'sub/**');
  t.deepEqual(
    globbed.files.map((file) => file.path),
    ['sub/c.txt'],
  );
  await repo.json('add', '.');
  t.deepEqual(await repo.changes(), ['staged added a.txt', 'staged added sub/c.txt']);
});

test('add: what was tracked before a repository was made around it stays tracked, and nothing beside it', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('sub/b.txt', 'tracked');
  await repo.commit('first');
  t.is((await dlv(['init'], { cwd: repo.file('sub') })).code, 0);
  await repo.write('sub/b.txt', 'changed');
  await repo.write('sub/new.txt', 'of the inner one');
  t.deepEqual(await repo.changes(), ['modified sub/b.txt']);
  await repo.json('add', 'sub');
  t.deepEqual(await repo.changes(), ['staged modified sub/b.txt']);
});

test('commit: names the files that a checkpoint needs and the version has not', async (t) => {
  const repo = await TestRepository.create(t);
  const shard = 'model-00001-of-00002.safetensors';
  const other = 'model-00002-of-00002.safetensors';
  await repo.write(shard, safetensors(randomTensors({ 'a.weight': [64, 128] }, 1)));
  const map = { weight_map: { 'a.weight': shard, 'b.weight': other } };
  await repo.write('model.safetensors.index.json', JSON.stringify(map));
  await repo.json('add', '.');
  const first = await repo.dlv('commit', '-m', 'one shard is missing');
  t.is(first.code, 0, first.stderr);
  t.regex(first.stderr, new RegExp(`index\\.json' needs '${other}', which is not`));
  await repo.write(other, safetensors(randomTensors({ 'b.weight': [64, 128] }, 2)));
  await repo.json('add', '.');
  const second = await repo.dlv('commit', '-m', 'all there');
  t.is(second.code, 0);
  t.notRegex(second.stderr, /needs/);
  t.notRegex((await repo.dlv('desc')).stderr, /whole/);
  // A shard that goes is told of where it goes, and wherever what is left is read.
  const needs = new RegExp(`index\\.json' needs '${other}', which is not`);
  t.regex((await repo.dlv('rm', other)).stderr, needs);
  t.regex((await repo.dlv('commit', '-m', 'broken')).stderr, needs);
  const lacks = new RegExp(`index\\.json' is not whole: the version lacks '${other}'`);
  t.regex((await repo.dlv('desc')).stderr, lacks);
  t.regex((await repo.dlv('cat', 'HEAD', '--format', 'safetensors')).stderr, lacks);
  t.notRegex((await repo.dlv('desc', 'HEAD~1')).stderr, /whole/);
});

test('switch, rm: the folder that the user stands in stays', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.commit('first');
  await repo.json('branch', 'bare');
  await repo.write('deep/down/b.txt', 'b');
  await repo.write('gone/c.txt', 'c');
  await repo.commit('second');
  const inside = { cwd: repo.file('deep/down') };
  t.is((await dlv(['switch', 'bare'], inside)).code, 0);
  t.true(await repo.exists('deep/down'));
  t.false(await repo.exists('deep/down/b.txt'));
  t.false(await repo.exists('gone'));
  t.is((await dlv(['switch', 'main'], inside)).code, 0);
  t.is((await dlv(['rm', 'b.txt'], inside)).code, 0);
  t.true(await repo.exists('deep/down'));
  t.deepEqual(await fs.readdir(repo.file('deep/down')), []);
});

test('branch -D: gc keeps the versions of a deleted branch for the grace period, and no longer', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.commit('first');
  await repo.json('switch', '-c', 'trial');
  await repo.write('b.bin', Buffer.alloc(50_000, 'b'));
  const { version } = await repo.commit('on trial');
  await repo.json('switch', 'main');
  await fs.rm(repo.file('.dlv/logs/HEAD'));
  const old = new Date(Date.now() - 30 * 24 * 3600 * 1000);
  const age = async (): Promise<void> => {
    const dir = repo.file('.dlv/packs');
    for (const name of await fs.readdir(dir)) await fs.utimes(`${dir}/${name}`, old, old);
  };
  await repo.json('branch', '-D', 'trial');
  await age();
  await repo.json('gc');
  t.is((await repo.json<{ version: string }>('show', version)).version, version);
  t.true((await repo.json<{ ok: boolean }>('fsck')).ok, 'a deleted branch is not a lost one');

  await repo.json('branch', 'trial', version);
  const late = await dlv(['branch', '-D', 'trial'], {
    cwd: repo.dir,
    env: { DLV_DATE: old.toISOString() },
  });
  t.is(late.code, 0, late.stderr);
  await fs.rm(repo.file('.dlv/logs/HEAD'), { force: true });
  const log = (await fs.readFile(repo.file('.dlv/logs/deleted'), 'utf8')).trimEnd().split('\n');
  // What the first deletion and the new branch left is younger: only the last line is kept.
  await fs.writeFile(repo.file('.dlv/logs/deleted'), `\n${log.at(-1)}\n`);
  await age();
  await repo.json('gc');
  t.is((await repo.fails(1, 'show', version)).code, 'DLV_NOT_FOUND');
  t.true((await repo.json<{ ok: boolean }>('fsck')).ok);
});
