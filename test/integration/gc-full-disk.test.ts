/** gc on a full disk: what goes in any case makes room for the lock and the list of packs. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { io } from '../../lib/base/files/files.js';
import { Layout } from '../../lib/storage/repo/layout.js';
import { TestRepository } from '../helpers/repository.js';
import { randomBytes } from '../helpers/rng.js';

const real = { ...io };

/** Every write of this process fails as on a full disk, until `file` is gone; null: for good. */
function fillDisk(t: ExecutionContext, file: string | null): { refused: number } {
  const count = { refused: 0 };
  t.teardown(() => Object.assign(io, real));
  const write = async (...args: Parameters<typeof io.write>): Promise<number> => {
    if (file !== null && (await fs.stat(file).catch(() => null)) === null)
      return real.write(...args);
    count.refused++;
    throw Object.assign(new Error('full'), { code: 'ENOSPC', syscall: 'write' });
  };
  Object.assign(io, { write });
  return count;
}

async function withGarbage(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.write('note.txt', 'kept');
  await repo.commit('first');
  await repo.write('large.bin', randomBytes(400_000, 7));
  await repo.json('add', 'large.bin');
  await repo.json('rm', '--cached', 'large.bin');
  return repo;
}

async function packBytes(repo: TestRepository): Promise<number> {
  let bytes = 0;
  for (const name of await fs.readdir(repo.file('.dlv/packs'))) {
    bytes += (await fs.stat(repo.file(`.dlv/packs/${name}`))).size;
  }
  return bytes;
}

test.serial('gc --prune=now: trash goes first where nothing can be written', async (t) => {
  const repo = await withGarbage(t);
  const trash = repo.file(`.dlv/trash/${'a'.repeat(32)}.hi`);
  await fs.writeFile(trash, Buffer.alloc(1000));
  const writes = fillDisk(t, trash);
  const done = await repo.json<{ deletedBytes: number; droppedBytes: number }>('gc', '--prune=now');
  t.true(writes.refused > 0);
  t.true(done.droppedBytes > 300_000);
  t.true(done.deletedBytes > 301_000);
  t.true((await packBytes(repo)) < 100_000);
  Object.assign(io, real);
  t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
});

test.serial('gc: makes room of what is made again', async (t) => {
  const repo = await withGarbage(t);
  const loaded = new Layout(repo.dir).loadedFile('a'.repeat(64));
  await repo.write(path.relative(repo.dir, loaded), 'a tensor that a program reads in place');
  const writes = fillDisk(t, loaded);
  await repo.json('gc', '--prune=now');
  t.true(writes.refused > 0);
  t.true((await packBytes(repo)) < 100_000);
});

test.serial('gc: without any room it changes nothing and says how little it needs', async (t) => {
  const repo = await withGarbage(t);
  const before = await packBytes(repo);
  fillDisk(t, null);
  const { code, data } = await repo.fails(1, 'gc', '--prune=now');
  t.is(code, 'DLV_IO');
  t.regex(data.hint ?? '', /^delete or move away another file on that disk.*64 KiB/);
  t.is(await packBytes(repo), before);
  Object.assign(io, real);
  t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
});
