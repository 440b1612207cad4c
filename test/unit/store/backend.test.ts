/** The conformance suite over both backends, and what only a folder has. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { FolderBackend } from '../../../lib/store/folder-backend.js';
import { MemoryBackend } from '../../../lib/store/memory-backend.js';
import { backendSuite } from '../../conformance/store-backend.js';
import { tempDir } from '../../helpers/temp-dir.js';

backendSuite({ name: 'memory', make: async () => new MemoryBackend(), reopen: (same) => same });

backendSuite({
  name: 'folder',
  make: async (t) => new FolderBackend(await tempDir(t)),
  reopen: (backend) => new FolderBackend((backend as FolderBackend).root),
});

backendSuite({
  name: 'folder with one open file',
  make: async (t) => new FolderBackend(await tempDir(t), { openFilesMax: 1 }),
  reopen: (backend) => new FolderBackend((backend as FolderBackend).root),
});

test('folder: many files read at once through few handles all give their bytes', async (t) => {
  const root = await tempDir(t);
  const names = Array.from({ length: 40 }, (_, i) => `f${i}`);
  for (const name of names) await fs.writeFile(path.join(root, name), name.padEnd(100, '.'));
  const backend = new FolderBackend(root, { openFilesMax: 3 });
  const reads = [...names, ...names, ...names].map(async (name, i) => {
    const bytes = await backend.read(name, i % 7, 20);
    return Buffer.from(bytes).toString() === name.padEnd(100, '.').slice(i % 7, (i % 7) + 20);
  });
  t.true((await Promise.all(reads)).every(Boolean));
  await backend.close();
});

test('folder: refuses names that leave it', async (t) => {
  const backend = new FolderBackend(await tempDir(t));
  for (const name of ['../x', '/x', 'a//b', './x', 'a/..', '']) {
    await t.throwsAsync(backend.readAll(name, 10), { code: 'DLV_BUG' }, name);
  }
});
