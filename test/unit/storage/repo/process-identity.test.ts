/** Whether a process still lives, by its whole identity; and the names that tell who made a file. */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { isLocalDisk } from '../../../../lib/base/files/places/disks.js';
import {
  bootTimeMs,
  newOwnName,
  ownerMark,
  ownIdentity,
  type ProcessIdentity,
  parseOwnName,
} from '../../../../lib/base/files/process.js';
import { newTemporaryName, parseTemporaryName } from '../../../../lib/base/files/temporary-name.js';
import {
  formatIdentity,
  isSameProcess,
  ownerState,
  parseIdentity,
  processState,
} from '../../../../lib/storage/repo/processes/process-identity.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const me = ownIdentity();
const NEW = { file: '/nowhere/file', mtimeNs: String(Date.now() * 1e6) };

test('process identity: reads back', (t) => {
  t.deepEqual(parseIdentity(formatIdentity(me)), me);
  t.is(parseIdentity('1 2 3'), null);
});

test('process identity: only what this system can see is alive or dead', async (t) => {
  t.is(await processState(me, NEW), 'alive');
  t.is(await processState({ ...me, host: 'renamed' }, NEW), me.boot === '-' ? 'unknown' : 'alive');
  t.is(await processState({ ...me, boot: 'another-boot' }, NEW), 'unknown');
  t.is(await processState({ ...me, space: 'pid:[1]' }, NEW), 'unknown');
  t.is(await processState({ ...me, pid: 2 ** 22 + 1 }, NEW), 'dead');
  if (me.start !== '0') t.is(await processState({ ...me, start: '1' }, NEW), 'dead');
});

test('process identity: a process that ended is dead before and after it is reaped', async (t) => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
  const pid = child.pid as number;
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  const start = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
  const of: ProcessIdentity = { ...me, pid, start };
  t.is(await processState(of, NEW), 'alive');
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('close', resolve));
  t.is(await processState(of, NEW), 'dead');
});

test('process identity: an earlier boot is dead only on a disk that no other machine writes', async (t) => {
  const dir = await tempDir(t);
  const file = path.join(dir, 'file');
  const beforeMs = bootTimeMs() - 60_000;
  t.true(beforeMs < Date.now());
  const trace = { file, mtimeNs: `${Math.floor(beforeMs)}000000` };
  const other = { ...me, boot: 'another-boot' };
  t.is(await processState(other, trace), (await isLocalDisk(dir)) ? 'dead' : 'unknown');
  t.is(await processState(me, trace), 'alive', 'times tell nothing of a process that is seen');
  t.is(await processState({ ...me, space: 'pid:[1]' }, trace), 'unknown');
  t.is(await processState(other, { ...trace, file: '/proc/self/x' }), 'unknown', 'no disk at all');
});

test('names of unfinished files: no two are equal, and each tells its maker', async (t) => {
  const made = Array.from({ length: 1000 }, newTemporaryName);
  t.is(new Set(made).size, made.length);
  for (const name of made.slice(0, 10)) {
    t.true(Buffer.byteLength(name) < 100);
    const mark = parseTemporaryName(name);
    t.deepEqual(mark, ownerMark(me));
    t.is(await ownerState(mark!, NEW), 'alive');
  }
  t.deepEqual(parseOwnName(newOwnName()), ownerMark(me));
});

test('names of unfinished files: other names tell nobody', (t) => {
  const name = newOwnName();
  for (const other of ['', '1-2', '.tmp-1-0-main', name.slice(1).replace(/^/, 'x'), `${name}0`]) {
    t.is(parseOwnName(other), null, other);
  }
  fc.assert(fc.property(fc.string(), (text) => parseOwnName(text) === null));
});

test('process identity: two processes are one only if all of it agrees', (t) => {
  t.true(isSameProcess(me, { ...me, host: me.boot === '-' ? me.host : 'renamed' }));
  for (const change of [
    { pid: me.pid + 1 },
    { start: `${me.start}1` },
    { boot: 'another-boot' },
    { space: 'pid:[1]' },
  ]) {
    t.false(isSameProcess(me, { ...me, ...change }), JSON.stringify(change));
  }
});
