/** Files and folders on disk, versioned or not, are compared as two versions are. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { dlv } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors, type Tensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

const BEFORE = randomTensors({ 'fc.weight': [64, 64], 'fc.bias': [64] }, 1);
const AFTER = nudge(BEFORE, 0.01, 2);

interface Diffed {
  same: boolean;
  files: { path: string; pathBefore?: string; status: string }[];
  checkpoints: unknown[];
  snapshots: { role: string; changed: number; equal: number; tensors: unknown[] }[];
  texts: { path: string; added: number }[];
  params: unknown[];
  networks: { totals: ({ layers: number } | null)[] }[];
  layers: { name: string }[];
}

async function twoFiles(dir: string): Promise<void> {
  await fs.writeFile(path.join(dir, 'a.safetensors'), safetensors(BEFORE));
  await fs.writeFile(path.join(dir, 'b.safetensors'), safetensors(AFTER));
}

test('diff: two files where there is no repository have the numbers of two versions', async (t) => {
  const dir = await tempDir(t);
  await twoFiles(dir);
  const repo = await TestRepository.create(t);
  for (const tensors of [BEFORE, AFTER]) {
    await repo.write('model.safetensors', safetensors(tensors));
    await repo.commit('step');
  }
  const versions = await repo.json<Diffed>('diff', 'net@1', 'net@2');
  const answer = await dlv(['--json', 'diff', 'a.safetensors', 'b.safetensors'], { cwd: dir });
  t.is(answer.code, 0);
  const files = JSON.parse(answer.stdout) as Diffed;
  t.deepEqual(
    files.snapshots.map(({ tensors }) => tensors),
    versions.snapshots.map(({ tensors }) => tensors),
  );
  t.deepEqual(
    files.layers.map(({ name }) => name),
    versions.layers.map(({ name }) => name),
  );
  t.like(files.files[0], { path: 'b.safetensors', pathBefore: 'a.safetensors' });
  t.deepEqual(await fs.readdir(dir), ['a.safetensors', 'b.safetensors']);
});

test('diff --no-index: the exit code is the answer, and only two paths are taken', async (t) => {
  const dir = await tempDir(t);
  await twoFiles(dir);
  await fs.copyFile(path.join(dir, 'a.safetensors'), path.join(dir, 'c.safetensors'));
  const run = (...args: string[]) => dlv(['diff', '--no-index', ...args], { cwd: dir });
  t.is((await run('a.safetensors', 'c.safetensors')).code, 0);
  t.is((await run('a.safetensors', 'b.safetensors')).code, 1);
  t.is((await run('--', 'a.safetensors', 'b.safetensors')).code, 1);
  t.is((await run('a.safetensors')).code, 2);
  t.is((await run('a.safetensors', 'b.safetensors', 'c.safetensors')).code, 2);
  t.is((await run('--staged', 'a.safetensors', 'b.safetensors')).code, 2);
  const missing = await run('a.safetensors', 'gone.safetensors');
  t.is(missing.code, 1);
  t.regex(missing.stderr, /there is no file or folder 'gone\.safetensors'/);
  const mixed = await run('a.safetensors', '.');
  t.is(mixed.code, 2);
  t.regex(mixed.stderr, /'\.' is a folder and 'a\.safetensors' is a file/);
  const nowhere = await dlv(['diff', 'a.safetensors'], { cwd: dir });
  t.is(nowhere.code, 10);
});

test('diff: an untracked file with a tracked one, a place in a version and a file elsewhere', async (t) => {
  const elsewhere = await tempDir(t);
  await twoFiles(elsewhere);
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', safetensors(BEFORE));
  await repo.commit('first');
  await repo.write('new.safetensors', safetensors(AFTER));
  const outside = path.join(elsewhere, 'b.safetensors');
  for (const words of [
    ['model.safetensors', 'new.safetensors'],
    ['HEAD:model.safetensors', 'new.safetensors'],
    ['HEAD:model.safetensors', outside],
    ['new.safetensors', 'HEAD:model.safetensors'],
    ['model.safetensors', outside],
  ]) {
    const { same, snapshots } = await repo.json<Diffed>('diff', ...words);
    t.false(same, words.join(' '));
    t.like(snapshots[0], { role: 'weights', changed: 2 });
  }
  const equal = ['HEAD:model.safetensors', path.join(elsewhere, 'a.safetensors')];
  t.true((await repo.json<Diffed>('diff', ...equal)).same);
  // Two tracked files are the work tree against what is staged, as ever; --no-index says otherwise.
  await repo.json('add', 'new.safetensors');
  const tracked = ['model.safetensors', 'new.safetensors'];
  t.true((await repo.json<Diffed>('diff', ...tracked)).same);
  t.is((await repo.dlv('diff', '--no-index', ...tracked)).code, 1);
});

test('diff: folders on disk, with sharded checkpoints, texts and links', async (t) => {
  const dir = await tempDir(t);
  for (const [name, tensors, rate] of [
    ['x', BEFORE, 1],
    ['y', AFTER, 2],
  ] as const) {
    await fs.mkdir(path.join(dir, name));
    const weight = tensors['fc.weight'] as Tensors[string];
    await fs.writeFile(path.join(dir, `${name}.blob`), safetensors({ 'fc.weight': weight }));
    await fs.symlink(`../${name}.blob`, path.join(dir, name, 'model-00001-of-00001.safetensors'));
    const index = { weight_map: { 'fc.weight': 'model-00001-of-00001.safetensors' } };
    await fs.writeFile(
      path.join(dir, name, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: { total_size: 16384 }, ...index }),
    );
    await fs.writeFile(path.join(dir, name, 'config.json'), `{"rate": ${rate}}\n`);
  }
  const ask = async (...words: string[]): Promise<Diffed> =>
    JSON.parse((await dlv(['--json', 'diff', ...words], { cwd: dir })).stdout) as Diffed;
  const folders = await ask('x', 'y');
  t.deepEqual(
    folders.files.map((file) => file.path),
    ['y/config.json', 'y/model-00001-of-00001.safetensors'],
  );
  t.deepEqual(
    folders.texts.map((text) => text.path),
    ['y/config.json'],
  );
  t.like(folders.snapshots[0], { role: 'weights', changed: 1 });
  // The index alone brings its shards.
  const index = 'model.safetensors.index.json';
  t.like((await ask(`x/${index}`, `y/${index}`)).snapshots[0], { changed: 1, equal: 0 });
});

test('diff: networks of ONNX files on disk are compared layer by layer', async (t) => {
  const dir = await tempDir(t);
  const [a, b] = ['cnn.onnx', 'lenet.onnx'];
  await fs.copyFile('test/fixtures/networks/fashion-cnn.onnx', path.join(dir, a));
  await fs.copyFile('test/fixtures/networks/fashion-lenet.onnx', path.join(dir, b));
  const answer = await dlv(['--json', 'diff', a, b], { cwd: dir });
  const { networks } = JSON.parse(answer.stdout) as Diffed;
  t.is(networks.length, 1);
  for (const total of networks[0]?.totals ?? []) t.true((total?.layers ?? 0) > 0);
});
