/**
 * Several processes in one repository, edits within one tick of the clock, media that cannot be
 * written: both commits land or one says why, readers never fail, no edit is overlooked.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import { LockedError } from '../../lib/base/errors.js';
import type { OpContext } from '../../lib/use/context.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { gc } from '../../lib/use/ops/gc.js';
import { init } from '../../lib/use/ops/init.js';
import { log } from '../../lib/use/ops/log.js';
import { rm } from '../../lib/use/ops/rm.js';
import { status } from '../../lib/use/ops/status.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { installCopy } from '../helpers/installed.js';
import { tempDir } from '../helpers/temp-dir.js';
import { checkpoint } from './model-files.js';
import { type FileHashes, fsckProblems, hashFiles, rebuildVersion } from './record.js';
import { startWorker, type Worker } from './worker.js';

function contextIn(cwd: string): OpContext {
  return { cwd, progress: noProgress, warn: () => {} };
}

async function withRepo<T>(
  dir: string,
  action: (repo: Repository, context: OpContext) => Promise<T>,
): Promise<T> {
  const repo = await Repository.open(dir, { lockTimeoutMs: 60_000 });
  try {
    return await action(repo, contextIn(dir));
  } finally {
    await repo.close();
  }
}

async function makeRepository(t: ExecutionContext, config = ''): Promise<string> {
  const dir = path.join(await tempDir(t), 'repo');
  await fs.mkdir(dir);
  await init(contextIn(dir), { model: 'm' });
  await fs.appendFile(path.join(dir, '.dlv', 'config'), config);
  await fs.writeFile(path.join(dir, 'a.safetensors'), checkpoint(9, 99));
  await fs.writeFile(path.join(dir, 'b.safetensors'), checkpoint(9, 98));
  await withRepo(dir, async (repo, context) => {
    await add(repo, { paths: ['.'] }, context);
    await commit(repo, { message: 'first' }, context);
  });
  return dir;
}

/** The acknowledged versions of a worker; fails if it reported an error. */
function acksOf(t: ExecutionContext, worker: Worker): Map<Id, FileHashes> {
  t.deepEqual(
    worker.lines.filter((line) => line.startsWith('error')),
    [],
  );
  const acks = new Map<Id, FileHashes>();
  for (const line of worker.lines) {
    const [word, id, json] = line.split(' ', 3);
    if (word === 'ack') acks.set(id as Id, JSON.parse(json as string) as FileHashes);
  }
  return acks;
}

test('races: commits of two processes on one line all land, one after the other', async (t) => {
  t.timeout(600_000);
  const dir = await makeRepository(t, '[gc]\nautoSets = 3\n');
  const workers = ['a.safetensors', 'b.safetensors'].map((name) =>
    startWorker('commit', dir, name, '4'),
  );
  const acks = new Map<Id, FileHashes>();
  for (const worker of workers) {
    t.like(await worker.ended, { code: 0, stderr: '' });
    for (const [id, files] of acksOf(t, worker)) acks.set(id, files);
  }
  t.true(acks.size >= 4, 'most commits were acknowledged');
  await withRepo(dir, async (repo, context) => {
    const history = await log(repo, {}, context);
    const ids = new Set(history.map(({ version }) => version));
    t.true(history.every(({ parents }) => parents.length <= 1));
    for (const [id, files] of acks) {
      t.true(ids.has(id), `${id} is not on the line`);
      t.like(await rebuildVersion(repo, id), files);
    }
    // The newest states of both files are in the last version.
    const last = await rebuildVersion(repo, history[0]!.version as Id);
    t.deepEqual(last, await hashFiles(dir));
  });
  t.deepEqual(await fsckProblems(dir), []);
});

test('races: readers never fail while others commit, merge packs and prune', async (t) => {
  t.timeout(600_000);
  const dir = await makeRepository(t, '[gc]\nautoSets = 2\n');
  const readers = [startWorker('read', dir), startWorker('read', dir)];
  // A reader that nobody releases would keep this process from ending.
  t.teardown(() => {
    for (const reader of readers) reader.kill();
  });
  for (const reader of readers) await reader.printed(1);
  const writer = startWorker('commit', dir, 'a.safetensors', '6');
  let over = false;
  void writer.ended.then(() => (over = true));
  while (!over) {
    await withRepo(dir, (repo, context) => gc(repo, {}, context)).catch((error: unknown) => {
      // A line that moves all the time may be too fast for gc.
      const { message } = error as Error;
      const isOvertaken = error instanceof LockedError || message.includes('another command');
      if (!isOvertaken) throw error;
    });
  }
  t.like(await writer.ended, { code: 0, stderr: '' });
  t.is(acksOf(t, writer).size, 6);
  for (const reader of readers) {
    reader.release();
    t.like(await reader.ended, { code: 0, stderr: '' });
    acksOf(t, reader);
    t.true(reader.lines.length > 3);
  }
  t.deepEqual(await fsckProblems(dir), []);
});

