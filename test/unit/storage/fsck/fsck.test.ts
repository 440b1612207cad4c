/** fsck names what is wrong, what it affects and the remedy; its rebuild brings back what can be. */

import fs from 'node:fs/promises';
import test from 'ava';
import { ReencodedWriter } from '../../../../lib/storage/archive/reencoded-writer.js';
import { checkRepository } from '../../../../lib/storage/fsck/fsck.js';
import type { FsckProblem } from '../../../../lib/storage/fsck/report.js';
import { recodedRecord, storedSegment } from '../../../../lib/storage/objects/recode.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { fsck } from '../../../../lib/use/ops/fsck.js';
import { status } from '../../../../lib/use/ops/status.js';
import { createTag } from '../../../../lib/use/ops/tag.js';
import { Repository } from '../../../../lib/use/repository.js';
import { randomBytes } from '../../../helpers/rng.js';
import { checkpoint, safetensors } from '../../../trust/model-files.js';
import { compareVersions, fsckProblems } from '../../../trust/record.js';
import { WorkRepository } from '../objects/work-repository.js';

async function problemsOf(work: WorkRepository): Promise<FsckProblem[]> {
  return (await checkRepository(new Layout(work.dir), { open: Repository.openForRepair })).problems;
}

const rebuild = (work: WorkRepository) => fsck(work.context, { rebuild: true });

test('fsck: a sound repository has no problems; garbage and leftovers are details', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.safetensors': checkpoint(1, 0), 'b.txt': 'b' });
  await work.commit({ 'a.safetensors': checkpoint(1, 1) });
  await work.add({ 'c.bin': 'never committed, but staged' });
  await work.write('.dlv/tmp/999999-1/0/set.hi', 'unfinished');
  await work.write(`.dlv/trash/${'cd'.repeat(16)}.hi`, 'old');
  await work.write(`.dlv/packs/${'ab'.repeat(16)}.blob`, 'unlisted');
  const result = await fsck(work.context, { files: true });
  t.deepEqual(result.problems, []);
  t.true(result.ok);
  t.true(result.details.length >= 3, result.details.join('; '));
  t.like(result.checked, { versions: 2, files: 4 });
  t.true(result.checked.extents >= 3 && result.checked.blobs > 4, JSON.stringify(result.checked));
});

test('fsck: a damaged record is named with its place, versions, paths and remedy', async (t) => {
  const work = await WorkRepository.make(t);
  const noise = randomBytes(60_000, 1);
  await work.commit({ 'a.bin': noise, 'b.txt': 'b' });
  await work.commit({ 'b.txt': 'c' });
  const file = await work.open(async (repo) => {
    for await (const entry of repo.store.blobs('blob')) {
      if (entry.rawBytes === noise.length) {
        const name = `packs/${entry.set}.blob`;
        await work.damage(name, entry.offset + entry.recordBytes - 5);
        return { name, offset: entry.offset, id: entry.id };
      }
    }
    throw new Error('no such blob');
  });
  const problems = await problemsOf(work);
  t.is(problems.length, 1);
  const [problem] = problems as [FsckProblem];
  t.like(problem, { kind: 'damaged', area: 'pack', file: file.name, affectedFiles: 3 });
  t.true(problem.places.some((p) => p.offset === file.offset && p.object === file.id));
  t.deepEqual(
    problem.affects.map(({ version, path }) => [version, path]),
    [...[...work.versions.keys()].reverse(), null].map((version) => [version, 'a.bin']),
  );
  t.regex(problem.remedy, /--rebuild/);

  const mended = await rebuild(work);
  t.is(mended.problems.length, 1);
  t.like(mended.problems[0], { kind: 'missing', affectedFiles: 3 });
  t.true((await fs.readdir(work.file('.dlv/trash'))).length > 0, 'the damaged set is kept');
  // The same content stored again serves all versions.
  await work.add({ 'copy.bin': noise });
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('fsck: what stands on a lost base is affected, and can be stored again by itself', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  const steps = [0, 1, 2].map((step) => checkpoint(1, step, 4));
  for (const bytes of steps) await work.commit({ 'a.safetensors': bytes });
  await work.open(async (repo) => {
    for await (const entry of repo.store.segments()) {
      if (entry.base === null && entry.width === 4) {
        await work.damage(`packs/${entry.set}.hi`, entry.offset + entry.headBytes + 200);
      }
    }
  });
  const before = await problemsOf(work);
  t.is(
    Math.max(...before.map((problem) => problem.affectedFiles)),
    4,
    'three versions and staging',
  );
  await rebuild(work);
  t.true((await problemsOf(work)).every((problem) => problem.kind === 'missing'));

  await work.add({ 'again.safetensors': steps[2]! });
  const wrong = await compareVersions(work.dir, work.versions);
  t.is(wrong.length, 2, 'the newest version is whole again, though its base is not');
  await work.add({ 'again.safetensors': steps[0]! });
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  t.deepEqual(await fsckProblems(work.dir), []);
});

test('fsck: missing and damaged are told apart', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.bin': randomBytes(60_000, 1) });
  const [pack = ''] = await work.packs('.blob');
  await fs.rm(work.file(`.dlv/packs/${pack}`));
  const problems = await problemsOf(work);
  t.true(problems.some((p) => p.kind === 'missing' && p.file === `packs/${pack}`));
});

