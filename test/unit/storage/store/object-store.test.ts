/**
 * All sets behind one look-up. The oracle is a Map from key to the record of the first set that holds
 * it; other instances over the same files change the list meanwhile, as other processes do.
 */
import test, { type ExecutionContext } from 'ava';
import { type BlobKind, type Id, objectId } from '../../../../lib/base/bytes/hash.js';
import { FolderBackend } from '../../../../lib/storage/store/backends/folder-backend.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { mergeSets } from '../../../../lib/storage/store/merge.js';
import { packName } from '../../../../lib/storage/store/names.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../../../lib/storage/store/packs/pack-writer.js';
import {
  type BlobEntry,
  FILE_CLASSES,
  type SegmentEntry,
  type SetInfo,
  storedBytes,
} from '../../../../lib/storage/store/types.js';
import { seededRandom } from '../../../helpers/rng.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { type AnyRecord, addSet, blob, extentId, isBlob, plain, segment } from './records.js';
import { problemsOf, writeSet } from './sample.js';

async function newStore(backend = new MemoryBackend()): Promise<ObjectStore> {
  await ObjectStore.init(backend);
  return ObjectStore.open(backend);
}

async function folder(t: ExecutionContext): Promise<() => FolderBackend> {
  const dir = await tempDir(t);
  return () => {
    const backend = new FolderBackend(dir);
    t.teardown(() => backend.close());
    return backend;
  };
}

function keyOf(record: { id: Id; segment?: number }): string {
  return record.segment === undefined ? record.id : `${record.id}:${record.segment}`;
}

/** Three sets that share keys: every record says in its bytes which set it is of. */
function overlapping(): AnyRecord[][] {
  const random = seededRandom(17);
  const big = { count: 9 * 2 ** 20, segments: 3 };
  return [0, 1, 2].map((set) => {
    const records: AnyRecord[] = [];
    for (let i = 0; i < 300; i++) {
      if (random() < 0.5) continue;
      const id = objectId('blob', Buffer.from(`key ${i}`));
      const kind: BlobKind = i % 3 === 0 ? 'version' : 'blob';
      records.push(blob(`set ${set}`, { id, kind }));
      records.push(segment(`s${i}`, { ...big, segment: i % 3 }, set));
    }
    return records;
  });
}

function firstOf(sets: readonly AnyRecord[][]): Map<string, AnyRecord> {
  const live = new Map<string, AnyRecord>();
  for (const record of sets.flat()) if (!live.has(keyOf(record))) live.set(keyOf(record), record);
  return live;
}

async function read(store: ObjectStore, record: AnyRecord): Promise<unknown> {
  return plain(
    isBlob(record)
      ? await store.readBlob(record.id)
      : await store.readSegment(record.id, record.segment),
  );
}

async function readsAs(
  t: ExecutionContext,
  store: ObjectStore,
  live: ReadonlyMap<string, AnyRecord>,
): Promise<void> {
  for (const record of live.values()) t.deepEqual(await read(store, record), plain(record));
}

test('store: the first set that holds a key has its live record', async (t) => {
  const store = await newStore();
  const sets = overlapping();
  for (const records of sets) await addSet(store, records);
  await readsAs(t, store, firstOf(sets));
  // The order of the list decides, not the order in which sets came.
  await store.publish([], (listed) => [...listed].reverse());
  await readsAs(t, store, firstOf([...sets].reverse()));
  const other = await ObjectStore.open(store.backend);
  await readsAs(t, other, firstOf([...sets].reverse()));
});

test('store: goes through every live record once, in order', async (t) => {
  const store = await newStore();
  const sets = overlapping();
  for (const records of sets) await addSet(store, records);
  const live = firstOf(sets);
  const owner = (record: AnyRecord): string => {
    return store.sets()[sets.findIndex((records) => records.includes(record))]?.id as string;
  };
  for (const kind of [undefined, 'version', 'blob', 'note'] as const) {
    const found: string[] = [];
    for await (const entry of store.blobs(kind)) {
      found.push(entry.id);
      t.is(entry.set as string, owner(live.get(entry.id) as AnyRecord));
    }
    const wanted = [...live.values()].filter((r) => isBlob(r) && (!kind || r.kind === kind));
    t.deepEqual(found, wanted.map((r) => r.id as string).sort());
  }
  const found: string[] = [];
  for await (const entry of store.segments()) {
    found.push(keyOf(entry));
    t.is(entry.set as string, owner(live.get(keyOf(entry)) as AnyRecord));
  }
  const wanted = [...live.values()].filter((r) => !isBlob(r)).map(keyOf);
  t.deepEqual(found, wanted.sort());
  const all: string[] = [];
  let liveCount = 0;
  for await (const { entry, live: isLive } of store.records()) {
    all.push(`${keyOf(entry)} ${entry.set}`);
    if (isLive) liveCount++;
  }
  t.is(liveCount, live.size);
  t.is(new Set(all).size, sets.flat().length, 'hidden records as well');
});

