/** Snapshots: which files make a checkpoint, and its step. */
import test from 'ava';
import type { Role } from '../../../../lib/pure/tensor/layout.js';
import {
  type HintedFile,
  makeSnapshots,
  resolveReference,
  stepOfPath,
} from '../../../../lib/storage/repo/version/snapshots.js';

function file(
  path: string,
  roles: Role[] = ['weights'],
  references: string[] = [],
  step: number | null = null,
): HintedFile {
  return { path, format: 'safetensors', step, hint: { roles, references } };
}

test('step: from the digits that mean one', (t) => {
  const steps: [string, number | null][] = [
    ['checkpoint-500/model.safetensors', 500],
    ['run3/step_20.npz', 20],
    ['ckpt12.pt', 12],
    ['global_step1000/mp_rank_00_model_states.pt', 1000],
    ['epoch=3-step=42.ckpt', 42],
    ['model-300.pt', 300],
    ['m.0007.npy', 7],
    ['model-00001-of-00005.safetensors', null],
    ['checkpoint-7/model-00001-of-00005.safetensors', 7],
    ['resnet50.pt', null],
    ['model.safetensors', null],
    ['footstep.pt', null],
    ['model-12345678901234567890.pt', null],
  ];
  for (const [path, step] of steps) t.is(stepOfPath(path), step, path);
});

test('snapshots: one for each file and role, none for files without tensors', (t) => {
  const rows = makeSnapshots([
    file('b.pt', ['weights', 'optimizer']),
    file('a.pt'),
    file('readme.md', []),
  ]);
  t.deepEqual(
    rows.map((s) => [s.key, s.role]),
    [
      ['a.pt', 'weights'],
      ['b.pt', 'weights'],
      ['b.pt', 'optimizer'],
    ],
  );
});

test('snapshots: an index and its shards are one', (t) => {
  const shards = ['m-1-of-2.safetensors', 'm-2-of-2.safetensors'];
  const index = file('m.index.json', [], [...shards, 'missing.safetensors'], 9);
  t.deepEqual(makeSnapshots([file(shards[1]!), index, file(shards[0]!)]), [
    { key: 'm.index.json', role: 'weights', step: 9, members: [...shards, 'm.index.json'] },
  ]);
});

test('snapshots: optimizer files take the step of the weights beside them', (t) => {
  const rows = makeSnapshots([
    file('a/model.safetensors', ['weights'], [], 40),
    file('a/optimizer.pt', ['optimizer']),
    file('b/one.pt', ['weights'], [], 1),
    file('b/two.pt', ['weights'], [], 2),
    file('b/optimizer.pt', ['optimizer']),
  ]);
  const step = (key: string) => rows.find((s) => s.key === key)?.step;
  t.is(step('a/optimizer.pt'), 40);
  t.is(step('b/optimizer.pt'), null);
  t.deepEqual(
    rows.map((s) => s.step),
    [null, 1, 2, 40, 40],
  );
});

test('snapshots: files that name each other do not vanish', (t) => {
  const rows = makeSnapshots([file('a', ['weights'], ['b', 'a']), file('b', ['weights'], ['a'])]);
  t.deepEqual(rows, [{ key: 'a', role: 'weights', step: null, members: ['a', 'b'] }]);
});

test('references: stay inside the repository', (t) => {
  t.is(resolveReference('a/b/index.json', 'x.bin'), 'a/b/x.bin');
  t.is(resolveReference('a/b/index.json', '../x.bin'), 'a/x.bin');
  t.is(resolveReference('index.json', './d//x.bin'), 'd/x.bin');
  for (const bad of ['/etc/passwd', '../x', '..', '', 'a\\b']) {
    t.is(resolveReference('index.json', bad), null, bad);
  }
});
