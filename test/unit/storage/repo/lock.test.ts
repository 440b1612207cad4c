/** The lock: one holder at a time, dead holders replaced, live ones named; and the reader register. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { seal, unseal } from '../../../../lib/base/bytes/sealed.js';
import { LockedError } from '../../../../lib/base/errors.js';
import { io } from '../../../../lib/base/files/files.js';
import { isLocalDisk } from '../../../../lib/base/files/places/disks.js';
import { lockHolder, withLock } from '../../../../lib/storage/repo/processes/lock.js';
import {
  ABANDONED_MS,
  formatIdentity,
  ownIdentity,
} from '../../../../lib/storage/repo/processes/process-identity.js';
import {
  listOtherReaders,
  listReaders,
  registerReader,
} from '../../../../lib/storage/repo/processes/readers.js';
import { tempRepo } from './temp-repo.js';
import { startWorker } from './worker.js';

test('lock: is held during the call and gone after it, also when it fails', async (t) => {
  const layout = await tempRepo(t);
  const value = await withLock(
    layout,
    async (lock) => {
      lock.assertHeld();
      const holder = await lockHolder(layout);
      t.is(holder?.process?.pid, process.pid);
      t.is(holder?.command, 'commit');
      return 7;
    },
    { command: 'commit' },
  );
  t.is(value, 7);
  t.is(await lockHolder(layout), null);
  await t.throwsAsync(
    withLock(layout, async () => {
      throw new Error('inner');
    }),
    { message: 'inner' },
  );
  t.false((await fs.readdir(layout.dir)).some((name) => /lock|tmp-/.test(name)));
});

test('lock: one process that waits in vain is told who holds it', async (t) => {
  const layout = await tempRepo(t);
  const worker = startWorker('hold', layout.workTree);
  await worker.held;
  const error = await t.throwsAsync(
    withLock(layout, async () => {}, { timeoutMs: 30 }),
    { instanceOf: LockedError },
  );
  t.regex(error!.message, new RegExp(`process ${worker.pid} .*worker hold`));
  t.is((error!.data.holder as { pid: number }).pid, worker.pid);
  const waiting = withLock(layout, async () => 'after', { timeoutMs: 60_000 });
  worker.release();
  t.is(await waiting, 'after');
  t.is((await worker.ended).code, 0);
});

test('lock: waiting ends when it is aborted', async (t) => {
  const layout = await tempRepo(t);
  await withLock(layout, async () => {
    const controller = new AbortController();
    const waiting = withLock(layout, async () => {}, { signal: controller.signal });
    controller.abort();
    await t.throwsAsync(waiting, { code: 'DLV_ABORTED' });
  });
});

test('lock: that of a killed process is taken over at once', async (t) => {
  const layout = await tempRepo(t);
  const worker = startWorker('hold', layout.workTree);
  await worker.held;
  worker.kill();
  await worker.ended;
  t.is((await lockHolder(layout))?.process?.pid, worker.pid);
  t.is(await withLock(layout, async () => 'mine', { timeoutMs: 0 }), 'mine');
  t.is(await lockHolder(layout), null);
});

test('lock: many processes that find a dead one count without losing one', async (t) => {
  const layout = await tempRepo(t);
  const dead = startWorker('hold', layout.workTree);
  await dead.held;
  dead.kill();
  await dead.ended;
  await fs.writeFile(path.join(layout.workTree, 'count'), '0');
  const workers = Array.from({ length: 4 }, () => startWorker('count', layout.workTree, '20'));
  for (const { code, stderr } of await Promise.all(workers.map((worker) => worker.ended))) {
    t.is(code, 0, stderr);
  }
  t.is(await fs.readFile(path.join(layout.workTree, 'count'), 'utf8'), '80');
  t.false((await fs.readdir(layout.dir)).some((name) => /lock|tmp-/.test(name)));
});

/** A sealed lock file of a process that does not exist (any more). */
function lockText(identity: string, nonce: string): Uint8Array {
  return seal(`${identity}\n${nonce}\n1760000000000\ngone\n`);
}

function deadIdentity(): string {
  return formatIdentity({ ...ownIdentity(), pid: 2 ** 22 + 1, start: '1' });
}