test('fsck --rebuild: brings back every state file and index at once', async (t) => {
  const work = await WorkRepository.make(t);
  for (let step = 0; step < 3; step++) {
    await work.commit({ 'a.safetensors': checkpoint(1, step), 'b.txt': `step ${step}\n` });
  }
  await work.open((repo, context) => createTag(repo, { name: 'v3' }, context));
  for (const name of ['manifest', 'HEAD', 'staging', 'format', '.gitignore']) {
    await work.damage(name, 1);
  }
  for (const name of ['refs/heads/m/main', 'refs/tags/v3']) await work.damage(name, 5);
  await work.damage('logs/refs/heads/m/main', 20);
  const [first = '', second = ''] = await work.packs('.idx');
  await work.damage(`packs/${first}`, 60);
  await fs.rm(work.file(`.dlv/packs/${second}`));
  t.true((await problemsOf(work)).length >= 8);

  const result = await rebuild(work);
  t.deepEqual(result.problems, []);
  t.deepEqual(result.rebuilt?.failed, []);
  t.true(result.rebuilt!.done.length >= 9, result.rebuilt!.done.join('\n'));
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  await work.open(async (repo, context) => {
    const { head, models, clean } = await status(repo, context);
    t.like(head, { model: 'm', branch: 'main', version: [...work.versions.keys()].at(-1) });
    t.true(clean, JSON.stringify(models));
  });
  await work.commit({ 'b.txt': 'on and on\n' });
  t.deepEqual(await fsckProblems(work.dir), []);
});

test('fsck --rebuild: state files that are gone come back too', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.safetensors': checkpoint(1, 0) });
  for (const name of ['manifest', 'staging', 'format', 'refs/heads/m/main', '.gitignore']) {
    await fs.rm(work.file(`.dlv/${name}`));
  }
  await rebuild(work);
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('fsck --rebuild: changes nothing in a sound repository', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.safetensors': checkpoint(1, 0) });
  const result = await rebuild(work);
  t.deepEqual(result.rebuilt, { done: [], failed: [] });
  t.true(result.ok);
});

test('fsck: a ref or a parent that names no version is reported as missing', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  const { seal } = await import('../../../../lib/base/bytes/sealed.js');
  const id = 'cd'.repeat(32);
  await work.write('.dlv/refs/tags/lost', seal(`${id}\n`));
  const [problem] = await problemsOf(work);
  t.like(problem, { kind: 'missing' });
  t.regex(problem!.message, new RegExp(id));
});

test('fsck: config that cannot be read is a problem that names the line', async (t) => {
  const work = await WorkRepository.make(t);
  await fs.appendFile(work.file('.dlv/config'), '[nonsense\n');
  const [problem] = await problemsOf(work);
  t.like(problem, { kind: 'damaged', area: 'config' });
  t.regex(problem!.message, /line \d/);
});

test('fsck: an object of a newer format is named, with no advice that would lose it', async (t) => {
  const work = await WorkRepository.make(t);
  const model = (last: number): Buffer => {
    const bytes = new Float32Array(20_000).map((_, i) => (i < 19_999 ? i : last));
    const tensor = { name: 'w', dtype: 'F32', shape: [20_000], bytes: Buffer.from(bytes.buffer) };
    return safetensors([tensor]);
  };
  await work.commit({ 'a.safetensors': model(1), 'b.txt': 'b' });
  const { id } = await work.open(async (repo) => {
    for await (const entry of repo.store.segments()) {
      const writer = new ReencodedWriter(repo);
      const none = new Uint8Array(0);
      const coded = { head: Uint8Array.of(250, 0, 0), hi: none, mid: none, low: none };
      const stored = await storedSegment(repo.store, entry.id, 0);
      await writer.add(recodedRecord(stored, { ...coded, usesBase: false }, null, 0));
      await writer.flush();
      return entry;
    }
    throw new Error('no extent');
  });
  for (const files of [false, true]) {
    const { problems, checked } = await fsck(work.context, { files });
    t.is(problems.length, 1, 'in a version and in staging');
    t.like(problems[0], { kind: 'newer', area: 'object', affectedFiles: 2 });
    t.true(problems[0]!.places.some((place) => place.object === id));
    t.regex(problems[0]!.remedy, /upgrade dlv/);
    t.is(checked.files, files ? 2 : 0, 'the others are checked all the same');
  }
  // It is not a base for new work, and does not keep it from being stored.
  await work.commit({ 'a.safetensors': model(2) });
  t.deepEqual(await compareVersions(work.dir, new Map([...work.versions].slice(1))), []);
});
