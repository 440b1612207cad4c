/** Tensors whose names differ by what frameworks add are compared, and said to be so. */
import test from 'ava';
import { diff } from '../../lib/use/ops/diff.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors, type Tensors } from '../helpers/safetensors.js';

const SHAPES = { 'fc.weight': [64, 128], 'fc.bias': [64], 'old.weight': [8] };

function renamed(tensors: Tensors, name: (before: string) => string): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([key, value]) => [name(key), value]));
}

test('diff: a compiled model is compared with the plain one', async (t) => {
  const repo = await TestRepository.create(t);
  const first = randomTensors(SHAPES, 1);
  await repo.write('m.safetensors', safetensors(first));
  await repo.commit('plain');
  const { 'old.weight': _, ...kept } = first;
  const next = { ...nudge(kept, 1e-3, 2), 'fc.bias': first['fc.bias'], new: first['old.weight'] };
  await repo.write(
    'm.safetensors',
    safetensors(renamed(next as Tensors, (key) => `_orig_mod.${key}`)),
  );
  await repo.commit('compiled');
  const result = await repo.with((open) =>
    diff(open, { revisions: ['HEAD~1', 'HEAD'], all: true }, repo.context),
  );
  const [snapshot, ...others] = result.snapshots;
  t.deepEqual(others, []);
  t.like(snapshot, { changed: 1, equal: 1, added: 1, removed: 1, renamed: 2 });
  t.deepEqual(snapshot?.renamedAs, { before: 'fc.weight', after: '_orig_mod.fc.weight' });
  t.deepEqual(
    snapshot?.tensors.map(({ name, nameBefore, status }) => [name, nameBefore, status]),
    [
      ['_orig_mod.fc.weight', 'fc.weight', 'changed'],
      ['_orig_mod.fc.bias', 'fc.bias', 'equal'],
      ['_orig_mod.new', null, 'added'],
      ['old.weight', 'old.weight', 'removed'],
    ],
  );
  t.true((snapshot?.tensors[0]?.numbers?.maxAbs as number) < 1e-3);
});
