/** `dlv switch`, `dlv branch`, `dlv tag`. */
import test from 'ava';
import type { BranchChange } from '../../lib/use/ops/branch.js';
import type { BranchEntry } from '../../lib/use/ops/branch-list.js';
import type { SwitchResult } from '../../lib/use/ops/switch.js';
import type { TagEntry } from '../../lib/use/ops/tag.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';

test('switch: to a branch and back, files follow', async (t) => {
  const { repo } = await threeVersions(t);
  const made = await repo.json<SwitchResult>('switch', '-c', 'side', 'net@1');
  t.like(made, { created: true, branch: 'side' });
  t.is(await repo.text('note.txt'), 'version 1\n');
  await repo.write('note.txt', 'side\n');
  await repo.commit('on the side');
  const back = await repo.json<SwitchResult>('switch', 'main');
  t.like(back, { created: false, branch: 'main', before: { model: 'net', branch: 'side' } });
  t.is(await repo.text('note.txt'), 'version 3\n');
  t.deepEqual(await repo.changes(), []);
  await repo.json('switch', 'net/side');
  t.is(await repo.text('note.txt'), 'side\n');
});

test('switch: refuses over changes; -c takes them along', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('branch', 'old', 'net@1');
  await repo.write('note.txt', 'changed');
  t.is((await repo.fails(1, 'switch', 'old')).code, 'DLV_CONFLICT');
  await repo.json('switch', '-c', 'new');
  t.is(await repo.text('note.txt'), 'changed');
  t.deepEqual(await repo.changes(), ['modified note.txt']);
  const failed = await repo.fails(1, 'switch', '-c', 'third', 'net@1');
  t.is(failed.code, 'DLV_CONFLICT');
  const branches = await repo.json<BranchEntry[]>('branch');
  t.deepEqual(
    branches.map(({ branch }) => branch),
    ['main', 'new', 'old'],
  );
});

test('switch: to a model moves HEAD and touches no file', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('other/m.txt', 'one');
  await repo.commit('other one', { model: 'other', paths: ['other'] });
  await repo.write('note.txt', 'changed');
  await repo.write('other/m.txt', 'changed too');
  const result = await repo.json<SwitchResult>('switch', 'other');
  t.like(result, { model: 'other', branch: 'main', written: [], removed: [] });
  t.is(await repo.text('note.txt'), 'changed');
  t.is(await repo.text('other/m.txt'), 'changed too');
  await repo.json('switch', 'net');
  t.deepEqual((await repo.changes()).toSorted(), ['modified note.txt', 'modified other/m.txt']);
});

test('switch: a model that stands on a version comes back to it', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.write('other/m.txt', 'one');
  await repo.commit('other one', { model: 'other', paths: ['other'] });
  await repo.json('checkout', 'net@1');
  await repo.json('switch', 'other');
  const back = await repo.json<SwitchResult>('switch', 'net');
  t.like(back, { model: 'net', branch: null, version: versions[0]?.version });
  t.deepEqual(await repo.changes(), []);
});

test('switch: before the first version only the name of the branch changes', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', '.');
  t.like(await repo.json('switch', '-c', 'trunk'), { branch: 'trunk', version: null });
  const first = await repo.commit('first', { paths: [] });
  t.is(first.branch, 'trunk');
});

test('switch: what is not there, is there already, or is two things', async (t) => {
  const { repo } = await threeVersions(t);
  t.regex((await repo.fails(1, 'switch', 'mian')).data.hint ?? '', /main/);
  t.regex((await repo.fails(1, 'switch', 'net@1')).data.hint ?? '', /dlv checkout net@1/);
  t.is((await repo.fails(1, 'switch', '-c', 'main')).code, 'DLV_EXISTS');
  t.is((await repo.fails(2, 'switch', '-c', 'a..b')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'switch', 'main', 'net@1')).code, 'DLV_USAGE');
  await repo.json('copy', 'net', 'twin');
  await repo.json('branch', 'twin');
  t.is((await repo.fails(1, 'switch', 'twin')).code, 'DLV_AMBIGUOUS');
  t.like(await repo.json('switch', 'net/twin'), { model: 'net', branch: 'twin' });
  t.is((await repo.fails(2, 'switch', '-c', 'x', 'twin/main')).code, 'DLV_USAGE');
});

