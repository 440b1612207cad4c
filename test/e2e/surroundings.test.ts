/**
 * What stands around a repository: folders that are gone or closed, names that are not UTF-8, a full
 * disk, an output that cannot be written. The command says so and does the rest.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { Layout } from '../../lib/storage/repo/layout.js';
import { listReaders, registerReader } from '../../lib/storage/repo/processes/readers.js';
import type { Warned } from '../../lib/use/context.js';
import type { AddResult } from '../../lib/use/ops/add.js';
import type { StatusResult } from '../../lib/use/ops/status.js';
import { DLV_BIN } from '../helpers/dlv.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';

/** What a command says that is started in a folder which is removed first, and its exit code. */
async function inRemovedFolder(gone: string, ...argv: string[]): Promise<[string, unknown]> {
  await fs.mkdir(gone);
  const script = `process.chdir(${JSON.stringify(gone)});
    require('fs').rmdirSync(${JSON.stringify(gone)});
    process.exitCode = require('child_process').spawnSync(process.execPath, ${JSON.stringify([DLV_BIN, ...argv])},
      { stdio: 'inherit', env: { ...process.env, PWD: ${JSON.stringify(gone)} } }).status;`;
  const child = spawn(process.execPath, ['-e', script]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return [text, code];
}

test('a folder that was removed: the command finds the repository around it, and makes nothing there', async (t) => {
  const repo = await TestRepository.create(t);
  const gone = repo.file('gone');
  const [text] = await inRemovedFolder(gone, 'status');
  t.regex(text, /^On model net/);
  t.notRegex(text, /\n {4}at /);
  for (const argv of [['init'], ['clone', repo.dir]]) {
    const [said, code] = await inRemovedFolder(gone, ...argv);
    t.regex(said, /^dlv: the folder '.*gone' was removed\nhint: /, argv[0]);
    t.is(code, 1);
    t.false(await repo.exists('gone'));
  }
});

test('a limit of the size of files, and names that are too long, are told in words', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('big.bin', randomBytes(100_000));
  const add = `ulimit -f 8 && exec ${[process.execPath, DLV_BIN, 'add', 'big.bin'].map((word) => `'${word}'`).join(' ')}`;
  const { status, stderr } = spawnSync('sh', ['-c', add], { cwd: repo.dir, encoding: 'utf8' });
  t.is(status, 1);
  t.regex(stderr, /larger than is allowed here \(EFBIG\)\nhint: .*ulimit -f/);
  t.is((await repo.fails(1, 'diff', `${'a'.repeat(300)}?`)).code, 'DLV_NOT_FOUND');
});

test('an output that cannot be written ends with 1', async (t) => {
  const { repo } = await threeVersions(t);
  // Opened for reading only: every write to it fails, on every system.
  const closed = await fs.open(repo.file('note.txt'), 'r');
  const child = spawn(process.execPath, [DLV_BIN, 'log'], {
    cwd: repo.dir,
    stdio: ['ignore', closed.fd, 'pipe'],
  });
  let stderr = '';
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  await closed.close();
  t.is(code, 1);
  t.regex(stderr, /cannot write its output/);
});

test('an empty path means nothing, not everything', async (t) => {
  const { repo } = await threeVersions(t);
  for (const args of [['add'], ['rm', '-r'], ['restore'], ['checkout', 'HEAD']]) {
    const error = await repo.fails(2, ...args, '');
    t.is(error.message, 'a path is empty', args.join(' '));
  }
  t.deepEqual(await repo.changes(), []);
});

test('status: what is said of HEAD stands above what is said of other models', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('a/m.txt', 'one');
  await repo.json('add', 'a', '--model', 'a-model-before-net');
  await repo.write('own.txt', 'mine');
  await repo.json('add', 'own.txt');
  const { stdout } = await repo.dlv('status');
  t.regex(stdout, /^On model net.*own\.txt.*Model a-model-before-net.*a\/m\.txt/s);
});

test('add: says what it leaves out of a folder', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('good.bin', 'x');
  await fs.symlink('good.bin', repo.file('link'));
  const { stderr } = await repo.dlv('add', '.');
  t.regex(stderr, /warning: 'link' is skipped: it is a symbolic link/);
  for (let i = 0; i < 20; i++) await fs.symlink('good.bin', repo.file(`link-${i}`));
  for (const args of [['add', '.'], ['status']]) {
    const { warnings } = await repo.json<Warned<AddResult | StatusResult>>(...args);
    t.is(warnings.length, 1, 'one line, however many there are');
    t.regex(warnings[0] ?? '', /^21 symbolic links are skipped: 'link', 'link-0', .* and 17 more$/);
  }
  t.like(await repo.json<AddResult>('add', '.'), { files: [{ path: 'good.bin' }] });
});

test('names that are not UTF-8 are left out, and it is said', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('good.bin', 'x');
  const name = Buffer.concat([Buffer.from(repo.file('bad')), Buffer.from([0xff])]);
  // Some systems refuse such names by themselves.
  const made = await fs.writeFile(name, 'y').then(
    () => true,
    () => false,
  );
  const { untracked, warnings } = await repo.json<Warned<StatusResult>>('status');
  t.deepEqual(untracked, ['good.bin']);
  t.is(warnings.length, made ? 1 : 0);
  if (made) t.regex(warnings[0] ?? '', /is skipped: its name is not valid UTF-8/);
});

// By itself: it takes writing away from the whole process.
test.serial('a full disk keeps nobody from reading', async (t) => {
  const repo = await TestRepository.create(t);
  const layout = new Layout(repo.dir);
  const { write } = io;
  io.write = async () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  };
  t.teardown(() => {
    io.write = write;
  });
  const reader = await registerReader(layout, 1);
  io.write = write;
  t.deepEqual(await listReaders(layout), []);
  t.deepEqual(await fs.readdir(path.join(repo.dir, '.dlv', 'readers')), []);
  await reader.close();
});

test('without HEAD the remedy is named', async (t) => {
  const { repo } = await threeVersions(t);
  await fs.unlink(repo.file('.dlv/HEAD'));
  const error = await repo.fails(12, 'log');
  t.regex(error.message, /HEAD' is missing/);
  t.regex(error.data.hint ?? '', /fsck --rebuild/);
  await repo.json('fsck', '--rebuild');
  t.is((await repo.dlv('log')).code, 0);
});

test('a number that a branch does not have: what it has is said', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('switch', '-c', 'short', 'net@1');
  t.is((await repo.json<{ number: number }>('show', 'net@2')).number, 2, 'whatever HEAD is on');
  const error = await repo.fails(1, 'show', 'net/short@2');
  t.is(error.message, "there is no 'net/short@2' in the history of 'net/short'");
  t.is(error.data.hint, "'dlv log net/short' lists what it has");
  const other = await repo.fails(1, 'show', 'net@9');
  t.is(other.message, "there is no 'net@9'");
  t.is(other.data.hint, "the numbers of 'net' go up to net@3");
});
