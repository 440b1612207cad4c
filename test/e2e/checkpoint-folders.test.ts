/** Folders of checkpoints as trainers write them: shown by step, compared, moved. */
import fs from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import type { DiffResult } from '../../lib/use/ops/diff.js';
import type { KeepResult } from '../../lib/use/ops/keep.js';
import type { LogEntry } from '../../lib/use/ops/log.js';
import type { ShowFolderResult, ShowResult } from '../../lib/use/ops/show.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors, type Tensors } from '../helpers/safetensors.js';

const SHAPES = { 'fc1.weight': [64, 128], 'fc1.bias': [64], 'fc2.weight': [64, 64] };
const OPTIMIZER = { 'state.0.exp_avg': [64, 128], 'state.0.exp_avg_sq': [64, 128] };
const GENERATOR = { cpu: [1200] };

/** Losses of the evaluation at each step. */
const LOSSES: Record<number, number> = { 10: 0.5, 20: 0.25, 30: 0.3 };

/** Writes a checkpoint of a step, as the Trainer of transformers does. */
async function writeCheckpoint(
  repo: TestRepository,
  step: number,
  weights: Tensors,
): Promise<void> {
  const folder = `checkpoint-${step}`;
  const history = Object.entries(LOSSES)
    .filter(([at]) => Number(at) <= step)
    .map(([at, loss]) => ({ step: Number(at), epoch: 1, grad_norm: 1, eval_loss: loss }));
  await repo.write(`${folder}/model.safetensors`, safetensors(weights));
  await repo.write(`${folder}/optimizer.safetensors`, safetensors(randomTensors(OPTIMIZER, step)));
  await repo.write(`${folder}/rng_state.npz`, `no archive ${step}`);
  await repo.write(`${folder}/random_states_0.bin`, safetensors(randomTensors(GENERATOR, step)));
  await repo.write(`${folder}/scheduler.pt`, 'the same at every step');
  await repo.write(`${folder}/trainer_state.json`, JSON.stringify({ log_history: history }));
}

/** Versions of a run that keeps its last two checkpoints: steps 10 and 20, then 20 and 30. */
async function rotated(t: ExecutionContext): Promise<{ repo: TestRepository; weights: Tensors[] }> {
  const repo = await TestRepository.create(t);
  const weights = [randomTensors(SHAPES, 1)];
  for (const seed of [2, 3]) weights.push(nudge(weights.at(-1) as Tensors, 1e-3, seed));
  await writeCheckpoint(repo, 10, weights[0] as Tensors);
  await writeCheckpoint(repo, 20, weights[1] as Tensors);
  await repo.commit('first');
  await repo.dlv('rm', '-r', 'checkpoint-10');
  await writeCheckpoint(repo, 30, weights[2] as Tensors);
  await repo.commit('second');
  return { repo, weights };
}

test('show: checkpoints by step, with what was measured, and roles that names give', async (t) => {
  const { repo } = await rotated(t);
  const shown = await repo.json<ShowResult>('show');
  t.is(shown.checkpoints.length, 1);
  const [series] = shown.checkpoints;
  t.is(series?.name, 'checkpoint-*');
  t.deepEqual(
    series?.checkpoints.map(({ path, step, files, metrics }) => ({ path, step, files, metrics })),
    [20, 30].map((step) => ({
      path: `checkpoint-${step}`,
      step,
      files: 6,
      metrics: { eval_loss: LOSSES[step] as number, grad_norm: 1 },
    })),
  );
  const roles = Object.fromEntries(shown.files.map(({ path, role }) => [path, role]));
  t.is(roles['checkpoint-20/model.safetensors'], 'weights');
  t.is(roles['checkpoint-20/optimizer.safetensors'], 'optimizer');
  t.is(roles['checkpoint-20/random_states_0.bin'], 'rng');
  t.is(roles['checkpoint-20/scheduler.pt'], 'scheduler');
  // The state of a generator is a tensor, and none of the network's.
  t.false(shown.snapshots.some(({ key }) => key.includes('random_states')));
  t.is(shown.step, 30);

  const text = (await repo.dlv('show')).stdout;
  t.regex(text, /checkpoint-\*: 2 checkpoints/);
  t.regex(text, /checkpoint-30 +step 30 +6 files +weights .*optimizer .*eval_loss 0\.3/);
  t.notRegex(text, /scheduler\.pt/);
});

