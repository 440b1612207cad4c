/** Goal: many small files are read as one by one, and nothing but regular files is opened. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import {
  forEachInTurns,
  listTree,
  readFiles,
  readTail,
} from '../../../../lib/base/files/small-files.js';
import { tempDir } from '../../../helpers/temp-dir.js';

async function readAll(top: string, names: string[], maxBytes = 100): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, bytes, start } of readFiles(top, names, maxBytes)) {
    found.push(`${name}=${Buffer.from(bytes)}@${start}`);
  }
  return found;
}

test('small files: a tree is listed in order, read back, and what is skipped is not seen', async (t) => {
  const top = await tempDir(t);
  for (const name of ['b/c', 'a', 'b/.tmp-1', 'b/a/x', '.tmp-2/y']) {
    await fs.mkdir(path.dirname(path.join(top, name)), { recursive: true });
    await fs.writeFile(path.join(top, name), name);
  }
  const names = await listTree(top, { skip: (name) => name.startsWith('.tmp-') });
  t.deepEqual(names, ['a', 'b/a/x', 'b/c']);
  t.deepEqual(await readAll(top, names), ['a=a@0', 'b/a/x=b/a/x@0', 'b/c=b/c@0']);
  t.deepEqual(await readAll(top, ['gone', 'b', 'a']), ['a=a@0'], 'missing files and folders');
  t.deepEqual(await listTree(path.join(top, 'nothing')), []);
});

test('small files: links and pipes are neither listed nor opened', async (t) => {
  const top = await tempDir(t);
  await fs.writeFile(path.join(top, 'real'), 'content');
  await fs.mkdir(path.join(top, 'folder'));
  await fs.writeFile(path.join(top, 'folder', 'below'), 'content');
  await fs.symlink('real', path.join(top, 'link'));
  await fs.symlink('folder', path.join(top, 'folder-link'));
  execFileSync('mkfifo', [path.join(top, 'pipe')]);
  t.deepEqual(await listTree(top), ['folder/below', 'real']);
  t.deepEqual(await readAll(top, ['link', 'pipe', 'real']), ['real=content@0']);
  t.is(readTail(path.join(top, 'pipe'), 10), null);
});

test('small files: of a longer file only the end is read', async (t) => {
  const top = await tempDir(t);
  await fs.writeFile(path.join(top, 'long'), '0123456789');
  t.deepEqual(await readAll(top, ['long'], 4), ['long=6789@6']);
  t.deepEqual(await readAll(top, ['long'], 10), ['long=0123456789@0']);
});

test('small files: a raised signal stops long work, and timers run meanwhile', async (t) => {
  const top = await tempDir(t);
  const names = Array.from({ length: 2000 }, (_, i) => `f${i}`);
  await Promise.all(names.map((name) => fs.writeFile(path.join(top, name), '')));
  const abort = new AbortController();
  setImmediate(() => abort.abort());
  let seen = 0;
  const work = forEachInTurns(names, () => void seen++, abort.signal);
  await t.throwsAsync(work, { message: /aborted|interrupted|stopped/i });
  t.true(seen < names.length);
});
