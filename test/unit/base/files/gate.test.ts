/**
 * The gate: every call of base/files/files.ts, below a guarded folder, at a path that leads out of it
 * through a symbolic link or to something that is not a plain file. Outside nothing may change, and
 * nothing may wait.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { appendLines } from '../../../../lib/base/files/append-lines.js';
import {
  copyFile,
  io,
  listDirectory,
  listEntries,
  makeDirectory,
  patchFile,
  ReadFile,
  readSmallFile,
  removeFile,
  renameFile,
  statNow,
  statOrNull,
  syncDirectory,
  WriteFile,
  writeFileAtomic,
} from '../../../../lib/base/files/files.js';
import { guardBelow } from '../../../../lib/base/files/gate.js';
import { deviceOf } from '../../../../lib/base/files/places/disks.js';
import { listTree, readFiles, readTail } from '../../../../lib/base/files/small-files.js';
import { copyTo, makeTemporaryFolder, removeFolder } from '../../../../lib/base/files/temporary.js';
import { tempDir } from '../../../helpers/temp-dir.js';

interface Places {
  /** The guarded folder. */
  root: string;
  /** A folder beside it that nobody may touch. */
  outside: string;
}

async function places(t: ExecutionContext): Promise<Places> {
  const dir = await tempDir(t);
  const root = path.join(dir, 'root');
  const outside = path.join(dir, 'outside');
  await fs.mkdir(path.join(root, 'plain', 'deep'), { recursive: true });
  await fs.writeFile(path.join(root, 'plain', 'file'), 'inside\n');
  await fs.mkdir(path.join(outside, 'empty'), { recursive: true });
  await fs.writeFile(path.join(outside, 'file'), 'outside\n');
  guardBelow(root);
  return { root, outside };
}

/** Every name below a folder with its kind and content. */
async function picture(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await fs.readdir(dir, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name);
    const content = entry.isFile() ? await fs.readFile(file, 'utf8') : '';
    found.push(`${path.relative(dir, file)} ${entry.isDirectory()} ${content}`);
  }
  return found.sort();
}

/** Calls that act on what stands at `place`; `other` is a plain file inside. */
const CALLS: Record<string, (place: string, other: string) => Promise<unknown>> = {
  'ReadFile.open': (place) => ReadFile.open(place),
  readSmallFile: (place) => readSmallFile(place, 100),
  appendLines: (place) => appendLines(place, 'mine\n'),
  patchFile: (place) => patchFile(place, [{ offset: 0, bytes: Buffer.from('x') }]),
  'copyFile from': (place, other) => copyFile(place, `${other}.copy`),
  'copyTo from': (place, other) => copyTo(place, `${other}.copy`),
  'copyTo to': (place, other) => copyTo(other, place),
  'link from': (place, other) => io.link(place, `${other}.link`),
  'rename from': (place, other) => renameFile(place, `${other}.renamed`),
  makeDirectory: (place) => makeDirectory(place),
  listDirectory: (place) => listDirectory(place),
  listEntries: (place) => listEntries(place),
  syncDirectory: (place) => syncDirectory(place),
  deviceOf: (place) => deviceOf(place),
  listTree: (place) => listTree(place),
  readTail: async (place) => readTail(place, 100),
  'readFiles in': (place) => readFiles(place, ['file'], 100).next(),
};

/** Calls that act on the name `place`, in a folder that is a link. */
const NAME_CALLS: typeof CALLS = {
  ...CALLS,
  'WriteFile.create': (place) => WriteFile.create(`${place}.new`),
  writeFileAtomic: (place) => writeFileAtomic(place, Buffer.from('mine')),
  'copyFile to': (place, other) => copyFile(other, `${place}.new`),
  'link to': (place, other) => io.link(other, `${place}.new`),
  'rename to': (place, other) => renameFile(other, place),
  removeFile: (place) => removeFile(place),
  removeFolder: (place) => removeFolder(place),
  rmdir: (place) => io.rmdir(path.join(path.dirname(place), 'empty')),
  makeTemporaryFolder: (place) => makeTemporaryFolder(place),
  statOrNull: (place) => statOrNull(place),
};

for (const [name, call] of Object.entries(NAME_CALLS)) {
  test(`gate: ${name} goes through no folder that is a link`, async (t) => {
    const { root, outside } = await places(t);
    const before = await picture(outside);
    const plain = path.join(root, 'plain', 'file');
    const links = [path.join(root, 'first'), path.join(root, 'plain', 'deep', 'second')];
    for (const link of links) {
      await fs.symlink(outside, link);
      const error = await t.throwsAsync(call(path.join(link, 'file'), plain), {
        code: 'DLV_UNSAFE',
        message: new RegExp(`cannot use '${link}': it is a symbolic link`),
      });
      t.regex(String((error as { data?: { hint?: string } }).data?.hint), /do not trust/);
      await t.throwsAsync(call(path.join(link, 'empty', 'further', 'file'), plain), {
        code: 'DLV_UNSAFE',
      });
    }
    t.deepEqual(await picture(outside), before);
    t.is(await fs.readFile(plain, 'utf8'), 'inside\n');
  });
}

