/**
 * Goal: extents are stored in the order of their file while it is read on, each once and a base before what depends on
 * it; and whoever reads is told of a failure before the next extent is read, also where none is kept in memory.
 * Method: feeds that give planes at hand, and sessions that note records or fail.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { KEPT_EXTENT_BYTES } from '../../../../lib/base/limits.js';
import { BaseFinder } from '../../../../lib/storage/ingest/bases/named-bases.js';
import { ExtentStore, type ExtentTarget } from '../../../../lib/storage/ingest/store-extents.js';
import type { PackSession } from '../../../../lib/storage/objects/session.js';
import { randomBytes } from '../../../helpers/rng.js';
import { memorySession } from './memory-session.js';

type Fill = (planes: readonly Uint8Array[]) => Uint8Array | null;

/** @param fill  fills the planes of the next run; gives their hashes, or null if they have still to be made. */
function storeOf(session: PackSession, fill: Fill, bases = new BaseFinder([])): ExtentStore {
  const feed = { readRun: async (planes: readonly Uint8Array[]) => fill(planes) };
  const options = { bases, chainDepth: 10, chainCost: 4, level: 1 };
  const source = { name: 'file' };
  return new ExtentStore({ session, source, feed, options } as unknown as ExtentTarget);
}

const place = (width: number, count: number) => {
  return { width, count, byteSwap: false, offset: 0, keys: [], view: null };
};

test('store extents: each is stored once, after those before it, and a base before its delta', async (t) => {
  const count = 4096;
  const first = Array.from({ length: 4 }, (_, k) => randomBytes(count, k));
  // Its last plane is another one.
  const second = [...first.slice(0, 3), randomBytes(count, 9)];
  const third = Array.from({ length: 4 }, (_, k) => randomBytes(count, 20 + k));
  const contents = [first, second, first, third, second, third];
  const session = await memorySession();
  const records: { id: Id; base: Id | null }[] = [];
  const put = session.putSegment.bind(session);
  session.putSegment = async (record) => {
    // Longer for those that come first: nobody may be quicker than whoever came before.
    await sleep(10 * Math.max(0, 3 - records.length));
    records.push({ id: record.id, base: record.base });
    await put(record);
  };
  let at = 0;
  const store = storeOf(session, (planes) => {
    for (const [k, plane] of planes.entries()) plane.set(contents[at]![k]!);
    at++;
    return null;
  });
  const ids: Id[] = [];
  for (const _ of contents) ids.push(await store.read(place(4, count)));
  await store.settle();
  store.check();
  const [a, b, , c] = ids as [Id, Id, Id, Id];
  t.deepEqual(ids, [a, b, a, c, b, c]);
  t.deepEqual(records, [
    { id: a, base: null },
    { id: b, base: a },
    { id: c, base: null },
  ]);
  await session.abort();
});

test('store extents: one that cannot be stored is told before more is read', async (t) => {
  const session = await memorySession();
  session.hasExtent = () => Promise.reject(new Error('the device is full'));
  const width = 8;
  // The bytes are read and hashed elsewhere.
  const read = () => new Uint8Array(32 * width);
  // Nothing is known of its namesake, so that no base is guessed and none of its planes are kept.
  const namesakes = () => ['ab'.repeat(32) as Id];
  const long = storeOf(session, read, Object.assign(new BaseFinder([]), { namesakes }));
  const part = place(width, KEPT_EXTENT_BYTES / width + 1);
  await t.throwsAsync(long.read(part), { message: 'the device is full' });
  await t.throwsAsync(long.read(part), { message: 'the device is full' });
  await long.settle();
  let runs = 0;
  const short = storeOf(session, () => {
    runs++;
    return read();
  });
  await short.read(place(width, 1024));
  await nextTurn();
  await t.throwsAsync(short.read(place(width, 1024)), { message: 'the device is full' });
  t.is(runs, 1);
  await short.settle();
  t.throws(() => short.check(), { message: 'the device is full' });
});