test('store: sizes of many objects are those of the live records of each', async (t) => {
  const store = await newStore();
  const sets = overlapping();
  const base = blob('a base');
  sets[1]?.push(base, blob('of it', { base: base.id, depth: 1, codec: 3 }));
  sets[2]?.push(segment('d', { base: extentId('s1'), depth: 1 }, 5));
  for (const records of sets) await addSet(store, records);
  for (const order of [sets, [...sets].reverse()]) {
    if (order !== sets) await store.publish([], (listed) => [...listed].reverse());
    const segmentsOf = new Map<Id, number>();
    for (const record of order.flat()) {
      segmentsOf.set(record.id, isBlob(record) ? 0 : record.segments);
    }
    const objects = [...segmentsOf].map(([id, segments]) => ({ id, segments }));
    const wanted: unknown[] = [];
    for (const { id, segments } of objects) {
      const entries: (BlobEntry | SegmentEntry | null)[] = [];
      if (segments === 0) entries.push(await store.findBlob(id));
      for (let n = 0; n < segments; n++) entries.push(await store.findSegment(id, n));
      const live = entries.filter((entry) => entry !== null);
      wanted.push({
        bytes: live.reduce((sum, entry) => sum + storedBytes(entry), 0),
        bases: [...new Set(live.flatMap(({ base }) => base ?? []))],
      });
    }
    // All together indexes are read through, some they are looked up in.
    t.deepEqual(await store.sizesOf(objects), wanted);
    for (const at of [0, 7, objects.length - 3]) {
      t.deepEqual(await store.sizesOf(objects.slice(at, at + 3)), wanted.slice(at, at + 3));
    }
  }
  t.deepEqual(await store.sizesOf([{ id: extentId('none'), segments: 2 }]), [undefined]);
  t.deepEqual(await store.sizesOf([]), []);
});

test('store: an extent is there when all its segments are', async (t) => {
  const store = await newStore();
  const big = { count: 9 * 2 ** 20, segments: 3 };
  const parts = [0, 1, 2].map((n) => segment('big', { ...big, segment: n }, n));
  for (const [i, part] of [parts[2], parts[0], parts[1]].entries()) {
    t.false(await store.hasExtent(extentId('big')), `${i} segments`);
    await addSet(store, [part as AnyRecord]);
  }
  t.true(await store.hasExtent(extentId('big')));
  t.is((await store.readSegmentHead(extentId('big'), 1))?.hi.length, 0);
  t.is(await store.readSegment(extentId('big'), 3), null);
});

test('store: resolves the start of an id among blobs of one kind', async (t) => {
  const store = await newStore();
  const records: AnyRecord[] = [];
  for (let i = 0; i < 600; i++) records.push(blob(`v${i}`, { kind: i % 2 ? 'version' : 'blob' }));
  await addSet(store, records.slice(0, 350));
  await addSet(store, records.slice(300));
  const ids = records.filter((_, i) => i % 2).map((r) => r.id as string);
  for (const id of ids.slice(0, 40)) {
    for (const length of [2, 3, 5, 12, 63, 64]) {
      const start = id.slice(0, length);
      const wanted = ids.filter((other) => other.startsWith(start)).sort();
      t.deepEqual((await store.resolveIdPrefix('version', start)) as string[], wanted);
      t.deepEqual((await store.resolveIdPrefix('version', start, 1)) as string[], [wanted[0]]);
    }
  }
  t.deepEqual(await store.resolveIdPrefix('version', records[0]?.id as string), []);
  for (const bad of ['', 'a', 'ABCD', 'xyz', '..', `${'a'.repeat(64)}b`, '0'.repeat(64)]) {
    t.deepEqual(await store.resolveIdPrefix('version', bad), [], bad);
  }
});

