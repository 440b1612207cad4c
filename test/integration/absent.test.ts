/** Files that were never written here are not deletions, and few commits take most files of a line out. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { CommitResult } from '../../lib/use/ops/commit.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import type { StatusResult } from '../../lib/use/ops/status.js';
import { TestRepository } from '../helpers/repository.js';

async function copied(...[t]: Parameters<typeof TestRepository.create>): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  for (const name of ['a', 'b', 'c']) await repo.write(`${name}.txt`, name);
  await repo.json('add', '.');
  await repo.json('commit', '-m', 'first');
  await repo.json('copy', 'net', 'tuned');
  await repo.json('switch', 'tuned');
  return repo;
}

const paths = ({ files }: ShowResult): string[] => files.map(({ path }) => path);

test('absent: after copy and switch nothing is gone, by status, diff, add and commit -a', async (t) => {
  const repo = await copied(t);
  const all = ['tuned/a.txt', 'tuned/b.txt', 'tuned/c.txt'];
  const status = await repo.json<StatusResult>('status');
  const tuned = status.models.find(({ model }) => model === 'tuned');
  t.deepEqual(tuned?.unstaged, []);
  t.deepEqual(tuned?.absent, all);
  t.true(status.clean);
  t.is(status.head.name, 'tuned@1');
  t.is((await repo.dlv('diff', '--quiet')).code, 0);
  t.is((await repo.fails(1, 'commit', '-a', '-m', 'x')).code, 'DLV_CONFLICT');
  await repo.json('add', '.');
  await repo.json('add', '-u');
  // One that is written is tracked as any other; the rest stays.
  await repo.write('tuned/b.txt', 'better');
  const made = await repo.json<CommitResult>('commit', '-a', '-m', 'second');
  t.deepEqual(made.changes, [{ path: 'tuned/b.txt', status: 'modified' }]);
  t.deepEqual(paths(await repo.json<ShowResult>('show')), all);
  await fs.rm(repo.file('tuned/b.txt'));
  const removed = await repo.json<CommitResult>('commit', '-a', '-m', 'third');
  t.deepEqual(removed.changes, [{ path: 'tuned/b.txt', status: 'deleted' }]);
});

test('absent: naming a file takes it out, restore writes it, and then its deletion is one', async (t) => {
  const repo = await copied(t);
  await repo.json('add', 'tuned/a.txt');
  const out = await repo.json<CommitResult>('commit', '-m', 'without a');
  t.deepEqual(out.changes, [{ path: 'tuned/a.txt', status: 'deleted' }]);
  const hint = await repo.dlv('commit', '-a', '-m', 'x', '--allow-empty');
  t.regex(hint.stderr, /2 files of 'tuned' were never written here/);
  await repo.json('restore', 'tuned');
  t.deepEqual((await repo.json<StatusResult>('status')).models.at(-1)?.absent, []);
  await fs.rm(repo.file('tuned/c.txt'));
  t.deepEqual((await repo.json<CommitResult>('commit', '-a', '-m', 'y')).changes, [
    { path: 'tuned/c.txt', status: 'deleted' },
  ]);
});

test('removals: a commit that leaves less than half of the files says so and wants a word', async (t) => {
  const repo = await TestRepository.create(t);
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await repo.write(name, name);
  await repo.json('add', '.');
  await repo.json('commit', '-m', 'first');
  for (const name of ['a', 'b', 'c']) await fs.rm(repo.file(name));
  for (const how of [['-a'], ['-a', '--dry-run'], ['-a', '--amend']]) {
    const error = await repo.fails(1, 'commit', '-m', 'x', ...how);
    t.is(error.code, 'DLV_CONFLICT', how.join(' '));
    t.regex(error.message, /2 of 5 would be left/);
    t.regex(String(error.data.hint), /--allow-removals/);
  }
  t.is((await repo.json<CommitResult>('commit', '-am', 'x', '--allow-removals')).files, 2);
  // Moved is not removed, and half may go.
  await fs.rename(repo.file('d'), repo.file('moved'));
  await repo.json('add', '.');
  t.is((await repo.json<CommitResult>('commit', '-m', 'moved')).files, 2);
  await fs.rm(repo.file('e'));
  t.is((await repo.json<CommitResult>('commit', '-am', 'half')).files, 1);
});
