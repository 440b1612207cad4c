/**
 * Records with right checksums that decode to other bytes than their ids say: a fault of memory while they
 * were written, or malice. fsck --rebuild takes them out of the way of good copies, or of such to come.
 */
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { encodeBlob } from '../../../../lib/pure/codec/blob-coder.js';
import type { BlobRecord, SegmentRecord } from '../../../../lib/storage/store/types.js';
import { fsck } from '../../../../lib/use/ops/fsck.js';
import { gc } from '../../../../lib/use/ops/gc.js';
import { randomBytes } from '../../../helpers/rng.js';
import { Forge } from '../../../trust/hostile/forge.js';
import { withRecords } from '../../../trust/hostile/packs.js';
import { checkpoint, safetensors } from '../../../trust/model-files.js';
import { compareVersions, fsckProblems } from '../../../trust/record.js';
import { WorkRepository } from '../objects/work-repository.js';

const NOISE = randomBytes(60_000, 1);
const STEPS = [0, 1, 2].map((step) => checkpoint(1, step, 4));

async function make(t: Parameters<typeof WorkRepository.make>[0]): Promise<WorkRepository> {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  for (const bytes of STEPS) await work.commit({ 'a.safetensors': bytes, 'a.bin': NOISE });
  return work;
}

/** The record of the noise, giving other bytes. */
function wrongBlob(work: WorkRepository): Promise<BlobRecord> {
  return work.open(async (repo) => {
    for await (const { id, kind, rawBytes } of repo.store.blobs('blob')) {
      if (rawBytes !== NOISE.length) continue;
      const { codec, payload } = await encodeBlob(Buffer.from(NOISE).reverse(), 1);
      return { id, kind, codec, base: null, depth: 0, rawBytes, payload };
    }
    throw new Error('the noise is not a blob');
  });
}

/** The record of an extent that others are deltas of, with another byte or with the head of another. */
function wrongSegment(work: WorkRepository, isHead: boolean): Promise<SegmentRecord> {
  return work.open(async (repo) => {
    const bases = new Set<Id>();
    const all: SegmentRecord[] = [];
    for await (const { id, base } of repo.store.segments()) {
      if (base !== null) bases.add(base);
      all.push((await repo.store.readSegment(id, 0)) as SegmentRecord);
    }
    const record = all.find(({ id, base }) => base === null && bases.has(id)) as SegmentRecord;
    const other = all.find(({ id, width, count }) => {
      return id !== record.id && width === record.width && count === record.count;
    }) as SegmentRecord;
    if (isHead) return { ...other, id: record.id, base: null, depth: 0 };
    const hi = Buffer.from(record.hi);
    hi[hi.length >> 1]! ^= 1;
    return { ...record, hi };
  });
}

const WRONG: readonly [string, (work: WorkRepository) => Promise<BlobRecord | SegmentRecord>][] = [
  ['a blob', wrongBlob],
  ['an extent', (work) => wrongSegment(work, false)],
  ['an extent with the hashes of another', (work) => wrongSegment(work, true)],
];

for (const [what, makeRecord] of WRONG) {
  test(`fsck --rebuild: a good copy serves instead of ${what} that decodes to other bytes`, async (t) => {
    const work = await make(t);
    await withRecords(new Forge(work.dir), [await makeRecord(work)]);
    t.not((await compareVersions(work.dir, work.versions)).length, 0, 'the wrong one is live');
    const found = await fsck(work.context);
    t.true(found.problems.some(({ kind }) => kind === 'damaged'));
    const { ok, problems, rebuilt } = await fsck(work.context, { rebuild: true });
    t.true(ok, JSON.stringify(problems));
    t.true(rebuilt?.done.some((text) => /decode to other bytes|nothing readable/.test(text)));
    t.deepEqual(await fsckProblems(work.dir), []);
    t.deepEqual(await compareVersions(work.dir, work.versions), []);
  });

  test(`fsck --rebuild: after it, files added again serve instead of ${what} of other bytes`, async (t) => {
    const work = await make(t);
    await withRecords(new Forge(work.dir), [await makeRecord(work)]);
    // The good record, which the wrong one hides, goes with the sets that are merged.
    await work.open((repo, context) => gc(repo, { pruneNow: true }, context));
    const { problems } = await fsck(work.context, { rebuild: true });
    t.true(problems.length > 0 && problems.every(({ kind }) => kind === 'missing'));
    t.deepEqual((await fsck(work.context)).problems, problems, 'a second check says the same');
    for (const [i, bytes] of STEPS.entries()) await work.add({ [`again-${i}.safetensors`]: bytes });
    await work.add({ 'again.bin': NOISE });
    t.deepEqual(await compareVersions(work.dir, work.versions), []);
    t.deepEqual(await fsckProblems(work.dir), []);
  });
}

test('fsck --rebuild: finds every link of a long chain that decodes to other bytes', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n[chain]\ndepth = 30\ncost = 30\n');
  const weights = randomBytes(80_000, 2);
  for (let step = 0; step < 12; step++) {
    // Other elements each time: the version before is the closest by far.
    weights.set(randomBytes(4_000, 10 + step), 4_000 * step);
    const tensor = { name: 'w', dtype: 'F32', shape: [20_000], bytes: weights };
    await work.commit({ 'a.safetensors': safetensors([tensor]) });
  }
  const wrong = await work.open(async (repo) => {
    const records: SegmentRecord[] = [];
    for await (const { id } of repo.store.segments()) {
      const record = (await repo.store.readSegment(id, 0)) as SegmentRecord;
      const hi = Buffer.from(record.hi);
      if (hi.length === 0) continue;
      hi[hi.length >> 1]! ^= 1;
      records.push({ ...record, hi });
    }
    return records;
  });
  t.true(Math.max(...wrong.map(({ depth }) => depth)) > 8, 'the chain is long');
  await withRecords(new Forge(work.dir), wrong);
  t.false((await fsck(work.context)).ok);
  const { ok, problems } = await fsck(work.context, { rebuild: true });
  t.true(ok, JSON.stringify(problems));
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});
