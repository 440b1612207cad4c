/** `dlv run` where it takes longer: rewritten files, signals, kills, resuming. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { RunResult } from '../../lib/use/ops/run.js';
import type { RunEntry } from '../../lib/use/ops/runs.js';
import { allKept, runIn, startRun } from '../helpers/carried-run.js';
import { dlv } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { wholeCheckpoints, writeTrainer } from '../helpers/trainer.js';
import { until } from '../helpers/until.js';

test('files that are written in place, renamed, or numbered; two series in one version', async (t) => {
  const repo = await TestRepository.create(t);
  const words = ['inplace', 'inplace', 'file', '1', 'rename', 'rename', 'file', '2', 'exit', '3'];
  const { code, result } = await runIn(repo, words, { env: { LIMIT: '1', WAIT: '1' } });
  t.is(code, 3);
  t.like(result, { state: 'failed', code: 3 });
  t.is(await allKept(t, repo), 6);
  const { files } = await repo.json<{ files: { path: string }[] }>('show', result.branch);
  t.deepEqual(
    files.map((file) => file.path),
    ['best.safetensors', 'model.safetensors'],
  );
});

test('a signal goes to the command; what was complete is a version', async (t) => {
  const repo = await TestRepository.create(t);
  const child = await startRun(repo, ['folder', '10', 'hang'], { env: { BEAT: '0' } });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await until(async () => (await wholeCheckpoints(repo.dir)).length === 1);
  child.kill('SIGINT');
  t.is(await ended, 130);
  t.is(await allKept(t, repo), 1);
  const [entry] = await repo.json<RunEntry[]>('run', 'list');
  t.like(entry, { state: 'killed', signal: 'SIGINT', versions: 1 });
});

test('dlv is killed: the run has crashed, recovering stores what was complete, resuming goes on', async (t) => {
  const repo = await TestRepository.create(t);
  const words = ['folder', '10', 'folder', '20', 'cut', '30', 'exit', '1'];
  const child = await startRun(repo, words, { env: { BEAT: '300' } });
  await until(async () => (await wholeCheckpoints(repo.dir)).length === 1);
  child.kill('SIGKILL');
  await until(async () => {
    const [entry] = await repo.json<RunEntry[]>('run', 'list');
    return entry?.state === 'crashed' && !entry.orphaned;
  });
  const [entry] = await repo.json<RunEntry[]>('run', 'list');
  await repo.json('run', '--recover');
  const made = await allKept(t, repo);
  t.is(made, 2, 'also what the command wrote when dlv was gone');
  await fs.rm(repo.file('out/checkpoint-20'), { recursive: true });
  const more = ['run', '--json', '--resume', entry?.run as string, '--'];
  const trainer = await writeTrainer(repo.dir);
  const script = [...trainer, 'print', '{checkpoint}', 'folder', '40'];
  const { code, stdout, stderr } = await dlv([...more, ...script], {
    cwd: repo.dir,
    process: true,
  });
  t.is(code, 0, stderr);
  const result = JSON.parse(stdout) as RunResult;
  t.like(result, { run: entry?.run, state: 'finished' });
  t.is(result.resumed?.checkpoint, repo.file('out/checkpoint-20'));
  t.deepEqual(result.resumed?.setAside, [
    { from: 'out/checkpoint-30', to: 'out/checkpoint-30.incomplete' },
  ]);
  t.true(await repo.exists('out/checkpoint-20/model.safetensors'));
  t.is(await allKept(t, repo), 3);
});

test('two runs on one branch, while HEAD goes elsewhere: each checkpoint is a version of that branch', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.commit('first');
  const trainers = await Promise.all(
    ['1', '2'].map((n) => {
      const words = [`${n}0`, `${n}1`, `${n}2`].flatMap((step) => ['file', step]);
      // In one folder each would take the other's checkpoints for its own.
      const flags = ['--branch', 'both', '--checkpoints', `out/net_step_${n}*`];
      return startRun(repo, words, { flags, env: { WAIT: '1', LIMIT: '1' } });
    }),
  );
  const ends = trainers.map((child) => new Promise((resolve) => child.once('close', resolve)));
  await until(async () => (await wholeCheckpoints(repo.dir)).length >= 2);
  await repo.json('switch', '-c', 'elsewhere');
  await repo.write('a.txt', 'b');
  await repo.dlv('add', 'a.txt');
  await repo.commit('meanwhile');
  t.deepEqual(await Promise.all(ends), [0, 0]);
  await allKept(t, repo);
  const messages = async (branch: string): Promise<string[]> =>
    (await repo.json<{ message: string }[]>('log', branch)).map(({ message }) => message);
  t.deepEqual(await messages('net/elsewhere'), ['meanwhile', 'first']);
  t.is((await messages('net/both')).filter((text) => /of run/.test(text)).length, 6);
  t.deepEqual(
    (await repo.json<RunEntry[]>('run', 'list')).map(({ versions, waiting }) => [
      versions,
      waiting,
    ]),
    [
      [3, 0],
      [3, 0],
    ],
  );
});
