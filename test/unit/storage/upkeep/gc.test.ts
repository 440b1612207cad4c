/**
 * Garbage collection: what is needed stays and stays readable, garbage goes, also when what is kept is
 * garbage itself; leftovers of killed processes are cleared.
 */

import fs from 'node:fs/promises';
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { ConflictError } from '../../../../lib/base/errors.js';
import { ownerMark, ownIdentity } from '../../../../lib/base/files/process.js';
import { ABANDONED_MS } from '../../../../lib/storage/repo/processes/process-identity.js';
import { storedBytes } from '../../../../lib/storage/store/types.js';
import { collectGarbage } from '../../../../lib/storage/upkeep/gc.js';
import { mergeSmallSets } from '../../../../lib/storage/upkeep/merge-small-sets.js';
import { deleteBranch } from '../../../../lib/use/ops/branch.js';
import { reset } from '../../../../lib/use/ops/reset.js';
import { rm } from '../../../../lib/use/ops/rm.js';
import { switchTo } from '../../../../lib/use/ops/switch.js';
import type { Repository } from '../../../../lib/use/repository.js';
import { randomBytes } from '../../../helpers/rng.js';
import { checkpoint } from '../../../trust/model-files.js';
import { compareVersions, fsckProblems } from '../../../trust/record.js';
import { WorkRepository } from '../objects/work-repository.js';
import { startWorker } from '../repo/worker.js';

const NOW = '[gc]\ngraceDays = 0\nautoSets = 1000\n';

test('gc: --prune=now drops what a reset left behind and keeps all the rest', async (t) => {
  const work = await WorkRepository.make(t);
  const first = (await work.commit({ 'a.safetensors': checkpoint(1, 0) })).version;
  const second = (await work.commit({ 'a.safetensors': checkpoint(1, 1) })).version;
  await work.open((repo, context) => reset(repo, { revision: first, mode: 'hard' }, context));
  const young = await work.open((repo) => collectGarbage(repo));
  t.is(young.droppedBlobs + young.droppedExtentSegments, 0, 'it is younger than the grace period');
  const plan = await work.open((repo) => collectGarbage(repo, { pruneNow: true, dryRun: true }));
  const result = await work.open((repo) => collectGarbage(repo, { pruneNow: true }));
  t.true(result.droppedBlobs > 0 && result.droppedExtentSegments > 0);
  t.is(plan.droppedBlobs, result.droppedBlobs);
  t.true(result.packBytesAfter < result.packBytesBefore);
  t.true(result.deletedBytes > 0);
  await work.open(async (repo) => {
    t.is(await repo.store.findBlob(second), null);
  });
  work.versions.delete(second);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await fs.readdir(work.file('.dlv/trash')), []);
});

