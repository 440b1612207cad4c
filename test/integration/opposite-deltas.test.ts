/**
 * Two writers that stored the same pair of extents in opposite order: in one set B is a delta of A, in
 * the other A is a delta of B. When a flipped bit takes one of the full records, the deltas that are
 * left lead in a circle, although the other set holds everything.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import { encodeManifest } from '../../lib/storage/store/manifest.js';
import { packName } from '../../lib/storage/store/names.js';
import { PackSetWriter } from '../../lib/storage/store/packs/pack-writer.js';
import { readSegmentAt } from '../../lib/storage/store/packs/read-records.js';
import {
  FILE_CLASSES,
  type FileClass,
  PLANE_CLASSES,
  type SealedSet,
  type SegmentEntry,
  type SetId,
  type SetInfo,
} from '../../lib/storage/store/types.js';
import { collectGarbage } from '../../lib/storage/upkeep/gc.js';
import { mergeSmallSets } from '../../lib/storage/upkeep/merge-small-sets.js';
import { archive } from '../../lib/use/ops/archive.js';
import { du } from '../../lib/use/ops/du.js';
import { fsck } from '../../lib/use/ops/fsck.js';
import { checkpoint } from '../trust/model-files.js';
import { compareVersions, fsckProblems } from '../trust/record.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

const A = checkpoint(1, 0, 4);
const B = checkpoint(1, 1, 4);

/** The float32 extents of both files in every set, as [live, entry]. */
async function pairOf(work: WorkRepository): Promise<{ entry: SegmentEntry; live: boolean }[]> {
  return work.open(async (repo) => {
    const found: { entry: SegmentEntry; live: boolean }[] = [];
    for await (const { entry, live } of repo.store.records()) {
      if ('segment' in entry && entry.width === 4) found.push({ entry, live });
    }
    return found;
  });
}

/** A repository in which one writer stored A, then B, and another at the same time B, then A. */
async function twoWriters(t: ExecutionContext): Promise<WorkRepository> {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  const other = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  await work.commit({ 'a.safetensors': A });
  await work.commit({ 'b.safetensors': B });
  await other.add({ 'b.safetensors': B });
  await other.add({ 'a.safetensors': A });
  const sets = await other.open(async (repo) => [...repo.store.sets()]);
  await work.open(async (repo) => {
    const sealed: SealedSet[] = [];
    for (const info of sets) {
      const files: SealedSet['files'] = {};
      for (const fileClass of FILE_CLASSES) {
        if (info.bytes[fileClass] === 0) continue;
        const name = `${info.id}.${fileClass}`;
        files[fileClass] = `tmp/${name}`;
        await fs.copyFile(other.file(`.dlv/packs/${name}`), path.join(repo.layout.tmp, name));
      }
      sealed.push({ info, files });
    }
    await repo.locked(() => repo.store.publish(sealed));
  });
  const stored = (await pairOf(work)).map(({ entry, live }) => [entry.base === null, live]);
  t.deepEqual(stored.sort(), [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ]);
  t.deepEqual(await fsckProblems(work.dir), []);
  return work;
}

async function damageFullRecord(work: WorkRepository): Promise<{ id: Id; set: SetId }> {
  for (const { entry, live } of await pairOf(work)) {
    if (!live || entry.base !== null) continue;
    await work.damage(`packs/${entry.set}.hi`, entry.offset + entry.headBytes + 300);
    return { id: entry.id, set: entry.set };
  }
  throw new Error('there is no full record');
}

