/** What is kept of the indexes that are looked through: large ones that are asked often, and what was found. */
import test from 'ava';
import { MemoryBackend } from '../../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../../lib/storage/store/object-store.js';
import { type AnyRecord, addSet, blob, plain } from '../records.js';

async function newStore(backend: MemoryBackend): Promise<ObjectStore> {
  await ObjectStore.init(backend);
  return ObjectStore.open(backend);
}

test('store: an index that is asked often is held, and what was found is not looked for again', async (t) => {
  const backend = new MemoryBackend();
  const writing = await newStore(backend);
  // The index is larger than what is held at once.
  const many = Array.from({ length: 12_000 }, (_, i) => blob(`large ${i}`));
  await addSet(writing, many);
  const first = blob('first');
  await addSet(writing, [first]);
  let reads = 0;
  const counting = MemoryBackend.from(backend.files());
  const readFrom = counting.read.bind(counting);
  counting.read = (name, offset, length) => {
    if (name.endsWith('.idx')) reads++;
    return readFrom(name, offset, length);
  };
  const asked = async (store: ObjectStore, record: AnyRecord): Promise<number> => {
    reads = 0;
    t.deepEqual(plain(await store.readBlob(record.id)), plain(record));
    return reads;
  };
  const store = await ObjectStore.open(counting);
  t.true((await asked(store, first)) > 1);
  t.is(await asked(store, first), 0);
  let total = 0;
  for (const record of many.slice(0, 500)) total += await asked(store, record);
  t.true(total < 100, `${total} reads of the index`);
  t.is(await asked(store, many.at(-1) as AnyRecord), 0);
  t.is(await store.findBlob(blob('missing').id), null);

  // Where there is no room for it, it is read bucket by bucket.
  const small = await ObjectStore.open(counting, { indexCacheBytes: 100_000 });
  total = 0;
  for (const record of many.slice(0, 200)) total += await asked(small, record);
  t.true(total >= 200, `${total} reads of the index`);
});

test('store: what was found in a set is looked for again once another one is listed before it', async (t) => {
  const backend = new MemoryBackend();
  const writing = await newStore(backend);
  const twice = blob('twice');
  const one = await addSet(writing, [twice, blob('one')]);
  const two = await addSet(writing, [twice, blob('two')]);
  const store = await ObjectStore.open(backend);
  for (let i = 0; i < 2; i++) t.is((await store.findBlob(twice.id))?.set, one.id);
  await writing.publish([], () => [two, one]);
  t.true(await store.reload());
  t.is((await store.findBlob(twice.id))?.set, two.id);
  await writing.publish([], () => [two]);
  await store.reload();
  t.is((await store.findBlob(twice.id))?.set, two.id);
  t.is(await store.findBlob(blob('one').id), null);
});

test('store: a damaged bucket is found where all rows are read at once, too', async (t) => {
  const backend = new MemoryBackend();
  const writing = await newStore(backend);
  const many = Array.from({ length: 12_000 }, (_, i) => blob(`large ${i}`));
  await addSet(writing, many);
  const files = backend.files();
  for (const [name, bytes] of files) if (name.endsWith('.idx')) bytes[bytes.length - 100]! ^= 1;
  const store = await ObjectStore.open(MemoryBackend.from(files));
  const error = await t.throwsAsync(async () => {
    for (const record of many) await store.readBlob(record.id);
  });
  t.true(error?.message.includes('bucket'), error?.message);
});
