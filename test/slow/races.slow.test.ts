/** Races: the tests that take long. */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { LockedError } from '../../lib/base/errors.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { gc } from '../../lib/use/ops/gc.js';
import { rm } from '../../lib/use/ops/rm.js';
import { installCopy } from '../helpers/installed.js';
import { tempDir } from '../helpers/temp-dir.js';
import { checkpoint } from '../trust/model-files.js';
import { acksOf, makeRepository, withRepo } from '../trust/racing.js';
import { fsckProblems, hashFiles } from '../trust/record.js';
import { startWorker } from '../trust/worker.js';

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