test('show: a folder is what it holds, a checkpoint file by file', async (t) => {
  const { repo } = await rotated(t);
  const folder = await repo.json<ShowFolderResult>('show', 'HEAD:checkpoint-20/');
  t.is(folder.path, 'checkpoint-20');
  t.is(folder.files.length, 6);
  t.deepEqual(folder.snapshots.map(({ role }) => role).sort(), ['optimizer', 'weights']);
  t.regex(
    (await repo.dlv('show', 'HEAD:checkpoint-20')).stdout,
    /scheduler\.pt +[0-9a-f]+ +scheduler/,
  );
  t.is((await repo.fails(1, 'show', 'HEAD:checkpoint-99')).code, 'DLV_NOT_FOUND');
});

test('diff: a new step is compared with the last before it, and no move of one that went', async (t) => {
  const { repo, weights } = await rotated(t);
  const diff = await repo.json<DiffResult>('diff', 'HEAD~1', 'HEAD');
  t.deepEqual(
    diff.checkpoints.map(({ path, status, step, files }) => ({ path, status, step, files })),
    [
      { path: 'checkpoint-10', status: 'removed', step: 10, files: 6 },
      { path: 'checkpoint-30', status: 'added', step: 30, files: 6 },
    ],
  );
  t.true(diff.files.every(({ status }) => status === 'added' || status === 'removed'));
  const pairs = diff.snapshots.map(({ keyBefore, keyAfter, role }) => [keyBefore, keyAfter, role]);
  t.deepEqual(pairs, [
    ['checkpoint-20/model.safetensors', 'checkpoint-30/model.safetensors', 'weights'],
    ['checkpoint-20/optimizer.safetensors', 'checkpoint-30/optimizer.safetensors', 'optimizer'],
    ['checkpoint-10/model.safetensors', null, 'weights'],
    ['checkpoint-10/optimizer.safetensors', null, 'optimizer'],
  ]);
  const numbers = diff.snapshots[0]?.tensors.find(({ name }) => name === 'fc1.weight')?.numbers;
  t.is(numbers?.maxAbs, largestStep(weights[1] as Tensors, weights[2] as Tensors));
  const stat = (await repo.dlv('diff', '--stat', 'HEAD~1', 'HEAD')).stdout;
  t.is(stat.trimEnd().split('\n').length, 3, stat);
  const [logged] = await repo.json<LogEntry[]>('log', '-1', '--stat');
  t.deepEqual(logged?.checkpoints, diff.checkpoints);
});

function largestStep(a: Tensors, b: Tensors): number {
  const [x, y] = [a['fc1.weight'], b['fc1.weight']].map((tensor) => tensor?.values as Float32Array);
  return (x as Float32Array).reduce(
    (most, value, i) => Math.max(most, Math.abs(((y as Float32Array)[i] as number) - value)),
    0,
  );
}