test('opposite deltas: a rebuild leaves no circle, and both versions are whole', async (t) => {
  const work = await twoWriters(t);
  await damageFullRecord(work);
  t.true((await fsckProblems(work.dir)).length > 0);
  const result = await fsck(work.context, { rebuild: true });
  t.deepEqual(result.problems, []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  await work.open((repo) => collectGarbage(repo, { pruneNow: true }));
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  t.deepEqual(await fsckProblems(work.dir), []);
});

/** Lists sets without the checks of a store, as a dlv without them would have. */
async function list(work: WorkRepository, sets: readonly SetInfo[]): Promise<void> {
  await work.open(async (repo) => {
    const manifest = { generation: repo.store.generation + 1, sets: [...sets] };
    await fs.writeFile(repo.layout.manifest, encodeManifest(manifest));
  });
}

/** As twoWriters, with the two deltas in front of everything. @returns the sets of the deltas. */
async function circle(t: ExecutionContext): Promise<{ work: WorkRepository; deltas: SetInfo[] }> {
  const work = await twoWriters(t);
  const deltas: SetInfo[] = [];
  const pair = (await pairOf(work)).filter(({ entry }) => entry.base !== null);
  await work.open(async (repo) => {
    const { backend } = repo.store;
    const sealed: SealedSet[] = [];
    for (const [i, { entry }] of pair.entries()) {
      const writer = await PackSetWriter.create(backend, `tmp/circle-${i}`);
      const names = (fileClass: FileClass) => packName(entry.set, fileClass);
      await writer.addSegment(await readSegmentAt(backend, names, entry, PLANE_CLASSES));
      sealed.push(await writer.finish());
    }
    await repo.locked(() => repo.store.publish(sealed));
    deltas.push(...sealed.map((set) => set.info));
    await list(work, [...deltas, ...repo.store.sets().slice(0, -deltas.length)]);
  });
  return { work, deltas };
}

/** The full records of the pair, by set. */
async function fullRecords(work: WorkRepository): Promise<number> {
  return (await pairOf(work)).filter(({ entry }) => entry.base === null).length;
}

test('opposite deltas: fsck names the circle, gc and merges end and drop nothing that it hides', async (t) => {
  const { work } = await circle(t);
  const problems = await fsckProblems(work.dir);
  t.true(
    problems.some((text) => /bases lead back to itself/.test(text)),
    problems.join('\n'),
  );
  for (const pruneNow of [false, true]) {
    await work.open((repo) => collectGarbage(repo, { pruneNow }));
    t.is(await fullRecords(work), 2);
  }
  const config = await fs.readFile(work.file('.dlv/config'), 'utf8');
  await fs.writeFile(work.file('.dlv/config'), config.replace('autoSets = 0', 'autoSets = 1'));
  await work.open((repo) => mergeSmallSets(repo));
  t.is(await fullRecords(work), 2);
  await t.throwsAsync(
    work.open((repo, context) => du(repo, {}, context)).then(() => archiveAll(work)),
    {
      code: 'DLV_CORRUPT',
    },
  );
  t.is(await fullRecords(work), 2);

  const mended = await fsck(work.context, { rebuild: true, files: true });
  t.deepEqual(mended.problems, []);
  t.deepEqual(mended.rebuilt?.failed, []);
  t.regex(mended.rebuilt?.done.join('\n') ?? '', /put 1 record in front/);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  t.deepEqual((await fsck(work.context, { rebuild: true })).rebuilt, { done: [], failed: [] });
  await work.open((repo) => mergeSmallSets(repo));
  await work.open((repo) => collectGarbage(repo, { pruneNow: true }));
  t.is(await fullRecords(work), 1);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  t.deepEqual(await fsckProblems(work.dir), []);
});

const archiveAll = (work: WorkRepository) =>
  work.open((repo, context) => archive(repo, { all: true, timeLimit: 2 }, context));

test('opposite deltas: a circle without any full record is said, and what is added again mends it', async (t) => {
  const { work } = await circle(t);
  for (const { entry } of await pairOf(work)) {
    if (entry.base === null) {
      await work.damage(`packs/${entry.set}.hi`, entry.offset + entry.headBytes + 300);
    }
  }
  const result = await fsck(work.context, { rebuild: true });
  t.regex(
    result.rebuilt?.failed.join('\n') ?? '',
    /2 records are deltas of something that is gone/,
  );
  t.true(result.problems.length > 0);
  t.true(result.problems.every(({ remedy }) => /add the original files again/.test(remedy)));
  t.is((await compareVersions(work.dir, work.versions)).length, 2);
  await work.open((repo) => collectGarbage(repo, { pruneNow: true }));
  await work.add({ 'again.safetensors': B });
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  t.deepEqual(await fsckProblems(work.dir), []);
});

test('opposite deltas: a lost manifest is rebuilt with a full record in front', async (t) => {
  const { work } = await circle(t);
  await fs.rm(work.file('.dlv/manifest'));
  const result = await fsck(work.context, { rebuild: true });
  t.deepEqual(result.problems, []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('gc: an abort is heard between its walks', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.safetensors': A });
  await work.open(async (repo) => {
    await collectGarbage(repo);
    const abort = new AbortController();
    setImmediate(() => abort.abort());
    await t.throwsAsync(collectGarbage(repo, { signal: abort.signal }), { code: 'DLV_ABORTED' });
  });
});
