/** `dlv list`, `dlv du`, `dlv copy`: models, what they cost, how they begin. */
import fs from 'node:fs/promises';
import test from 'ava';
import type { CopyResult } from '../../lib/use/ops/copy.js';
import type { DuResult } from '../../lib/use/ops/du.js';
import type { ListedModel } from '../../lib/use/ops/list.js';
import type { ShowResult } from '../../lib/use/ops/show.js';
import { packFiles } from '../helpers/pack-files.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { safetensors, type Tensors } from '../helpers/safetensors.js';

test('list: models, branches, versions and bytes', async (t) => {
  const { repo, versions } = await threeVersions(t);
  await repo.json('copy', 'net@2', 'fine');
  await repo.json('branch', 'old', 'net@1');
  const models = await repo.json<ListedModel[]>('list');
  t.deepEqual(
    models.map(({ model }) => model),
    ['fine', 'net'],
  );
  const [fine, net] = models as [ListedModel, ListedModel];
  t.true(net.current);
  t.is(net.versions, 3);
  t.deepEqual(net.branches, [
    { branch: 'main', version: versions[2]?.version },
    { branch: 'old', version: versions[0]?.version },
  ] as typeof net.branches);
  t.deepEqual(
    net.latest.map(({ message }) => message),
    ['third'],
  );
  t.is(
    net.logicalBytes,
    versions.reduce((sum, version) => sum + version.logicalBytes, 0),
  );
  t.true(net.storedBytes > 0 && net.storedBytes < net.logicalBytes);
  t.like(fine.lineage, [{ model: 'net', number: 2 }]);
  t.true(fine.uniqueBytes < 1000);
});

test('list: --model, --message and --last', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('copy', 'net@2', 'fine', '-m', 'another FIRST');
  const [net] = await repo.json<ListedModel[]>('list', '--model', 'net', '--last', '2');
  t.deepEqual(
    net?.latest.map(({ message }) => message),
    ['third', 'second'],
  );
  const found = await repo.json<ListedModel[]>('list', '-m', 'first', '--last', '9');
  t.deepEqual(
    found.flatMap(({ latest }) => latest.map(({ message }) => message)),
    ['another FIRST', 'first'],
  );
  t.deepEqual(await repo.json('list', '-m', 'nowhere'), []);
  t.regex((await repo.fails(1, 'list', '--model', 'nett')).data.hint ?? '', /net/);
  t.deepEqual(await (await TestRepository.create(t)).json('list'), []);
});

test('du: adds up to the packs on disk', async (t) => {
  const { repo } = await threeVersions(t);
  const du = await repo.json<DuResult>('du', '--versions', '--paths');
  const packs = repo.file('.dlv/packs');
  let onDisk = 0;
  const names = await packFiles(packs);
  for (const name of names) onDisk += (await fs.stat(`${packs}/${name}`)).size;
  t.is(du.diskBytes, onDisk + du.trashBytes);
  const { blob, hi, mid, low } = du.packs;
  t.is(du.liveBytes + du.garbageBytes, blob + hi + mid + low);
  t.true(du.garbageBytes < 200 * du.packs.sets);
  const [net] = du.models;
  t.is(net?.storedBytes, du.liveBytes);
  t.is(net?.uniqueBytes, du.liveBytes);
  t.is(du.versions?.length, 3);
  for (const version of du.versions ?? []) t.true(version.storedBytes <= du.liveBytes);
  t.deepEqual(
    du.paths?.map(({ path, versions }) => [path, versions]),
    [
      ['model.safetensors', 3],
      ['note.txt', 3],
    ],
  );
});

