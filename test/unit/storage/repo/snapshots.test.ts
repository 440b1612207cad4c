/** Snapshots: which files make a checkpoint, and its step. */
import test from 'ava';
import { REFERENCES_MAX } from '../../../../lib/base/limits.js';
import { stepOfPath } from '../../../../lib/pure/paths/checkpoint-names.js';
import type { Role } from '../../../../lib/pure/tensor/layout.js';
import {
  type HintedFile,
  makeSnapshots,
  resolveReference,
  resolveReferences,
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

test('references: what a version may hold is kept once, the rest is named in a warning', (t) => {
  t.deepEqual(resolveReferences('m/i.json', ['b', 'a', './b', '../m/a']), {
    references: ['m/b', 'm/a'],
    warnings: [],
  });
  const bad: [string, RegExp][] = [
    ['.git/config', /'\.git' is reserved/],
    ['sub/.GIT/x', /'\.GIT' is reserved/],
    ['git~1/x', /'git~1' is reserved/],
    ['a:b/.dlv/x', /'\.dlv' is reserved/],
    ['x'.repeat(256), /longer than 255 bytes/],
    ['a\u0007', /control character/],
    ['a\ud800', /UTF-8/],
    ['C\\x', /backslash/],
    ['/etc/passwd', /absolute/],
    ['../../x', /out of the work tree/],
  ];
  for (const [name, why] of bad) {
    const { references, warnings } = resolveReferences('m/i.json', ['good', name]);
    t.deepEqual(references, ['m/good'], name);
    t.is(warnings.length, 1);
    t.regex(warnings[0] as string, why);
    t.true((warnings[0] as string).includes(`'${name}'`));
  }
  // The folder of the file counts: each name is short enough, the path is not.
  const deep = `${'d'.repeat(250)}/`.repeat(16);
  t.is(resolveReferences(`${deep}i.json`, ['x'.repeat(200)]).references.length, 0);
  const many = resolveReferences(
    'i',
    Array.from({ length: 9 }, (_, i) => `/${i}`),
  ).warnings;
  t.regex(many[0] as string, /'\/3' \(it is absolute\) and 5 more$/);
});

test('references: their number is bounded', (t) => {
  const names = Array.from({ length: REFERENCES_MAX + 5 }, (_, i) => `s${i}`);
  const { references, warnings } = resolveReferences('i', names);
  t.is(references.length, REFERENCES_MAX);
  t.regex(warnings[0] as string, /only 100000 are kept/);
});
