/**
 * Refs and reflogs that tell different stories: a ref that fsck brought back, a branch without a reflog, a
 * line of a branch that was never made.
 */
import fs from 'node:fs/promises';
import test from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import { fsck } from '../../lib/use/ops/fsck.js';
import { TestRepository } from '../helpers/repository.js';
import { fsckProblems } from '../trust/record.js';

interface Shown {
  version: Id;
}

const idOf = async (repo: TestRepository, revision: string): Promise<Id> =>
  (await repo.json<Shown[]>('log', revision, '-1'))[0]?.version as Id;

test('a lost branch that fsck brought back goes on where it was, and knows where it had been', async (t) => {
  const repo = await TestRepository.create(t);
  const ids: Id[] = [];
  for (const text of ['one', 'two']) {
    await repo.write('a', text);
    ids.push((await repo.commit(text)).version);
  }
  await fs.rm(repo.file('.dlv/refs/heads/net/main'));
  t.true((await fsck(repo.context, { rebuild: true })).ok);
  t.is(await idOf(repo, 'main'), ids[1] as Id);
  t.is(await idOf(repo, 'main@{1}'), ids[0] as Id);
  await repo.write('a', 'three');
  ids.push((await repo.commit('three')).version);
  const found = [];
  for (const revision of ['main', 'main@{1}', 'main@{2}']) found.push(await idOf(repo, revision));
  t.deepEqual(found, ids.toReversed());
  t.deepEqual(await fsckProblems(repo.dir), []);
});

test('a branch without a reflog is never merged with another version', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a', 'one');
  const first = (await repo.commit('one')).version;
  await repo.json('branch', 'kept');
  await repo.write('a', 'two');
  const second = (await repo.commit('two')).version;
  await repo.json('branch', 'equal');
  await fs.rm(repo.file('.dlv/logs/refs/heads/net/kept'));
  await fs.rm(repo.file('.dlv/logs/refs/heads/net/equal'));
  for (const argv of [
    ['branch', '-m', 'kept'],
    ['branch', '-m', 'equal'],
    ['branch', 'kept'],
    ['switch', '-c', 'kept'],
    ['branch', 'equal'],
  ]) {
    t.is((await repo.fails(1, ...argv)).code, 'DLV_EXISTS', argv.join(' '));
  }
  t.is(await idOf(repo, 'kept'), first);
  t.is(await idOf(repo, 'equal'), second);
  t.is(await idOf(repo, 'kept'), first);
  t.deepEqual(await fsckProblems(repo.dir), []);
});

test('a line of a branch that an older dlv never came to make is told, and --rebuild makes it', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a', 'one');
  await repo.commit('one');
  await repo.json('branch', 'made');
  await fs.rm(repo.file('.dlv/refs/heads/net/made'));
  const { problems } = await fsck(repo.context);
  t.deepEqual(
    problems.map(({ kind, area, file }) => [kind, area, file]),
    [['missing', 'ref', 'refs/heads/net/made']],
  );
  t.true((await fsck(repo.context, { rebuild: true })).ok);
  await repo.json('branch', '-d', 'made');
  t.deepEqual(await fsckProblems(repo.dir), []);
});
