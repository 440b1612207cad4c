/**
 * Containers that share a repository: every command is pid 1 of a pid namespace of its own, and none
 * sees the others. Real namespaces, real processes; each test works through the command.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { hasContainers, startContained } from '../helpers/container.js';
import { DLV_BIN } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';
import { WORKER_FILE } from '../unit/storage/repo/worker.js';
import { CONTAINER_WORKER } from './container-worker.js';

async function repository(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await fs.appendFile(repo.file('.dlv/config'), '[gc]\ngraceDays = 0\n');
  await repo.write('a', 'one');
  await repo.commit('one');
  return repo;
}

/** Runs the command in a container; waits for no lock. */
async function dlv(repo: TestRepository, ...args: string[]) {
  const config = path.join(path.dirname(repo.dir), 'user-config');
  await fs.writeFile(config, '[core]\nlockTimeoutMs = 100\n');
  const run = startContained(DLV_BIN, args, { cwd: repo.dir, env: { DLV_CONFIG: config } });
  run.release();
  return run.ended;
}

/** Names below .dlv, relative to it. */
async function names(repo: TestRepository): Promise<string[]> {
  return (await fs.readdir(repo.file('.dlv'), { recursive: true })).sort();
}

/** Sets the times of all that killed processes left two days back. */
async function age(repo: TestRepository): Promise<void> {
  const then = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
  for (const name of (await names(repo)).filter((one) => /^(tmp|readers)\/|\.tmp-/.test(one))) {
    await fs.utimes(repo.file(`.dlv/${name}`), then, then);
  }
}

test('containers: a killed command never blocks those after it, and its files go in time', async (t) => {
  if (!hasContainers(t)) return;
  const left: string[] = [];
  for (let n = 1; ; n++) {
    const repo = await repository(t);
    await repo.write('a', 'two');
    const killed = startContained(CONTAINER_WORKER, ['die', repo.dir, String(n)]);
    killed.release();
    const { code, stderr } = await killed.ended;
    if (code === 0) break;
    t.is(code, 137, stderr);
    const unfinished = (await names(repo)).filter((name) => /^tmp\/.|\.tmp-/.test(name));
    left.push(...unfinished);
    const isDone = ({ code, stderr }: { code: number | null; stderr: string }): boolean =>
      code === 0 || /nothing to commit/.test(stderr);
    let again = await dlv(repo, 'commit', '-a', '-m', 'two');
    // Where it held the lock, nobody can tell whether it lives: a person removes it, as the error says.
    const lock = /if it has ended, remove '(.*)' and try again/.exec(again.stderr)?.[1];
    if (lock !== undefined) {
      await fs.rm(lock);
      again = await dlv(repo, 'commit', '-a', '-m', 'two');
    }
    t.true(isDone(again), `fsync ${n}: ${again.stderr}`);
    await age(repo);
    const pruned = await dlv(repo, 'gc', '--prune=now');
    t.is(pruned.code, 0, `fsync ${n}: ${pruned.stderr}`);
    t.deepEqual(
      (await names(repo)).filter((name) => /^tmp\/.|\.tmp-/.test(name)),
      [],
      `fsync ${n}`,
    );
    const checked = await repo.dlv('fsck', '--files');
    t.is(checked.code, 0, `fsync ${n}: ${checked.stdout}${checked.stderr}`);
  }
  t.true(
    left.some((name) => /^tmp\//.test(name)),
    'packs were unfinished',
  );
  t.true(
    left.some((name) => /\.tmp/.test(name)),
    'state files were unfinished',
  );
});

test('containers: gc in one leaves the unfinished packs of another alone', async (t) => {
  if (!hasContainers(t)) return;
  const repo = await repository(t);
  const writer = startContained(CONTAINER_WORKER, ['unfinished', repo.dir]);
  await writer.held;
  const before = (await names(repo)).filter((name) => /^tmp\/.*\/set\.blob$/.test(name));
  t.is(before.length, 1);
  for (const verb of [['gc'], ['gc', '--prune=now'], ['fsck', '--rebuild']]) {
    const { code, stderr } = await dlv(repo, ...verb);
    t.is(code, 0, stderr);
    t.true((await names(repo)).includes(before[0]!), verb.join(' '));
  }
  const pruned = await dlv(repo, 'gc', '--prune=now', '--json');
  t.true((JSON.parse(pruned.stdout) as { unfinishedBytes: number }).unfinishedBytes > 0);
  writer.release();
  const { code, stdout, stderr } = await writer.ended;
  t.is(code, 0, stderr);
  t.regex(stdout, /pid 1 held/);
  t.is((await dlv(repo, 'fsck', '--files')).code, 0);
});

test('containers: two readers register side by side, and pruning waits for both', async (t) => {
  if (!hasContainers(t)) return;
  const repo = await repository(t);
  const readers = ['1', '2'].map((n) => startContained(WORKER_FILE, ['read', repo.dir, n]));
  await Promise.all(readers.map((reader) => reader.held));
  t.is((await fs.readdir(repo.file('.dlv/readers'))).length, 2);
  const refused = await dlv(repo, 'gc', '--prune=now');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /process 1 on '.*' works in this repository/);
  t.regex(refused.stderr, /remove '.*readers\/.*'/);
  readers[0]!.release();
  await readers[0]!.ended;
  t.is((await dlv(repo, 'gc', '--prune=now')).code, 1);
  readers[1]!.kill();
  await readers[1]!.ended;
  t.is((await dlv(repo, 'gc', '--prune=now')).code, 1, 'nobody can see that it is gone');
  const [left = ''] = await fs.readdir(repo.file('.dlv/readers'));
  const then = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
  await fs.utimes(repo.file(`.dlv/readers/${left}`), then, then);
  t.is((await dlv(repo, 'gc', '--prune=now')).code, 0);
  t.deepEqual(await fs.readdir(repo.file('.dlv/readers')), []);
});

