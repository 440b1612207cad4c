/** Executors: bounds of the local pool; jobs of a cluster that end, fail, are lost, found again, late or cancelled. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ClusterExecutor } from '../../../../lib/knowledge/training/executors/cluster.js';
import type {
  ExecutorOptions,
  TrainingTask,
} from '../../../../lib/knowledge/training/executors/executor.js';
import { LocalPool } from '../../../../lib/knowledge/training/executors/local-pool.js';
import { SlurmCluster } from '../../../../lib/knowledge/training/executors/slurm.js';
import type { Message } from '../../../../lib/knowledge/training/messages.js';
import type { Listener } from '../../../../lib/knowledge/training/trainers/hearing.js';
import { recordedSlurm } from '../../../helpers/recorded-slurm.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { until } from '../../../helpers/until.js';

const OPTIONS: ExecutorOptions = {
  ...{ workers: 0, cpus: 0, gpus: 0, memoryBytes: 1024 * 1024, seconds: 0 },
  ...{ retries: 1, patienceMs: 60_000, setup: null },
  pace: { lookMs: 10, askMs: 40, graceMs: 60 },
};

const METRICS = '{"event":"metrics","iteration":1,"time":0,"values":{"loss":2}}';
const DONE = '{"event":"end","state":"done","iteration":1,"time":0}';

/** A task whose trainer is a shell script. */
async function task(t: ExecutionContext, script: string): Promise<TrainingTask & { dir: string }> {
  // A name that a shell would take apart.
  const dir = path.join(await tempDir(t), "it's a $folder");
  await fs.mkdir(dir);
  await fs.writeFile(path.join(dir, 'trainer.sh'), script);
  await fs.writeFile(path.join(dir, 'job.json'), '{}');
  const job = path.join(dir, 'job.json');
  return { id: 'abc-8', trainer: { command: ['sh', './trainer.sh'] }, job, dir };
}

function listener(): Listener & { heard: Message[]; restarts: number } {
  return {
    heard: [],
    restarts: 0,
    hear(message) {
      this.heard.push(message);
    },
    restart() {
      this.restarts += 1;
      this.heard.length = 0;
    },
  };
}

test('the local pool is bounded by cores and by memory, and waits for memory', async (t) => {
  let free = 10 * 1024 ** 3;
  const machine = { cores: () => 8, freeBytes: () => free, now: () => 1e9 };
  const GiB = 1024 ** 3;
  const workers = (options: Partial<ExecutorOptions>): number =>
    new LocalPool({ ...OPTIONS, ...options }, machine).workers;
  t.is(workers({ memoryBytes: GiB }), 8);
  t.is(workers({ memoryBytes: 3 * GiB }), 3);
  t.is(workers({ memoryBytes: 100 * GiB }), 1);
  t.is(workers({ memoryBytes: GiB, cpus: 3 }), 2);
  t.is(workers({ memoryBytes: GiB, workers: 20 }), 20);
  const pool = new LocalPool({ ...OPTIONS, memoryBytes: 3 * GiB }, machine);
  t.deepEqual(
    [pool.threads(3), new LocalPool({ ...OPTIONS, cpus: 5 }, machine).threads(3)],
    [2, 5],
  );
  // The first is started whatever is free; the second, once the first has ended.
  free = 4 * GiB;
  const one = await task(t, `echo begin >> order; sleep 0.2; echo end >> order; echo '${DONE}'`);
  const ends = await Promise.all([pool.run(one, listener()), pool.run(one, listener())]);
  t.deepEqual(
    ends.map(({ state }) => state),
    ['done', 'done'],
  );
  const order = await fs.readFile(path.join(one.dir, 'order'), 'utf8');
  t.is(order, 'begin\nend\nbegin\nend\n');
});

