/**
 * Bases are found whatever files and tensors are called: a fine-tune under new names, shards of a
 * whole, the first version of another model, and copies, which cost no planes.
 */
import fs from 'node:fs/promises';
import test from 'ava';
import type { AddResult } from '../../lib/use/ops/add.js';
import type { CheckoutResult } from '../../lib/use/ops/checkout.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors, type Tensors } from '../helpers/safetensors.js';

const SHAPES = {
  'embed.weight': [64, 128],
  'layer.0.weight': [96, 96],
  'layer.1.weight': [96, 96],
  'layer.2.weight': [96, 96],
  'head.weight': [10, 500],
  'head.bias': [10],
};
const BYTES = 4 * (64 * 128 + 3 * 96 * 96 + 5000 + 10);

/** The same tensors under other names, in another order. */
function renamed(tensors: Tensors): Tensors {
  const entries = Object.entries(tensors).reverse();
  return Object.fromEntries(entries.map(([, tensor], i) => [`model.blocks.${i}.w`, tensor]));
}

async function addNew(
  repo: TestRepository,
  files: Record<string, Buffer | string>,
  ...flags: string[]
): Promise<AddResult> {
  for (const [name, bytes] of Object.entries(files)) await repo.write(name, bytes);
  return repo.json<AddResult>('add', ...Object.keys(files), ...flags);
}

test('base search: a fine-tune under new names, in a new file, is a delta', async (t) => {
  const repo = await TestRepository.create(t);
  const base = randomTensors(SHAPES, 1);
  const first = await addNew(repo, { 'base.safetensors': safetensors(base) });
  await repo.json('commit', '-m', 'base');
  const tuned = safetensors(renamed(nudge(base, 1e-5, 2)));
  const second = await addNew(repo, { 'tuned/other-name.safetensors': tuned });
  t.true(first.storedBytes > 0.8 * BYTES);
  t.true(second.storedBytes < 0.62 * first.storedBytes, `${second.storedBytes} bytes`);
  await repo.json('commit', '-m', 'tuned');
  await repo.json<CheckoutResult>('checkout', 'HEAD', '--out', 'copy');
  t.deepEqual(await repo.read('copy/tuned/other-name.safetensors'), tuned);
});

test('base search: shards find the tensors of the whole, also renamed', async (t) => {
  const repo = await TestRepository.create(t);
  const base = randomTensors(SHAPES, 1);
  const first = await addNew(repo, { 'model.safetensors': safetensors(base) });
  await repo.json('commit', '-m', 'whole');
  const child = Object.entries(renamed(nudge(base, 1e-5, 3)));
  const shards = [child.slice(0, 2), child.slice(2)].map((part) => Object.fromEntries(part));
  const names = shards.map((_, i) => `model-0000${i + 1}-of-00002.safetensors`);
  const map = Object.fromEntries(
    shards.flatMap((shard, i) => Object.keys(shard).map((name) => [name, names[i] as string])),
  );
  const second = await addNew(repo, {
    [names[0] as string]: safetensors(shards[0] as Tensors),
    [names[1] as string]: safetensors(shards[1] as Tensors),
    'model.safetensors.index.json': JSON.stringify({ metadata: {}, weight_map: map }),
  });
  t.true(second.storedBytes < 0.65 * first.storedBytes, `${second.storedBytes} bytes`);
  await fs.rm(`${repo.dir}/model.safetensors`);
  await repo.json('commit', '-a', '-m', 'sharded');
  await repo.json<CheckoutResult>('checkout', 'HEAD', '--out', 'copy');
  for (const [i, name] of names.entries()) {
    t.deepEqual(await repo.read(`copy/${name}`), safetensors(shards[i] as Tensors));
  }
});

test('base search: the first version of another model stands on a close one', async (t) => {
  const repo = await TestRepository.create(t);
  const base = randomTensors(SHAPES, 1);
  const far = await addNew(repo, { 'far.safetensors': safetensors(randomTensors(SHAPES, 9)) });
  await repo.json('commit', '-m', 'unrelated');
  await addNew(repo, { 'base.safetensors': safetensors(base) }, '--model', 'one');
  await repo.json('commit', '-m', 'one', '--model', 'one');
  const student = safetensors(renamed(nudge(base, 1e-5, 4)));
  const third = await addNew(repo, { 'student.safetensors': student }, '--model', 'two');
  t.true(third.storedBytes < 0.62 * far.storedBytes, `${third.storedBytes} bytes`);
});

test('base search: copies under other names store no planes, at every level', async (t) => {
  for (const level of ['fast', 'default', 'max']) {
    const repo = await TestRepository.create(t);
    const base = randomTensors(SHAPES, 1);
    await addNew(repo, { 'base.safetensors': safetensors(base) }, '--level', level);
    await repo.json('commit', '-m', 'base');
    const copy = await addNew(repo, { 'copy.safetensors': safetensors(renamed(base)) });
    t.true(copy.storedBytes < 2500, `${copy.storedBytes} bytes`);
  }
});

test('base search: levels come from the flag, else the setting; others are refused', async (t) => {
  const sizes: number[] = [];
  for (const level of ['fast', 'max']) {
    const repo = await TestRepository.create(t);
    await repo.json('config', 'codec.level', level);
    const base = randomTensors(SHAPES, 1);
    await addNew(repo, { 'base.safetensors': safetensors(base) });
    const { storedBytes } = await addNew(repo, {
      'next.safetensors': safetensors(nudge(base, 1e-3, 2)),
    });
    sizes.push(storedBytes);
    const wrong = await repo.dlv('add', 'base.safetensors', '--level', 'best');
    t.is(wrong.code, 2);
    t.regex(wrong.stderr, /'best' is invalid.*fast, default, max/s);
    t.is((await repo.dlv('config', 'codec.level', 'best')).code, 1);
  }
  t.true((sizes[1] as number) < (sizes[0] as number), sizes.join(' '));
});
