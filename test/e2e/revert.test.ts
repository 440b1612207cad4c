/** `dlv revert`: a new version that takes one back, or conflicts that are named and nothing changed. */
import test from 'ava';
import type { LogEntry } from '../../lib/use/ops/log.js';
import type { RevertResult } from '../../lib/use/ops/revert.js';
import { threeVersions } from '../helpers/repository.js';

test('revert: the last version, an added and a removed file', async (t) => {
  const { repo } = await threeVersions(t);
  const [note, model] = [await repo.read('note.txt'), await repo.read('model.safetensors')];
  await repo.write('note.txt', 'changed');
  await repo.write('new/file.txt', 'new');
  await repo.remove('model.safetensors');
  const { version } = await repo.commit('three changes');
  await repo.write('other.txt', 'later');
  await repo.commit('later');
  const dry = await repo.json<RevertResult>('revert', '--dry-run', version);
  t.deepEqual(dry.changes, [
    { path: 'model.safetensors', status: 'added' },
    { path: 'new/file.txt', status: 'deleted' },
    { path: 'note.txt', status: 'modified' },
  ]);
  t.deepEqual(await repo.changes(), []);
  t.is((await repo.json<LogEntry[]>('log')).length, 5);
  const done = await repo.json<RevertResult>('revert', version);
  t.is(done.number, 6);
  t.deepEqual(await repo.read('note.txt'), note);
  t.deepEqual(await repo.read('model.safetensors'), model);
  t.false(await repo.exists('new'));
  t.is(await repo.text('other.txt'), 'later');
  t.deepEqual(await repo.changes(), []);
  const [last] = await repo.json<LogEntry[]>('log');
  t.is(last?.message, `Revert "three changes"\n\nThis takes back net@4 (${version}).`);
  t.regex((await repo.fails(1, 'revert', version)).message, /nothing to revert/);
  // Taken back in turn, it is as it was.
  await repo.json('revert', 'HEAD', '-m', 'again');
  t.is(await repo.text('note.txt'), 'changed');
  t.is(await repo.text('new/file.txt'), 'new');
});

test('revert: what was changed again is named, what is not committed is kept', async (t) => {
  const { repo } = await threeVersions(t);
  const { message, data } = await repo.fails(1, 'revert', 'net@2');
  t.regex(message, /changed again since 'net@2'/);
  t.deepEqual(data.paths, ['model.safetensors', 'note.txt']);
  t.deepEqual(await repo.changes(), []);
  await repo.write('note.txt', 'mine');
  t.regex((await repo.fails(1, 'revert', 'HEAD')).message, /changes that are in no version/);
  t.is(await repo.text('note.txt'), 'mine');
  await repo.json('add', 'note.txt');
  t.regex((await repo.fails(1, 'revert', 'HEAD')).message, /changes are staged: 'note.txt'/);
  await repo.json('reset', '--hard');
  const done = await repo.json<RevertResult>('revert', '--no-commit', 'HEAD');
  t.is(done.version, null);
  t.deepEqual(await repo.changes(), [
    'staged modified model.safetensors',
    'staged modified note.txt',
  ]);
  t.is((await repo.json<LogEntry[]>('log')).length, 3);
});

test('revert: the first version, and one of another model', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('reset', '--hard', 'net@1');
  await repo.json('copy', 'net@1', 'fine');
  t.regex((await repo.fails(1, 'revert', 'fine')).message, /is a version of 'fine'/);
  const done = await repo.json<RevertResult>('revert', 'HEAD');
  t.deepEqual(done.removed, ['model.safetensors', 'note.txt']);
  t.deepEqual(await repo.changes(), []);
});

test('revert: a first version that was changed since names the removal, not its own content', async (t) => {
  const { repo } = await threeVersions(t);
  const { data } = await repo.fails(1, 'revert', '--dry-run', 'net@1');
  const path = (data.paths as string[])[0] as string;
  t.regex(data.hint ?? '', new RegExp(`was not there before: 'dlv rm ${path}'`));
  const later = await repo.fails(1, 'revert', '--dry-run', 'net@2');
  t.regex(later.data.hint ?? '', /'dlv checkout net@2~1 /);
});

test('a range is refused: one version is taken back at a time', async (t) => {
  const { repo } = await threeVersions(t);
  const { message, data } = await repo.fails(2, 'revert', 'HEAD~1..HEAD');
  t.regex(message, /is a range/);
  t.regex(data.hint ?? '', /name each version/);
});
