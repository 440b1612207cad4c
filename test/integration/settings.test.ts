/** Every setting is obeyed: for each, two values whose effects differ. */
import fs from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { io } from '../../lib/base/files/files.js';
import type { Executor, ExecutorKind } from '../../lib/knowledge/training/executors/executor.js';
import type { TrainingEnd } from '../../lib/knowledge/training/trainers/hearing.js';
import { withLock } from '../../lib/storage/repo/processes/lock.js';
import { CONFIG_KEYS, type ConfigKey } from '../../lib/storage/repo/settings/config-keys.js';
import { add } from '../../lib/use/ops/add.js';
import { gc } from '../../lib/use/ops/gc.js';
import { keepVersions } from '../../lib/use/ops/keep-versions.js';
import { log } from '../../lib/use/ops/log.js';
import { withRepository } from '../../lib/use/ops/with-repository.js';
import { Repository } from '../../lib/use/repository.js';
import { studyExecutor } from '../../lib/use/study/study-executor.js';
import { lineOf } from '../../lib/use/tracking/line.js';
import { dlv } from '../helpers/dlv.js';
import { recordedSlurm } from '../helpers/recorded-slurm.js';
import { SHAPES, TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';
import { atTerminal, hasTerminal } from '../helpers/terminal.js';

/** Runs `action` while the user's settings are `text` and the environment names no author. */
async function asUser<T>(t: ExecutionContext, text: string, action: () => Promise<T>): Promise<T> {
  const names = ['DLV_CONFIG', 'DLV_AUTHOR_NAME', 'DLV_AUTHOR_EMAIL', 'DLV_SAFE_DIRECTORY'];
  const before = names.map((name) => process.env[name]);
  for (const name of names) delete process.env[name];
  const file = path.join(await tempDir(t), 'user-config');
  await fs.writeFile(file, text);
  Object.assign(process.env, { DLV_CONFIG: file });
  try {
    return await action();
  } finally {
    for (const [i, name] of names.entries()) {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    }
  }
}

/** A repository whose own settings are `text`. */
async function withOwn(t: ExecutionContext, text: string): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await fs.appendFile(repo.file('.dlv/config'), `\n${text}`);
  return repo;
}

async function author(repo: TestRepository): Promise<string | undefined> {
  await repo.write('a', 'a');
  await repo.commit('first');
  return (await repo.with((open) => log(open, {}, repo.context)))[0]?.author;
}

/** Versions of one checkpoint, each a small change. */
async function train(repo: TestRepository, versions: number): Promise<number[]> {
  let tensors = randomTensors(SHAPES, 1);
  const stored: number[] = [];
  for (let i = 0; i < versions; i++) {
    await repo.write('m.safetensors', safetensors(tensors));
    stored.push((await repo.commit(`step ${i}`)).storedBytes);
    tensors = nudge(tensors, 1e-4, i + 2);
  }
  return stored;
}

function deepest(repo: TestRepository): Promise<number> {
  return repo.with(async (open) => {
    let depth = 0;
    for await (const entry of open.store.segments()) depth = Math.max(depth, entry.depth);
    return depth;
  });
}

function setCount(repo: TestRepository): Promise<number> {
  return repo.with(async (open) => open.store.sets().length);
}

/** Extent segments that nothing needs and that are there after a collection. */
async function garbageAfterGc(repo: TestRepository): Promise<number> {
  const tensors = randomTensors(SHAPES, 1);
  await repo.write('m.safetensors', safetensors(tensors));
  await repo.commit('first');
  // What is staged and then replaced before it is committed is garbage.
  for (const [name, seed] of [
    ['lost', 7],
    ['kept', 8],
  ] as const) {
    await repo.write('other.safetensors', safetensors(randomTensors(SHAPES, seed), { name }));
    await repo.with((open) => add(open, { paths: ['other.safetensors'] }, repo.context));
  }
  await repo.with((open) => gc(open, {}, repo.context));
  return repo.with(async (open) => {
    let segments = 0;
    for await (const _ of open.store.segments()) segments++;
    return segments - 2;
  });
}

