/** `dlv mv`: files and what is staged go together, and nothing is stored again. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { MvResult } from '../../lib/use/ops/mv.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

test('mv: a file, a folder, a glob', async (t) => {
  const { repo } = await threeVersions(t);
  const model = await repo.read('model.safetensors');
  await repo.json('mv', 'model.safetensors', 'best/base.safetensors');
  t.deepEqual(await repo.read('best/base.safetensors'), model);
  t.deepEqual(await repo.changes(), [
    'staged added best/base.safetensors',
    'staged deleted model.safetensors',
  ]);
  const dry = await repo.json<MvResult>('mv', '-n', 'best', 'old');
  t.deepEqual(dry.moved, [{ from: 'best/base.safetensors', to: 'old/base.safetensors' }]);
  t.true(await repo.exists('best/base.safetensors'));
  await repo.json('mv', 'best', 'old');
  t.false(await repo.exists('best'));
  await repo.json('mv', '*.txt', 'old/');
  await repo.json('mv', 'old', 'new/place/');
  t.is(await repo.text('new/place/old/note.txt'), 'version 3\n');
  const made = await repo.commit('moved', { paths: [] });
  t.true(made.storedBytes < 3000, 'no tensor is stored again');
  t.deepEqual(await repo.changes(), []);
});

test('mv: what is changed moves as it is, what is in the way stays', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('other.txt', 'mine');
  t.is((await repo.fails(1, 'mv', 'note.txt', 'other.txt')).code, 'DLV_EXISTS');
  t.is((await repo.fails(1, 'mv', 'other.txt', 'x.txt')).code, 'DLV_NOT_FOUND');
  t.is((await repo.fails(1, 'mv', 'note.txt', 'model.safetensors', 'x')).code, 'DLV_NOT_FOUND');
  t.is((await repo.fails(2, 'mv', 'note.txt', '../x')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'mv', 'note.txt')).code, 'DLV_USAGE');
  t.deepEqual(await repo.changes(), ['untracked other.txt']);
  await repo.write('note.txt', 'changed');
  await repo.json('mv', 'note.txt', 'n.txt');
  t.deepEqual(await repo.changes(), [
    'staged added n.txt',
    'staged deleted note.txt',
    'modified n.txt',
    'untracked other.txt',
  ]);
  await repo.json('mv', '--force', 'n.txt', 'other.txt');
  t.is(await repo.text('other.txt'), 'changed');
});

test('mv: a file that was moved without dlv is only staged', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('sub/note.txt', (await repo.read('note.txt')).toString());
  await repo.remove('note.txt');
  await repo.json('mv', 'note.txt', 'sub/');
  t.deepEqual(await repo.changes(), ['staged deleted note.txt', 'staged added sub/note.txt']);
});

test('globs that find folders: each goes with its own name, a folder never into itself', async (t) => {
  const { repo } = await threeVersions(t);
  const files = [
    'checkpoint-5/a',
    'checkpoint-5/deep/b',
    'checkpoint-1000/a',
    'runs/checkpoint-20/a',
  ];
  for (const path of files) await repo.write(path, path);
  await repo.commit('checkpoints');
  // Without a folder of that name, several folders have no place.
  t.is((await repo.fails(1, 'mv', 'checkpoint-*', 'old')).code, 'DLV_NOT_FOUND');
  const [dry, done] = [
    await repo.json<MvResult>('mv', '-n', 'checkpoint-*', 'old/'),
    await repo.json<MvResult>('mv', 'checkpoint-*', 'old/'),
  ];
  t.deepEqual(dry, { ...done, dryRun: true });
  t.deepEqual(
    done.moved.map(({ from, to }) => `${from} ${to}`).sort(),
    files
      .slice(0, 3)
      .map((path) => `${path} old/${path}`)
      .sort(),
  );
  await repo.json('mv', 'runs/checkpoint-{1,2}*', 'old');
  t.is(await repo.text('old/checkpoint-20/a'), 'runs/checkpoint-20/a');
  // One folder that a glob finds is renamed as one that is named.
  await repo.json('mv', 'old/checkpoint-2?/', 'last');
  t.is(await repo.text('last/a'), 'runs/checkpoint-20/a');
  // With '**' in the place of any folders: the files and folders that match, not the way to them.
  await repo.json('mv', '**/deep', 'top/');
  t.is(await repo.text('top/deep/b'), 'checkpoint-5/deep/b');

  for (const [from, to] of [
    ['old', 'old'],
    ['old', 'old/deeper'],
    ['old', './old/'],
    ['*', 'old'],
  ]) {
    const { code, message } = await repo.fails(1, 'mv', from as string, to as string);
    t.is(code, 'DLV_CONFLICT');
    t.regex(message, /'old' into itself/);
  }
  t.regex((await repo.fails(1, 'mv', '.', 'old')).message, /'\.' into itself/);
  t.is(await repo.text('old/checkpoint-5/a'), 'checkpoint-5/a');

  // What is refused is refused by --dry-run as well.
  for (const flags of [[], ['-n']]) {
    const { message } = await repo.fails(1, 'mv', ...flags, '{old/*,last}/a', 'top');
    t.regex(message, /two files would be called 'top\/a'/);
    t.is((await repo.fails(1, 'mv', ...flags, 'last/a', 'note.txt')).code, 'DLV_EXISTS');
  }
  await repo.json('rm', '-r', '--cached', 'old/checkpoint-*');
  t.deepEqual((await repo.changes()).filter((line) => line.includes('staged added')).sort(), [
    'staged added last/a',
    'staged added top/deep/b',
  ]);
});

