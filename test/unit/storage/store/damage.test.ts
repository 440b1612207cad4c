/**
 * Damage of every byte of a small store: each flip and each cut is found, and no read gives a wrong
 * value or says that a thing is not there.
 */
import test from 'ava';
import { type DlvError, isDamage } from '../../../../lib/base/errors.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import {
  rebuildIndex,
  salvageSet,
  scanPacks,
  scanSet,
} from '../../../../lib/storage/store/verify.js';
import {
  blobOf,
  idOf,
  plain,
  problemsOf,
  readSame,
  SAMPLE,
  SMALL_SET,
  SPLIT_SET,
  sampleStore,
  segmentOf,
  writeSet,
} from './sample.js';

const EXPECTED = SAMPLE.map((record) => JSON.stringify(plain(record)));

async function sampleFiles(): Promise<[string, Uint8Array][]> {
  const { backend } = await sampleStore();
  return (backend as MemoryBackend).files();
}

/** True if an error says that stored bytes cannot be trusted, or were written by a newer dlv. */
function isRefusal(error: unknown): boolean {
  return isDamage(error) || (error as DlvError).code === 'DLV_FORMAT_VERSION';
}

/** Reads everything of a damaged store; returns what is wrong about its answers. */
async function wrongAnswers(backend: MemoryBackend): Promise<string[]> {
  let store: ObjectStore;
  try {
    store = await ObjectStore.open(backend);
  } catch (error) {
    return isRefusal(error) ? [] : [String(error)];
  }
  const wrong: string[] = [];
  for (const [i, record] of SAMPLE.entries()) {
    try {
      const found = await readSame(store, record);
      if (JSON.stringify(found) !== EXPECTED[i]) wrong.push(`record ${i}: ${found && 'other'}`);
    } catch (error) {
      if (!isRefusal(error)) wrong.push(`record ${i}: ${error}`);
    }
  }
  return wrong;
}

function isNearEnd(length: number, bytes: Uint8Array): boolean {
  return length < 64 || length > bytes.length - 64;
}

/** True if opening the store or verifying its sets tells of the damage. */
async function isFound(backend: MemoryBackend): Promise<boolean> {
  try {
    const store = await ObjectStore.open(backend);
    return (await problemsOf(backend, store.sets())).length > 0;
  } catch (error) {
    if (isRefusal(error)) return true;
    throw error;
  }
}

test('damage: every flipped bit is found and gives no wrong answer', async (t) => {
  const files = await sampleFiles();
  const backend = MemoryBackend.from(files);
  let flips = 0;
  for (const [name, bytes] of files) {
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = damaged[at]! ^ (1 << (at % 8));
      await backend.writeAtomic(name, damaged);
      const wrong = await wrongAnswers(backend);
      if (wrong.length > 0) t.fail(`${name} at ${at}: ${wrong.join('; ')}`);
      if (!(await isFound(backend))) t.fail(`${name} at ${at}: not found`);
      flips++;
    }
    await backend.writeAtomic(name, bytes);
  }
  t.true(flips > 2000);
});

test('damage: a file cut at any length is found and gives no wrong answer', async (t) => {
  const files = await sampleFiles();
  const backend = MemoryBackend.from(files);
  for (const [name, bytes] of files) {
    // Each length near the ends, where headers and checksums are, and every third between.
    for (let length = 0; length < bytes.length; length += isNearEnd(length, bytes) ? 1 : 3) {
      await backend.writeAtomic(name, bytes.subarray(0, length));
      const wrong = await wrongAnswers(backend);
      if (wrong.length > 0) t.fail(`${name} cut to ${length}: ${wrong.join('; ')}`);
      if (!(await isFound(backend))) t.fail(`${name} cut to ${length}: not found`);
    }
    await backend.writeAtomic(name, Buffer.concat([bytes, Buffer.of(0)]));
    t.true(await isFound(backend), `${name} with a byte more`);
    await backend.writeAtomic(name, bytes);
  }
  t.false(await isFound(backend));
});