/** How a task of a cluster goes with some settings of the user: the calls of Slurm, and what came of it. */
async function clusterTask(
  t: ExecutionContext,
  settings: string,
  script: string,
): Promise<{ calls: string[]; end: TrainingEnd; dir: string }> {
  const slurm = await recordedSlurm(t);
  const dir = await tempDir(t);
  await fs.writeFile(path.join(dir, 'trainer.sh'), script);
  const job = path.join(dir, 'job.json');
  await fs.writeFile(job, '{}');
  const repo = await TestRepository.create(t);
  const before = process.env.PATH;
  process.env.PATH = slurm.env.PATH;
  try {
    const end = await asUser(t, `[executor]\n  ${settings}\n`, () =>
      repo.with(async (open) =>
        studyExecutor(open, 'slurm', { pace: PACE }).run(
          { id: 'a-1', trainer: { command: ['sh', 'trainer.sh'] }, job },
          { hear: () => {}, restart: () => {} },
        ),
      ),
    );
    return { calls: await slurm.calls(), end, dir };
  } finally {
    process.env.PATH = before;
  }
}

const PACE = { lookMs: 10, askMs: 40, graceMs: 60 };

/** An executor with some settings of the user. */
async function executor(
  t: ExecutionContext,
  settings: string,
  kind?: ExecutorKind,
): Promise<Executor> {
  const repo = await TestRepository.create(t);
  return asUser(t, settings, () => repo.with(async (open) => studyExecutor(open, kind)));
}