for (const [name, call] of Object.entries(CALLS)) {
  test(`gate: ${name} uses neither a link nor what is not a plain file`, async (t) => {
    const { root, outside } = await places(t);
    const before = await picture(outside);
    const plain = path.join(root, 'plain', 'file');
    const toFile = path.join(root, 'to-file');
    const toFolder = path.join(root, 'to-folder');
    const toNothing = path.join(root, 'to-nothing');
    const fifo = path.join(root, 'fifo');
    const socket = path.join(root, 'socket');
    await fs.symlink(path.join(outside, 'file'), toFile);
    await fs.symlink(outside, toFolder);
    await fs.symlink(path.join(outside, 'new'), toNothing);
    if (process.platform !== 'win32') {
      execFileSync('mkfifo', [fifo]);
      const server = net.createServer().listen(path.relative(process.cwd(), socket));
      t.teardown(() => server.close());
      await new Promise((resolve) => server.once('listening', resolve));
      await t.throwsAsync(call(fifo, plain), { code: 'DLV_UNSAFE', message: /a FIFO/ });
      await t.throwsAsync(call(socket, plain), { code: 'DLV_UNSAFE', message: /a socket/ });
    }
    for (const link of [toFile, toFolder, toNothing]) {
      await t.throwsAsync(call(link, plain), { code: 'DLV_UNSAFE', message: /a symbolic link/ });
    }
    t.deepEqual(await picture(outside), before);
  });
}

test('gate: a name that is a link is replaced or removed itself, not what it leads to', async (t) => {
  const { root, outside } = await places(t);
  const link = path.join(root, 'link');
  const before = await picture(outside);
  for (const replace of [
    () => writeFileAtomic(link, Buffer.from('mine')),
    () =>
      fs.writeFile(path.join(root, 'x'), 'mine').then(() => renameFile(path.join(root, 'x'), link)),
  ]) {
    await fs.symlink(path.join(outside, 'file'), link);
    await replace();
    t.true((await fs.lstat(link)).isFile());
    await removeFile(link);
  }
  await fs.symlink(outside, link);
  await removeFile(link);
  t.is(await statOrNull(link), null);
  t.deepEqual(await picture(outside), before);
});

test('gate: what is above the guarded folder, and all other folders, may be links', async (t) => {
  const { root, outside } = await places(t);
  const alias = path.join(path.dirname(root), 'alias');
  await fs.symlink(path.dirname(root), alias);
  guardBelow(path.join(alias, 'root'));
  const inside = await readSmallFile(path.join(alias, 'root', 'plain', 'file'), 100);
  t.is(Buffer.from(inside).toString(), 'inside\n');
  await fs.symlink(path.join(outside, 'file'), path.join(outside, 'link'));
  const through = await readSmallFile(path.join(alias, 'outside', 'link'), 100);
  t.is(Buffer.from(through).toString(), 'outside\n');
});

test('gate: the calls work below a guarded folder, and say of a missing file that it is missing', async (t) => {
  const { root } = await places(t);
  const file = path.join(root, 'a', 'b', 'file');
  await makeDirectory(path.dirname(file));
  await writeFileAtomic(file, Buffer.from('one\n'));
  t.is(await appendLines(file, 'two\n'), 4);
  await patchFile(file, [{ offset: 0, bytes: Buffer.from('O') }]);
  t.is(Buffer.from(await readSmallFile(file, 100)).toString(), 'One\ntwo\n');
  await syncDirectory(path.dirname(file));
  t.deepEqual(await listDirectory(path.dirname(file)), ['file']);
  t.deepEqual(await listDirectory(path.join(root, 'none')), []);
  t.is(await statOrNull(path.join(file, 'below')), null);
  await t.throwsAsync(ReadFile.open(`${file}.none`), { code: 'DLV_IO', message: /ENOENT/ });
});

test('append: a torn line is ended, and other names of the file keep their content', async (t) => {
  const { root, outside } = await places(t);
  const log = path.join(root, 'log');
  await fs.writeFile(log, 'torn');
  await appendLines(log, 'whole\n');
  t.is(await fs.readFile(log, 'utf8'), 'torn\nwhole\n');
  const other = path.join(outside, 'other');
  await fs.link(log, other);
  t.is(await appendLines(log, 'more\n'), 11);
  t.is(await fs.readFile(log, 'utf8'), 'torn\nwhole\nmore\n');
  t.is(await fs.readFile(other, 'utf8'), 'torn\nwhole\n');
  t.deepEqual((await fs.readdir(root)).sort(), ['log', 'plain']);
});

test('gate: a folder that was looked at before it is guarded is guarded from then on', async (t) => {
  const dir = await tempDir(t);
  const root = path.join(dir, 'root');
  await fs.mkdir(path.join(root, 'plain'), { recursive: true });
  await fs.symlink(path.join(root, 'plain'), path.join(root, 'link'));
  const below = path.join(root, 'link', 'file');
  for (const name of ['one', 'two']) t.is(statNow(path.join(root, 'link', name)), null);
  t.is(statNow(below), null);
  guardBelow(root);
  t.throws(() => statNow(below), { code: 'DLV_UNSAFE' });
  // Files beside it are not, whichever was looked at before.
  t.is(statNow(path.join(dir, 'other')), null);
  t.throws(() => statNow(below), { code: 'DLV_UNSAFE' });
});

test('gate: a guarded folder that was named with a slash or a dot at its end stays guarded', async (t) => {
  const { root, outside } = await places(t);
  await fs.symlink(path.join(outside, 'file'), path.join(root, 'link'));
  for (const end of ['/', '/.', '/..']) {
    statNow(`${root}${end}`);
    await t.throwsAsync(ReadFile.open(path.join(root, 'link')), { code: 'DLV_UNSAFE' }, end);
  }
});