test('a cluster: lines are heard, settings become arguments, failures have the log', async (t) => {
  const slurm = await recordedSlurm(t);
  const executor = (
    options: Partial<ExecutorOptions> = {},
    more: string[] = [],
  ): ClusterExecutor => {
    const all = { ...OPTIONS, ...options };
    return new ClusterExecutor(new SlurmCluster(more, all, slurm.env), all);
  };
  const good = await task(
    t,
    `echo '${METRICS}'; sleep 0.1; echo "$GREETING" > greeting; echo '${DONE}'`,
  );
  const ear = listener();
  const settings = { cpus: 2, gpus: 1, seconds: 90, setup: 'export GREETING=hello' };
  const end = await executor(settings, ['--partition=gpu']).run(good, ear);
  t.deepEqual(end, { state: 'done', iteration: 1, message: null });
  t.deepEqual(
    ear.heard.map(({ event }) => event),
    ['metrics'],
  );
  t.is(await fs.readFile(path.join(good.dir, 'greeting'), 'utf8'), 'hello\n');
  const [call] = await slurm.calls();
  t.regex(call ?? '', /--cpus-per-task=2 --mem=1M --gpus=1 --time=2 --partition=gpu/);
  const bad = await task(t, "echo 'no such layer' >&2; exit 3");
  t.deepEqual(await executor().run(bad, listener()), {
    ...{ state: 'failed', iteration: 0 },
    message: 'the trainer ended with exit code 3: no such layer',
  });
  const refused = executor({}, ['--partition=none']).run(await task(t, ''), listener());
  await t.throwsAsync(refused, { code: 'DLV_REMOTE', message: /invalid partition/ });
});

test('a worker that dies: its job is submitted again, some times; nothing heard of it counts', async (t) => {
  const slurm = await recordedSlurm(t);
  const executor = new ClusterExecutor(new SlurmCluster([], OPTIONS, slurm.env), OPTIONS);
  const one = await task(
    t,
    `echo '${METRICS}'; if [ ! -e again ]; then touch again; sleep 60; fi; echo '${DONE}'`,
  );
  const ear = listener();
  const running = executor.run(one, ear);
  await until(() => ear.heard.length === 1);
  await slurm.killWorker(1);
  t.is((await running).state, 'done');
  t.deepEqual([ear.restarts, ear.heard.length], [1, 1]);
  const killed = await task(t, `echo x >&2; kill -KILL $$`);
  const end = await executor.run(killed, listener());
  t.is(end.state, 'failed');
  t.regex(end.message ?? '', /slurm lost the job 2 times: .*signal 9/);
  t.is((await slurm.calls()).filter((line) => line.startsWith('sbatch')).length, 4);
});

test('jobs of a dlv that was killed are found again; a silent controller is waited for', async (t) => {
  const slurm = await recordedSlurm(t);
  const open = (patienceMs = 60_000): ClusterExecutor => {
    const options = { ...OPTIONS, patienceMs };
    return new ClusterExecutor(new SlurmCluster([], options, slurm.env), options);
  };
  const one = await task(
    t,
    `echo run >> runs; until [ -e go ]; do sleep 0.05; done; echo '${METRICS}'; echo '${DONE}'`,
  );
  // Nothing tells the first one to stop: as a process that is no more, it only does not look.
  void open()
    .run(one, listener())
    .catch(() => {});
  await until(() =>
    fs.access(path.join(one.dir, 'runs')).then(
      () => true,
      () => false,
    ),
  );
  await slurm.setSilent(true);
  await t.throwsAsync(open(0).run(one, listener()), {
    ...{ code: 'DLV_REMOTE', message: /Unable to contact slurm controller/ },
  });
  const ear = listener();
  const found = open().run(one, ear);
  await slurm.setSilent(false);
  await fs.writeFile(path.join(one.dir, 'go'), '');
  t.is((await found).state, 'done');
  t.is(ear.heard.length, 1);
  t.is(await fs.readFile(path.join(one.dir, 'runs'), 'utf8'), 'run\n');
  // What has ended while nobody looked is read, and not run.
  t.is((await open().run(one, listener())).state, 'done');
  t.is((await slurm.calls()).filter((line) => line.startsWith('sbatch')).length, 1);
});

test('jobs that take too long, and jobs that the user stops, are cancelled', async (t) => {
  const slurm = await recordedSlurm(t);
  const options = { ...OPTIONS, seconds: 0.1 };
  const late = await task(t, 'sleep 60');
  const end = await new ClusterExecutor(new SlurmCluster([], options, slurm.env), options).run(
    late,
    listener(),
  );
  t.regex(end.message ?? '', /longer than 0.1 seconds/);
  const stop = new AbortController();
  const executor = new ClusterExecutor(new SlurmCluster([], OPTIONS, slurm.env), OPTIONS);
  const ear = listener();
  const stopped = executor.run(await task(t, `echo '${METRICS}'; sleep 60`), ear, stop.signal);
  await until(() => ear.heard.length === 1);
  stop.abort();
  await t.throwsAsync(stopped, { code: 'DLV_ABORTED' });
  t.is((await slurm.calls()).filter((line) => line.startsWith('scancel')).length, 2);
});
