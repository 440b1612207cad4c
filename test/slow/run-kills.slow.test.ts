/**
 * `dlv run` while it is killed, its trainer is killed, Ctrl-C comes twice and the disk is full: what was complete when dlv could
 * still see it is a version in the end, byte for byte. DLV_RUN_KILLS says how many kills of each kind; DLV_TRUST_SEED when.
 */
import fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import type { RunEntry } from '../../lib/use/ops/runs.js';
import { allKept, startRun } from '../helpers/carried-run.js';
import { TestRepository } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { wholeCheckpoints, writeTrainer } from '../helpers/trainer.js';
import { until } from '../helpers/until.js';

const KILLS = Number(process.env.DLV_RUN_KILLS ?? 4);
const random = seededRandom(Number(process.env.DLV_TRUST_SEED ?? 1));
const WORDS = [10, 20, 30, 40, 50, 60].flatMap((step) => ['folder', String(step)]);
/** A checkpoint that was there for so long had been seen, also on a busy machine. */
const SEEN_MS = 2000;

async function entryOf(repo: TestRepository): Promise<RunEntry> {
  const [entry] = await repo.json<RunEntry[]>('run', 'list');
  return entry as RunEntry;
}

/** It may have ended since somebody looked. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

for (let i = 0; i < KILLS; i++) {
  const delay = Math.round(500 + random() * 5000);
  test.serial(`dlv is killed after ${delay} ms, while its trainer rotates`, async (t) => {
    t.timeout(120_000);
    const repo = await TestRepository.create(t);
    const child = await startRun(repo, WORDS, { env: { BEAT: '600', LIMIT: '3' } });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await sleep(delay);
    child.kill('SIGKILL');
    const killed = Date.now();
    await ended;
    await until(async () => !(await entryOf(repo)).orphaned);
    t.is((await entryOf(repo)).state, 'crashed');
    await repo.json('run', '--recover');
    t.is((await entryOf(repo)).waiting, 0);
    await allKept(t, repo, { before: killed - SEEN_MS });
    t.is((await repo.dlv('fsck')).code, 0);
  });

  const later = Math.round(500 + random() * 5000);
  test.serial(`the trainer is killed after ${later} ms`, async (t) => {
    t.timeout(120_000);
    const repo = await TestRepository.create(t);
    const child = await startRun(repo, WORDS, { env: { BEAT: '600', LIMIT: '2' } });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await sleep(later);
    await until(async () => (await repo.json<RunEntry[]>('run', 'list')).length === 1);
    const { pid, state } = await repo.json<{ pid: number | null; state: string }>(
      'run',
      'show',
      (await entryOf(repo)).run,
    );
    if (state === 'running' && pid !== null) killIfThere(pid);
    const code = await ended;
    t.true(code === 137 || code === 0, String(code));
    await allKept(t, repo);
    t.is((await entryOf(repo)).waiting, 0);
  });
}

test.serial(
  'Ctrl-C twice: what was not stored stays held, and is stored by --recover',
  async (t) => {
    const repo = await TestRepository.create(t);
    const child = await startRun(repo, ['folder', '10', 'folder', '20', 'hang'], {
      env: { BEAT: '0' },
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await until(async () => (await wholeCheckpoints(repo.dir)).length === 2);
    child.kill('SIGINT');
    await sleep(random() * 300);
    child.kill('SIGINT');
    t.is(await ended, 130);
    t.is((await entryOf(repo)).state, 'killed');
    await repo.json('run', '--recover');
    t.is(await allKept(t, repo), 2);
  },
);

test.serial(
  'a full disk: the training goes on, and what it wrote is a version when there is room',
  async (t) => {
    t.timeout(120_000);
    const repo = await TestRepository.create(t);
    const trainer = await writeTrainer(repo.dir);
    const { write } = io;
    let isFull = true;
    t.teardown(() => Object.assign(io, { write }));
    io.write = async (handle, bytes) => {
      if (isFull) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      return write(handle, bytes);
    };
    const first = repo.dlv(
      'run',
      '--name',
      'first',
      '--',
      ...trainer,
      'folder',
      '10',
      'folder',
      '20',
    );
    // The record says that a run begins: without room for it there is none.
    t.is((await first).code, 1);
    isFull = false;
    const running = repo.dlv(
      'run',
      '--',
      ...trainer,
      'wait',
      '1500',
      'folder',
      '30',
      'wait',
      '4000',
    );
    await until(async () => (await repo.json<RunEntry[]>('run', 'list')).length === 1);
    isFull = true;
    await until(async () => (await wholeCheckpoints(repo.dir)).length === 1);
    await sleep(3000);
    isFull = false;
    const { code, stderr } = await running;
    t.is(code, 0, stderr);
    t.is(await allKept(t, repo), 1);
    t.regex(stderr, /disk is full/);
  },
);

test.serial('a disk that stays full: exit code 1, and the files stay held', async (t) => {
  t.timeout(120_000);
  const repo = await TestRepository.create(t);
  const trainer = await writeTrainer(repo.dir);
  const running = repo.dlv('run', '--', ...trainer, 'wait', '1500', 'folder', '30');
  await until(async () => (await repo.json<RunEntry[]>('run', 'list')).length === 1);
  const { write } = io;
  t.teardown(() => Object.assign(io, { write }));
  io.write = async () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  };
  const { code, stderr } = await running;
  Object.assign(io, { write });
  t.is(code, 1, stderr);
  t.regex(stderr, /disk is full/);
  // Its record could not say so, but a real dlv is gone now; here it was this process.
  const { run } = await entryOf(repo);
  const file = repo.file(`.dlv/runs/${run}/run.json`);
  const record = JSON.parse(await fs.readFile(file, 'utf8')) as object;
  await fs.writeFile(file, JSON.stringify({ ...record, process: null }));
  await repo.json('run', '--recover', run);
  t.is(await allKept(t, repo), 1);
});