const OBEYED: Record<ConfigKey, (t: ExecutionContext) => Promise<void>> = {
  'user.name': async (t) => {
    const repo = await TestRepository.create(t);
    const text = '[user]\n  name = Grace\n  email = g@example.org\n';
    t.is(await asUser(t, text, () => author(repo)), 'Grace <g@example.org>');
  },
  'user.email': async (t) => {
    const repo = await TestRepository.create(t);
    const text = '[user]\n  name = Grace\n  email = other@example.org\n';
    t.is(await asUser(t, text, () => author(repo)), 'Grace <other@example.org>');
  },
  'safe.directory': async (t) => {
    const repo = await TestRepository.create(t);
    const linked = path.join(path.dirname(repo.dir), 'linked');
    await fs.mkdir(linked);
    await fs.symlink(path.join(repo.dir, '.dlv'), path.join(linked, '.dlv'));
    const open = (): Promise<void> =>
      withRepository({ ...repo.context, cwd: linked }, async () => {});
    await asUser(t, '', () => t.throwsAsync(open(), { code: 'DLV_UNSAFE' }));
    await asUser(t, `[safe]\n  directory = ${linked}\n`, open);
    t.pass();
  },
  'safe.config': async (t) => {
    const repo = await withOwn(t, '[user]\n  name = Own\n  email = own@example.org\n');
    const trust = `[safe]\n  config = ${repo.dir}\n`;
    t.is(await asUser(t, trust, () => author(repo)), 'Own <own@example.org>');
    const stranger = await withOwn(t, '[user]\n  name = Own\n  email = own@example.org\n');
    t.not(await asUser(t, '', () => author(stranger)), 'Own <own@example.org>');
  },
  'init.branch': async (t) => {
    const dir = await tempDir(t);
    await asUser(t, '[init]\n  branch = trunk\n', async () => {
      const repo = await Repository.init(dir, 'net');
      t.deepEqual(await repo.head(), { kind: 'branch', model: 'net', branch: 'trunk' });
      await repo.close();
    });
  },
  'core.editor': async (t) => {
    const repo = await TestRepository.create(t);
    await repo.write('notes.txt', 'one\n');
    await repo.json('add', 'notes.txt');
    const config = path.join(path.dirname(repo.dir), 'settings');
    await fs.writeFile(config, '[core]\n  editor = echo mine >\n');
    if (!hasTerminal) {
      t.pass();
      return;
    }
    const env = { VISUAL: 'false', EDITOR: 'false', DLV_CONFIG: config };
    const { code, shown } = await atTerminal(repo.dir, ['commit'], env);
    t.is(code, 0, shown);
    t.regex(shown, /\] mine/);
  },
  'core.lockTimeoutMs': async (t) => {
    const repo = await TestRepository.create(t);
    await asUser(t, '[core]\n  lockTimeoutMs = 0\n', () =>
      repo.with((open) =>
        withLock(open.layout, async () => {
          // Each try makes a link to the name of the lock; a wait of ten seconds makes a hundred.
          let tries = 0;
          const { link } = io;
          io.link = (from, to) => {
            tries++;
            return link(from, to);
          };
          try {
            await t.throwsAsync(
              open.locked(async () => {}),
              { code: 'DLV_LOCKED' },
            );
          } finally {
            io.link = link;
          }
          t.is(tries, 1);
        }),
      ),
    );
  },
  'chain.depth': async (t) => {
    const [long, short] = [
      await TestRepository.create(t),
      await withOwn(t, '[chain]\ndepth = 1\n'),
    ];
    await train(long, 3);
    await train(short, 3);
    t.deepEqual([await deepest(long), await deepest(short)], [2, 1]);
  },
  'chain.cost': async (t) => {
    const [free, bound] = [await TestRepository.create(t), await withOwn(t, '[chain]\ncost = 1\n')];
    await train(free, 3);
    await train(bound, 3);
    // A delta is read with its base: that costs more than the tensor alone.
    t.deepEqual([await deepest(free), await deepest(bound)], [2, 0]);
  },
  'codec.level': async (t) => {
    const sizes: number[] = [];
    for (const level of ['fast', 'max']) {
      sizes.push(...(await train(await withOwn(t, `[codec]\nlevel = ${level}\n`), 2)).slice(1));
    }
    t.true((sizes[1] as number) < (sizes[0] as number), sizes.join(' '));
  },
  'cache.bytes': async (t) => {
    const repo = await withOwn(t, '[cache]\n  bytes = 100\n');
    await repo.write('a', Buffer.alloc(60, 1));
    await repo.write('b', Buffer.alloc(60, 2));
    await repo.write('large', Buffer.alloc(101, 3));
    await repo.commit('first');
    const place = async (name: string): Promise<string> =>
      (await repo.json<{ file: string }>('cat', `HEAD:${name}`, '--to-cache')).file;
    const first = await place('a');
    t.is(await place('a'), first);
    const second = await place('b');
    t.deepEqual(await fs.readFile(second), Buffer.alloc(60, 2));
    await t.throwsAsync(fs.readFile(first), { code: 'ENOENT' });
    t.is((await repo.fails(12, 'cat', 'HEAD:large', '--to-cache')).code, 'DLV_LIMIT');
  },
  'transfer.limitRate': async (t) => {
    const repo = await TestRepository.create(t);
    const rate = await asUser(t, '[transfer]\n  limitRate = 2M\n', () =>
      repo.with(async (open) => lineOf(open, {}, repo.context).rate),
    );
    const started = performance.now();
    await rate?.pass(1 << 20);
    await rate?.pass(1);
    t.true(performance.now() - started > 200);
    const free = await TestRepository.create(t);
    t.is(await free.with(async (open) => lineOf(open, {}, free.context).rate), undefined);
  },
  'transfer.jobs': async (t) => {
    const repo = await withOwn(t, '[transfer]\n  jobs = 7\n');
    await repo.with(async (open) => {
      t.is(lineOf(open, {}, repo.context).connections, 7);
      t.is(lineOf(open, { jobs: 2 }, repo.context).connections, 2);
      t.throws(() => lineOf(open, { jobs: 0 }, repo.context), { code: 'DLV_USAGE' });
      t.throws(() => lineOf(open, { limitRate: 'fast' }, repo.context), { code: 'DLV_USAGE' });
    });
  },
  'transfer.lowSpeedLimit': async (t) => {
    const repo = await TestRepository.create(t);
    const least = await asUser(t, '[transfer]\n  lowSpeedLimit = 5000\n', () =>
      repo.with(async (open) => lineOf(open, {}, repo.context).lowSpeed),
    );
    t.deepEqual(least, { bytesPerSecond: 5000, seconds: 30 });
  },
  'transfer.lowSpeedTime': async (t) => {
    const repo = await TestRepository.create(t);
    const silent = net.createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    t.teardown(() => silent.close());
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/net.dlv`;
    const settings = await tempDir(t);
    await fs.writeFile(path.join(settings, 'config'), '[transfer]\n  lowSpeedTime = 1\n');
    const env = { DLV_CONFIG: path.join(settings, 'config') };
    const found = await dlv(['fetch', url], { cwd: repo.dir, env });
    t.is(found.code, 1);
    t.regex(found.stderr, /does not answer: nothing in 1 seconds/);
  },
  'gc.graceDays': async (t) => {
    const own = '[gc]\nautoSets = 2\ngraceDays = ';
    t.true((await garbageAfterGc(await withOwn(t, `${own}14\n`))) > 0);
    t.is(await garbageAfterGc(await withOwn(t, `${own}0\n`)), 0);
  },
  'gc.autoSets': async (t) => {
    const [many, few] = [await TestRepository.create(t), await withOwn(t, '[gc]\nautoSets = 2\n')];
    await train(many, 4);
    await train(few, 4);
    t.true((await setCount(many)) > 2);
    t.true((await setCount(few)) <= 2);
  },
  'executor.kind': async (t) => {
    t.is((await executor(t, '')).kind, 'local');
    t.is((await executor(t, '[executor]\n  kind = slurm\n')).kind, 'slurm');
  },
  'executor.workers': async (t) => {
    t.is((await executor(t, '[executor]\n  workers = 7\n')).workers, 7);
    t.is((await executor(t, '', 'ray')).workers, 16);
  },
  'executor.cpus': async (t) => {
    t.is((await executor(t, '[executor]\n  cpus = 5\n')).threads(3), 5);
    t.is((await executor(t, '', 'ray')).threads(3), 1);
  },
  'executor.gpus': async (t) => {
    t.regex((await clusterTask(t, 'gpus = 2', 'exit 1')).calls[0] ?? '', / --gpus=2 /);
  },
  'executor.memoryMb': async (t) => {
    t.regex((await clusterTask(t, 'memoryMb = 77', 'exit 1')).calls[0] ?? '', / --mem=77M /);
  },
  'executor.timeSeconds': async (t) => {
    const { end } = await clusterTask(t, 'timeSeconds = 1', 'sleep 60');
    t.regex(end.message ?? '', /longer than 1 seconds/);
  },
  'executor.retries': async (t) => {
    const { end } = await clusterTask(t, 'retries = 0', 'kill -KILL $$');
    t.regex(end.message ?? '', /lost the job once/);
  },
  'executor.patienceSeconds': async (t) => {
    const none = 'patienceSeconds = 0\n[ray]\n  address = http://127.0.0.1:1';
    const stop = new AbortController();
    const task = { id: 'a-1', trainer: { command: ['true'] }, job: await tempDir(t) };
    const running = (await executor(t, `[executor]\n  ${none}\n`, 'ray')).run(
      { ...task, job: path.join(task.job, 'job.json') },
      { hear: () => {}, restart: () => {} },
      stop.signal,
    );
    await t.throwsAsync(running, { code: 'DLV_REMOTE', message: /cannot reach/ });
  },
  'executor.setup': async (t) => {
    const { dir } = await clusterTask(t, 'setup = touch prepared', 'exit 1');
    t.true((await fs.readdir(dir)).includes('prepared'));
  },
  'ray.address': async (t) => {
    const { place } = await executor(t, '[ray]\n  address = http://head:1234\n', 'ray');
    t.regex(place, /head:1234/);
  },
  'slurm.options': async (t) => {
    const { calls } = await clusterTask(t, 'retries = 0\n[slurm]\n  options = --qos=low', 'exit 1');
    t.regex(calls[0] ?? '', / --qos=low /);
  },
  'keep.versions': async (t) => {
    const repo = await withOwn(t, '[keep]\nversions = "net: last 2, optimizer 1; *: last 1"\n');
    await train(repo, 4);
    const { rules, versions } = await repo.with((open) => keepVersions(open, {}, repo.context));
    t.deepEqual(rules, [{ model: 'net', rules: 'last 2, optimizer 1' }]);
    t.deepEqual(
      versions.map(({ status }) => status),
      ['kept', 'kept', 'given up', 'given up'],
    );
  },
};

for (const key of Object.keys(CONFIG_KEYS) as ConfigKey[]) {
  test.serial(`settings: ${key} is obeyed`, (t) => OBEYED[key](t));
}
