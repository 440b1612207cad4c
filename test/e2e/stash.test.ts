/** `dlv stash`: work goes aside and comes back as it was, whatever happens in between. */
import test from 'ava';
import type { ShowResult } from '../../lib/use/ops/show.js';
import type { StashEntry, StashResult } from '../../lib/use/ops/stash.js';
import { cloned, pushed } from '../helpers/remotes.js';
import { type TestRepository, threeVersions } from '../helpers/repository.js';

/** Changes a file, stages another, adds one, removes one. */
async function work(repo: TestRepository): Promise<void> {
  await repo.write('sub/kept.txt', 'kept');
  await repo.commit('four');
  await repo.write('note.txt', 'changed');
  await repo.write('model.safetensors', Buffer.concat([await repo.read('model.safetensors')]));
  await repo.write('added.txt', 'added');
  await repo.json('add', 'added.txt');
  await repo.remove('sub/kept.txt');
  await repo.write('new.txt', 'new');
}

test('stash and pop: changed, added, removed and untracked files', async (t) => {
  const { repo } = await threeVersions(t);
  await work(repo);
  const before = await repo.changes();
  const pushed = await repo.json<StashResult>('stash');
  t.deepEqual(pushed.stash.changes, [
    { path: 'added.txt', status: 'added' },
    { path: 'note.txt', status: 'modified' },
    { path: 'sub/kept.txt', status: 'deleted' },
  ]);
  t.deepEqual(await repo.changes(), ['untracked new.txt']);
  t.is(await repo.text('note.txt'), 'version 3\n');
  t.is(await repo.text('sub/kept.txt'), 'kept');
  t.false(await repo.exists('added.txt'));
  await repo.json('stash', 'push', '-u', '-m', 'the new one');
  t.false(await repo.exists('new.txt'));
  t.deepEqual(
    (await repo.json<StashEntry[]>('stash', 'list')).map(({ name, message }) => [name, message]),
    [
      ['stash@{0}', 'the new one'],
      ['stash@{1}', 'WIP on net/main: four'],
    ],
  );
  // Other versions, a collection of garbage: what is put aside stays.
  await repo.write('other.txt', 'other');
  await repo.commit('five');
  await repo.json('gc', '--prune=now');
  t.is((await repo.dlv('fsck', '--files')).code, 0);
  await repo.json('stash', 'pop', 'stash@{1}');
  await repo.json('stash', 'pop');
  t.deepEqual(await repo.json('stash', 'list'), []);
  t.deepEqual(
    (await repo.changes()).map((line) => line.replace('staged added new', 'untracked new')).sort(),
    before.sort(),
  );
  t.is(await repo.text('note.txt'), 'changed');
  t.is(await repo.text('new.txt'), 'new');
});

test('stash save takes a message as in git; clear drops all, whose ids still answer', async (t) => {
  const { repo } = await threeVersions(t);
  for (const text of ['one', 'two']) {
    await repo.write('note.txt', text);
    await repo.json('stash', 'save', `the ${text}`);
  }
  const before = await repo.json<StashEntry[]>('stash', 'list');
  t.deepEqual(
    before.map(({ message }) => message),
    ['the two', 'the one'],
  );
  t.deepEqual(await repo.json('stash', 'clear'), before as unknown);
  t.deepEqual(await repo.json('stash', 'list'), []);
  await repo.json('checkout', (before[1] as StashEntry).version, '--out', 'old');
  t.is(await repo.text('old/note.txt'), 'one');
  t.regex((await repo.dlv('stash', 'clear')).stderr, /nothing was put aside/);
});

test('stash: conflicts are named and nothing is changed', async (t) => {
  const { repo } = await threeVersions(t);
  t.regex((await repo.fails(1, 'stash')).message, /nothing to stash/);
  t.is((await repo.fails(1, 'stash', 'pop')).code, 'DLV_NOT_FOUND');
  t.is((await repo.fails(2, 'stash', 'no')).code, 'DLV_USAGE');
  await repo.write('note.txt', 'aside');
  await repo.json('stash');
  await repo.write('note.txt', 'mine');
  const blocked = await repo.fails(1, 'stash', 'pop');
  t.regex(blocked.message, /in no version: 'note.txt'/);
  t.regex(blocked.data.hint ?? '', /'dlv stash -u'.*'dlv restore --staged --worktree <paths>'/);
  t.is(await repo.text('note.txt'), 'mine');
  await repo.commit('mine');
  const { message, data } = await repo.fails(1, 'stash', 'apply');
  t.regex(message, /changed since the stash, too: 'note.txt'/);
  const [, command = ''] = /'dlv (.*)'/.exec(data.hint ?? '') ?? [];
  await repo.json(...command.split(' '));
  t.is(await repo.text('note.txt'), 'aside');
  const dropped = await repo.json<StashResult>('stash', 'drop');
  t.is((await repo.dlv('show', dropped.stash.version)).code, 0, 'until gc');
});

