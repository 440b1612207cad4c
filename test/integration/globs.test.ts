/** The same words mean the same files to every command: paths, folders and globs. */
import path from 'node:path';
import test from 'ava';
import { add } from '../../lib/use/ops/add.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { diff } from '../../lib/use/ops/diff.js';
import { log } from '../../lib/use/ops/log.js';
import { restore } from '../../lib/use/ops/restore.js';
import { rm } from '../../lib/use/ops/rm.js';
import { TestRepository } from '../helpers/repository.js';

const FILES = ['a/b', 'a/c/x.pt', 'a/d', 'b.pt', 'c1.pt', 'odd[1].pt', 'odd1.pt', 'run/deep/z.pt'];

/** What each word means in the folder `cwd`. */
const WORDS: [cwd: string, word: string, means: string[]][] = [
  ['', 'a/{b,c}', ['a/b', 'a/c/x.pt']],
  ['', 'a', ['a/b', 'a/c/x.pt', 'a/d']],
  ['', 'a/*', ['a/b', 'a/c/x.pt', 'a/d']],
  ['', '*', FILES],
  ['', '*.pt', ['b.pt', 'c1.pt', 'odd[1].pt', 'odd1.pt']],
  ['', '**/*.pt', FILES.filter((name) => name.endsWith('.pt'))],
  ['', '[a-c]*.pt', ['b.pt', 'c1.pt']],
  ['', 'odd[1].pt', ['odd[1].pt']],
  ['', 'odd\\[1].pt', ['odd[1].pt']],
  ['', './run/../r?n/**', ['run/deep/z.pt']],
  ['', 'r?n/', ['run/deep/z.pt']],
  ['a', '{b,c}', ['a/b', 'a/c/x.pt']],
  ['a', '../*.pt', ['b.pt', 'c1.pt', 'odd[1].pt', 'odd1.pt']],
  ['a', '.', ['a/b', 'a/c/x.pt', 'a/d']],
];

for (const [cwd, word, means] of WORDS) {
  test(`globs: '${word}' in '${cwd}' means the same everywhere`, async (t) => {
    const repo = await TestRepository.create(t);
    for (const name of FILES) await repo.write(name, `one of ${name}`);
    const context = { ...repo.context, cwd: path.join(repo.dir, cwd) };
    const wanted = [...means].sort();

    const added = await repo.with((open) => add(open, { paths: [word] }, context));
    t.deepEqual(added.files.map((file) => file.path).sort(), wanted, 'add');
    await repo.commit('all');

    await repo.commit('again', { paths: [], allowEmpty: true });
    const versions = await repo.with((open) => log(open, { paths: [word] }, context));
    t.is(versions.length, 1, 'log');

    for (const name of FILES) await repo.write(name, `two, which is longer, of ${name}`);
    const { files } = await repo.with((open) =>
      diff(open, { revisions: [], paths: [word], filesOnly: true }, context),
    );
    t.deepEqual(files.map((file) => file.path).sort(), wanted, 'diff');

    const restored = await repo.with((open) => restore(open, { paths: [word] }, context));
    t.deepEqual(restored.written.sort(), wanted, 'restore');

    for (const name of FILES) await repo.write(name, `three: even longer than before, ${name}`);
    const done = await repo.with((open) =>
      checkout(open, { revision: 'HEAD', paths: [word], force: true }, context),
    );
    t.deepEqual(done.written.sort(), wanted, 'checkout');

    const removed = await repo.with((open) =>
      rm(open, { paths: [word], recursive: true, cached: true }, context),
    );
    t.deepEqual(removed.removed, wanted, 'rm');
  });
}

test('globs: add stages what a glob names and is gone; rm wants -r for folders', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of FILES) await repo.write(name, name);
  await repo.commit('all');
  await repo.remove('a/b');
  await repo.remove('run');
  const added = await repo.with((open) => add(open, { paths: ['{a,run}/**'] }, repo.context));
  t.deepEqual(
    added.files.filter((file) => file.status === 'deleted').map((file) => file.path),
    ['a/b', 'run/deep/z.pt'],
  );
  await t.throwsAsync(
    repo.with((open) => rm(open, { paths: ['a/{c,x}'] }, repo.context)),
    { code: 'DLV_NOT_FOUND', message: "'a/{c,x}' is a folder" },
  );
  const { removed } = await repo.with((open) => rm(open, { paths: ['{a,c*}'] }, repo.context));
  t.deepEqual(removed, ['c1.pt']);
});

test('globs: ignored files are taken only by force, links and outer folders never', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('.dlvignore', '*.tmp\ncache/\n');
  for (const name of ['a.tmp', 'b.pt', 'cache/c.pt']) await repo.write(name, name);
  const paths = async (word: string, force: boolean): Promise<string[]> => {
    const added = await repo.with((open) => add(open, { paths: [word], force }, repo.context));
    return added.files.map((file) => file.path).sort();
  };
  t.deepEqual(await paths('**/[a-c]*', false), ['b.pt']);
  t.deepEqual(await paths('**/[a-c]*', true), ['a.tmp', 'b.pt', 'cache/c.pt']);
  await t.throwsAsync(paths('../*', false), { code: 'DLV_USAGE', message: /outside/ });
  await t.throwsAsync(paths('x*', false), { code: 'DLV_NOT_FOUND' });
});