test('gc: a version that only the reflog names is kept for the grace period', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  const first = (await work.commit({ 'a.safetensors': checkpoint(1, 0) })).version;
  await work.commit({ 'a.safetensors': checkpoint(1, 1) });
  await work.open((repo, context) => reset(repo, { revision: first, mode: 'hard' }, context));
  await work.open((repo) => collectGarbage(repo));
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('gc: garbage that stays listed keeps its bases, so that a later add may rely on it', async (t) => {
  const work = await WorkRepository.make(t, NOW);
  const base = checkpoint(3, 0, 4);
  const child = checkpoint(3, 1, 4);
  const bulk = randomBytes(2_000_000, 1);
  await work.commit({ 'other.txt': 'x' });
  await work.open((repo, context) => switchTo(repo, { name: 'trial', create: true }, context));
  await work.commit({ 'p.safetensors': base });
  await work.commit({ 'p.safetensors': child, 'q.bin': bulk });
  const trial = [...work.versions.keys()].slice(1);
  await work.open((repo, context) => switchTo(repo, { name: 'main' }, context));
  await fs.rm(work.file('p.safetensors'), { force: true });
  await work.commit({ 'q.bin': bulk });
  await work.open((repo, context) => deleteBranch(repo, { name: 'trial', force: true }, context));
  await fs.rm(work.file('.dlv/logs/HEAD'));
  await fs.rm(work.file('.dlv/logs/deleted'));
  for (const id of trial) work.versions.delete(id);

  const bases = async () => {
    let deltas = 0;
    await work.open(async (repo) => {
      for await (const { base: id, segment } of repo.store.segments()) {
        if (id === null) continue;
        deltas++;
        t.not(await repo.store.findSegment(id, segment), null, 'a listed delta lost its base');
      }
    });
    return deltas;
  };
  t.true((await bases()) > 0);
  await work.open((repo) => collectGarbage(repo));
  t.true((await bases()) > 0, 'the set of the bulk file was not worth writing again');
  await work.commit({ 'p.safetensors': child });
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);

  await work.open((repo, context) => rm(repo, { paths: ['p.safetensors'], force: true }, context));
  await work.open((repo, context) => reset(repo, { revision: 'HEAD~1', mode: 'hard' }, context));
  work.versions.delete([...work.versions.keys()].at(-1)!);
  await work.open((repo) => collectGarbage(repo, { pruneNow: true }));
  t.is(await bases(), 0);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('gc: merging sets leaves the encoding of every object as it is', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 2\n');
  const encodings = () =>
    work.open(async (repo) => {
      const found = new Map<string, string>();
      for await (const { entry, live } of repo.store.records()) {
        const key = 'segment' in entry ? `${entry.id}/${entry.segment}` : entry.id;
        if (live) found.set(key, `${entry.base} ${entry.depth} ${entry.crc}`);
      }
      return found;
    });
  for (let step = 0; step < 8; step++) {
    await work.add({ 'a.safetensors': checkpoint(1, step) });
    const before = await encodings();
    await work.commit();
    const after = await encodings();
    for (const [key, encoding] of before) t.is(after.get(key), encoding);
    t.true((await work.packs('.idx')).length <= 3);
  }
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('gc: objects that two writers stored are kept once', async (t) => {
  const work = await WorkRepository.make(t, NOW);
  await work.commit({ 'a.safetensors': checkpoint(1, 0) });
  // The same records again in another set, as a second writer that had not seen the first makes it.
  await work.open(async (repo) => {
    const { PackSetWriter } = await import('../../../../lib/storage/store/packs/pack-writer.js');
    const { mergeSets } = await import('../../../../lib/storage/store/merge.js');
    const writer = await PackSetWriter.create(repo.store.backend, 'tmp/twice');
    const ids = repo.store.sets().map((info) => info.id);
    await mergeSets(repo.store, ids, writer);
    const sealed = await writer.finish();
    await repo.locked(() => repo.store.publish([sealed]));
  });
  const total = () =>
    work.open(async (repo) => {
      let bytes = 0;
      for await (const { entry } of repo.store.records()) bytes += storedBytes(entry);
      return bytes;
    });
  const twice = await total();
  await work.open((repo) => collectGarbage(repo));
  t.true((await total()) <= twice / 2);
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('gc: refuses to prune while another process is registered', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  const reader = startWorker('read', work.dir, '1');
  await reader.held;
  await t.throwsAsync(
    work.open((repo) => collectGarbage(repo, { pruneNow: true })),
    { code: 'DLV_CONFLICT' },
  );
  reader.kill();
  await reader.ended;
  await t.notThrowsAsync(work.open((repo) => collectGarbage(repo, { pruneNow: true })));
});

test('gc: refuses to guess in a damaged repository and changes nothing', async (t) => {
  const work = await WorkRepository.make(t, NOW);
  const first = (await work.commit({ 'a.bin': randomBytes(50_000, 1) })).version;
  await work.commit({ 'a.bin': randomBytes(50_000, 2) });
  await work.open((repo, context) => reset(repo, { revision: first, mode: 'hard' }, context));
  const before = await work.packs();
  await work.open(async (repo) => {
    const entry = await repo.store.findBlob(first as Id);
    await work.damage(`packs/${entry!.set}.blob`, entry!.offset + 60);
  });
  await t.throwsAsync(
    work.open((repo) => collectGarbage(repo)),
    { code: 'DLV_CORRUPT' },
  );
  t.deepEqual(await work.packs(), before);
});

/** A name of an unfinished file or folder of a process of this machine that has ended. */
function deadName(): string {
  const { boot, space } = ownerMark(ownIdentity());
  return `${2 ** 22 + 1}-1-${boot}-${space}-${'ab'.repeat(8)}`;
}

test('gc: clears what killed processes left in packs, tmp and beside refs', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  const [pack = ''] = await work.packs('.blob');
  const stray = 'ab'.repeat(16);
  await fs.copyFile(work.file(`.dlv/packs/${pack}`), work.file(`.dlv/packs/${stray}.blob`));
  const dead = deadName();
  const seen = [
    `.dlv/tmp/${dead}/add-0/set.hi`,
    `.dlv/tmp/${dead}/files-3/12`,
    `.dlv/refs/heads/m/.tmp-${dead}`,
    `.dlv/catalog/sketches/.tmp-${dead}`,
    `.dlv/promised/.tmp-${dead}`,
    `.dlv/lines/.tmp-${dead}`,
    `.dlv/.tmp-${dead}`,
  ];
  for (const name of seen) await work.write(name, 'unfinished');
  t.deepEqual(await fsckProblems(work.dir), []);
  const planned = await work.open((repo) => collectGarbage(repo, { dryRun: true }));
  t.is(planned.deletedBytes, 10 * seen.length);
  const result = await work.open((repo) => collectGarbage(repo, { pruneNow: true }));
  t.is(result.leftoverSets, 1);
  t.false((await work.packs()).some((name) => name.startsWith(stray)));
  for (const name of seen) await t.throwsAsync(fs.lstat(work.file(name)), { code: 'ENOENT' }, name);
  await t.throwsAsync(fs.lstat(work.file(`.dlv/tmp/${dead}`)), { code: 'ENOENT' });
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('gc: of processes that cannot be seen, it clears what lay still for a day', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  const { boot, space } = ownerMark(ownIdentity());
  const random = 'ab'.repeat(8);
  const hidden = [
    `.dlv/tmp/1-1-${boot}-1-${random}/add-0/set.hi`, // another container
    `.dlv/tmp/1-1-${'0'.repeat(10)}-${space}-${random}/add-0/set.hi`, // another machine
    '.dlv/tmp/999999-1/0/set.hi', // names of earlier versions
    '.dlv/refs/heads/m/.tmp-999999-0-main',
    `.dlv/.tmp-${process.pid}-0-manifest`,
  ];
  for (const name of hidden) await work.write(name, 'unfinished');
  const young = await work.open((repo) => collectGarbage(repo, { pruneNow: true }));
  t.is(young.unfinishedBytes, 10 * hidden.length);
  for (const name of hidden) t.is(await fs.readFile(work.file(name), 'utf8'), 'unfinished');
  const then = new Date(Date.now() - ABANDONED_MS - 1000);
  for (const name of await fs.readdir(work.file('.dlv'), { recursive: true })) {
    if (/^tmp\/|\.tmp-/.test(name)) await fs.utimes(work.file(`.dlv/${name}`), then, then);
  }
  const old = await work.open((repo) => collectGarbage(repo));
  t.deepEqual([old.unfinishedBytes, old.deletedBytes], [0, 10 * hidden.length]);
  for (const name of hidden) {
    await t.throwsAsync(fs.lstat(work.file(name)), { code: 'ENOENT' }, name);
  }
});

test('gc: what dlv did not name stays, wherever it lies', async (t) => {
  const work = await WorkRepository.make(t, NOW);
  await work.commit({ 'a.txt': 'a' });
  const dead = deadName();
  const strange = [
    '.dlv/tmp/thesis.tex',
    '.dlv/tmp/photos/holiday.jpg',
    `.dlv/tmp/${dead}/thesis.tex`,
    `.dlv/tmp/${dead}/add-0/thesis.tex`,
    `.dlv/tmp/${dead}/photos/0`,
    '.dlv/tmp/999999-1/0/deeper/0',
    '.dlv/trash/thesis.tex',
    '.dlv/trash/photos/holiday.jpg',
    `.dlv/trash/${'ab'.repeat(16)}.tex`,
    '.dlv/.tmp-thesis.tex',
    '.dlv/refs/heads/m/.tmp-thesis',
  ];
  for (const name of strange) await work.write(name, name);
  await work.write(`.dlv/tmp/${dead}/add-0/set.hi`, 'unfinished');
  const then = new Date(Date.now() - 100 * ABANDONED_MS);
  for (const name of await fs.readdir(work.file('.dlv'), { recursive: true })) {
    if (/^(tmp|trash)\/|\.tmp-/.test(name)) await fs.utimes(work.file(`.dlv/${name}`), then, then);
  }
  for (const pruneNow of [false, true]) {
    await work.open((repo) => collectGarbage(repo, { pruneNow }));
  }
  for (const name of strange) t.is(await fs.readFile(work.file(name), 'utf8'), name);
  await t.throwsAsync(fs.lstat(work.file(`.dlv/tmp/${dead}/add-0/set.hi`)), { code: 'ENOENT' });
});

test('gc: 40 commits leave few files under packs', async (t) => {
  t.timeout(600_000);
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 12\n');
  for (let i = 0; i < 40; i++) await work.commit({ 'a.bin': randomBytes(10_000, i) });
  t.true((await work.packs()).length <= 48);
  t.true((await work.packs('.idx')).length <= 14);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  t.deepEqual(await fsckProblems(work.dir), []);
});

test('gc: sets that another command merged away since the list was read are not missing files', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\ngraceDays = 0\nautoSets = 1000\n');
  for (let step = 0; step < 4; step++) await work.commit({ 'a.safetensors': checkpoint(1, step) });
  /** The repository with a setting under which every merge pays. */
  const merging = (repo: Repository): Repository => {
    const config = { get: () => 1 };
    return Object.create(repo, { config: { value: config } }) as Repository;
  };
  await work.open(async (stale) => {
    t.true(await work.open((repo) => mergeSmallSets(merging(repo))));
    await t.throwsAsync(mergeSmallSets(merging(stale)), { instanceOf: ConflictError });
  });
  t.deepEqual(await fsckProblems(work.dir), []);
});
