/** What stands in the place of a file and was not put there by dlv: links to equal content, unreadable files. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { add } from '../../lib/use/ops/add.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { commit } from '../../lib/use/ops/commit.js';
import { reset } from '../../lib/use/ops/reset.js';
import { restore } from '../../lib/use/ops/restore.js';
import { changes } from '../helpers/odd-work.js';
import { TestRepository } from '../helpers/repository.js';

/** Commands that take a file back, by what they are called. */
const TAKING_BACK: Record<string, (repo: TestRepository) => Promise<unknown>> = {
  restore: (repo) => repo.with((open) => restore(open, { paths: ['f'] }, repo.context)),
  'checkout --force -- f': (repo) =>
    repo.with((open) => restore(open, { paths: ['.'], replaceLinks: true }, repo.context)),
  'reset --hard': (repo) => repo.with((open) => reset(open, { mode: 'hard' }, repo.context)),
  'checkout --force HEAD': (repo) =>
    repo.with((open) => checkout(open, { revision: 'HEAD', force: true }, repo.context)),
  'checkout --force HEAD f': (repo) =>
    repo.with((open) =>
      checkout(open, { revision: 'HEAD', force: true, paths: ['f'] }, repo.context),
    ),
};

test('a link to equal content is quiet, and the file comes back in its place', async (t) => {
  const repo = await TestRepository.create(t);
  const outside = path.join(path.dirname(repo.dir), 'outside');
  await fs.writeFile(outside, 'data\n');
  await repo.write('f', 'data\n');
  await repo.commit('one');
  const isLink = async (): Promise<boolean> => (await fs.lstat(repo.file('f'))).isSymbolicLink();
  for (const [name, takeBack] of Object.entries(TAKING_BACK)) {
    await fs.rm(repo.file('f'));
    await fs.symlink(outside, repo.file('f'));
    t.deepEqual(await changes(repo), [], name);
    // Neither a checkout without force nor one of everything disturbs a cache.
    await repo.with((open) => checkout(open, { revision: 'HEAD' }, repo.context));
    for (const paths of [['.'], ['f*']]) {
      await repo.with((open) => restore(open, { paths }, repo.context));
    }
    t.true(await isLink(), name);
    await takeBack(repo);
    t.false(await isLink(), name);
    t.is(await repo.text('f'), 'data\n');
    t.deepEqual(await changes(repo), []);
  }
  t.is(await fs.readFile(outside, 'utf8'), 'data\n');
});

test('what is right below a link to a folder stays there, also if it is a link itself', async (t) => {
  const repo = await TestRepository.create(t);
  const elsewhere = path.join(path.dirname(repo.dir), 'elsewhere');
  await fs.mkdir(elsewhere);
  await fs.writeFile(path.join(elsewhere, 'blob'), 'one');
  await fs.symlink('blob', path.join(elsewhere, 'f'));
  await fs.symlink(elsewhere, repo.file('d'));
  await repo.with((open) => add(open, { paths: ['d/f'], follow: true }, repo.context));
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  await repo.with((open) => restore(open, { paths: ['d/f'] }, repo.context));
  for (const takeBack of [TAKING_BACK['reset --hard'], TAKING_BACK['checkout --force HEAD']]) {
    await takeBack?.(repo);
    t.is(await fs.readlink(repo.file('d')), elsewhere);
    t.is(await fs.readlink(path.join(elsewhere, 'f')), 'blob');
  }
});

test.serial('a file that may not be read is replaced without a look into it', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('f', 'one');
  await repo.commit('one');
  const { open } = io;
  let isDenied = false;
  io.open = (file, flags, mode) =>
    isDenied && file === repo.file('f')
      ? Promise.reject(Object.assign(new Error('denied'), { code: 'EACCES' }))
      : open(file, flags, mode);
  try {
    for (const [name, takeBack] of Object.entries(TAKING_BACK)) {
      await repo.write('f', 'two');
      isDenied = true;
      t.deepEqual(await changes(repo), ['modified f (unreadable)'], name);
      // Nobody knows what would be lost: without force that is an error.
      const error = await t.throwsAsync(
        repo.with((one) => checkout(one, { revision: 'HEAD' }, repo.context)),
      );
      t.like(error, { code: 'DLV_IO' });
      await takeBack(repo);
      isDenied = false;
      t.is(await repo.text('f'), 'one', name);
      t.deepEqual(await changes(repo), []);
    }
  } finally {
    io.open = open;
  }
});