test('diff: two places of any versions, folders and files, and of the work tree', async (t) => {
  const { repo, weights } = await rotated(t);
  const folders = await repo.json<DiffResult>(
    'diff',
    'HEAD~1:checkpoint-10',
    'HEAD:checkpoint-20/',
  );
  t.is(folders.before.label, 'HEAD~1:checkpoint-10');
  const model = folders.files.find(({ path }) => path.endsWith('model.safetensors'));
  t.like(model, {
    path: 'checkpoint-20/model.safetensors',
    pathBefore: 'checkpoint-10/model.safetensors',
    status: 'modified',
  });
  // Files that are the same in both are not there.
  t.false(folders.files.some(({ path }) => path.endsWith('scheduler.pt')));

  await repo.write('tuned.safetensors', safetensors(weights[2] as Tensors));
  await repo.commit('third');
  const files = ['HEAD:checkpoint-20/model.safetensors', 'HEAD:tuned.safetensors'];
  const { snapshots } = await repo.json<DiffResult>('diff', ...files);
  t.is(snapshots.length, 1);
  t.like(snapshots[0], {
    keyBefore: 'checkpoint-20/model.safetensors',
    keyAfter: 'tuned.safetensors',
  });
  t.is(snapshots[0]?.changed, 3);
  // A file that is not a checkpoint has tensors too.
  const generators = [20, 30].map((step) => `HEAD:checkpoint-${step}/random_states_0.bin`);
  const states = await repo.json<DiffResult>('diff', ...generators);
  t.like(states.snapshots[0], { role: 'rng', changed: 1 });

  await repo.write('tuned.safetensors', safetensors(weights[0] as Tensors));
  const work = await repo.json<DiffResult>('diff', 'HEAD:tuned.safetensors');
  t.like(work.files[0], { path: 'tuned.safetensors', status: 'modified' });
  const other = await repo.json<DiffResult>(
    'diff',
    'HEAD~1:checkpoint-20/model.safetensors',
    'tuned.safetensors',
  );
  t.like(other.files[0], {
    path: 'tuned.safetensors',
    pathBefore: 'checkpoint-20/model.safetensors',
  });
  t.is((await repo.dlv('diff', 'HEAD:checkpoint-20', 'HEAD~1:checkpoint-20')).stdout, '');
  t.is(
    (await repo.fails(1, 'diff', 'HEAD:checkpoint-2', 'HEAD:checkpoint-20')).code,
    'DLV_NOT_FOUND',
  );
  t.is((await repo.fails(2, 'diff', 'HEAD:a', 'HEAD:b', '--', 'c')).code, 'DLV_USAGE');
});

