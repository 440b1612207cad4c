/**
 * Containers that share a repository: every command is pid 1 of a pid namespace of its own, and none
 * sees the others. Real namespaces, real processes; each test works through the command.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import test from 'ava';
import { hasContainers, startContained } from '../helpers/container.js';
import { WORKER_FILE } from '../unit/storage/repo/worker.js';
import { committed, dlvContained, killAtSyncs, namesOf } from './contained.js';
import { CONTAINER_WORKER } from './container-worker.js';

test('containers: a killed command never blocks those after it, and its files go in time', (t) =>
  killAtSyncs(t, 6));

test('containers: gc in one leaves the unfinished packs of another alone', async (t) => {
  if (!hasContainers(t)) return;
  const repo = await committed(t);
  const writer = startContained(CONTAINER_WORKER, ['unfinished', repo.dir]);
  await writer.held;
  const before = (await namesOf(repo)).filter((name) => /^tmp\/.*\/set\.blob$/.test(name));
  t.is(before.length, 1);
  for (const verb of [['gc'], ['gc', '--prune=now'], ['fsck', '--rebuild']]) {
    const { code, stderr } = await dlvContained(repo, ...verb);
    t.is(code, 0, stderr);
    t.true((await namesOf(repo)).includes(before[0]!), verb.join(' '));
  }
  const pruned = await dlvContained(repo, 'gc', '--prune=now', '--json');
  t.true((JSON.parse(pruned.stdout) as { unfinishedBytes: number }).unfinishedBytes > 0);
  writer.release();
  const { code, stdout, stderr } = await writer.ended;
  t.is(code, 0, stderr);
  t.regex(stdout, /pid 1 held/);
  t.is((await dlvContained(repo, 'fsck', '--files')).code, 0);
});

test('containers: two readers register side by side, and pruning waits for both', async (t) => {
  if (!hasContainers(t)) return;
  const repo = await committed(t);
  const readers = ['1', '2'].map((n) => startContained(WORKER_FILE, ['read', repo.dir, n]));
  await Promise.all(readers.map((reader) => reader.held));
  t.is((await fs.readdir(repo.file('.dlv/readers'))).length, 2);
  const refused = await dlvContained(repo, 'gc', '--prune=now');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /process 1 on '.*' works in this repository/);
  t.regex(refused.stderr, /remove '.*readers\/.*'/);
  readers[0]!.release();
  await readers[0]!.ended;
  t.is((await dlvContained(repo, 'gc', '--prune=now')).code, 1);
  readers[1]!.kill();
  await readers[1]!.ended;
  t.is((await dlvContained(repo, 'gc', '--prune=now')).code, 1, 'nobody can see that it is gone');
  const [left = ''] = await fs.readdir(repo.file('.dlv/readers'));
  const then = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
  await fs.utimes(repo.file(`.dlv/readers/${left}`), then, then);
  t.is((await dlvContained(repo, 'gc', '--prune=now')).code, 0);
  t.deepEqual(await fs.readdir(repo.file('.dlv/readers')), []);
});

test('containers: a lock of another is never taken over, and the error says what to remove', async (t) => {
  if (!hasContainers(t)) return;
  const repo = await committed(t);
  const holder = startContained(WORKER_FILE, ['hold', repo.dir]);
  await holder.held;
  await repo.write('a', 'two');
  const lock = repo.file('.dlv/lock');
  const held = await fs.readFile(lock);
  const refused = async () => {
    const { code, stderr } = await dlvContained(repo, 'commit', '-a', '-m', 'two');
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
  t.is((await dlvContained(repo, 'commit', '-a', '-m', 'two')).code, 0);
});

test('containers: where /proc is that of the host, pid 1 is not taken for its first process', async (t) => {
  if (!hasContainers(t)) return;
  const repo = await committed(t);
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