test('damage: a missing file is found and gives no wrong answer', async (t) => {
  const files = await sampleFiles();
  for (const [name] of files) {
    const backend = MemoryBackend.from(files.filter(([other]) => other !== name));
    t.deepEqual(await wrongAnswers(backend), [], name);
    t.true(await isFound(backend), name);
  }
});

test('damage: the files of one set under the name of another are found', async (t) => {
  const { backend, store } = await sampleStore();
  const sealed = await writeSet(backend, [blobOf('alphb'), ...SMALL_SET.slice(1)]);
  const [small] = store.sets();
  t.deepEqual(sealed.info.bytes, small!.bytes, 'the sizes give nothing away');
  await backend.rename(sealed.files.blob!, `packs/${small!.id}.blob`);
  await t.throwsAsync(store.readBlob(idOf('alpha')), { code: 'DLV_CORRUPT' });
  t.true(await isFound(backend as MemoryBackend));
  await backend.rename(sealed.files.idx!, `packs/${small!.id}.idx`);
  const other = await ObjectStore.open(backend);
  await t.throwsAsync(other.readBlob(idOf('alpha')), { code: 'DLV_CORRUPT' });
});

test('verify: names the records that damage hits, and only those', async (t) => {
  const { backend, store } = await sampleStore();
  const [small, split] = store.sets();
  const flip = async (file: string, at: number) => {
    const bytes = await backend.readAll(file, 1 << 20);
    bytes[at] = bytes[at]! ^ 0x10;
    await backend.writeAtomic(file, bytes);
  };
  const beta = await store.findBlob(idOf('beta'));
  await flip(`packs/${small!.id}.blob`, beta!.offset + 20);
  const blobs = await problemsOf(backend, [small!]);
  t.deepEqual(
    blobs.map(({ what, blob, offset }) => ({ what, blob, offset })),
    [
      { what: 'record', blob: undefined, offset: beta!.offset },
      { what: 'record', blob: idOf('beta'), offset: beta!.offset },
    ],
  );
  const child = await store.findSegment(idOf('child'), 0);
  await flip(`packs/${split!.id}.low`, child!.lowOffset);
  const [low, ...none] = await problemsOf(backend, [split!]);
  t.deepEqual(none, []);
  t.like(low!, {
    what: 'payload',
    extent: idOf('child'),
    segment: 0,
    class: 'low',
    offset: child!.lowOffset,
  });
  t.true(low!.file.endsWith('.low'));
  const record = SPLIT_SET.at(-1)!;
  await t.throwsAsync(readSame(store, record), { code: 'DLV_CORRUPT', message: /\.low/ });
  const leading = await store.readSegment(idOf('child'), 0, ['hi', 'mid']);
  t.deepEqual(plain(leading), {
    ...plain(segmentOf('child', { base: 'wide', hi: 2, mid: 0, low: 3, seed: 24 })),
    low: new Uint8Array(0),
  } as never);
});

test('salvage: a flipped bit costs the record that it hits and no other', async (t) => {
  const { backend, store } = await sampleStore();
  for (const [info, records] of [
    [store.sets()[0]!, SMALL_SET],
    [store.sets()[1]!, SPLIT_SET],
  ] as const) {
    for (const fileClass of ['blob', 'hi', 'mid', 'low'] as const) {
      const file = `packs/${info.id}.${fileClass}`;
      if (info.bytes[fileClass] === 0) continue;
      const bytes = await backend.readAll(file, 1 << 20);
      for (let at = 8; at < bytes.length; at++) {
        const damaged = bytes.slice();
        damaged[at] = damaged[at]! ^ 0x41;
        await backend.writeAtomic(file, damaged);
        const saved: string[] = [];
        const save = async (record: object) => {
          saved.push(JSON.stringify(plain(record as never)));
        };
        const problems = await salvageSet(backend, info.id, { addBlob: save, addSegment: save });
        t.true(problems.length > 0, `${file} at ${at}`);
        t.is(saved.length, records.length - 1, `${file} at ${at}`);
        t.true(saved.every((record) => EXPECTED.includes(record)));
      }
      await backend.writeAtomic(file, bytes);
    }
  }
});