test('lock: a taker that died while taking over is itself taken over', async (t) => {
  const layout = await tempRepo(t);
  const nonce = 'ab'.repeat(16);
  await fs.writeFile(layout.lock, lockText(deadIdentity(), nonce));
  const breakFile = `${layout.lock}.${nonce.slice(0, 16)}`;
  await fs.writeFile(breakFile, lockText(deadIdentity(), 'cd'.repeat(16)));
  t.is(await withLock(layout, async () => 'mine', { timeoutMs: 0 }), 'mine');
  t.false((await fs.readdir(layout.dir)).some((name) => name.startsWith('lock')));
});

test.serial('lock: a taker that comes late leaves the lock of the new owner alone', async (t) => {
  const layout = await tempRepo(t);
  await fs.writeFile(layout.lock, lockText(deadIdentity(), 'ab'.repeat(16)));
  // Between reading the dead holder and removing its file, another process replaces it.
  const winner = lockText(formatIdentity(ownIdentity()), 'ef'.repeat(16));
  const { link } = io;
  let links = 0;
  io.link = async (from, to) => {
    links++;
    if (to.endsWith('.abababababababab')) await fs.writeFile(layout.lock, winner);
    return link(from, to);
  };
  t.teardown(() => {
    io.link = link;
  });
  await t.throwsAsync(
    withLock(layout, async () => {}, { timeoutMs: 0 }),
    { code: 'DLV_LOCKED' },
  );
  t.true(links >= 2);
  t.deepEqual(await fs.readFile(layout.lock), Buffer.from(winner));
});

test('lock: a pid that is used again does not keep a dead lock alive', async (t) => {
  const layout = await tempRepo(t);
  const reused = formatIdentity({ ...ownIdentity(), start: '1' });
  if (ownIdentity().start === '0') return t.pass('this system does not tell start times');
  await fs.writeFile(layout.lock, lockText(reused, 'ab'.repeat(16)));
  t.is(await withLock(layout, async () => 1, { timeoutMs: 0 }), 1);
});

test('lock: those of other machines and damaged ones are never taken over', async (t) => {
  const layout = await tempRepo(t);
  // A clone of this machine has its host name, and perhaps a process of the same pid.
  const elsewhere = formatIdentity({ ...ownIdentity(), boot: 'another-boot' });
  await fs.writeFile(layout.lock, lockText(elsewhere, 'ab'.repeat(16)));
  const error = await t.throwsAsync(
    withLock(layout, async () => {}, { timeoutMs: 5 }),
    {
      instanceOf: LockedError,
    },
  );
  t.regex(String(error!.data.hint), /remove/);
  await fs.writeFile(layout.lock, 'garbage');
  await t.throwsAsync(
    withLock(layout, async () => {}, { timeoutMs: 5 }),
    {
      code: 'DLV_LOCKED',
      message: /damaged/,
    },
  );
});

test('lock: a damaged one from before the system started is taken over', async (t) => {
  const layout = await tempRepo(t);
  await fs.writeFile(layout.lock, '');
  await t.throwsAsync(
    withLock(layout, async () => {}, { timeoutMs: 0 }),
    { code: 'DLV_LOCKED' },
  );
  await fs.utimes(layout.lock, 1000, 1000);
  if (!(await isLocalDisk(layout.dir))) return t.pass('a disk that other machines may share');
  t.is(await withLock(layout, async () => 1, { timeoutMs: 0 }), 1);
  t.false((await fs.readdir(layout.dir)).some((name) => name.startsWith('lock')));
});

test('lock: one from before a power cut is taken over, whatever machine it names', async (t) => {
  const layout = await tempRepo(t);
  if (!(await isLocalDisk(layout.dir))) return t.pass('a disk that other machines may share');
  const before = formatIdentity({ ...ownIdentity(), boot: 'another-boot', host: 'old-name' });
  await fs.writeFile(layout.lock, lockText(before, 'ab'.repeat(16)));
  await t.throwsAsync(
    withLock(layout, async () => {}, { timeoutMs: 0 }),
    { code: 'DLV_LOCKED' },
    'written after this machine started: another one holds it',
  );
  await fs.utimes(layout.lock, 1000, 1000);
  t.is(await withLock(layout, async () => 1, { timeoutMs: 0 }), 1);
});