test('store: keeps to its bound of memory with many sets, and still finds everything', async (t) => {
  const backend = new MemoryBackend();
  const writing = await newStore(backend);
  const records: AnyRecord[] = [];
  for (let set = 0; set < 40; set++) {
    const own = Array.from({ length: 30 }, (_, i) => blob(`set ${set} blob ${i}`));
    records.push(...own);
    await addSet(writing, own);
  }
  const idxBytes = writing.sets()[0]?.bytes.idx as number;
  let opened = 0;
  const counting = MemoryBackend.from(backend.files());
  const readFrom = counting.read.bind(counting);
  counting.read = (name, offset, length) => {
    if (name.endsWith('.idx')) opened++;
    return readFrom(name, offset, length);
  };
  const all = await ObjectStore.open(counting);
  for (const record of records) t.deepEqual(await read(all, record), plain(record));
  t.is(opened, 40, 'each idx is opened once if all fit');
  for (const indexCacheBytes of [0, idxBytes, 2 * idxBytes, 20 * idxBytes]) {
    const small = await ObjectStore.open(counting, { indexCacheBytes });
    for (let round = 0; round < 3; round++) {
      opened = 0;
      // Another one each time: an entry that was found is known from then on.
      const last = records.at(-1 - round) as AnyRecord;
      t.deepEqual(await read(small, last), plain(last));
    }
    const whole = Math.floor(indexCacheBytes / 2 / idxBytes);
    t.true(opened >= 39 - whole, 'no more are held than fit');
    // Of those that do not fit whole the heads are held: one read of the rows for each.
    if (indexCacheBytes > idxBytes) t.is(opened, 40 - whole);
    await Promise.all(records.map(async (r) => t.deepEqual(await read(small, r), plain(r))));
    await small.close();
  }
});

test('publish: adds to the list as it is now, not as it was read', async (t) => {
  const make = await folder(t);
  await ObjectStore.init(make());
  const [one, two] = [await ObjectStore.open(make()), await ObjectStore.open(make())];
  const first = await addSet(one, [blob('one')]);
  const second = await addSet(two, [blob('two')]);
  const third = await addSet(one, [blob('three')]);
  t.deepEqual(one.sets(), [first, second, third]);
  t.is(one.generation, 3);
  t.true(await two.reload());
  t.false(await two.reload());
  t.deepEqual(two.sets(), one.sets());
});

test('publish: the same set by two writers is listed once, where it stood first', async (t) => {
  const make = await folder(t);
  await ObjectStore.init(make());
  const [one, two] = [await ObjectStore.open(make()), await ObjectStore.open(make())];
  const records = [blob('same'), segment('same')];
  const [a, b] = [await writeSet(one.backend, records), await writeSet(two.backend, records)];
  t.deepEqual(a.info, b.info);
  await one.publish([a]);
  const later = await addSet(one, [blob('later')]);
  t.deepEqual(await read(one, records[0] as AnyRecord), plain(records[0] as AnyRecord));
  await two.publish([b]);
  t.deepEqual(two.sets(), [a.info, later]);
  for (const store of [one, two]) {
    for (const record of records) t.deepEqual(await read(store, record), plain(record));
  }
  t.deepEqual(await problemsOf(two.backend, two.sets()), []);
});

test('publish: a list that names a set twice is never written', async (t) => {
  const store = await newStore();
  const info = await addSet(store, [blob('x')]);
  await t.throwsAsync(store.publish([], (sets) => [...sets, ...sets]));
  t.true((await ObjectStore.open(store.backend)).sets().length === 1);
  t.deepEqual(store.sets(), [info]);
});

test('abort after publish leaves the published files, also after one that failed', async (t) => {
  const make = await folder(t);
  await ObjectStore.init(make());
  const store = await ObjectStore.open(make());
  const record = blob('kept');
  for (const failing of [false, true]) {
    const writer = await PackSetWriter.create(store.backend, `tmp/w/${failing}`);
    await writer.addBlob(record);
    const sealed = await writer.finish();
    const edit = (): never => {
      throw new Error('no');
    };
    if (failing) await t.throwsAsync(store.publish([sealed], edit));
    else await store.publish([sealed]);
    await writer.abort();
    t.deepEqual(await store.backend.list(`tmp/w/${failing}`), []);
    t.deepEqual(await read(store, record), plain(record));
    t.deepEqual(await problemsOf(store.backend, store.sets()), []);
  }
});