test('branch: lists, makes, renames', async (t) => {
  const { repo, versions } = await threeVersions(t);
  t.like(await repo.json('branch', 'old', 'net@1'), {
    action: 'created',
    branch: 'old',
    version: versions[0]?.version,
  });
  const list = await repo.json<BranchEntry[]>('branch');
  t.like(list, [
    { branch: 'main', current: true, number: 3, message: 'third' },
    { branch: 'old', current: false, number: 1, message: 'first' },
  ]);
  const renamed = await repo.json<BranchChange>('branch', '-m', 'trunk');
  t.like(renamed, { action: 'renamed', branch: 'trunk', from: 'main' });
  t.deepEqual(await repo.changes(), []);
  const { head } = await repo.json<{ head: { branch: string } }>('status');
  t.is(head.branch, 'trunk');
  await repo.write('note.txt', 'fourth');
  t.is((await repo.commit('fourth')).branch, 'trunk');
  t.is((await repo.fails(1, 'branch', '-m', 'old', 'trunk')).code, 'DLV_EXISTS');
  t.like(await repo.json('branch', '-m', 'trunk', 'trunk'), { branch: 'trunk', from: 'trunk' });
  t.is((await repo.fails(1, 'branch', 'old')).code, 'DLV_EXISTS');
});

test('branch -d: keeps versions that nothing else names, unless -D', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('branch', 'old', 'net@1');
  t.like(await repo.json('branch', '-d', 'old'), { action: 'deleted', branch: 'old' });
  await repo.json('switch', '-c', 'side');
  await repo.write('note.txt', 'side');
  await repo.commit('side');
  t.is((await repo.fails(1, 'branch', '-d', 'side')).code, 'DLV_CONFLICT');
  await repo.json('switch', 'main');
  t.is((await repo.fails(1, 'branch', '-d', 'side')).code, 'DLV_CONFLICT');
  await repo.json('tag', 'kept', 'side');
  await repo.json('branch', '-d', 'side');
  await repo.json('switch', '-c', 'gone', 'net@2');
  await repo.write('note.txt', 'gone');
  await repo.commit('gone');
  await repo.json('switch', 'main');
  await repo.json('branch', '-D', 'gone');
  t.deepEqual((await repo.json<BranchEntry[]>('branch')).length, 1);
  t.is((await repo.fails(1, 'branch', '-d', 'gone')).code, 'DLV_NOT_FOUND');
});

test('tag -m: message, author and time are kept, through gc and fsck, until another is said', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('tag', 'bare');
  await repo.json('tag', '-a', 'paper', 'net@2', '-m', 'the one in the paper\n\ntable 3');
  t.is((await repo.fails(1, 'tag', '-m', 'again', 'paper', 'net@2')).code, 'DLV_EXISTS');
  await repo.json('gc', '--prune=now');
  const listed = await repo.json<TagEntry[]>('tag');
  t.is(listed[0]?.note, null);
  t.like(listed[1], { tag: 'paper', version: versions[1]?.version });
  t.is(listed[1]?.note?.message, 'the one in the paper\n\ntable 3');
  t.regex(listed[1]?.note?.author ?? '', /<.+@.+>/);
  t.true(Math.abs(Date.now() - Date.parse(listed[1]?.note?.time ?? '')) < 3_600_000);
  t.regex((await repo.dlv('tag', '-n3')).stdout, /the one in the paper\n\n {4}table 3\n {4}.*@/);
  await repo.json('tag', '-f', '-m', 'the other', 'paper', 'net@2');
  await repo.json('tag', '-f', '-m', 'of the third', 'paper', 'net@3');
  t.is((await repo.json<TagEntry[]>('tag'))[1]?.note?.message, 'of the third');
  await repo.json('tag', '-f', 'paper', 'net@2');
  t.is((await repo.json<TagEntry[]>('tag'))[1]?.note?.message, 'the other');
  t.is((await repo.fails(2, 'tag', '-a', 'x')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'tag', '-m', ' ', 'x')).code, 'DLV_USAGE');
  t.is((await repo.dlv('fsck', '--files')).code, 0);
});

test('tag: makes, lists, refuses to move, moves, deletes', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('tag', 'v1', 'net@1');
  await repo.json('tag', 'best');
  t.like(await repo.json<TagEntry[]>('tag'), [
    { tag: 'best', model: 'net', number: 3 },
    { tag: 'v1', number: 1, version: versions[0]?.version },
  ]);
  t.is((await repo.fails(1, 'tag', 'v1')).code, 'DLV_EXISTS');
  t.like(await repo.json('tag', '-f', 'v1', 'net@2'), {
    action: 'moved',
    before: versions[0]?.version,
    version: versions[1]?.version,
  });
  t.like(await repo.json('tag', '-d', 'v1'), { action: 'deleted', tag: 'v1' });
  t.is((await repo.fails(1, 'tag', '-d', 'bset')).code, 'DLV_NOT_FOUND');
  t.is((await repo.fails(2, 'tag', 'a b')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'tag', '-d')).code, 'DLV_USAGE');
});

test('switch -c: a branch that was made and left is there already', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('switch', '-c', 'tried');
  await repo.json('switch', 'main');
  t.is((await repo.fails(1, 'switch', '-c', 'tried')).code, 'DLV_EXISTS');
  await repo.json('branch', '-D', 'tried');
  await repo.json('switch', '-c', 'tried');
});