test('diff: what was moved or renamed is matched by content, then by how close it is', async (t) => {
  const { repo, weights } = await rotated(t);
  await repo.dlv('rm', '-r', '--cached', 'checkpoint-30');
  await fs.rename(repo.file('checkpoint-30'), repo.file('best'));
  await repo.commit('moved');
  const moved = await repo.json<DiffResult>('diff', 'HEAD~1', 'HEAD');
  t.deepEqual(moved.checkpoints, [
    {
      path: 'best',
      pathBefore: 'checkpoint-30',
      status: 'renamed',
      series: null,
      step: null,
      files: 6,
      bytes: moved.checkpoints[0]?.bytes as number,
      similar: 1,
    },
  ]);
  t.true(moved.files.every(({ status, similar }) => status === 'renamed' && similar === 1));
  t.deepEqual(moved.snapshots, []);
  t.regex(
    (await repo.dlv('diff', 'HEAD~1', 'HEAD')).stdout,
    /^renamed +checkpoint-30 → best +\(6 files/,
  );

  // Trained on under another name; and another network of the same shapes.
  await repo.dlv('rm', '-r', 'best');
  await repo.write('tuned.safetensors', safetensors(nudge(weights[2] as Tensors, 1e-4, 9)));
  await repo.write('other.safetensors', safetensors(randomTensors(SHAPES, 77)));
  await repo.commit('trained on');
  const tuned = await repo.json<DiffResult>('diff', 'HEAD~1', 'HEAD');
  const byPath = new Map(tuned.files.map((file) => [file.path, file]));
  const file = byPath.get('tuned.safetensors');
  t.like(file, { status: 'renamed', pathBefore: 'best/model.safetensors' });
  t.true((file?.similar as number) > 0.4 && (file?.similar as number) < 1);
  t.is(byPath.get('other.safetensors')?.status, 'added');
  const shown = (await repo.dlv('log', '-1', '--name-status')).stdout;
  t.regex(shown, /^R {2}best\/model\.safetensors → tuned\.safetensors$/m);
});

/** What is tracked, as folders with their files. */
async function tracked(repo: TestRepository): Promise<string[]> {
  return (await repo.json<ShowResult>('show')).files.map(({ path }) => path);
}

test('keep: the best by the trainer and the last stay; the state of training for the last alone', async (t) => {
  const repo = await TestRepository.create(t);
  let weights = randomTensors(SHAPES, 1);
  for (const step of [10, 20, 30]) {
    weights = nudge(weights, 1e-3, step);
    await writeCheckpoint(repo, step, weights);
  }
  await repo.write('config.json', '{}');
  await repo.commit('all');
  const rule = ['keep', '--best', '1', '--by', 'eval_loss', '--last', '1', '--optimizer', '1'];
  const dry = await repo.json<KeepResult>(...rule, '--dry-run');
  t.deepEqual(await repo.changes(), []);
  const said = dry.checkpoints.map(({ step, value, status, reasons }) => ({
    step,
    value,
    status,
    reasons,
  }));
  t.deepEqual(said, [
    { step: 10, value: 0.5, status: 'removed', reasons: [] },
    { step: 20, value: 0.25, status: 'state removed', reasons: ['best'] },
    { step: 30, value: 0.3, status: 'kept', reasons: ['last'] },
  ]);
  const done = await repo.json<KeepResult>(...rule);
  t.deepEqual({ ...done, dryRun: true }, dry);
  t.true(done.removesMost);
  t.false(await repo.exists('checkpoint-10'));
  await repo.json('commit', '--allow-removals', '-m', 'kept');
  t.deepEqual(await tracked(repo), [
    'checkpoint-20/model.safetensors',
    'checkpoint-20/trainer_state.json',
    ...[
      'model.safetensors',
      'optimizer.safetensors',
      'random_states_0.bin',
      'rng_state.npz',
      'scheduler.pt',
      'trainer_state.json',
    ].map((name) => `checkpoint-30/${name}`),
    'config.json',
  ]);
  // Again it has nothing to do, and the version before has all.
  t.deepEqual((await repo.json<KeepResult>(...rule)).removed, []);
  t.is((await repo.json<ShowResult>('show', 'HEAD~1')).files.length, 19);
});

test('keep: refuses what it cannot decide, and what would lose content', async (t) => {
  const { repo } = await rotated(t);
  const metric = await repo.fails(1, 'keep', '--best', '1', '--by', 'accuracy');
  t.regex(metric.data.hint ?? '', /eval_loss/);
  for (const args of [
    [],
    ['--best', '1'],
    ['--last', '0'],
    ['--best', '1', '--by', 'grad_norm'],
    ['--last', 'x'],
  ]) {
    t.is((await repo.fails(2, 'keep', ...args)).code, 'DLV_USAGE', args.join(' '));
  }
  await repo.write('checkpoint-20/model.safetensors', 'trained on, and never committed');
  t.is((await repo.fails(1, 'keep', '--last', '1')).code, 'DLV_CONFLICT');
  t.true(await repo.exists('checkpoint-20/scheduler.pt'));
  await repo.dlv('rm', '-r', '--cached', 'checkpoint-20', 'checkpoint-30');
  await repo.write('model.safetensors', 'x');
  await repo.json('add', 'model.safetensors');
  await repo.json('commit', '--allow-removals', '-m', 'none');
  t.is((await repo.fails(1, 'keep', '--last', '1')).code, 'DLV_NOT_FOUND');
});

test('keep: numbers in names, metrics of the version, and a series of one folder', async (t) => {
  const repo = await TestRepository.create(t);
  for (const [step, loss] of [
    [1, 0.5],
    [2, 0.25],
    [3, 0.4],
  ]) {
    const bytes = safetensors(randomTensors(SHAPES, step as number));
    await repo.write(`a/epoch=${step}-val_loss=${loss}.ckpt`, bytes);
    await repo.write(`b/step_${step}.safetensors`, bytes);
  }
  await repo.commit('two runs', {
    metrics: [3, 1, 2].map((step) => ({ name: 'f1', step, value: step / 10 })),
  });
  await repo.json<KeepResult>('keep', '--best', '1', '--by', 'val_loss', 'a');
  await repo.json<KeepResult>('keep', '--best', '1', '--by', 'f1', 'b');
  await repo.json('commit', '--allow-removals', '-m', 'kept');
  t.deepEqual(await tracked(repo), ['a/epoch=2-val_loss=0.25.ckpt', 'b/step_3.safetensors']);
});

/** What a diff says of folders, and how many rows it has in all. */
async function rowsOf(repo: TestRepository, ...args: string[]): Promise<[string[], number]> {
  const { checkpoints } = await repo.json<DiffResult>('diff', ...args);
  const stat = (await repo.dlv('diff', '--stat', ...args)).stdout.trimEnd().split('\n');
  const folders = checkpoints.map(({ path, pathBefore, status }) => {
    return pathBefore === undefined ? `${status} ${path}` : `${status} ${pathBefore} ${path}`;
  });
  return [folders, stat.length - 1];
}

test('diff: each folder that was moved is a row, and no other folder', async (t) => {
  const { repo } = await rotated(t);
  // Into a folder, which had another before.
  await repo.json('mv', 'checkpoint-20', 'checkpoint-30', 'runs/');
  await repo.commit('into runs');
  const both = ['checkpoint-20', 'checkpoint-30'].map((name) => `renamed ${name} runs/${name}`);
  t.deepEqual(await rowsOf(repo, 'HEAD~1', 'HEAD'), [both, 2]);
  // One of two: the folder that holds them stays.
  await repo.json('mv', 'runs/checkpoint-20', 'kept/checkpoint-20');
  const one = 'renamed runs/checkpoint-20 kept/checkpoint-20';
  t.deepEqual(await rowsOf(repo, '--staged'), [[one], 1]);
  // The two of a folder go to two others: neither is where the folder went.
  await repo.json('mv', 'runs/checkpoint-30', 'other/checkpoint-30');
  const other = 'renamed runs/checkpoint-30 other/checkpoint-30';
  t.deepEqual(await rowsOf(repo, '--staged'), [[one, other], 2]);
  await repo.json('mv', 'other/checkpoint-30', 'kept/');
  t.deepEqual(await rowsOf(repo, '--staged'), [['renamed runs kept'], 1]);
});

test('diff: a checkpoint with another step that is the same in whole was renamed', async (t) => {
  const { repo } = await rotated(t);
  await repo.write('checkpoint-30/empty', '');
  await repo.commit('an empty file');
  await repo.json('mv', 'checkpoint-30', 'checkpoint-40');
  await repo.json('mv', 'checkpoint-20', 'runs/checkpoint-25');
  t.deepEqual(await rowsOf(repo, '--staged'), [
    ['renamed checkpoint-30 checkpoint-40', 'renamed checkpoint-20 runs/checkpoint-25'],
    2,
  ]);
  // With other weights it is another checkpoint.
  await repo.write('checkpoint-40/model.safetensors', safetensors(randomTensors(SHAPES, 9)));
  await repo.json('add', 'checkpoint-40');
  const [folders] = await rowsOf(repo, '--staged');
  t.deepEqual(folders.slice(0, 2), ['removed checkpoint-30', 'added checkpoint-40']);
});

test('keep: NaN in trainer_state.json hides no metric, and a damaged one is told of', async (t) => {
  const repo = await TestRepository.create(t);
  const rows =
    '{"step": 10, "eval_loss": 0.5}, {"step": 20, "eval_loss": 0.25}, {"step": 20, "grad_norm": NaN}';
  for (const step of [10, 20, 30]) {
    await repo.write(`checkpoint-${step}/model.bin`, `weights ${step}`);
    const state = `{"global_step": ${step}, "log_history": [${rows}, {"step": 30, "eval_loss": 0.3}]}`;
    await repo.write(`checkpoint-${step}/trainer_state.json`, step === 10 ? '{"log' : state);
  }
  await repo.commit('one');
  const shown = await repo.dlv('show');
  t.regex(shown.stdout, /checkpoint-20 .*eval_loss 0\.25, grad_norm NaN/);
  t.regex(
    shown.stderr,
    /the metrics in 'checkpoint-10\/trainer_state\.json' are left out: it is no JSON/,
  );
  const kept = await repo.json<KeepResult>(
    ...['keep', '--best', '1', '--by', 'eval_loss', '--dry-run'],
  );
  t.deepEqual(
    kept.checkpoints.map(({ step, value, status }) => [step, value, status]),
    [
      [10, 0.5, 'removed'],
      [20, 0.25, 'kept'],
      [30, 0.3, 'removed'],
    ],
  );
});