test('lock: a taker that cannot be seen is named, not the dead holder it replaces', async (t) => {
  const layout = await tempRepo(t);
  const nonce = 'ab'.repeat(16);
  await fs.writeFile(layout.lock, lockText(deadIdentity(), nonce));
  const breakFile = `${layout.lock}.${nonce.slice(0, 16)}`;
  const elsewhere = formatIdentity({ ...ownIdentity(), space: 'pid:[1]', pid: 77 });
  await fs.writeFile(breakFile, lockText(elsewhere, 'cd'.repeat(16)));
  const error = await t.throwsAsync(
    withLock(layout, async () => {}, { timeoutMs: 0 }),
    { instanceOf: LockedError, message: /process 77/ },
  );
  t.true(String(error!.data.hint).includes(`remove '${breakFile}'`));
});

test.serial('lock: a name for its file that is taken is given up for another', async (t) => {
  const layout = await tempRepo(t);
  const { open } = io;
  let taken = 0;
  io.open = async (file, flags, mode) => {
    if (flags === 'wx' && taken++ < 2) throw Object.assign(new Error('taken'), { code: 'EEXIST' });
    return open(file, flags, mode);
  };
  t.teardown(() => {
    io.open = open;
  });
  t.is(await withLock(layout, async () => 'mine', { timeoutMs: 0 }), 'mine');
  t.true(taken > 2);
});

test.serial('lock: works on file systems without hard links', async (t) => {
  const layout = await tempRepo(t);
  const { link } = io;
  io.link = async () => {
    throw Object.assign(new Error('no links'), { code: 'EPERM' });
  };
  t.teardown(() => {
    io.link = link;
  });
  await withLock(layout, async () => {
    await t.throwsAsync(
      withLock(layout, async () => {}, { timeoutMs: 0 }),
      {
        code: 'DLV_LOCKED',
      },
    );
  });
  t.false((await fs.readdir(layout.dir)).some((name) => /lock|tmp-/.test(name)));
});

test('readers: live ones are listed, dead ones disappear', async (t) => {
  const layout = await tempRepo(t);
  const own = await registerReader(layout, 3);
  const worker = startWorker('read', layout.workTree, '5');
  await worker.held;
  const generations = async (): Promise<number[]> =>
    (await listReaders(layout)).map((reader) => reader.generation).sort();
  t.deepEqual(await generations(), [3, 5]);
  worker.kill();
  await worker.ended;
  t.deepEqual(await generations(), [3]);
  await own.close();
  await own.close();
  t.deepEqual(await fs.readdir(layout.readers), []);
});

test('readers: one that cannot be seen counts until it gave no sign for a day', async (t) => {
  const layout = await tempRepo(t);
  const own = await registerReader(layout, 3);
  const elsewhere = { ...ownIdentity(), space: 'pid:[1]' };
  const file = path.join(layout.readers, '1-0'); // a name of earlier versions
  await fs.writeFile(file, seal(`${formatIdentity(elsewhere)}\n4\n`));
  await fs.writeFile(path.join(layout.readers, 'notes'), 'not of dlv');
  t.deepEqual(await listOtherReaders(layout), [{ file, process: elsewhere, generation: 4 }]);
  const then = new Date(Date.now() - ABANDONED_MS - 1000);
  await fs.utimes(file, then, then);
  t.deepEqual(await listOtherReaders(layout), []);
  t.true((await fs.readdir(layout.readers)).includes('notes'));
  t.is((await listReaders(layout)).length, 1);
  await own.close();
});

test('readers: a damaged registration counts as a reader', async (t) => {
  const layout = await tempRepo(t);
  const own = await registerReader(layout, 3);
  const [name = ''] = await fs.readdir(layout.readers);
  const file = path.join(layout.readers, name);
  const text = await fs.readFile(file);
  t.regex(unseal(text, file), /\n3\n$/);
  text[0]! ^= 1;
  await fs.writeFile(file, text);
  t.deepEqual(await listReaders(layout), [{ file, process: null, generation: 0 }]);
  const then = new Date(Date.now() - ABANDONED_MS - 1000);
  await fs.utimes(file, then, then);
  t.deepEqual(await listReaders(layout), []);
  await own.close();
});