test('retire: never moves a set that is listed, whatever this instance last read', async (t) => {
  const make = await folder(t);
  await ObjectStore.init(make());
  const [one, two] = [await ObjectStore.open(make()), await ObjectStore.open(make())];
  const info = await addSet(one, [blob('x')]);
  t.is(two.sets().length, 0);
  await two.retire([info.id]);
  t.deepEqual(await one.backend.list('trash'), []);
  await one.publish([], () => []);
  await two.retire([info.id, info.id]);
  const moved = (['blob', 'idx'] as const).map((c) => `${info.id}.${c}`);
  t.deepEqual(await one.backend.list('trash'), moved);
  t.deepEqual(await one.backend.list('packs'), []);
  await one.retire([info.id]);
  t.is(await one.readBlob(blob('x').id), null);
});

test('retire: a set can be listed again after it was retired', async (t) => {
  const make = await folder(t);
  await ObjectStore.init(make());
  const store = await ObjectStore.open(make());
  for (let round = 0; round < 3; round++) {
    const info = await addSet(store, [blob('x')]);
    t.deepEqual(await read(store, blob('x')), plain(blob('x')));
    await store.publish([], () => []);
    await store.retire([info.id]);
    t.is(await store.findBlob(blob('x').id), null);
  }
});

test('a damaged file that another process repaired is read again', async (t) => {
  const make = await folder(t);
  await ObjectStore.init(make());
  const [one, two] = [await ObjectStore.open(make()), await ObjectStore.open(make())];
  const records: AnyRecord[] = [blob('x'), segment('a')];
  const info = await addSet(one, records);
  for (const fileClass of ['blob', 'hi', 'idx'] as const) {
    const name = packName(info.id, fileClass);
    const good = await one.backend.readAll(name, 1 << 20);
    const bad = Buffer.from(good);
    bad[good.length - 20] = (bad[good.length - 20] as number) ^ 1;
    await one.backend.writeAtomic(name, bad);
    const reader = await ObjectStore.open(make());
    const record = records[fileClass === 'blob' ? 0 : 1] as AnyRecord;
    await t.throwsAsync(read(reader, record), { code: 'DLV_CORRUPT' });
    // The same set, written once more by a process of its own, as a repair does.
    await two.publish([await writeSet(two.backend, records)]);
    t.deepEqual(await read(reader, record), plain(record), fileClass);
  }
});

/** Merges the first sets into one in front of all others and deletes them, as gc does. */
async function mergeSome(store: ObjectStore, round: number): Promise<void> {
  await store.reload();
  const old = store.sets().slice(0, 4);
  const ids = old.map((info) => info.id);
  const writer = await PackSetWriter.create(store.backend, `tmp/merge-${round}`);
  await mergeSets(store, ids, writer);
  const sealed = await writer.finish();
  await store.publish([sealed], (sets) => [
    sealed.info,
    ...sets.filter((info) => !ids.includes(info.id) && info.id !== sealed.info.id),
  ]);
  await store.retire(ids.filter((id) => id !== sealed.info.id));
  for (const name of await store.backend.list('trash')) await store.backend.remove(`trash/${name}`);
}

