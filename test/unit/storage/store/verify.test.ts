/**
 * What fsck says about damage, and what scans make of sets that are damaged, incomplete or unlisted.
 * damage.test.ts shows that damage is found; here the report must name whatever it costs.
 */
import test, { type ExecutionContext } from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { isDamage } from '../../../../lib/base/errors.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { packName } from '../../../../lib/storage/store/names.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../../../lib/storage/store/packs/pack-writer.js';
import {
  FILE_CLASSES,
  type Problem,
  type SegmentRecord,
  type SetInfo,
} from '../../../../lib/storage/store/types.js';
import { salvageSet, scanPacks, scanSet } from '../../../../lib/storage/store/verify.js';
import {
  type AnyRecord,
  addAll,
  addSet,
  blob,
  extentId,
  isBlob,
  plain,
  sampleRecords,
  segment,
} from './records.js';
import { problemsOf } from './sample.js';

interface Sample {
  backend: MemoryBackend;
  store: ObjectStore;
  info: SetInfo;
  records: AnyRecord[];
}

async function makeSample(split: boolean, records = sampleRecords()): Promise<Sample> {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  const info = await addSet(store, records, split);
  return { backend, store, info, records };
}

/** A copy of the backend in which one file is changed; null removes it. */
function changed(
  { backend }: Sample,
  name: string,
  change: (bytes: Uint8Array) => Uint8Array | null,
): MemoryBackend {
  const files: [string, Uint8Array][] = [];
  for (const [file, bytes] of backend.files()) {
    const kept = file === name ? change(bytes) : bytes;
    if (kept !== null) files.push([file, kept]);
  }
  return MemoryBackend.from(files);
}

function flip(at: number, mask = 0xff): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => {
    bytes[at] = (bytes[at] as number) ^ mask;
    return bytes;
  };
}

/** Every record is read as it was put in, or refused as damaged. @returns the refused ones. */
async function refusedBy(
  t: ExecutionContext,
  backend: MemoryBackend,
  records: readonly AnyRecord[],
): Promise<AnyRecord[]> {
  const refused: AnyRecord[] = [];
  const store = await ObjectStore.open(backend);
  for (const record of records) {
    try {
      const got = isBlob(record)
        ? await store.readBlob(record.id)
        : await store.readSegment(record.id, record.segment);
      t.deepEqual(plain(got), plain(record));
    } catch (error) {
      t.true(isDamage(error), `${error}`);
      refused.push(record);
    }
  }
  return refused;
}

function names(problem: Problem, record: AnyRecord): boolean {
  if (isBlob(record)) return problem.blob === record.id;
  return problem.extent === record.id && problem.segment === record.segment;
}

for (const split of [false, true]) {
  const kind = split ? 'split' : 'small';

  test(`verify: every changed byte of a ${kind} set is reported with the records it costs`, async (t) => {
    const sample = await makeSample(split);
    const { info, records } = sample;
    for (const fileClass of FILE_CLASSES) {
      const name = packName(info.id, fileClass);
      // Every second byte, of each file other ones; damage.test.ts flips all.
      for (let at = FILE_CLASSES.indexOf(fileClass) & 1; at < info.bytes[fileClass]; at += 2) {
        const backend = changed(sample, name, flip(at, 1 << ((at >> 1) % 8)));
        const problems = await problemsOf(backend, [info]);
        t.true(problems.length > 0, `byte ${at} of .${fileClass}`);
        for (const problem of problems) t.is(problem.set, info.id);
        if (fileClass === 'idx') {
          t.true(problems.every((p) => p.file === name && p.what === 'index'));
          continue;
        }
        t.true(
          problems.some((p) => p.file === name),
          `byte ${at} of .${fileClass}`,
        );
        // The idx is sound, so fsck can say whose bytes these are.
        for (const record of await refusedBy(t, backend, records)) {
          t.true(
            problems.some((p) => names(p, record)),
            `byte ${at} of .${fileClass}`,
          );
        }
      }
    }
  });
}

test('verify: bytes that no record names are reported', async (t) => {
  const sample = await makeSample(true);
  for (const fileClass of ['blob', 'hi', 'mid', 'low'] as const) {
    const name = packName(sample.info.id, fileClass);
    const backend = changed(sample, name, (bytes) => Buffer.concat([bytes, Buffer.alloc(5)]));
    const size = sample.info.bytes[fileClass] + 5;
    const info = { ...sample.info, bytes: { ...sample.info.bytes, [fileClass]: size } };
    const problems = await problemsOf(backend, [info]);
    t.true(
      problems.some((p) => p.file === name && p.offset === size - 5),
      fileClass,
    );
  }
});

test('verify: a record of another set in its place is reported and never given back', async (t) => {
  const [one, two] = [segment('a', {}, 1), segment('a', {}, 2)];
  const [first, second] = [await makeSample(false, [one]), await makeSample(false, [two])];
  t.not(first.info.id, second.info.id);
  const other = await second.backend.readAll(packName(second.info.id, 'hi'), 1 << 20);
  const backend = changed(first, packName(first.info.id, 'hi'), () => other);
  t.true((await problemsOf(backend, [first.info])).length > 0);
  t.deepEqual(await refusedBy(t, backend, [one]), [one]);
});

