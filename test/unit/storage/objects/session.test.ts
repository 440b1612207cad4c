/**
 * Goal: what is put into a session at the same time is all stored, also where sets are full meanwhile; what a set has
 * is read while it is listed, and what depends on it is listed later.
 * Method: a writer that is full after a few blobs, in memory, seven lanes of blobs; a lock that the test opens.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { PackSession } from '../../../../lib/storage/objects/session.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';
import { randomBytes } from '../../../helpers/rng.js';

test('session: blobs put at the same time survive sets that are full meanwhile', async (t) => {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  let sets = 0;
  const session = new PackSession({
    store,
    chainDepth: 10,
    async locked(action) {
      await sleep(2);
      return action(async () => {});
    },
    tmpName: () => `tmp/1-1/${sets++}`,
    fullBytes: 5000,
  });
  const blobs = Array.from({ length: 300 }, (_, i) => randomBytes(400, i));
  const ids: Id[] = [];
  const lanes = Array.from({ length: 7 }, async (_, lane) => {
    for (let i = lane; i < blobs.length; i += 7) {
      ids[i] = await session.putBlob('blob', blobs[i] as Uint8Array);
    }
  });
  await Promise.all(lanes);
  await session.flush();
  t.true(sets > 10);
  t.is(store.sets().length, session.published.length);
  const fresh = new PackSession({
    store: await ObjectStore.open(backend),
    chainDepth: 10,
    locked: (action) => action(async () => {}),
    tmpName: () => 'tmp/1-1/none',
  });
  for (const [i, id] of ids.entries()) {
    t.deepEqual(new Uint8Array(await fresh.blobs.readBlob(id, 'blob')), blobs[i]);
  }
});

test('session: a set is read while it is listed, and deltas of it are stored meanwhile', async (t) => {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let isListing = false;
  let sets = 0;
  const session = new PackSession({
    store,
    chainDepth: 10,
    async locked(action) {
      isListing = true;
      await opened;
      return action(async () => {});
    },
    tmpName: () => `tmp/1-1/${sets++}`,
    fullBytes: 5000,
  });
  const first = randomBytes(6000, 1);
  const id = await session.putBlob('blob', first);
  while (!isListing) await nextTurn();
  t.deepEqual(store.sets(), []);
  t.true(await session.hasBlob(id));
  const delta = await session.putBlob('blob', Uint8Array.from(first).fill(0, 0, 9), 1, id);
  t.is((await session.readBlob(delta))?.base, id);
  // Its files get other names between the look into the set and the reading.
  const read = backend.read.bind(backend);
  backend.read = async (name, ...range) => {
    backend.read = read;
    open();
    while (session.published.length === 0) await nextTurn();
    return read(name, ...range);
  };
  t.is((await session.readBlob(id))?.rawBytes, 6000);
  t.is(session.published.length, 1);
  await session.flush();
  t.is(store.sets().length, 2);
  const found = await store.here.readBlob(delta);
  t.is(found?.base, id);
});
