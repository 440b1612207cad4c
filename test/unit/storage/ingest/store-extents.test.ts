/**
 * Goal: whoever reads a file is told what storing one of its extents failed with before the next one is read, also
 * where none of them is kept in memory. Method: a feed that gives no bytes, and a session that fails.
 */
import test from 'ava';
import { KEPT_EXTENT_BYTES } from '../../../../lib/base/limits.js';
import { BaseFinder } from '../../../../lib/storage/ingest/bases/named-bases.js';
import { ExtentStore, type ExtentTarget } from '../../../../lib/storage/ingest/store-extents.js';
import { PackSession } from '../../../../lib/storage/objects/session.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';

const WIDTH = 8;

test('store extents: a long extent that cannot be stored is told before more is read', async (t) => {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const session = new PackSession({
    store: await ObjectStore.open(backend),
    chainDepth: 10,
    locked: (action) => action(async () => {}),
    tmpName: () => 'tmp/1-1/0',
  });
  session.hasExtent = () => Promise.reject(new Error('the device is full'));
  // The bytes are read and hashed elsewhere.
  const feed = { readRun: async () => new Uint8Array(32 * WIDTH) };
  const options = { bases: new BaseFinder([]), chainDepth: 10, chainCost: 4, level: 1 };
  const store = new ExtentStore({ session, source: {}, feed, options } as unknown as ExtentTarget);
  const count = KEPT_EXTENT_BYTES / WIDTH + 1;
  const part = { width: WIDTH, count, byteSwap: false, offset: 0, keys: [], view: null };
  await t.throwsAsync(store.read(part), { message: 'the device is full' });
  await store.settle();
});
