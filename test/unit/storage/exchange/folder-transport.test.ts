/** The folder as a remote: the suite, and what only a folder can do wrong. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { FolderTransport } from '../../../../lib/storage/exchange/transports/folder-transport.js';
import { bytesSource } from '../../../../lib/storage/exchange/transports/transport.js';
import {
  type MakeTransport,
  pattern,
  readPart,
  transportSuite,
  writableSuite,
} from '../../../conformance/transport.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const make: MakeTransport = async (t) => {
  const root = path.join(await tempDir(t), 'remote');
  return {
    transport: new FolderTransport(root),
    put: async (name, bytes) => {
      await fs.mkdir(path.dirname(path.join(root, name)), { recursive: true });
      await fs.writeFile(path.join(root, name), bytes);
    },
  };
};

transportSuite('folder', make);
writableSuite('folder', make);

const NAME = `packs/${'c'.repeat(32)}.low`;

test('folder: a file that arrived in part is gone on with, after a look at what is there', async (t) => {
  const root = path.join(await tempDir(t), 'remote');
  const bytes = pattern(12_000_000);
  const partial = path.join(root, 'incoming', `${'c'.repeat(32)}.low`);
  await fs.mkdir(path.dirname(partial), { recursive: true });
  await fs.writeFile(partial, bytes.subarray(0, 9_000_000));
  const transport = new FolderTransport(root);
  await transport.store(NAME, bytesSource(bytes));
  t.is(transport.traffic.sentBytes, 3_000_000);
  t.is(Buffer.compare(await readPart(transport, NAME, 0, bytes.length), bytes), 0);
  t.deepEqual(await fs.readdir(path.dirname(partial)), []);

  // Zeros at the end of what arrived, as a power cut leaves them, are written again.
  await fs.rm(path.join(root, NAME));
  await fs.writeFile(partial, Buffer.concat([bytes.subarray(0, 5_000_000), Buffer.alloc(100_000)]));
  await transport.store(NAME, bytesSource(bytes));
  t.is(Buffer.compare(await readPart(transport, NAME, 0, bytes.length), bytes), 0);
});

test('folder: is made by the first thing stored, if the folder above it is there', async (t) => {
  const dir = await tempDir(t);
  const far = new FolderTransport(path.join(dir, 'no', 'such', 'remote'));
  await t.throwsAsync(far.store(NAME, bytesSource(pattern(3))), { code: 'DLV_REMOTE' });
  const near = new FolderTransport(path.join(dir, 'remote'));
  await near.store(NAME, bytesSource(pattern(3)));
  t.deepEqual(await fs.readdir(path.join(dir, 'remote', 'packs')), [path.basename(NAME)]);
});

test('folder: no link in it is followed', async (t) => {
  const dir = await tempDir(t);
  const root = path.join(dir, 'remote');
  await fs.mkdir(root);
  await fs.mkdir(path.join(dir, 'elsewhere'));
  await fs.writeFile(path.join(dir, 'secret'), 'secret');
  await fs.symlink(path.join(dir, 'secret'), path.join(root, 'remote'));
  await fs.symlink(path.join(dir, 'elsewhere'), path.join(root, 'packs'));
  const transport = new FolderTransport(root);
  await t.throwsAsync(transport.load('remote', 100), { code: 'DLV_UNSAFE' });
  await t.throwsAsync(readPart(transport, NAME, 0, 1), { code: 'DLV_UNSAFE' });
  await t.throwsAsync(transport.store(NAME, bytesSource(pattern(3))), { code: 'DLV_UNSAFE' });
  t.deepEqual(await fs.readdir(path.join(dir, 'elsewhere')), []);
});

test('folder: a file of another size under the name of a pack is damage, and stays', async (t) => {
  const { transport, put } = await make(t);
  await put(NAME, pattern(5));
  await t.throwsAsync(transport.store(NAME, bytesSource(pattern(6))), { code: 'DLV_REMOTE' });
  t.is((await readPart(transport, NAME, 0, 5)).length, 5);
});
