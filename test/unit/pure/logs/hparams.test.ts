/** hparams.yaml as Lightning writes it: what PyYAML dumps, and what is no plain value. */
import test from 'ava';
import { isFileOfLog, readNamedLog } from '../../../../lib/pure/logs/read-logs.js';

function read(text: string) {
  const content = readNamedLog('version_0/hparams.yaml', Buffer.from(text));
  return { params: Object.fromEntries(content!.params), problem: content!.problem };
}

test('hparams: settings, nested ones, lists and quoted texts have their types', (t) => {
  const found = read(`batch_size: 64
lr: 0.001
eps: 1.0e-08
optimizer:
  name: adam
  betas:
  - 0.9
  - 0.999
  nested:
    deep: true
layers: [64, 32]
names:
- a
- 'b c'
resume: null
nothing:
text: 'it''s'
code: "a\\tb"
tag: '7'
big: 12345678901234567890
path: runs/x:y
comment: 5  # steps
`);
  t.is(found.problem, null);
  t.deepEqual(found.params, {
    batch_size: 64,
    lr: 0.001,
    eps: 1e-8,
    'optimizer.name': 'adam',
    'optimizer.betas': [0.9, 0.999],
    'optimizer.nested.deep': true,
    layers: [64, 32],
    names: ['a', 'b c'],
    resume: null,
    nothing: null,
    text: "it's",
    code: 'a\tb',
    tag: '7',
    big: '12345678901234567890',
    path: 'runs/x:y',
    comment: 5,
  });
});

test('hparams: objects of Python and other YAML are left out and counted', (t) => {
  const found = read(`model: !!python/object:net.Net
  training: true
  layers: 3
anchor: &a 5
alias: *a
dicts:
- lr: 0.1
  name: x
map: {a: 1}
lr: 0.1
long: 'a
  b'
- stray
`);
  t.deepEqual(found.params, { lr: 0.1 });
  t.regex(found.problem!, /settings are no plain values/);
  t.deepEqual(read('').params, {});
  t.deepEqual(read('{}\n').params, {});
  t.notThrows(() => read('\u0000\u0001: \u0002\n%&/: (\n: :\n-\n'));
});

test('hparams: told by its name, also in a folder of logs', (t) => {
  t.true(isFileOfLog('version_0/hparams.yaml', false));
  t.false(isFileOfLog('config.yaml', false));
  const other = readNamedLog('config.yaml', Buffer.from('lr: 0.1\n'));
  t.not(other?.format, 'hparams');
});
