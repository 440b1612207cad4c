import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { IoError } from '../../../../lib/base/errors.js';
import { makeDirectory } from '../../../../lib/base/files/files.js';
import { io } from '../../../../lib/base/files/io.js';
import { tempDir } from '../../../helpers/temp-dir.js';

test('folders: those above are made too, and the topmost new one is told', async (t) => {
  const dir = await tempDir(t);
  t.is(await io.mkdir(path.join(dir, 'a', 'b', 'c')), path.join(dir, 'a'));
  t.is(await io.mkdir(path.join(dir, 'a', 'b', 'c')), undefined);
  t.is(await io.mkdir(path.join(dir, 'a', 'd')), path.join(dir, 'a', 'd'));
  t.true((await fs.stat(path.join(dir, 'a', 'b', 'c'))).isDirectory());
});

test('folders: many at once make the same ones', async (t) => {
  const dir = await tempDir(t);
  const wanted = path.join(dir, 'a', 'b', 'c', 'd');
  await Promise.all(Array.from({ length: 20 }, () => io.mkdir(wanted)));
  t.true((await fs.stat(wanted)).isDirectory());
});

test('folders: a file in the way is an error that names the folder', async (t) => {
  const dir = await tempDir(t);
  await fs.writeFile(path.join(dir, 'file'), '');
  for (const name of ['file', 'file/below', 'file/below/it']) {
    const error = await t.throwsAsync(makeDirectory(path.join(dir, name)), { instanceOf: IoError });
    t.true(error.message.includes(path.join(dir, name)), error.message);
  }
});

test('folders: where none can be made, the answer is an error and comes', async (t) => {
  if (process.platform !== 'linux') return t.pass('no other system has a /proc that refuses');
  await t.throwsAsync(makeDirectory('/proc/dlv-test/below'), { instanceOf: IoError });
});
