/** The public API: its list of exports is pinned, and the examples of docs/api.md work as they stand. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { TINY_CHAIN, trainChain } from '../benchmarks/train/chain.js';
import * as dlv from '../lib/index.js';
import { tempDir } from './helpers/temp-dir.js';

const FUNCTIONS = [
  'about',
  'add',
  'archive',
  'assert',
  'bench',
  'cat',
  'checkout',
  'commit',
  'copy',
  'createBranch',
  'createTag',
  'deleteBranch',
  'deleteTag',
  'diff',
  'du',
  'fsck',
  'gc',
  'getConfig',
  'init',
  'isDamage',
  'list',
  'listBranchEntries',
  'listConfig',
  'listTags',
  'log',
  'readTensor',
  'renameBranch',
  'reset',
  'resolve',
  'resolveId',
  'restore',
  'rm',
  'setConfig',
  'show',
  'showFile',
  'status',
  'streamFile',
  'switchTo',
  'tensorsOf',
  'tierVersions',
  'unsetConfig',
  'withRepository',
];

test('api: exports these functions and no others', (t) => {
  const found = Object.entries(dlv)
    .filter(([name, value]) => typeof value === 'function' && !/^[A-Z]/.test(name))
    .map(([name]) => name);
  t.deepEqual(found.sort(), [...FUNCTIONS].sort());
});

test('api: the examples of docs/api.md', async (t) => {
  const dir = await tempDir(t);
  const [first, second] = await trainChain({ ...TINY_CHAIN, steps: 40, checkpoints: [20, 40] });
  const warnings: string[] = [];
  const context = {
    cwd: dir,
    progress: dlv.noProgress,
    warn: (text: string) => void warnings.push(text),
  };
  await (await dlv.Repository.init(dir, 'mnist')).close();
  for (const checkpoint of [first, second]) {
    await fs.writeFile(path.join(dir, 'model.safetensors'), checkpoint?.weights as Uint8Array);
    const version = await dlv.withRepository(context, async (repo) => {
      await dlv.add(
        repo,
        { paths: ['model.safetensors'], step: checkpoint?.step as number },
        context,
      );
      return dlv.commit(repo, { message: 'a step', metrics: { accuracy: 0.92 } }, context);
    });
    t.is(version.logicalBytes, checkpoint?.weights.length ?? -1);
  }
  await dlv.withRepository(context, async (repo) => {
    const id = await dlv.resolveId(repo, 'mnist@1');
    const { files } = await repo.tree(id);
    t.is(files.length, 1);
    for (const entry of files) {
      const file = await repo.openFile(entry);
      const pieces: Uint8Array[] = [];
      for await (const bytes of dlv.streamFile(repo, file)) pieces.push(bytes.slice());
      t.deepEqual(Buffer.concat(pieces), Buffer.from(first?.weights as Uint8Array));
      const weight = dlv.tensorsOf(file).find((tensor) => tensor.name === 'fc1.weight');
      const values: Uint8Array[] = [];
      for await (const piece of dlv.readTensor(repo, weight as dlv.StoredTensor))
        values.push(piece.slice());
      const saved = first?.layers[0]?.weight ?? new Float32Array(0);
      t.deepEqual(
        Buffer.concat(values),
        Buffer.from(saved.buffer, saved.byteOffset, saved.byteLength),
      );
    }
    const { snapshots } = await dlv.diff(repo, { revisions: ['HEAD~1', 'HEAD'] }, context);
    t.deepEqual(
      snapshots[0]?.tensors.map(({ name }) => name),
      ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'],
    );
  });
  t.deepEqual(warnings, []);
});
