/**
 * Goal: a long file is flushed while it is written, and what the device fails with then is not lost,
 * because it is said only once. Method: the primitive of flushing, replaced.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { WriteFile } from '../../../../lib/base/files/files.js';
import { io } from '../../../../lib/base/files/io.js';

const PIECE = Buffer.alloc(4 * 1024 * 1024, 7);
/** More than is written before a flush begins. */
const PIECES = 10;

async function folder(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'dlv-flush-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Replaces fsync for one test. */
function replaceFsync(t: ExecutionContext, fsync: typeof io.fsync): void {
  const before = io.fsync;
  io.fsync = fsync;
  t.teardown(() => {
    io.fsync = before;
  });
}

const diskError = (): Error =>
  Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO', syscall: 'fsync' });

test.serial('a long file is flushed before its end, a short one at its end alone', async (t) => {
  const dir = await folder(t);
  let flushes = 0;
  const plain = io.fsync;
  replaceFsync(t, async (handle) => {
    flushes++;
    await plain(handle);
  });
  const long = await WriteFile.create(path.join(dir, 'long'));
  for (let i = 0; i < PIECES; i++) await long.write(PIECE);
  t.is(flushes, 1, 'while it is written');
  await long.syncAndClose();
  t.is(flushes, 2);
  t.is((await readFile(path.join(dir, 'long'))).length, PIECES * PIECE.length);
  const short = await WriteFile.create(path.join(dir, 'short'));
  await short.write(PIECE);
  await short.syncAndClose();
  t.is(flushes, 3);
});

test.serial('a device that fails meanwhile fails the next write', async (t) => {
  const dir = await folder(t);
  replaceFsync(t, () => Promise.reject(diskError()));
  const file = await WriteFile.create(path.join(dir, 'file'));
  const error = await t.throwsAsync(async () => {
    for (let i = 0; i < 2 * PIECES; i++) await file.write(PIECE);
  });
  t.regex(error.message, /cannot fsync '.*file': /);
  await file.close();
});

test.serial(
  'a device that fails before the end fails the end, although it says it once',
  async (t) => {
    const dir = await folder(t);
    let calls = 0;
    let fail: () => void = () => {};
    replaceFsync(t, () => {
      calls++;
      if (calls > 1) return Promise.resolve();
      return new Promise((_, reject) => {
        fail = () => reject(diskError());
      });
    });
    const file = await WriteFile.create(path.join(dir, 'file'));
    for (let i = 0; i < PIECES; i++) await file.write(PIECE);
    const end = file.syncAndClose();
    fail();
    const error = await t.throwsAsync(end);
    t.regex(error.message, /cannot fsync '.*file': /);
  },
);

test.serial('a file that is closed is not flushed any more', async (t) => {
  const dir = await folder(t);
  let finish: () => void = () => {};
  replaceFsync(t, (handle) => {
    const { fd } = handle;
    return new Promise((resolve) => {
      finish = () => {
        t.is(handle.fd, fd, 'the number is still that of this file');
        resolve();
      };
    });
  });
  const file = await WriteFile.create(path.join(dir, 'file'));
  for (let i = 0; i < PIECES; i++) await file.write(PIECE);
  let isClosed = false;
  const closing = file.close().then(() => {
    isClosed = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  t.false(isClosed);
  finish();
  await closing;
});
