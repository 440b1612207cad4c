/** `dlv run`: real commands that write checkpoints, rotate them and fail; what was complete is a version. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { type RunRecord, readRunRecord } from '../../lib/storage/repo/runs/run-record.js';
import type { RunDetails, RunEntry } from '../../lib/use/ops/runs.js';
import { restoreLast } from '../../lib/use/running/resume.js';
import { allKept, runIn } from '../helpers/carried-run.js';
import { dlv } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';

test('rotation takes nothing away; metrics, settings and output are in the versions', async (t) => {
  const repo = await TestRepository.create(t);
  const words = ['print', 'step 10 loss=0.5', 'folder', '10', 'log', '{"step":20,"val_acc":0.75}'];
  words.push(
    'folder',
    '20',
    'print',
    'step 30 loss=0.25',
    'folder',
    '30',
    '--lr',
    '1e-3',
    '--api-key=hush',
  );
  const { code, result, stderr } = await runIn(repo, words, { env: { LIMIT: '1', WAIT: '1' } });
  t.is(code, 0, stderr);
  t.like(result, { state: 'finished', code: 0, model: 'net', problems: [] });
  t.deepEqual(
    result.checkpoints.map(({ place, step, state }) => [place, step, state]),
    [10, 20, 30].map((step) => [`out/checkpoint-${step}`, step, 'committed']),
  );
  t.is(await allKept(t, repo), 3);
  const [last] = await repo.json<Record<string, unknown>[]>('log', result.branch, '-n', '1');
  t.like(last, {
    metrics: { loss: 0.25, val_acc: 0.75, eval_loss: 1 / 30 },
    params: { lr: 1e-3 },
  });
  const output = await repo.dlv('run', 'log', result.run);
  t.regex(output.stdout, /step 10 loss=0\.5\nstep 30 loss=0\.25\n/);
  const shown = await repo.json<RunDetails>('run', 'show', result.run.slice(0, 6));
  t.notRegex(JSON.stringify(shown), /hush/);
  t.true(shown.seconds > 2 && shown.peakBytes > 1e6 && shown.cpuSeconds > 0);
  const folder = repo.file(`.dlv/runs/${result.run}`);
  t.deepEqual(await fs.readdir(path.join(folder, 'held')), []);
  for (const name of await fs.readdir(folder)) {
    const text = await fs.readFile(path.join(folder, name), 'utf8').catch(() => '');
    t.notRegex(text, /hush/, name);
  }
  t.deepEqual(
    (await repo.changes()).filter((one) => !one.startsWith('untracked')),
    [],
  );
});

test('metrics that are printed with epochs alone are at the steps that the state in the checkpoints tells', async (t) => {
  const repo = await TestRepository.create(t);
  const words = ['print', "{'loss': '0.5', 'epoch': '0.4'}", 'folder', '10'];
  words.push('print', "{'loss': '0.25', 'epoch': '0.8'}", 'folder', '20');
  words.push('print', "{'loss': '0.125', 'epoch': '1.2'}");
  const { code, result, stderr } = await runIn(repo, words, { env: { LIMIT: '1', WAIT: '1' } });
  t.is(code, 0, stderr);
  const shown = await repo.json<RunDetails>('run', 'show', result.run);
  t.deepEqual(
    shown.series.map(({ name, steps, values }) => [name, steps, values]),
    [
      ['eval_loss', [10, 20], [1 / 10, 1 / 20]],
      ['loss', [10, 20, 30], [0.5, 0.25, 0.125]],
    ],
  );
  const table = await repo.dlv('run', 'show', result.run);
  t.regex(table.stdout, /loss +3 +0\.125 +30 /);
  const none = await runIn(repo, words.slice(0, 2));
  const counted = await repo.json<RunDetails>('run', 'show', none.result.run);
  t.like(counted.metrics[0], { name: 'loss', step: null });
});

test('what is cut off is told, and is no version; HEAD on the line goes along', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.commit('first');
  const { code, result, stderr } = await runIn(repo, ['folder', '10', 'cut', '20', 'exit', '9'], {
    flags: ['--branch', 'main'],
    env: { WAIT: '1' },
  });
  t.is(code, 9);
  t.regex(stderr, /checkpoint-20' is no version/);
  t.deepEqual(
    result.checkpoints.map(({ state }) => state),
    ['committed', 'incomplete'],
  );
  t.is(await allKept(t, repo), 1);
  t.is((await repo.json<{ number: number }[]>('log')).length, 2);
  // What the work tree never had is not taken for deleted, and can be brought here.
  const tracked = (await repo.changes()).filter((one) => !one.startsWith('untracked'));
  t.deepEqual(tracked, []);
  await repo.json('restore', '.');
  t.true((await fs.stat(repo.file('model.safetensors'))).isFile());
});

test('what a run did not write stays in its versions, and a merge of its branch takes nothing away', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('settings.json', '{"width": 64}');
  await repo.write('model.safetensors/readme.txt', 'a folder where the checkpoint has a file');
  await repo.write('data.csv', '1,2');
  await repo.commit('first');
  const { code, result, stderr } = await runIn(repo, ['folder', '10', 'folder', '20'], {
    env: { WAIT: '1' },
  });
  t.is(code, 0, stderr);
  const own = ['model.safetensors', 'training_args.bin', 'trainer_state.json'];
  await repo.with(async (open) => {
    for (const { version } of result.checkpoints) {
      const { files } = await open.tree(version as Parameters<typeof open.tree>[0]);
      t.deepEqual(
        files.map(({ path: name }) => name),
        [...own, 'data.csv', 'settings.json'].sort(),
      );
    }
  });
  await repo.json('merge', result.branch);
  t.is(await fs.readFile(repo.file('settings.json'), 'utf8'), '{"width": 64}');
  t.true((await fs.stat(repo.file('model.safetensors'))).isFile());
});

test('two series whose files have one name: each version has the newest of both, below what tells them apart', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', 'what the run began from');
  await repo.commit('first');
  const words = ['below', 'teacher', 'folder', '10', 'below', 'student', 'folder', '10'];
  words.push('file', '1', 'below', 'teacher', 'file', '1', 'folder', '20');
  const { code, result, stderr } = await runIn(repo, words, { env: { LIMIT: '1', WAIT: '1' } });
  t.is(code, 0, stderr);
  t.is(await allKept(t, repo), 5);
  const own = ['model.safetensors', 'trainer_state.json', 'training_args.bin'];
  await repo.with(async (open) => {
    const trees: string[][] = [];
    for (const { version } of result.checkpoints) {
      const { files } = await open.tree(version as Parameters<typeof open.tree>[0]);
      trees.push(files.map(({ path: name }) => name));
    }
    // Which of them knew of both is a matter of time; from the second on all do.
    const both = ['student', 'teacher'].flatMap((name) => own.map((one) => `${name}/${one}`));
    t.deepEqual(trees[1], ['model.safetensors', ...both]);
    for (const tree of trees.slice(1)) for (const name of both) t.true(tree.includes(name), name);
    const last = (trees.at(-1) as string[]).filter((name) => !both.includes(name));
    t.is(last.length, 3, last.join());
    t.true(last.includes('model.safetensors'));
  });
  const { code: again } = await repo.dlv('run', '--recover');
  t.is(again, 0);
});

test('files that a number alone numbers, in a folder with another number: their steps, one name, and no number of a version is left out', async (t) => {
  const repo = await TestRepository.create(t);
  const words = ['below', 'ckpt2'];
  for (const step of ['25', '50', '75'])
    words.push('print', `step ${step} loss=0.5`, 'plain', step);
  const { code, result, stderr } = await runIn(repo, words, { env: { LIMIT: '1', WAIT: '1' } });
  t.is(code, 0, stderr);
  t.deepEqual(
    result.checkpoints.map(({ place, step, number }) => [place, step, number]),
    [25, 50, 75].map((step, i) => [`out/ckpt2/ck-${step}.safetensors`, step, i + 1]),
  );
  t.is(await allKept(t, repo), 3);
  const { files } = await repo.json<{ files: { path: string }[] }>('show', result.branch);
  t.deepEqual(
    files.map((file) => file.path),
    ['ck.safetensors'],
  );
});

test('a copy of the newest checkpoint is no version of its own, and comes back with --resume', async (t) => {
  const repo = await TestRepository.create(t);
  const words = ['inplace', 'file', '10', 'last', 'file', '20', 'last'];
  const { code, result, stderr } = await runIn(repo, words, { env: { LIMIT: '1', WAIT: '1' } });
  t.is(code, 0, stderr);
  t.deepEqual(
    result.checkpoints.map(({ step, number }) => [step, number]),
    [
      [null, 1],
      [10, 2],
      [null, 2],
      [20, 3],
      [null, 3],
    ],
  );
  t.is((await repo.json<unknown[]>('log', result.branch)).length, 3);
  const [listed] = await repo.json<RunEntry[]>('run', 'list');
  t.like(listed, { versions: 3, number: 3 });
  // What nothing numbers and is no copy stays in later versions; the copy is not there under an old name.
  const { files } = await repo.json<{ files: { path: string }[] }>('show', result.branch);
  t.deepEqual(
    files.map((file) => file.path),
    ['best.safetensors', 'model.safetensors'],
  );
  const last = repo.file('out/last.safetensors');
  const bytes = await fs.readFile(last);
  await fs.rm(last);
  await repo.with(async (open) => {
    const record = (await readRunRecord(open.layout, result.run)) as RunRecord;
    const { restored } = await restoreLast(open, record, repo.context);
    t.true(restored.includes('out/last.safetensors'), restored.join());
  });
  t.deepEqual(await fs.readFile(last), bytes);
});

test('what appeared between two stretches of a run is none of its checkpoints', async (t) => {
  const repo = await TestRepository.create(t);
  const env = { WAIT: '1' };
  const first = await runIn(repo, ['folder', '10', 'exit', '3'], { env });
  t.is(first.code, 3, first.stderr);
  await fs.cp(repo.file('out/checkpoint-10'), repo.file('other/checkpoint-30'), {
    recursive: true,
  });
  await fs.cp(repo.file('out/checkpoint-10/model.safetensors'), repo.file('best.safetensors'));
  const flags = ['--resume', first.result.run];
  // The script waits for as many checkpoints as it wrote itself.
  const { code, result, stderr } = await runIn(repo, ['folder', '20'], { env, flags });
  t.is(code, 0, stderr);
  t.deepEqual(
    result.checkpoints.map(({ place }) => place),
    ['out/checkpoint-10', 'out/checkpoint-20'],
  );
  t.is(await allKept(t, repo), 2);
});

test('what a command leaves behind in the background is not waited for', async (t) => {
  const repo = await TestRepository.create(t);
  const script = 'echo $$; sleep 600 & echo "left $!"';
  const args = ['run', '--', 'sh', '-c', script];
  const { code, stdout } = await dlv(args, { cwd: repo.dir, process: true });
  t.is(code, 0);
  const left = Number(/left (\d+)/.exec(stdout)?.[1]);
  // It runs on: nothing ended it, and nothing waited for it.
  t.true(process.kill(left, 'SIGTERM'));
});

test('mistakes are told: no command, no program, no such run', async (t) => {
  const repo = await TestRepository.create(t);
  t.regex((await repo.fails(2, 'run')).data.hint ?? '', /dlv run -- python/);
  t.regex(
    (await repo.fails(2, 'run', 'python', 'x.py')).data.hint ?? '',
    /dlv run -- python x\.py/,
  );
  const forgotten: [string[], string][] = [
    [['python', 'train.py', '--steps', '20'], '-- python train.py --steps 20'],
    [['python', 'x.py', '--name', 'a b'], "-- python x.py --name 'a b'"],
    [['--name', 'r', 'sh', '-c', 'ls | wc'], "--name r -- sh -c 'ls | wc'"],
    [['accelerate', 'launch', '--log', 'x', '-n', '2'], '-- accelerate launch --log x -n 2'],
  ];
  for (const [words, line] of forgotten) {
    t.is((await repo.fails(2, 'run', ...words)).data.hint, `write: dlv run ${line}`);
  }
  t.regex((await repo.fails(2, 'run', 'list', '--steps')).data.hint ?? '', /dlv run --help/);
  t.regex((await repo.fails(1, 'run', '--', 'no-such-program-here')).message, /no such program/);
  t.is((await repo.fails(1, 'run', 'show', 'beef')).code, 'DLV_NOT_FOUND');
  t.deepEqual(await repo.json('run', 'list'), []);
  const preview = await repo.json<{ command: string[] }>(
    'run',
    '--dry-run',
    '--',
    'x',
    '--token',
    'hush',
  );
  t.deepEqual(preview.command, ['x', '--token', '***']);
});

test.serial(
  'a command that has ended before its record is on the disk is seen to end',
  async (t) => {
    const repo = await TestRepository.create(t);
    const { fsync } = io;
    t.teardown(() => Object.assign(io, { fsync }));
    io.fsync = async (handle) => {
      await sleep(150);
      await fsync(handle);
    };
    const { code } = await repo.dlv('run', '--', 'false');
    t.is(code, 1);
    const [entry] = await repo.json<RunEntry[]>('run', 'list');
    t.like(entry, { state: 'failed', code: 1, versions: 0 });
  },
);