test('salvage: an error of the taker is not taken for damage', async (t) => {
  const { backend, store } = await sampleStore();
  const fail = async () => {
    throw new RangeError('no room');
  };
  const salvage = salvageSet(backend, store.sets()[0]!.id, { addBlob: fail, addSegment: fail });
  await t.throwsAsync(salvage, { instanceOf: RangeError, message: 'no room' });
});

test('scan: a file that is all magics ends soon', async (t) => {
  const backend = new MemoryBackend();
  const id = 'ab'.repeat(16) as never;
  const header = (await sampleFiles()).find(([name]) => name.endsWith('.hi'))![1].subarray(0, 8);
  // Each candidate claims a head as long as allowed, so that the search would be quadratic.
  const candidate = Buffer.concat([
    Buffer.from('dlvs\x04\x01\x00\x00', 'latin1'),
    Buffer.from([0, 0, 16, 0]),
    Buffer.alloc(12),
  ]);
  const body = Buffer.concat(Array.from({ length: 100_000 }, () => candidate));
  await backend.writeAtomic(`packs/${id}.hi`, Buffer.concat([header, body]));
  const scan = await scanSet(backend, id);
  t.is(scan.info, null);
  t.is(scan.problems.length, 1);
});

test('rebuild: a damaged or missing idx is made again byte for byte', async (t) => {
  const { backend, store } = await sampleStore();
  for (const info of store.sets()) {
    const file = `packs/${info.id}.idx`;
    const before = Buffer.from(await backend.readAll(file, 1 << 20)).toString('hex');
    for (const spoil of [
      () => backend.remove(file),
      () => backend.writeAtomic(file, Buffer.of(1)),
    ]) {
      await spoil();
      const scan = await rebuildIndex(backend, info.id);
      t.deepEqual([scan.info, scan.problems], [info, []]);
      t.is(Buffer.from(await backend.readAll(file, 1 << 20)).toString('hex'), before);
    }
  }
});

test('rebuild: an idx is not written over records that are damaged', async (t) => {
  const { backend, store } = await sampleStore();
  const { id } = store.sets()[0]!;
  const bytes = await backend.readAll(`packs/${id}.blob`, 1 << 20);
  await backend.writeAtomic(`packs/${id}.blob`, bytes.subarray(0, -1));
  await backend.remove(`packs/${id}.idx`);
  const scan = await rebuildIndex(backend, id);
  t.true(scan.problems.length > 0);
  t.not(scan.info!.id, id);
  t.false(await backend.exists(`packs/${id}.idx`));
});

test('rebuild: a lost manifest lists bases before what needs them, whatever the names', async (t) => {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  for (let i = 0; i < 12; i++) {
    const base = i === 0 ? undefined : `chain ${i - 1}`;
    await store.publish([await writeSet(backend, [segmentOf(`chain ${i}`, base ? { base } : {})])]);
  }
  t.notDeepEqual(
    [...store.sets()].map((info) => info.id).sort(),
    store.sets().map((info) => info.id),
  );
  await backend.remove('manifest');
  const { sets, problems } = await scanPacks(backend);
  t.deepEqual([sets, problems], [[...store.sets()], []]);
});

test('rebuild: a set whose base is nowhere is listed and reported', async (t) => {
  const { backend, store } = await sampleStore();
  const [small, split] = store.sets();
  for (const name of await backend.list('packs')) {
    if (name.startsWith(small!.id)) await backend.remove(`packs/${name}`);
  }
  const { sets, problems } = await scanPacks(backend);
  t.deepEqual(sets, [split!]);
  t.deepEqual(
    problems.map(({ what, set }) => ({ what, set })),
    [{ what: 'order', set: split!.id }],
  );
});