test('du: what is reset away is garbage; shared bytes belong to nobody alone', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('copy', 'net@3', 'fine');
  const before = await repo.json<DuResult>('du');
  const [net, fine] = before.models;
  t.is(fine?.model, 'fine');
  t.true((fine?.storedBytes ?? 0) > 10 * (fine?.uniqueBytes ?? 0));
  t.true((net?.uniqueBytes ?? 0) < (net?.storedBytes ?? 0));
  const one = await repo.json<DuResult>('du', 'net@1');
  t.deepEqual(
    one.models.map(({ model, versions }) => [model, versions]),
    [['net', 1]],
  );
  t.is((await repo.fails(1, 'du', '--model', 'x')).code, 'DLV_NOT_FOUND');
  const lone = await threeVersions(t);
  const whole = await lone.repo.json<DuResult>('du');
  await lone.repo.json('reset', '--hard', 'net@1');
  const after = await lone.repo.json<DuResult>('du');
  t.true(after.liveBytes < whole.liveBytes);
  t.is(after.garbageBytes - whole.garbageBytes, whole.liveBytes - after.liveBytes);
});

test('copy: a new model with lineage, no data, and no metrics', async (t) => {
  const { repo, versions } = await threeVersions(t);
  const copy = await repo.json<CopyResult>('copy', 'net@2', 'fine');
  t.like(copy, { model: 'fine', branch: 'main', number: 1, into: 'fine', files: 2, written: [] });
  t.like(copy.source, { model: 'net', number: 2, version: versions[1]?.version });
  t.true(copy.storedBytes < 2000);
  const shown = await repo.json<ShowResult>('show', 'fine');
  t.deepEqual(shown.parents, [versions[1]?.version as ShowResult['version']]);
  t.deepEqual(shown.metrics, {});
  t.deepEqual(shown.params, { lr: 0.1 });
  t.deepEqual(
    shown.files.map(({ path }) => path),
    ['fine/model.safetensors', 'fine/note.txt'],
  );
  t.is(shown.snapshots[0]?.key, 'fine/model.safetensors');
  t.deepEqual(await repo.changes(), []);
});

test('copy --checkout: writes its files where they belong; then it grows by itself', async (t) => {
  const { repo, tensors } = await threeVersions(t);
  const copy = await repo.json<CopyResult>(
    'copy',
    'net@1',
    'fine',
    '--into',
    'runs/a',
    '--checkout',
  );
  t.deepEqual(copy.written.toSorted(), ['runs/a/model.safetensors', 'runs/a/note.txt']);
  const expected = safetensors(tensors[0] as Tensors);
  t.true((await repo.read('runs/a/model.safetensors')).equals(expected));
  t.deepEqual(await repo.changes(), []);
  await repo.json('switch', 'fine');
  await repo.write('runs/a/note.txt', 'tuned');
  const next = await repo.commit('tuned');
  t.like(next, { model: 'fine', number: 2 });
  t.is(await repo.text('note.txt'), 'version 3\n');
});

test('copy: without --checkout the files come with restore', async (t) => {
  const { repo } = await threeVersions(t);
  await repo.json('copy', 'net@1', 'fine');
  const result = await repo.dlv('switch', 'fine');
  t.regex(result.stderr, /warning: .*dlv restore/);
  t.deepEqual(await repo.changes(), [], 'files that were never written here are not deletions');
  await repo.json('restore', 'fine');
  t.is(await repo.text('fine/note.txt'), 'version 1\n');
  t.deepEqual(await repo.changes(), []);
});

test('copy: --empty, names and paths that are taken', async (t) => {
  const { repo } = await threeVersions(t);
  t.like(await repo.json('copy', 'net', 'sketch', '--empty'), { files: 0, logicalBytes: 0 });
  t.is((await repo.fails(1, 'copy', 'net', 'sketch')).code, 'DLV_EXISTS');
  t.is((await repo.fails(1, 'copy', 'net', 'net')).code, 'DLV_EXISTS');
  t.is((await repo.fails(2, 'copy', 'net', 'a/b')).code, 'DLV_USAGE');
  const taken = await repo.fails(1, 'copy', 'net', 'same', '--into', '.', '--checkout');
  t.is(taken.code, 'DLV_CONFLICT');
  await repo.write('fine/note.txt', 'mine');
  const lost = await repo.fails(1, 'copy', 'net', 'fine', '--checkout');
  t.deepEqual(lost.data.paths, ['fine/note.txt']);
  t.is(await repo.text('fine/note.txt'), 'mine');
  const models = await repo.json<ListedModel[]>('list');
  t.deepEqual(
    models.map(({ model }) => model),
    ['net', 'sketch'],
  );
});