test('stashes go with their model', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'aside');
  await repo.json('stash');
  await repo.json('model', 'rename', 'net', 'bert');
  await repo.json('forget', 'bert@2');
  t.is((await repo.json<StashEntry[]>('stash', 'list'))[0]?.model, 'bert');
  await repo.json('stash', 'pop');
  t.is(await repo.text('note.txt'), 'aside');
  await repo.json('stash');
  await repo.json('tag', 'all');
  const { data } = await repo.fails(1, 'model', 'delete', 'bert');
  t.is((data.versions as string[]).length, 1, 'the work that is put aside');
});

test('a stash has a name by number only while it is there', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'aside');
  const { stash } = await repo.json<StashResult>('stash');
  t.is((await repo.json<ShowResult>('show', 'net@4')).version, stash.version);
  await repo.json('stash', 'pop');
  const { message, data } = await repo.fails(1, 'show', 'net@4');
  t.regex(message, /there is no 'net@4': work that was put aside/);
  const [, id = ''] = /'dlv show (\w+)'/.exec(data.hint ?? '') ?? [];
  const shown = await repo.json<ShowResult>('show', id);
  t.is(shown.version, stash.version);
  t.is(shown.name, id);
  await repo.commit('next');
  t.is((await repo.json<ShowResult>('show')).name, 'net@5');
  // On a branch it is a version as any other.
  await repo.json('branch', 'aside', stash.version);
  t.is((await repo.json<ShowResult>('show', 'net@4')).name, 'net@4');
  await repo.json('branch', '-D', 'aside');
  t.is((await repo.json<ShowResult>('show', 'net@4')).version, stash.version);
});

test('stash and pop: what was staged as removed or moved is so again', async (t) => {
  const { repo } = await threeVersions(t);
  for (const name of ['a', 'b', 'c']) await repo.write(`${name}.txt`, name);
  await repo.commit('files');
  await repo.json('mv', 'a.txt', 'sub/a.txt');
  await repo.json('rm', 'b.txt');
  await repo.remove('c.txt');
  const before = (await repo.changes()).sort();
  t.true(before.includes('staged deleted b.txt'));
  await repo.json('stash');
  t.deepEqual(await repo.changes(), []);
  await repo.json('gc', '--prune=now');
  await repo.json('stash', 'pop');
  t.deepEqual((await repo.changes()).sort(), before);
  const { version } = await repo.commit('moved', { paths: [] });
  const { files } = await repo.json<ShowResult>('show', version);
  t.deepEqual(
    files.map(({ path }) => path).filter((path) => /[abc]\.txt$/.test(path)),
    ['c.txt', 'sub/a.txt'],
  );
});

test('stash: a run that was interrupted between two files is ended by the next one', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('other.txt', 'other');
  await repo.commit('two files');
  await repo.write('note.txt', 'changed');
  await repo.json('add', 'note.txt');
  await repo.write('other.txt', 'changed, too');
  const staging = await repo.read('.dlv/staging');
  const { stash } = await repo.json<StashResult>('stash');
  // As it was when one file was as in the version again, and the other was not.
  await repo.write('.dlv/staging', staging);
  await repo.write('other.txt', 'changed, too');
  const { stash: ended } = await repo.json<StashResult>('stash');
  t.is(ended.version, stash.version);
  t.is((await repo.json<StashEntry[]>('stash', 'list')).length, 1);
  t.deepEqual(await repo.changes(), []);
  t.is(await repo.text('other.txt'), 'other');
  await repo.json('stash', 'pop');
  t.is(await repo.text('note.txt'), 'changed');
  t.is(await repo.text('other.txt'), 'changed, too');
});

test('stash: a part of what the newest stash keeps is another stash', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('other.txt', 'other');
  await repo.commit('two files');
  await repo.write('note.txt', 'changed');
  await repo.write('other.txt', 'changed, too');
  await repo.json('stash');
  // Times of files that changed in the tick of the clock in which they were staged prove nothing.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await repo.json('restore', '.');
  await repo.json('add', '.');
  await repo.write('other.txt', 'changed, too');
  await repo.json('stash');
  t.deepEqual(
    (await repo.json<StashEntry[]>('stash', 'list')).map(({ changes }) => changes.length),
    [1, 2],
  );
});

test('stash: a change that looks like a part of the last stash is one of its own', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('mv', 'note.txt', 'moved.txt');
  const first = await repo.json<StashResult>('stash');
  await repo.remove('note.txt');
  const second = await repo.json<StashResult>('stash');
  t.not(second.stash.version, first.stash.version);
  t.deepEqual(second.stash.changes, [{ path: 'note.txt', status: 'deleted' }]);
  t.deepEqual(await repo.changes(), []);
  // And one that no staging tells of.
  await repo.remove('note.txt');
  await repo.write('moved.txt', 'untracked');
  await repo.json('stash', '-u');
  await repo.remove('note.txt');
  await repo.json('stash', '-u');
  t.deepEqual(
    (await repo.json<StashEntry[]>('stash', 'list')).map(({ changes }) => changes.length),
    [1, 2, 1, 2],
  );
});