test('readers find every record at any time while another process adds and merges', async (t) => {
  const make = await folder(t);
  await ObjectStore.init(make());
  const writing = await ObjectStore.open(make());
  const written: AnyRecord[] = [];
  let done = false;
  const write = async (): Promise<void> => {
    for (let round = 0; round < 16; round++) {
      const records = [blob(`blob ${round}`), segment(`s${round}`, {}, round)];
      await addSet(writing, records);
      written.push(...records);
      if (round % 4 === 3) await mergeSome(writing, round);
    }
    done = true;
  };
  const readAll = async (seed: number): Promise<void> => {
    const reader = await ObjectStore.open(make());
    const random = seededRandom(seed);
    while (!done) {
      const known = [...written];
      const some = known.filter(() => random() < 0.5);
      await Promise.all(some.map(async (r) => t.deepEqual(await read(reader, r), plain(r))));
      const ids = new Set<string>();
      for await (const entry of reader.blobs()) ids.add(entry.id);
      for (const record of known.slice(0, -4)) if (isBlob(record)) t.true(ids.has(record.id));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all([write(), readAll(1), readAll(2)]);
  t.true(writing.sets().length < 15);
});

test('merge: keeps every live record, bases before deltas, and drops what is not kept', async (t) => {
  const store = await newStore();
  const sets = overlapping();
  const base = [blob('base'), segment('base')];
  const delta = [
    blob('delta', { base: blob('base').id, depth: 1 }),
    segment('delta', { base: extentId('base'), depth: 1 }),
  ];
  sets[0]?.push(...base);
  sets[1]?.unshift(...delta);
  for (const records of sets) await addSet(store, records);
  const live = firstOf(sets);
  const ids = store.sets().map((info) => info.id);
  const order: AnyRecord[] = [];
  const count = await mergeSets(store, [...ids].reverse(), {
    addBlob: async (record) => void order.push(record),
    addSegment: async (record) => void order.push(record),
  });
  t.is(count.blobs + count.segments, live.size);
  t.deepEqual(order.map(plain), [
    ...[...live.values()].filter(isBlob).map(plain),
    ...[...live.values()].filter((r) => !isBlob(r)).map(plain),
  ]);
  const place = (record: AnyRecord): number => order.findIndex((r) => keyOf(r) === keyOf(record));
  t.true(place(base[0] as AnyRecord) < place(delta[0] as AnyRecord));
  t.true(place(base[1] as AnyRecord) < place(delta[1] as AnyRecord));

  const kept: string[] = [];
  const some = await mergeSets(
    store,
    ids.slice(1, 2),
    { addBlob: async (r) => void kept.push(r.id), addSegment: async () => {} },
    { keep: async (entry) => 'kind' in entry && entry.kind === 'version' },
  );
  const own = [...live.values()].filter(
    (r) => isBlob(r) && r.kind === 'version' && sets[1]?.includes(r),
  );
  t.deepEqual(
    kept,
    own.map((r) => r.id as string),
  );
  t.deepEqual(some, { blobs: own.length, segments: 0 });
});

test('merge: what it writes can stand for the sets it was made of', async (t) => {
  const make = await folder(t);
  await ObjectStore.init(make());
  const store = await ObjectStore.open(make());
  const sets = overlapping();
  for (const [i, records] of sets.entries()) await addSet(store, records, i === 1);
  await mergeSome(store, 0);
  t.is(store.sets().length, 1);
  t.deepEqual(await problemsOf(store.backend, store.sets()), []);
  await readsAs(t, store, firstOf(sets));
  // Merging what is merged changes nothing.
  const [merged] = store.sets();
  await mergeSome(store, 1);
  t.deepEqual(store.sets(), [merged as SetInfo]);
  await readsAs(t, store, firstOf(sets));
});

test('merge: stops when it is told to', async (t) => {
  const store = await newStore();
  const info = await addSet(store, [blob('x'), blob('y')]);
  const signal = AbortSignal.abort();
  const sink = { addBlob: async () => t.fail(), addSegment: async () => t.fail() };
  await t.throwsAsync(mergeSets(store, [info.id], sink, { signal }), { code: 'DLV_ABORTED' });
});

test('merge: a set that another process merged away meanwhile is read where it is now', async (t) => {
  const make = await folder(t);
  await ObjectStore.init(make());
  const [one, two] = [await ObjectStore.open(make()), await ObjectStore.open(make())];
  const records: AnyRecord[] = [blob('x'), segment('a')];
  await addSet(one, records);
  await addSet(one, [blob('y')]);
  const ids = one.sets().map((info) => info.id);
  const got: AnyRecord[] = [];
  await mergeSets(
    one,
    ids,
    { addBlob: async (r) => void got.push(r), addSegment: async (r) => void got.push(r) },
    {
      // Asked for the last entry, when all were found and none was read.
      keep: async (entry) => {
        if ('segment' in entry) await mergeSome(two, 9);
        return true;
      },
    },
  );
  t.deepEqual(got.map(plain), [plain(blob('x')), plain(blob('y')), plain(segment('a'))]);
  for (const fileClass of FILE_CLASSES) {
    t.false(await one.backend.exists(packName(ids[0] as SetInfo['id'], fileClass)));
  }
});