test('mv: a folder that an interrupted run renamed, or a part of it, does not go into itself', async (t) => {
  const { repo } = await threeVersions(t);
  for (const name of ['a.txt', 'er/b.txt']) await repo.write(`deep/${name}`, name);
  await repo.commit('folder');
  const moved = [
    { from: 'deep/a.txt', to: 'sub/a.txt' },
    { from: 'deep/er/b.txt', to: 'sub/er/b.txt' },
  ];
  // As after a kill before what is staged was written.
  await fs.rename(repo.file('deep'), repo.file('sub'));
  t.deepEqual((await repo.json<MvResult>('mv', 'deep', 'sub')).moved, moved);
  t.deepEqual(await repo.changes(), [
    'staged deleted deep/a.txt',
    'staged deleted deep/er/b.txt',
    'staged added sub/a.txt',
    'staged added sub/er/b.txt',
  ]);
  await repo.json('mv', 'sub', 'deep');
  t.deepEqual(await repo.changes(), []);
  // File by file, since one that is not tracked stays.
  await repo.write('deep/mine.txt', 'mine');
  await fs.mkdir(repo.file('sub'));
  await fs.rename(repo.file('deep/a.txt'), repo.file('sub/a.txt'));
  t.deepEqual((await repo.json<MvResult>('mv', 'deep', 'sub')).moved, moved);
  t.is(await repo.text('deep/mine.txt'), 'mine');
  t.is(await repo.text('sub/er/b.txt'), 'er/b.txt');
});

test('mv: a folder goes into one that is there, whatever is in it', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('deep/a.txt', 'a');
  await repo.commit('folder');
  await repo.write('full/a.txt', 'another');
  await fs.mkdir(repo.file('empty'));
  const to = async (folder: string) =>
    (await repo.json<MvResult>('mv', '-n', 'deep', folder)).moved;
  t.deepEqual(await to('full'), [{ from: 'deep/a.txt', to: 'full/deep/a.txt' }]);
  t.deepEqual(await to('empty'), [{ from: 'deep/a.txt', to: 'empty/deep/a.txt' }]);
  t.deepEqual(await to('deep2'), [{ from: 'deep/a.txt', to: 'deep2/a.txt' }]);
  await repo.json('mv', 'deep/a.txt', 'deep/b.txt');
  t.is(await repo.text('deep/b.txt'), 'a');
});

test('mv: a shard without its index, or an index without its shards, is warned of until it is back', async (t) => {
  const repo = await TestRepository.create(t);
  const shards = ['model-1-of-2.safetensors', 'model-2-of-2.safetensors'] as const;
  for (const [i, name] of shards.entries()) {
    const tensors = randomTensors({ [`w${i}`]: [64, 32] }, i);
    await repo.write(`ck/${name}`, safetensors(tensors));
  }
  const map = { weight_map: { w0: shards[0], w1: shards[1] } };
  await repo.write('ck/model.safetensors.index.json', JSON.stringify(map));
  await repo.commit('whole');
  const snapshots = async () =>
    (await repo.json<{ snapshots: { key: string }[] }>('show')).snapshots.map(({ key }) => key);
  const whole = await snapshots();

  const alone = await repo.dlv('mv', `ck/${shards[0]}`, 'ck/renamed.safetensors');
  const needs = /'ck\/model\.safetensors\.index\.json' needs 'ck\/model-1-of-2\.safetensors'/;
  t.regex(alone.stderr, needs);
  t.regex((await repo.dlv('commit', '-m', 'a shard was moved')).stderr, needs);
  t.is((await snapshots()).length, 2, 'the moved shard is no part of the checkpoint');
  t.is(
    (await repo.dlv('mv', 'ck/renamed.safetensors', `ck/${shards[0]}`)).stderr.match(/needs/),
    null,
  );

  const index = await repo.dlv('mv', 'ck/model.safetensors.index.json', '.');
  t.regex(index.stderr, /needs 'model-1-of-2\.safetensors', 'model-2-of-2\.safetensors'/);
  t.notRegex((await repo.dlv('mv', 'model.safetensors.index.json', 'ck/')).stderr, /needs/);
  t.notRegex((await repo.dlv('mv', 'ck', 'deep/place')).stderr, /needs/);
  await repo.commit('all were moved', { paths: [] });
  t.deepEqual(
    await snapshots(),
    whole.map((key) => key.replace(/^ck/, 'deep/place')),
  );
});

test('mv: a file that was changed, moved and then deleted is gone from the next version', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'changed');
  await repo.json('mv', 'note.txt', 'moved.txt');
  await repo.remove('moved.txt');
  t.true((await repo.changes()).includes('deleted moved.txt'));
  await repo.json('add', '.');
  t.deepEqual(await repo.changes(), ['staged deleted note.txt']);
});
