/** `dlv restore` and `dlv reset`: git's meaning. */
import test from 'ava';
import type { ResetResult } from '../../lib/use/ops/reset.js';
import type { RestoreResult } from '../../lib/use/ops/restore.js';
import type { StatusResult } from '../../lib/use/ops/status.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';

test('restore: work files become what is staged', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'staged');
  await repo.json('add', 'note.txt');
  await repo.write('note.txt', 'changed after');
  await repo.remove('model.safetensors');
  const result = await repo.json<RestoreResult>('restore', '.');
  t.deepEqual(result.written.toSorted(), ['model.safetensors', 'note.txt']);
  t.is(result.source, null);
  t.is(await repo.text('note.txt'), 'staged');
  t.deepEqual(await repo.changes(), ['staged modified note.txt']);
});

test('restore --staged: takes back what is staged, added and removed; work files stay', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'changed');
  await repo.write('new.txt', 'new');
  await repo.json('add', '.');
  await repo.json('rm', '--cached', 'model.safetensors');
  const result = await repo.json<RestoreResult>('restore', '--staged', '.');
  t.deepEqual(result.staged, ['model.safetensors', 'new.txt', 'note.txt']);
  t.deepEqual(result.written, []);
  t.deepEqual(await repo.changes(), ['modified note.txt', 'untracked new.txt']);
});

test('restore --staged: works before the first version', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.txt', 'a');
  await repo.json('add', 'a.txt');
  await repo.json('restore', '--staged', 'a.txt');
  t.deepEqual(await repo.changes(), ['untracked a.txt']);
});

test('restore --source: takes work files from a version and leaves what is staged', async (t) => {
  const { repo } = await threeVersions(t);
  const result = await repo.json<RestoreResult>('restore', '--source', 'net@1', 'note.txt');
  t.deepEqual(result.written, ['note.txt']);
  t.deepEqual(await repo.changes(), ['modified note.txt']);
  await repo.json('restore', '--source', 'net@2', '--staged', '--worktree', 'note.txt');
  t.is(await repo.text('note.txt'), 'version 2\n');
  t.deepEqual(await repo.changes(), ['staged modified note.txt']);
});

test('restore: a path that is not tracked, or of another model, is an error', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('other/m.txt', 'one');
  await repo.commit('other one', { model: 'other', paths: ['other'] });
  await repo.write('other/m.txt', 'two');
  t.is((await repo.fails(1, 'restore', 'none.txt')).code, 'DLV_NOT_FOUND');
  const other = await repo.fails(1, 'restore', 'other/m.txt');
  t.regex(other.data.hint ?? '', /--model other/);
  await repo.json('restore', '--model', 'other', 'other/m.txt');
  t.is(await repo.text('other/m.txt'), 'one');
  t.is((await repo.fails(2, 'restore')).code, 'DLV_USAGE');
});

test('restore: of a file that rm staged as removed, the way back is named and works', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('rm', 'note.txt');
  const { code, message, data } = await repo.fails(1, 'restore', 'note.txt');
  t.deepEqual([code, message], ['DLV_NOT_FOUND', "'note.txt' is staged as removed"]);
  const [, flags = ''] =
    /^'dlv restore (.*) note\.txt' brings it back$/.exec(data.hint ?? '') ?? [];
  await repo.json('restore', ...flags.split(' '), 'note.txt');
  t.deepEqual(await repo.changes(), []);
  t.regex((await repo.fails(1, 'restore', 'none.txt')).message, /matches no file/);
});

test('reset --soft: moves the line and keeps everything staged', async (t) => {
  const { repo, versions } = await threeVersions(t);
  const result = await repo.json<ResetResult>('reset', '--soft', 'HEAD~2');
  t.like(result, {
    branch: 'main',
    mode: 'soft',
    before: versions[2]?.version,
    version: versions[0]?.version,
  });
  t.deepEqual(await repo.changes(), [
    'staged modified model.safetensors',
    'staged modified note.txt',
  ]);
  const again = await repo.commit('squashed', { paths: [] });
  t.is(again.number, 4, 'a number is given once');
  t.deepEqual(await repo.changes(), []);
});

test('reset: unstages; the work files stay', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('note.txt', 'changed');
  await repo.write('new.txt', 'new');
  await repo.json('add', 'note.txt', 'new.txt');
  t.deepEqual((await repo.json<ResetResult>('reset')).staged, ['new.txt', 'note.txt']);
  t.deepEqual(await repo.changes(), ['modified note.txt', 'untracked new.txt']);
  t.deepEqual((await repo.json<ResetResult>('reset')).staged, []);
  await repo.json('add', 'new.txt');
  t.regex((await repo.dlv('reset')).stderr, /unstaged: 'new\.txt'; the work files stay/);
  await repo.remove('new.txt');
  await repo.json('reset', 'net@1');
  t.deepEqual(await repo.changes(), ['modified model.safetensors', 'modified note.txt']);
  await repo.json('reset', 'HEAD@{1}');
  t.deepEqual(await repo.changes(), ['modified note.txt']);
});

