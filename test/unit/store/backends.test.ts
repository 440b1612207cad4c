/** Runs the suite of backends on each of them, and tests what only one of them has to do. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { DlvError } from '../../../lib/errors.js';
import { FolderBackend } from '../../../lib/store/folder-backend.js';
import { MemoryBackend } from '../../../lib/store/memory-backend.js';
import { backendSuite } from '../../conformance/store-backend.js';
import { tempDir } from '../../helpers/temp-dir.js';

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
  for (let wait = 0; wait < 100 && (await openFiles()) > before + 4; wait++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  t.true((await openFiles()) <= before + 4);
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

test('folder: a folder is no file', async (t) => {
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
