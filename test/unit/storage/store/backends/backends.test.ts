/** Runs the suite of backends on each of them, and tests what only one of them has to do. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { DlvError } from '../../../../../lib/base/errors.js';
import { FolderBackend } from '../../../../../lib/storage/store/backends/folder-backend.js';
import { MemoryBackend } from '../../../../../lib/storage/store/backends/memory-backend.js';
import { backendSuite } from '../../../../conformance/store-backend.js';
import { randomBytes } from '../../../../helpers/rng.js';
import { tempDir } from '../../../../helpers/temp-dir.js';
import { until } from '../../../../helpers/until.js';

backendSuite('memory', async () => new MemoryBackend());
backendSuite('folder', async (t) => new FolderBackend(await tempDir(t)));
backendSuite('folder that keeps one file open', async (t) => {
  return new FolderBackend(await tempDir(t), { openFilesMax: 1 });
});

async function openFiles(): Promise<number> {
  return (await fs.readdir('/proc/self/fd').catch(() => [])).length;
}

test.serial('folder: keeps no more files open than it was told', async (t) => {
  const dir = await tempDir(t);
  const backend = new FolderBackend(dir, { openFilesMax: 4 });
  for (let i = 0; i < 40; i++) await fs.writeFile(path.join(dir, `f${i}`), 'text');
  const before = await openFiles();
  await Promise.all(Array.from({ length: 40 }, (_, i) => backend.read(`f${i}`, 0, 4)));
  // Dropped handles are closed behind the caller's back.
  await until(async () => (await openFiles()) <= before + 4);
  await backend.close();
  t.true((await openFiles()) <= before);
});

test('folder: a reader goes on reading a file that another process moved and deleted', async (t) => {
  const dir = await tempDir(t);
  const [reader, other] = [new FolderBackend(dir), new FolderBackend(dir)];
  await other.writeAtomic('packs/a.hi', Buffer.from('planes'));
  t.is(Buffer.from(await reader.read('packs/a.hi', 0, 3)).toString(), 'pla');
  await other.rename('packs/a.hi', 'trash/a.hi');
  await other.remove('trash/a.hi');
  t.is(Buffer.from(await reader.read('packs/a.hi', 3, 3)).toString(), 'nes');
  await reader.close();
});

test('folder: small reads of a blob file agree with large ones, at every edge', async (t) => {
  const dir = await tempDir(t);
  const backend = new FolderBackend(dir);
  t.teardown(() => backend.close());
  const bytes = randomBytes(200_000, 3);
  await backend.writeAtomic('packs/a.blob', bytes);
  for (const edge of [0, 1 << 16, 1 << 17, 3 << 16, bytes.length]) {
    for (const [before, length] of [
      [0, 0],
      [0, 50],
      [1, 1],
      [30, 60],
      [90, 90],
      [9, 16_384],
      [9, 20_000],
    ] as const) {
      const at = edge - before;
      const part = bytes.subarray(Math.max(0, at), at + length);
      const got = backend.read('packs/a.blob', at, length);
      if (at < 0 || at + length > bytes.length) await t.throwsAsync(got, { code: 'DLV_TRUNCATED' });
      else t.is(Buffer.compare(await got, part), 0, `${length} bytes at ${at}`);
    }
  }
  (await backend.read('packs/a.blob', 100, 50)).fill(0);
  t.is(Buffer.compare(await backend.read('packs/a.blob', 100, 50), bytes.subarray(100, 150)), 0);
});

test('folder: what is replaced while it is read is not read again', async (t) => {
  const dir = await tempDir(t);
  const backend = new FolderBackend(dir, { openFilesMax: 2 });
  t.teardown(() => backend.close());
  const read = async (): Promise<string> =>
    Buffer.from(await backend.read('packs/a.blob', 0, 3)).toString();
  for (let round = 0; round < 40; round++) {
    const text = String(100 + round);
    await backend.writeAtomic('tmp/x', Buffer.from(text));
    await backend.writeAtomic('packs/a.blob', Buffer.from('old'));
    const early = [read(), read()];
    const moved = backend.rename('tmp/x', 'packs/a.blob');
    early.push(read(), read());
    await moved;
    t.is(await read(), text);
    for (const got of await Promise.all(early)) t.true(got === 'old' || got === text);
    t.is(await read(), text);
  }
});

test('folder: a name never leaves the folder', async (t) => {
  const dir = await tempDir(t);
  const backend = new FolderBackend(path.join(dir, 'inside'));
  await fs.writeFile(path.join(dir, 'secret'), 'x');
  for (const name of [
    '../secret',
    '/etc/passwd',
    'packs/../../secret',
    '',
    'a//b',
    'a/./b',
    'a\\b',
  ]) {
    const error = (await t.throwsAsync(async () => backend.exists(name))) as DlvError;
    t.is(error.code, 'DLV_BUG', name);
  }
});

test('folder: a folder is not a file', async (t) => {
  const dir = await tempDir(t);
  const backend = new FolderBackend(dir);
  t.teardown(() => backend.close());
  await fs.mkdir(path.join(dir, 'packs'));
  await t.throwsAsync(backend.read('packs', 0, 1));
  await t.throwsAsync(backend.readAll('packs', 10));
});

test('memory: gives and takes whole states', async (t) => {
  const backend = MemoryBackend.from([
    ['b', Uint8Array.of(2)],
    ['a', Uint8Array.of(1)],
  ]);
  await backend.writeAtomic('c', Uint8Array.of(3));
  const files = backend.files();
  t.deepEqual(
    files.map(([name, bytes]) => [name, [...bytes]]),
    [
      ['a', [1]],
      ['b', [2]],
      ['c', [3]],
    ],
  );
  files[0]?.[1].fill(9);
  t.deepEqual([...(await backend.read('a', 0, 1))], [1]);
});
