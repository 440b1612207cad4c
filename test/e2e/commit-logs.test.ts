/** What a version knows: typed hyperparameters, logs that are read, directions, operation, data. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import test from 'ava';
import type { CommitResult } from '../../lib/use/ops/commit.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import { fixture } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';

test('commit: hyperparameters have types, quoted ones are texts, the text stays as it was', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', '.');
  const params = ['lr=1e-3', 'tag="1e-3"', 'opt=adam', 'amp=true', 'layers=[64, 32]', 'none=null'];
  await repo.json('commit', '-m', 'one', ...params.flatMap((param) => ['--param', param]));
  const shown = await repo.json<ShowResult>('show');
  t.deepEqual(shown.params, {
    amp: true,
    layers: [64, 32],
    lr: 0.001,
    none: null,
    opt: 'adam',
    tag: '1e-3',
  });
  const text = await repo.dlv('show', '--format', '%{lr} %{tag} %{layers}');
  t.is(text.stdout.trim(), '0.001 1e-3 [64,32]');
});

test('commit --log: a folder of events and a csv are kept, read, and written back', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', '.');
  const events = await fs.readFile(fixture('logs', 'events.out.tfevents.digits'));
  await repo.write('run/events.out.tfevents.1.digits', events);
  await repo.write('run/model.bin', 'not a log');
  await repo.write('keras.csv', 'epoch,val_loss\n0,3\n1,1\n2,2\n');
  await repo.write('notes.txt', 'nothing that is known');
  const logs = ['run', 'keras.csv', 'notes.txt'].flatMap((log) => ['--log', log]);
  const made = await repo.json<CommitResult>(
    ...['commit', '-m', 'one', ...logs, '--param', 'lr=0.5', '--metric', 'val_loss:min'],
  );
  t.like(made.logs, [
    { log: repo.file('run'), files: 1, format: 'tensorboard', metrics: 2, points: 24, params: 4 },
    { log: repo.file('keras.csv'), files: 1, format: 'csv of Keras', metrics: 1, points: 3 },
    { log: repo.file('notes.txt'), files: 1, format: null, metrics: 0, points: 0, params: 0 },
  ] as never);
  const shown = await repo.json<ShowResult>('show');
  t.is(shown.params.lr, 0.5);
  t.is(shown.params.opt, 'adam');
  t.like(shown.metricSteps.acc, {
    step: 11,
    count: 12,
    direction: 'max',
    best: { step: 11 },
  } as never);
  t.deepEqual(shown.metricSteps.val_loss, {
    step: 2,
    count: 3,
    least: { step: 1, value: 1 },
    most: { step: 0, value: 3 },
    direction: 'min',
    best: { step: 1, value: 1 },
  });
  t.deepEqual(
    shown.logs.map(({ name }) => name),
    ['keras.csv', 'notes.txt', 'run/events.out.tfevents.1.digits'],
  );
  const back = await repo.dlv('cat', 'HEAD', '--log', 'run/events.out.tfevents.1.digits');
  t.deepEqual(back.stdoutBytes, events);
  const wrong = await repo.fails(1, 'cat', 'HEAD', '--log', 'kera.csv');
  t.regex(wrong.data.hint ?? '', /keras\.csv/);
  const said = await repo.dlv('commit', '--amend', '--log', 'keras.csv');
  t.regex(said.stderr, /keras\.csv' \(csv of Keras\): read 1 metric with 3 points/);
  // What the version had is kept, with the series of the other log.
  const amended = await repo.json<ShowResult>('show');
  t.is(amended.metricSteps.acc?.count, 12);
  t.is(amended.metricSteps.val_loss?.direction, 'min');
});

test('commit --log: a run of MLflow and an offline run of W&B', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', 'a.txt');
  const made = await repo.json<CommitResult>(
    ...['commit', '-m', 'one', '--log', fixture('logs', 'mlflow-run')],
    ...['--log', fixture('logs', 'offline.wandb')],
  );
  t.deepEqual(
    made.logs.map(({ format, points }) => [format, points]),
    [
      ['mlflow', 24],
      ['wandb', 37],
    ],
  );
  const shown = await repo.json<ShowResult>('show');
  t.deepEqual(shown.environment, { python: '3.11.7', wandb: '0.31.0' });
  t.deepEqual(shown.params.layers, [64, 32]);
  t.is(shown.metricSteps['eval/acc']?.step, 110);
  // The last loss is NaN: the extremes are numbers all the same.
  t.is(shown.metrics.loss, 'NaN');
  t.is(shown.metricSteps.loss?.count, 13);
  t.is(shown.metricSteps.loss?.best?.step, 11);
  const log = await repo.dlv('cat', 'HEAD', '--log', 'mlflow-run/params/layers');
  t.is(log.stdout, '[64, 32]');
  t.is((await repo.dlv('fsck')).code, 0);
  t.is((await repo.dlv('gc')).code, 0);
});

test('commit: the operation, the environment and data by id or by file', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.write('train.npz', 'examples');
  await repo.json('add', 'a.txt');
  await repo.json(
    ...['commit', '-m', 'one', '--operation', 'finetune: head alone', '--env', 'gpu=2 x H200'],
    ...['--data', 'train=./train.npz', '--data', 'test=digits@3'],
  );
  const shown = await repo.json<ShowResult>('show');
  t.deepEqual(shown.operation, { kind: 'fine-tune', detail: 'head alone' });
  t.deepEqual(shown.environment, { gpu: '2 x H200' });
  const hash = createHash('sha256').update('examples').digest('hex');
  t.deepEqual(shown.data, { test: 'digits@3', train: `sha256:${hash}` });
  const text = await repo.dlv('show');
  t.regex(text.stdout, /Made by: fine-tune: head alone/);
  for (const [given, hint] of [
    ['trian', /did you mean 'train'\?/],
    ['quantzied', /did you mean 'quantize'\?/],
    [' : no kind', /usual kinds are train, pre-train, .*; any other word/],
  ] as const) {
    const wrong = await repo.fails(2, 'commit', '--allow-empty', '-m', 'x', '--operation', given);
    t.regex(wrong.data.hint ?? '', hint, given);
  }
  await repo.fails(2, 'commit', '--allow-empty', '-m', 'x', '--metric', 'acc:max');
});

test('commit: a metric without a step is the value of a version whose log has the curve', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', 'a.txt');
  await repo.write('l.csv', 'step,loss\n1,0.8\n2,0.6\n3,0.4\n4,0.2\n');
  await repo.json('commit', '-m', 'plain', '--allow-empty', '--log', 'l.csv');
  await repo.json(
    ...['commit', '-m', 'given', '--allow-empty', '--log', 'l.csv', '--metric', 'loss=5'],
  );
  const shown = await repo.json<ShowResult>('show');
  t.is(shown.metrics.loss, 5);
  t.like(shown.metricSteps.loss, { step: null, count: 4, best: { step: 4, value: 0.2 } } as never);
  t.regex((await repo.dlv('show')).stdout, /loss 5 \(as given; 4 steps: least 0\.2 at step 4/);
  t.regex((await repo.dlv('list', '--columns', 'name,loss', '--csv')).stdout, /@2,5$/m);
  t.regex((await repo.dlv('list', 'HEAD')).stdout, /@2 .* 5 /);
  t.regex((await repo.dlv('query', 'select m.loss from m order by m.time')).stdout, /0\.2\s+5/);
  // The curve stays, and functions of its points ask for it.
  const asked = await repo.dlv('query', 'select at(m["loss"], 2), lowest(m["loss"]) from m');
  t.regex(asked.stdout, /0\.6 +0\.2/);
  t.regex((await repo.dlv('diff', 'HEAD~1', 'HEAD')).stdout, /loss +min +0\.2.* 5 \(\+4\.8\)/);
  await repo.json('commit', '--amend', '--metric', 'loss=6', '--metric', 'loss@2=9');
  const amended = await repo.json<ShowResult>('show');
  t.is(amended.metrics.loss, 6);
  t.like(amended.metricSteps.loss, { count: 4, most: { step: 2, value: 9 } } as never);
  // A point that is given is one of the curve.
  t.regex(
    (await repo.dlv('query', 'select at(m["loss"], 3), at(m["loss"], 2) from m')).stdout,
    /0\.4 +9/,
  );
});
