/** What stands in the place of a file and was not put there by dlv: links to equal content, unreadable files. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { add } from '../../lib/use/ops/add.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { type CommitPreview, commit, dryCommit } from '../../lib/use/ops/commit.js';
import { reset } from '../../lib/use/ops/reset.js';
import { restore } from '../../lib/use/ops/restore.js';
import { changes, warned, whileDenied } from '../helpers/odd-work.js';
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

test('commit -a --dry-run: a changed file behind a link is left as it was added, as commit -a leaves it', async (t) => {
  const repo = await TestRepository.create(t);
  const elsewhere = path.join(path.dirname(repo.dir), 'elsewhere');
  await fs.mkdir(elsewhere);
  for (const name of ['f', 'own']) await fs.writeFile(path.join(elsewhere, name), 'one');
  await fs.symlink(elsewhere, repo.file('d'));
  await fs.symlink(path.join(elsewhere, 'own'), repo.file('own'));
  for (const name of ['gone', 'plain']) await repo.write(name, 'one');
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  for (const name of ['f', 'own']) await fs.writeFile(path.join(elsewhere, name), 'trained on');
  const all = { message: 'two', all: true };
  const dry = (): Promise<CommitPreview> => repo.with((open) => dryCommit(open, all, repo.context));
  const said = await warned(repo, () => t.throwsAsync(dry(), { message: /nothing to commit/ }));
  for (const name of ['d/f', 'own']) t.regex(said, new RegExp(`'${name}' .*keeps the content`));
  await repo.write('plain', 'two!');
  await repo.remove('gone');
  const preview = await dry();
  const made = await repo.with((open) => commit(open, all, repo.context));
  t.deepEqual(preview.changes, made.changes);
  t.deepEqual(
    made.changes.map((change) => change.path),
    ['gone', 'plain'],
  );
  t.is(preview.files, made.files);
  t.is(preview.logicalBytes, made.logicalBytes);
});

test('status: a file behind a link is modified, and says how its content is taken', async (t) => {
  const repo = await TestRepository.create(t);
  const outside = path.join(path.dirname(repo.dir), 'outside');
  await fs.writeFile(outside, 'one');
  for (const name of ['f', 'dangling']) await fs.symlink(outside, repo.file(name));
  await repo.with((open) => add(open, { paths: ['.'], follow: true }, repo.context));
  await repo.with((open) => commit(open, { message: 'one' }, repo.context));
  await fs.writeFile(outside, 'two, longer');
  await fs.rm(repo.file('dangling'));
  await fs.symlink('nowhere', repo.file('dangling'));
  const { stdout } = await repo.dlv('status');
  t.regex(stdout, /modified: +f \(symbolic link; 'dlv add --follow f' takes what it leads to\)/);
  t.regex(stdout, /modified: +dangling \(symbolic link\)\n/);
  t.is((await repo.dlv('status', '--short')).stdout, ' M dangling\n M f\n');
  await repo.json('add', '--follow', 'f');
  t.deepEqual(await changes(repo), ['staged modified f', 'modified dangling (symbolic link)']);
});

test.serial(
  'add: a folder that is named and may not be read is an error, one below is not',
  async (t) => {
    const repo = await TestRepository.create(t);
    for (const name of ['d/s/x', 'd/y', 'e']) await repo.write(name, name);
    const denied = path.join(await fs.realpath(repo.dir), 'd', 's');
    await whileDenied(denied, async () => {
      await repo.with((open) => add(open, { paths: ['d'] }, repo.context));
      t.regex(repo.warnings.join('\n'), /'d\/s' is skipped: it may not be read/);
      await t.throwsAsync(
        repo.with((open) => add(open, { paths: ['d/s', 'e'] }, repo.context)),
        { code: 'DLV_IO', message: /d\/s'/ },
      );
    });
    t.deepEqual(await changes(repo), ['staged added d/y', 'staged added e', 'untracked d/s/x']);
  },
);

test.serial('a preview fails as the command would, and stages nothing', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['a', 'b']) await repo.write(name, name);
  await repo.commit('one');
  for (const name of ['a', 'b', 'c']) await repo.write(name, `${name} changed`);
  const { access } = fs;
  const refused = (file: string, mode: number): Promise<void> =>
    file === repo.file('a') || file === repo.file('c')
      ? Promise.reject(Object.assign(new Error('denied'), { code: 'EACCES' }))
      : access(file, mode);
  Object.assign(fs, { access: refused });
  const dry = { dryRun: true };
  try {
    for (const [name, act] of Object.entries({
      'add -n .': () => repo.with((one) => add(one, { paths: ['.'], ...dry }, repo.context)),
      'add -n -u': () =>
        repo.with((one) => add(one, { paths: [], trackedOnly: true, ...dry }, repo.context)),
      'commit -a --dry-run': () =>
        repo.with((one) => dryCommit(one, { message: 'two', all: true }, repo.context)),
    })) {
      await t.throwsAsync(act, { code: 'DLV_IO', message: /^cannot read 'a'/ }, name);
    }
    const { files } = await repo.with((one) => add(one, { paths: ['b'], ...dry }, repo.context));
    t.deepEqual(
      files.map(({ path: file }) => file),
      ['b'],
    );
  } finally {
    Object.assign(fs, { access });
  }
  t.deepEqual(await changes(repo), ['modified a', 'modified b', 'untracked c']);
});

test.serial('what is named and lies where nobody may look is denied, not missing', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('d', 'd');
  await repo.commit('one');
  await repo.write('e', 'e');
  const elsewhere = path.join(await fs.realpath(path.dirname(repo.dir)), 'elsewhere');
  await fs.mkdir(elsewhere);
  await fs.writeFile(path.join(elsewhere, 'log.csv'), 'step,loss\n1,2\n');
  const file = path.join(elsewhere, 'log.csv');
  await fs.symlink(file, repo.file('link'));
  const { open } = io;
  const denied = Object.assign(new Error('denied'), { code: 'EACCES' });
  io.open = (place, ...how) => (place === file ? Promise.reject(denied) : open(place, ...how));
  try {
    await whileDenied(elsewhere, async () => {
      for (const options of [{ from: file }, { logs: [file], allowEmpty: true }]) {
        await t.throwsAsync(
          repo.with((one) => commit(one, { message: 'one', ...options }, repo.context)),
          { code: 'DLV_IO', message: /log\.csv': permission is denied/ },
        );
      }
      await t.throwsAsync(
        repo.with((one) => add(one, { paths: ['link', 'e'], follow: true }, repo.context)),
        { code: 'DLV_IO', message: /^cannot read 'link'/ },
      );
    });
  } finally {
    io.open = open;
  }
  t.deepEqual(await changes(repo), ['staged added e']);
});
