/** Lists, tables and du count the same versions: also those of branches that are at a remote alone, and no stash. */
import path from 'node:path';
import test from 'ava';
import { dlvJson } from '../helpers/dlv.js';
import { TestRepository } from '../helpers/repository.js';

interface Counted {
  model: string;
  versions: number;
}

test('list, du and tables of versions count what is at a remote alone, and no stash', async (t) => {
  const source = await TestRepository.create(t);
  await source.write('model.txt', 'one\n');
  await source.commit('first');
  const dir = path.join(path.dirname(source.dir), 'clone');
  await source.json('clone', source.dir, dir);
  await source.write('model.txt', 'two\n');
  await source.commit('second');
  await source.json('switch', '-c', 'side');
  await source.write('model.txt', 'three\n');
  await source.commit('third');
  await source.json('copy', 'net@3', 'tuned');
  const repo = new TestRepository(dir);
  await repo.json('fetch', '--all');
  await repo.write('model.txt', 'unfinished\n');
  await repo.json('stash');
  const counts = (rows: Counted[]): Record<string, number> =>
    Object.fromEntries(rows.map(({ model, versions }) => [model, versions]));
  const wanted = { net: 3, tuned: 1 };
  t.deepEqual(counts(await repo.json<Counted[]>('list')), wanted);
  const du = await repo.json<{ models: Counted[]; versions: { version: string }[] }>(
    'du',
    '--versions',
  );
  t.deepEqual(counts(du.models), wanted);
  t.is(du.versions.length, 4);
  t.is((await repo.json<{ versions: number }>('list', '--versions')).versions, 4);
  // A model that is at the remote alone is found by its name.
  t.is((await dlvJson<Counted[]>(['list', '--model', 'tuned'], { cwd: dir })).length, 1);
  t.regex((await repo.dlv('list')).stdout, /^ {2}tuned {2}1 version, no branch here/m);
  t.regex((await repo.dlv('list')).stdout, /^\* net {2}3 versions, branch main$/m);
});
