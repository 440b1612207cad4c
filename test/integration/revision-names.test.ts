/** No new model, branch or tag gets a name that reads as another revision. */
import test from 'ava';
import { updateRef } from '../../lib/storage/repo/refs/refs.js';
import { add } from '../../lib/use/ops/add.js';
import { createBranch, deleteBranch, renameBranch } from '../../lib/use/ops/branch.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { copy } from '../../lib/use/ops/copy.js';
import { init } from '../../lib/use/ops/init.js';
import { reset } from '../../lib/use/ops/reset.js';
import { switchTo } from '../../lib/use/ops/switch.js';
import { createTag, deleteTag, listTags } from '../../lib/use/ops/tag.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';

const WHY = { who: 'ada <ada@example.org>', time: 0, reason: 'test' };

async function twoVersions(...[t]: Parameters<typeof TestRepository.create>) {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', Buffer.from('1'));
  const first = await repo.commit('first');
  await repo.write('a.txt', Buffer.from('2'));
  const second = await repo.commit('second');
  return { repo, first: first.version, second: second.version };
}

test('names: what reads as a revision cannot be made', async (t) => {
  const { repo, first } = await twoVersions(t);
  const { context } = repo;
  const head = { message: /names the current version already$/ };
  const at = { message: /holds '@'/ };
  const digits = { message: /could be the first digits of a version id$/ };
  const bad: [string, { message: RegExp }][] = [
    ['net@1', at],
    ['v1@x', at],
    [first, digits],
    ['8dd9a42eb5', digits],
    ['8DD9A42EB5', digits],
    ['HEAD', head],
  ];
  for (const [name, { message }] of bad) {
    const refused = async (
      verb: (open: Parameters<Parameters<typeof repo.with>[0]>[0]) => Promise<unknown>,
    ): Promise<void> => {
      await t.throwsAsync(repo.with(verb), { code: 'DLV_USAGE', message }, name);
    };
    await refused((open) => createBranch(open, { name }, context));
    await refused((open) => createBranch(open, { name: `net/${name}` }, context));
    await refused((open) => renameBranch(open, { to: name }, context));
    await refused((open) => switchTo(open, { name, create: true }, context));
    await refused((open) => createTag(open, { name }, context));
    await refused((open) => copy(open, { revision: 'HEAD', name }, context));
    await refused((open) => add(open, { paths: ['a.txt'], model: name }, context));
    await refused(() => init(context, { dir: 'inner', model: name }));
    await refused(() => init(context, { dir: 'inner', branch: name }));
  }
  for (const name of [
    'abc',
    'feat/cafe',
    'v1',
    'deadline',
    'head',
    '2024',
    '20241105',
    '1700000000',
    'cafe',
  ]) {
    await t.notThrowsAsync(
      repo.with((open) => createBranch(open, { name }, context)),
      name,
    );
  }
});

test('names: a tag and a model are not called the same', async (t) => {
  const { repo } = await twoVersions(t);
  const { context } = repo;
  const refused = { code: 'DLV_EXISTS', message: /is the name of a model|there is a tag/ };
  await t.throwsAsync(
    repo.with((open) => createTag(open, { name: 'net' }, context)),
    refused,
  );
  await repo.with((open) => createTag(open, { name: 'best' }, context));
  for (const verb of ['copy', 'add']) {
    await t.throwsAsync(
      repo.with<unknown>((open) =>
        verb === 'copy'
          ? copy(open, { revision: 'HEAD', name: 'best' }, context)
          : add(open, { paths: ['a.txt'], model: 'best' }, context),
      ),
      refused,
      verb,
    );
  }
});

test('names: those of an older repository are ambiguous, and can be deleted', async (t) => {
  const { repo, first, second } = await twoVersions(t);
  const { context } = repo;
  const digits = second.slice(0, 10);
  await repo.with((open) =>
    open.locked(async (lock) => {
      await updateRef(lock, {
        name: 'refs/heads/net/net@1',
        before: null,
        after: second,
        why: WHY,
      });
      await updateRef(lock, { name: `refs/tags/${digits}`, before: null, after: first, why: WHY });
    }),
  );
  const ambiguous = { code: 'DLV_AMBIGUOUS' };
  for (const revision of ['net@1', digits]) {
    await t.throwsAsync(
      repo.with((open) => reset(open, { revision, mode: 'hard' }, context)),
      ambiguous,
    );
    await t.throwsAsync(
      repo.with((open) => checkout(open, { revision }, context)),
      ambiguous,
    );
  }
  // Moving a tag that is there makes no new name.
  await repo.with((open) => createTag(open, { name: digits, force: true }, context));
  await repo.with((open) => deleteTag(open, { name: `refs/tags/${digits}` }, context));
  await repo.with((open) => deleteBranch(open, { name: 'net/net@1' }, context));
  t.deepEqual(await repo.with((open) => listTags(open, {}, context)), []);
  t.is((await repo.with((open) => checkout(open, { revision: 'net@1' }, context))).version, first);
});

test('revisions: a model with several branches and no main says which there are', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('copy', 'net', 'other');
  await repo.json('branch', '-m', 'other/main', 'a');
  t.is((await repo.json<unknown[]>('log', 'other')).length, 4, 'its only branch');
  await repo.json('branch', 'other/b', 'other/a');
  const { message, data } = await repo.fails(1, 'log', 'other');
  t.regex(message, /'other' has no branch 'main'/);
  t.deepEqual(data.candidates, ['other/a', 'other/b']);
});