test('races: an edit of equal size in the tick of the clock in which a file was added is seen', async (t) => {
  const dir = await makeRepository(t);
  const file = path.join(dir, 'a.safetensors');
  const first = Buffer.alloc(5000, 1);
  const second = Buffer.alloc(5000, 2);
  for (let i = 0; i < 25; i++) {
    await fs.writeFile(file, first);
    const adding = withRepo(dir, (repo, context) =>
      add(repo, { paths: [file] }, context).catch((error: { code?: string }) => {
        t.is(error.code, 'DLV_CHANGED');
      }),
    );
    if (i % 2 === 0) await adding;
    await fs.writeFile(file, second);
    await adding;
    const { models } = await withRepo(dir, (repo, context) => status(repo, context));
    const staged = await withRepo(dir, async (repo) => {
      const { readStaging } = await import('../../lib/storage/repo/staging/staging-file.js');
      return (await readStaging(repo.layout)).staging.entry('a.safetensors')?.sha256;
    });
    const now = (await hashFiles(dir))['a.safetensors'];
    const changed = models[0]!.unstaged.some((change) => change.path === 'a.safetensors');
    t.is(changed, staged !== now, `round ${i}`);
  }
});

/** Runs the command as a user who may not write, if this process may choose one. */
async function runUnprivileged(
  bin: string,
  args: string[],
  cwd: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const env = {
    ...process.env,
    HOME: cwd,
    NO_COLOR: '1',
    DLV_AUTHOR_NAME: 'Ada',
    // The folder belongs to the user who runs the tests.
    DLV_SAFE_DIRECTORY: cwd,
  };
  const child = spawn(process.execPath, [bin, ...args], { cwd, env, ...user });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

async function makeReadOnly(dir: string, mode: (isDirectory: boolean) => number): Promise<void> {
  for (const entry of await fs.readdir(dir, { withFileTypes: true })) {
    const child = path.join(dir, entry.name);
    if (entry.isDirectory()) await makeReadOnly(child, mode);
    else await fs.chmod(child, mode(false));
  }
  await fs.chmod(dir, mode(true));
}

test('read-only: everything that only reads works, everything that writes says why it cannot', async (t) => {
  t.timeout(600_000);
  const dir = await makeRepository(t);
  await fs.writeFile(path.join(dir, 'a.safetensors'), checkpoint(9, 1));
  await withRepo(dir, (repo, context) => commit(repo, { message: 'second', all: true }, context));
  // Something that garbage collection would have to drop.
  await fs.writeFile(path.join(dir, 'c.bin'), 'garbage');
  await withRepo(dir, async (repo, context) => {
    await add(repo, { paths: [path.join(dir, 'c.bin')] }, context);
    await rm(repo, { paths: [path.join(dir, 'c.bin')], force: true }, context);
  });
  await fs.writeFile(path.join(dir, 'b.safetensors'), checkpoint(9, 2));
  const bin = await installCopy(await tempDir(t));
  const out = await tempDir(t);
  await fs.chmod(out, 0o777);
  await fs.chmod(path.dirname(dir), 0o755);
  await makeReadOnly(dir, (isDirectory) => (isDirectory ? 0o555 : 0o444));
  t.teardown(() => makeReadOnly(dir, () => 0o755));
  const target = path.join(out, 'files');
  const reads = [
    ['log'],
    ['status'],
    ['diff', 'HEAD~1', 'HEAD'],
    ['fsck', '--files'],
    ['checkout', 'HEAD', '--out', target],
    ['gc', '--dry-run'],
  ];
  for (const args of reads) {
    const { code, stderr } = await runUnprivileged(bin, args, dir);
    t.is(code, 0, `dlv ${args.join(' ')}: ${stderr}`);
  }
  t.true('a.safetensors' in (await hashFiles(target)));
  const writes = [
    ['add', 'b.safetensors'],
    ['commit', '-a', '-m', 'third'],
    ['checkout', 'HEAD~1', '--force'],
    ['gc', '--prune=now'],
    ['tag', 'v1'],
    ['fsck', '--rebuild'],
  ];
  for (const args of writes) {
    const { code, stdout } = await runUnprivileged(bin, [...args, '--json'], dir);
    t.is(code, 1, `dlv ${args.join(' ')}`);
    const { error } = JSON.parse(stdout) as { error: { code: string; data: { hint?: string } } };
    t.is(error.code, 'DLV_IO', `dlv ${args.join(' ')}: ${stdout}`);
    t.is(typeof error.data.hint, 'string');
  }
});