test('scan: goes on behind a damaged record, also if it holds the magic of others', async (t) => {
  const decoy = Buffer.from('dlvb dlvs dlvb dlvs');
  const records: AnyRecord[] = [];
  for (let i = 0; i < 5; i++) {
    records.push(blob(`${decoy} ${i}`));
    records.push(segment(`s${i}`, { head: decoy, hi: decoy, mid: decoy, low: decoy }));
  }
  const sample = await makeSample(false, records);
  for (const fileClass of ['blob', 'hi'] as const) {
    for (let at = 8; at < sample.info.bytes[fileClass]; at += 3) {
      const backend = changed(sample, packName(sample.info.id, fileClass), flip(at));
      const saved: AnyRecord[] = [];
      await salvageSet(backend, sample.info.id, {
        addBlob: async (record) => void saved.push(record),
        addSegment: async (record) => void saved.push(record),
      });
      t.true(saved.length >= records.length - 1, `byte ${at} of .${fileClass}: ${saved.length}`);
    }
  }
});

test('scan: of a set without files nothing is left', async (t) => {
  const { backend, info } = await makeSample(false);
  for (const [name] of backend.files()) if (name.startsWith('packs/')) await backend.remove(name);
  t.deepEqual(await scanSet(backend, info.id), { info: null, index: null, problems: [] });
  const problems = await problemsOf(backend, [info]);
  t.deepEqual(
    problems.filter((p) => p.what === 'missing-file').map((p) => p.file),
    (['blob', 'hi', 'idx'] as const).map((c) => packName(info.id, c)),
  );
});

async function manyBases(): Promise<{ backend: MemoryBackend; listed: SetInfo[] }> {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  // A chain through the sets, so that one order alone is right; ids of sets are in any order.
  for (let i = 0; i < 12; i++) {
    const base = (name: string): Partial<SegmentRecord> =>
      i === 0 ? {} : { base: extentId(`${name}${i - 1}`), depth: i };
    const blobBase = i === 0 ? {} : { base: blob(`text ${i - 1}`).id as Id, depth: i };
    await addSet(store, [blob(`text ${i}`, blobBase), segment(`link ${i}`, base('link '), i)]);
  }
  return { backend, listed: [...store.sets()] };
}

test('scanPacks: a delta without its base is reported, and its set kept', async (t) => {
  const { backend, listed } = await manyBases();
  const lost = listed[5] as SetInfo;
  for (const fileClass of FILE_CLASSES) await backend.remove(packName(lost.id, fileClass));
  const { sets, problems } = await scanPacks(backend);
  t.is(sets.length, 11);
  t.deepEqual(
    problems.map((p) => [p.what, p.set]),
    [['order', listed[6]?.id]],
  );
  t.deepEqual(sets.slice(0, 5), listed.slice(0, 5));
});

test('scanPacks: damaged and incomplete sets are reported and left out', async (t) => {
  const sample = await makeSample(true);
  const { backend, info } = sample;
  await addSet(sample.store, [blob('sound')]);
  for (const fileClass of ['blob', 'hi', 'mid', 'low'] as const) {
    const name = packName(info.id, fileClass);
    for (const change of [flip(40), () => null]) {
      const damaged = changed(sample, name, change);
      const { sets, problems } = await scanPacks(damaged);
      t.true(
        problems.some((p) => p.set === info.id),
        fileClass,
      );
      const listed = new Set(sets.map((s) => s.id));
      // A damaged payload leaves the rows as they were: the set is listed and the record refused.
      if (listed.has(info.id)) await refusedBy(t, damaged, sample.records);
      t.true(sets.length >= 1);
    }
  }
  await backend.writeAtomic('packs/not-a-set', Buffer.of(1));
  await backend.writeAtomic('packs/.tmp-1-0-x.idx', Buffer.of(1));
  t.is((await scanPacks(backend)).sets.length, 2);
});

test('scanPacks: what it lists can be read', async (t) => {
  const { backend, listed } = await manyBases();
  await backend.remove('manifest');
  const { sets } = await scanPacks(backend);
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  await store.publish([], () => sets);
  for (let i = 0; i < listed.length; i++) t.true(await store.hasExtent(extentId(`link ${i}`)));
});

test('salvage: what is left of a set can be written into another', async (t) => {
  const sample = await makeSample(true);
  const damaged = changed(sample, packName(sample.info.id, 'mid'), flip(20));
  const writer = await PackSetWriter.create(damaged, 'tmp/salvage');
  const problems = await salvageSet(damaged, sample.info.id, writer);
  t.is(problems.filter((p) => p.what === 'payload').length, 1);
  const sealed = await writer.finish();
  const store = await ObjectStore.open(damaged);
  // In one step it would be refused: a delta is left whose base is lost.
  const swap = store.publish([sealed], (sets) => sets.slice(1));
  await t.throwsAsync(swap, { code: 'DLV_CONFLICT' });
  await store.publish([], () => []);
  await store.publish([sealed]);
  t.deepEqual(await problemsOf(damaged, store.sets()), []);
  const lost = problems[0] as Problem;
  for (const record of sample.records) {
    const got = isBlob(record)
      ? await store.readBlob(record.id)
      : await store.readSegment(record.id, record.segment);
    t.deepEqual(plain(got), names(lost, record) ? null : plain(record));
  }
  await addAll(await PackSetWriter.create(damaged, 'tmp/again'), []);
});