test('pop: a file that the stash removes and that was changed and staged is a conflict, also if the tip lacks it', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.remove('note.txt');
  await repo.json('stash');
  await repo.remove('note.txt');
  await repo.commit('without', { paths: ['.'] });
  await repo.write('note.txt', 'another');
  await repo.json('add', 'note.txt');
  const { message, data } = await repo.fails(1, 'stash', 'pop');
  t.regex(message, /changed since the stash, too: 'note.txt'/);
  t.regex(data.hint ?? '', /'dlv rm note.txt'/);
  t.is(await repo.text('note.txt'), 'another');
  t.deepEqual(await repo.changes(), ['staged added note.txt']);
  t.is((await repo.json<StashEntry[]>('stash', 'list')).length, 1);
  // Of a file that is not tracked, the removal is done already, as in git.
  await repo.json('rm', '--cached', 'note.txt');
  const popped = await repo.dlv('stash', 'pop');
  t.is(popped.code, 0, popped.stderr);
  t.regex(popped.stderr, /not tracked any more, so that the work file stays: 'note.txt'/);
  t.is(await repo.text('note.txt'), 'another');
  t.deepEqual(await repo.changes(), ['untracked note.txt']);
});

test('pop: what is staged counts, not the version below it', async (t) => {
  const { repo } = await threeVersions(t);
  const old = await repo.read('note.txt');
  await repo.write('note.txt', 'other');
  await repo.commit('other');
  await repo.write('note.txt', 'aside');
  await repo.json('stash');
  // Of a file that was removed, and of one whose content some version has.
  await repo.json('rm', 'note.txt');
  t.regex((await repo.fails(1, 'stash', 'pop')).message, /since the stash, too: 'note.txt'/);
  t.deepEqual(await repo.changes(), ['staged deleted note.txt']);
  await repo.write('note.txt', old);
  await repo.json('add', 'note.txt');
  t.regex((await repo.fails(1, 'stash', 'pop')).message, /since the stash, too: 'note.txt'/);
  t.deepEqual(await repo.read('note.txt'), old);
  await repo.write('note.txt', 'aside');
  await repo.json('add', 'note.txt');
  await repo.json('stash', 'pop');
  t.deepEqual(await repo.changes(), ['staged modified note.txt']);
});

test('pop, revert and merge: a file is not removed for a folder of its name', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('sub/a.txt', 'a');
  await repo.commit('folder');
  await repo.json('branch', 'theirs');
  await repo.write('sub/b.txt', 'b');
  await repo.json('stash', '-u');
  await repo.remove('sub');
  const { version } = await repo.commit('no folder', { paths: ['.'] });
  await repo.write('sub', 'file');
  await repo.commit('file');
  const refused = async (...args: string[]) => {
    const { message, data } = await repo.fails(1, ...args);
    t.regex(message, /'sub' cannot be a file and the folder of 'sub\/[ab].txt' at once/);
    t.regex(data.hint ?? '', /nothing was changed/);
    t.is(await repo.text('sub'), 'file');
    t.deepEqual(await repo.changes(), []);
  };
  await refused('stash', 'pop');
  await refused('revert', '--dry-run', version);
  await refused('revert', version);
  await repo.json('switch', 'theirs');
  await repo.json('stash', 'pop');
  await repo.commit('more in the folder', { paths: ['.'] });
  await repo.json('switch', 'main');
  await refused('merge', '--dry-run', 'theirs');
  await refused('merge', 'theirs');
});

test('a stash is no version of a line: tables, rules and printed names leave it out', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'aside');
  const { stash } = await repo.json<StashResult>('stash');
  const names = async (...words: string[]): Promise<string[]> =>
    (await repo.json<{ rows: { name: string }[] }>('list', ...words)).rows.map(({ name }) => name);
  t.deepEqual(await names('--where', 'number > 0'), ['net@3', 'net@2', 'net@1']);
  const kept = await repo.json<{ versions: { name: string; status: string }[] }>(
    'keep',
    '--versions',
    'last 2',
    '--dry-run',
  );
  t.deepEqual(
    kept.versions.map(({ name, status }) => `${name} ${status}`),
    ['net@3 kept', 'net@2 kept', 'net@1 given up'],
  );
  t.is((await repo.json<ShowResult>('show', stash.version)).name, stash.version.slice(0, 10));
});

test('the number of a stash is not taken from a version that another clone made meanwhile', async (t) => {
  const { repo, top, url } = await pushed(t);
  const { repo: other } = await cloned(top, url, 'other');
  await repo.write('note.txt', 'aside');
  await repo.json('stash');
  await other.write('note.txt', 'theirs');
  const made = await other.commit('theirs');
  t.is(made.name, 'net@4');
  await other.json('push');
  await repo.json('pull');
  t.like(await repo.json<ShowResult>('show', 'net@4'), {
    version: made.version!,
    name: 'net@4',
  });
  t.is((await repo.json<StashEntry[]>('stash', 'list')).length, 1);
});
