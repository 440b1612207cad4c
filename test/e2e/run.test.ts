/** `dlv run`: real commands that write checkpoints, rotate them, fail and are killed; what was complete is a version. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { io } from '../../lib/base/files/files.js';
import type { RunResult } from '../../lib/use/ops/run.js';
import type { RunDetails, RunEntry } from '../../lib/use/ops/runs.js';
import { runFacts } from '../../lib/use/running/run-facts.js';
import { DLV_BIN, dlv } from '../helpers/dlv.js';
import { NO_SETTINGS, TESTER } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { wholeCheckpoints, writeTrainer } from '../helpers/trainer.js';

interface Ran {
  code: number;
  stderr: string;
  result: RunResult;
}

async function runIn(
  repo: TestRepository,
  words: string[],
  { flags = [], env = {} }: { flags?: string[]; env?: Record<string, string> } = {},
): Promise<Ran> {
  const trainer = await writeTrainer(repo.dir);
  const args = ['run', '--json', ...flags, '--', ...trainer, ...words];
  const { code, stdout, stderr } = await dlv(args, { cwd: repo.dir, process: true, env });
  return { code, stderr, result: JSON.parse(stdout) as RunResult };
}

/** Checks that every checkpoint that the trainer had finished is a version with exactly its bytes. */
async function allKept(t: ExecutionContext, repo: TestRepository): Promise<number> {
  const stored = new Map<string, Map<string, string>[]>();
  await repo.with(async (open) => {
    const entries = await repo.json<{ version: string }[]>('log', '--all');
    for (const { version } of entries) {
      const id = version as Parameters<typeof open.version>[0];
      const facts = runFacts(await open.version(id));
      if (facts === null) continue;
      const own = new Map(facts.files.map(([name, inside]) => [name, inside]));
      const files = new Map<string, string>();
      for (const { path: name, sha256 } of (await open.tree(id)).files) {
        const inside = own.get(name);
        if (inside !== undefined) files.set(inside, sha256);
      }
      stored.set(facts.place, [...(stored.get(facts.place) ?? []), files]);
    }
  });
  const whole = await wholeCheckpoints(repo.dir);
  for (const { place, files } of whole) {
    const found = stored
      .get(place)
      ?.some((own) =>
        Object.entries(files).every(([inside, sha256]) => own.get(inside) === sha256),
      );
    t.true(found, `${place} is a version, byte for byte`);
  }
  return whole.length;
}

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
  const status = await repo.dlv('status');
  t.is(status.code, 0, status.stderr);
});

/** Starts dlv run and waits until something is true of its run. */
async function start(
  repo: TestRepository,
  words: string[],
  env: Record<string, string>,
): Promise<ChildProcess> {
  const trainer = await writeTrainer(repo.dir);
  return spawn(process.execPath, [DLV_BIN, 'run', '--json', '--', ...trainer, ...words], {
    cwd: repo.dir,
    env: { ...process.env, ...TESTER, DLV_CONFIG: NO_SETTINGS, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function until(what: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await what()) return;
    await sleep(50);
  }
  throw new Error('it never came true');
}

test('a signal goes to the command; what was complete is a version', async (t) => {
  const repo = await TestRepository.create(t);
  const child = await start(repo, ['folder', '10', 'hang'], { BEAT: '0' });
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
  const child = await start(repo, words, { BEAT: '300' });
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

test('mistakes are told: no command, no program, no such run', async (t) => {
  const repo = await TestRepository.create(t);
  t.regex((await repo.fails(2, 'run')).data.hint ?? '', /dlv run -- python/);
  t.regex(
    (await repo.fails(2, 'run', 'python', 'x.py')).data.hint ?? '',
    /dlv run -- python x\.py/,
  );
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