test('reset --hard: line, staged and work files; also over changes; and back', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.write('more.txt', 'more');
  await repo.commit('fourth');
  await repo.write('note.txt', 'changed');
  const result = await repo.json<ResetResult>('reset', '--hard', 'net@2');
  t.deepEqual(result.removed, ['more.txt']);
  t.is(await repo.text('note.txt'), 'version 2\n');
  t.deepEqual(await repo.changes(), []);
  const log = await repo.json<{ version: string }[]>('log');
  t.is(log[0]?.version, versions[1]?.version as string);
  await repo.json('reset', '--hard', 'HEAD@{1}');
  t.is(await repo.text('more.txt'), 'more');
  t.deepEqual(await repo.changes(), []);
});

test('reset -- <paths>: only what is staged of them', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.write('note.txt', 'changed');
  await repo.write('new.txt', 'new');
  await repo.json('add', '.');
  const result = await repo.json<ResetResult>('reset', '--', 'note.txt');
  t.like(result, { staged: ['note.txt'], version: versions[2]?.version });
  t.deepEqual(await repo.changes(), ['staged added new.txt', 'modified note.txt']);
  t.is((await repo.fails(2, 'reset', '--hard', '--', 'note.txt')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'reset', '--hard', '--soft')).code, 'DLV_USAGE');
});

test('reset: not to a version of another model, nor to nothing', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('copy', 'net', 'fine');
  t.is((await repo.fails(1, 'reset', 'fine')).code, 'DLV_CONFLICT');
  t.is((await repo.fails(1, 'reset', 'net@9')).code, 'DLV_NOT_FOUND');
});

test('reset: moves a HEAD that is on no branch', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('checkout', 'net@3');
  await repo.json('reset', '--hard', 'net@1');
  t.is(await repo.text('note.txt'), 'version 1\n');
  const { head } = await repo.json<{ head: unknown }>('status');
  t.deepEqual(head, {
    model: 'net',
    branch: null,
    name: 'net@1',
    version: versions[0]?.version,
    upstream: null,
  });
  t.is((await repo.json<unknown[]>('log', 'main')).length, 3);
});

test('restore --staged: what mv, rm or a change took away from here is deleted, not never written', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.write('a/x.txt', 'x');
  await repo.write('y.txt', 'y');
  await repo.write('z.txt', 'z');
  await repo.commit('files');
  await repo.json('mv', 'a', 'b');
  await repo.json('rm', 'y.txt');
  await repo.write('z.txt', 'changed');
  await repo.json('add', 'z.txt');
  await repo.remove('z.txt');
  await repo.json('restore', '--staged', '.');
  const short = await repo.dlv('status', '-s');
  t.is(short.stdout, ' D a/x.txt\n D y.txt\n D z.txt\n?? b/x.txt\n');
  t.notRegex((await repo.dlv('status')).stdout, /Never written/);
  // A work file of the same size is read, whatever its times are.
  await repo.write('z.txt', 'Z');
  t.regex((await repo.dlv('status', '-s')).stdout, /^ M z\.txt$/m);
  await repo.json('restore', '.');
  t.is(await repo.text('a/x.txt'), 'x');
  t.is((await repo.dlv('status', '-s')).stdout, '?? b/x.txt\n');
  await repo.json('rm', 'y.txt');
  await repo.json('reset');
  t.is((await repo.dlv('status', '-s')).stdout, ' D y.txt\n?? b/x.txt\n');
});

test('reset, restore --staged --source: what a later version removed here is deleted, not never written', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('rm', 'note.txt');
  await repo.commit('without the note', { paths: [] });
  const absent = async () => (await repo.json<StatusResult>('status')).models[0]?.absent;
  await repo.json('reset', 'HEAD~1');
  t.deepEqual([await repo.changes(), await absent()], [['deleted note.txt'], []]);
  const again = await repo.json<{ changes: unknown[] }>('commit', '-a', '-m', 'without it again');
  t.deepEqual(again.changes, [{ path: 'note.txt', status: 'deleted' }]);
  await repo.json('restore', '--staged', '--source', 'HEAD~1', 'note.txt');
  t.deepEqual(await repo.changes(), ['staged added note.txt', 'deleted note.txt']);
  t.deepEqual(await absent(), []);

  // Of a line that was never written here nobody knows, and nothing is lost.
  await repo.json('restore', '--staged', 'note.txt');
  await repo.json('copy', 'net@3', 'fine');
  await repo.json('switch', 'fine');
  await repo.json('rm', '--cached', 'fine/model.safetensors');
  await repo.json('restore', '--staged', 'fine/model.safetensors');
  await repo.json('reset', 'HEAD');
  const fine = (await repo.json<StatusResult>('status')).models.find(
    ({ model }) => model === 'fine',
  );
  t.deepEqual([fine?.unstaged, fine?.absent], [[], ['fine/model.safetensors', 'fine/note.txt']]);
});
