/**
 * Changes of files that are the same in both versions stay when the work tree goes from one to the other,
 * as with git; and what another command does meanwhile is noticed.
 */
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { switchTo } from '../../lib/use/ops/switch.js';
import { TestRepository } from '../helpers/repository.js';

/** Two branches that differ in 'differs' and agree in 'same'; HEAD is on main. */
async function twoBranches(
  t: Parameters<typeof TestRepository.create>[0],
): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  await repo.write('same', 'one\n');
  await repo.write('differs', 'one\n');
  await repo.commit('first');
  await repo.write('same', 'two\n');
  await repo.commit('second');
  await repo.json('switch', '-c', 'side');
  await repo.write('differs', 'side\n');
  await repo.commit('on the side');
  await repo.json('switch', 'main');
  return repo;
}

interface Carried {
  written: string[];
  carried: string[];
}

test('carry: an edit of a file that both versions have alike goes along', async (t) => {
  const repo = await twoBranches(t);
  await repo.write('same', 'edited\n');
  const there = await repo.json<Carried>('switch', 'side');
  t.deepEqual([there.written, there.carried], [['differs'], ['same']]);
  t.is(await repo.text('same'), 'edited\n');
  t.is(await repo.text('differs'), 'side\n');
  t.deepEqual(await repo.changes(), ['modified same']);
  const back = await repo.json<Carried>('checkout', 'main');
  t.deepEqual([back.written, back.carried], [['differs'], ['same']]);
  t.deepEqual(await repo.changes(), ['modified same']);
  await repo.json('checkout', '--force', 'side');
  t.is(await repo.text('same'), 'two\n');
  t.deepEqual(await repo.changes(), []);
});

test('carry: what is staged stays staged, a new file too', async (t) => {
  const repo = await twoBranches(t);
  await repo.write('same', 'staged\n');
  await repo.write('new', 'new\n');
  await repo.json('add', 'same', 'new');
  await repo.write('same', 'edited\n');
  const { carried } = await repo.json<Carried>('switch', 'side');
  t.deepEqual(carried.toSorted(), ['new', 'same']);
  t.deepEqual((await repo.changes()).toSorted(), [
    'modified same',
    'staged added new',
    'staged modified same',
  ]);
  t.is(await repo.text('new'), 'new\n');
  await repo.json('commit', '-m', 'what was staged');
  await repo.json('restore', 'same');
  t.is(await repo.text('same'), 'staged\n');
  await repo.json('switch', 'main');
  t.is(await repo.text('same'), 'two\n');
  t.is(await repo.text('new'), null);
});

test('carry: a change of a file that differs is refused, and nothing moves', async (t) => {
  const repo = await twoBranches(t);
  await repo.write('same', 'edited\n');
  await repo.write('differs', 'edited\n');
  t.is((await repo.fails(1, 'switch', 'side')).code, 'DLV_CONFLICT');
  t.is(await repo.text('same'), 'edited\n');
  t.deepEqual((await repo.changes()).toSorted(), ['modified differs', 'modified same']);
});

test('carry: a file that was restored from an older version survives a checkout of the same branch', async (t) => {
  const repo = await twoBranches(t);
  await repo.json('restore', '--source', 'main~1', 'same');
  t.is(await repo.text('same'), 'one\n');
  for (const argv of [
    ['checkout', 'main'],
    ['checkout', 'HEAD'],
    ['switch', 'side'],
  ]) {
    await repo.json(...argv);
    t.is(await repo.text('same'), 'one\n', argv.join(' '));
  }
});

test.serial(
  'checkout: is refused if HEAD goes elsewhere meanwhile, and HEAD stays there',
  async (t) => {
    const repo = await twoBranches(t);
    await repo.write('other/m', 'm\n');
    await repo.commit('other one', { model: 'other', paths: ['other'] });
    await repo.remove('same');
    const { rename } = io;
    t.teardown(() => {
      io.rename = rename;
    });
    io.rename = async (from, to) => {
      if (to === repo.file('same')) {
        io.rename = rename;
        await repo.with((again) => switchTo(again, { name: 'other' }, repo.context));
      }
      await rename(from, to);
    };
    await t.throwsAsync(
      repo.with((open) => checkout(open, { revision: 'main' }, repo.context)),
      { code: 'DLV_CONFLICT', message: /moved HEAD/ },
    );
    t.is((await repo.with((open) => open.head())).model, 'other');
  },
);

test('log: a version that gc removed is not called damage', async (t) => {
  const repo = await twoBranches(t);
  await repo.json('branch', '-D', 'side');
  await repo.json('reset', '--hard', 'HEAD~1');
  await repo.json('gc', '--prune=now');
  const error = await repo.fails(1, 'log', 'main@{1}');
  t.is(error.code, 'DLV_NOT_FOUND');
  t.regex(error.message, /was dropped by gc on/);
  t.regex(String(error.data.hint), /gc/);
});

test('branch --contains: through either parent of a merge, and not beside it', async (t) => {
  const repo = await twoBranches(t);
  await repo.json('branch', 'beside', 'main~1');
  await repo.write('differs', 'merged\n');
  await repo.json('add', 'differs');
  await repo.json('commit', '-m', 'merge', '--parent', 'side');
  const containing = async (revision: string): Promise<string[]> =>
    (await repo.json<{ branch: string }[]>('branch', '--contains', revision)).map(
      ({ branch }) => branch,
    );
  t.deepEqual(await containing('side'), ['main', 'side']);
  t.deepEqual(await containing('main'), ['main']);
  t.deepEqual(await containing('main~1'), ['main', 'side']);
  t.deepEqual(await containing('beside'), ['beside', 'main', 'side']);
});