test('containers: a lock of another is never taken over, and the error says what to remove', async (t) => {
  if (!hasContainers(t)) return;
  const repo = await repository(t);
  const holder = startContained(WORKER_FILE, ['hold', repo.dir]);
  await holder.held;
  await repo.write('a', 'two');
  const lock = repo.file('.dlv/lock');
  const held = await fs.readFile(lock);
  const refused = async () => {
    const { code, stderr } = await dlv(repo, 'commit', '-a', '-m', 'two');
    t.is(code, 11);
    t.regex(stderr, /locked by process 1 on '.*': worker hold/);
    t.true(stderr.includes(`if it has ended, remove '${lock}'`), stderr);
    t.deepEqual(await fs.readFile(lock), held);
  };
  await refused();
  holder.kill();
  await holder.ended;
  await refused();
  repo.hasUserSettings = true;
  await repo.json('config', '--user', 'core.lockTimeoutMs', '100');
  const outside = await repo.fails(11, 'commit', '-a', '-m', 'two');
  t.true(outside.data.hint?.includes(`remove '${lock}'`));
  await fs.rm(lock);
  t.is((await dlv(repo, 'commit', '-a', '-m', 'two')).code, 0);
});

test('containers: where /proc is that of the host, pid 1 is not taken for its first process', async (t) => {
  if (!hasContainers(t)) return;
  const repo = await repository(t);
  const outerProc = true;
  const holder = startContained(WORKER_FILE, ['hold', repo.dir], { outerProc });
  await holder.held;
  const text = await fs.readFile(repo.file('.dlv/lock'), 'utf8');
  const start = /^1 (\d+) /.exec(text)?.[1];
  const init = execFileSync('cat', ['/proc/1/stat']).toString().split(') ')[1]?.split(' ')[19];
  t.not(start, init);
  holder.kill();
  await holder.ended;
  const next = startContained(WORKER_FILE, ['read', repo.dir, '1'], { outerProc });
  await next.held;
  next.release();
  const { code, stderr } = await next.ended;
  t.is(code, 0, stderr);
});
