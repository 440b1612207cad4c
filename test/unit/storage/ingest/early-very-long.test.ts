/**
 * Goal: whether a very long extent is equal to its namesake is known though none of its samples is in its first segment.
 * Method: constant extents of one byte an element, of which no whole one is ever in memory.
 */
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { SEGMENT_ELEMENTS } from '../../../../lib/base/limits.js';
import { sketchPositions } from '../../../../lib/pure/codec/sketch.js';
import { BaseFinder } from '../../../../lib/storage/ingest/bases/named-bases.js';
import { ExtentStore, type ExtentTarget } from '../../../../lib/storage/ingest/store-extents.js';
import { countEarly, memorySession } from './memory-session.js';

const COUNT = 142_000_000;

test('early: a very long extent is begun unless its first run is that of its namesake', async (t) => {
  t.true((sketchPositions(1, COUNT)[0] as number) >= SEGMENT_ELEMENTS);
  const session = await memorySession();
  const counts = countEarly(session);
  const store = async (value: number, namesake: Id | null): Promise<Id> => {
    const readRun = async ([plane]: readonly Uint8Array[]) => {
      plane!.fill(value);
      return null;
    };
    const namesakes = () => (namesake === null ? [] : [namesake]);
    const bases = Object.assign(new BaseFinder([]), { namesakes });
    const readInto = async (target: Uint8Array) => void target.fill(value);
    const target = {
      ...{ session, source: { name: 'file', readInto }, feed: { readRun } },
      options: { bases, chainDepth: 10, chainCost: 4, level: 1 },
    };
    const extents = new ExtentStore(target as unknown as ExtentTarget);
    const place = {
      width: 1,
      count: COUNT,
      byteSwap: false,
      offset: 0,
      keys: ['name'],
      view: null,
    };
    const id = await extents.read(place);
    await extents.settle();
    extents.check();
    return id;
  };
  const first = await store(7, null);
  counts.early = 0;
  const second = await store(9, first);
  t.true(counts.early > 0);
  t.is((await session.findSegment(second, 5))?.id, second);
  counts.early = 0;
  t.is(await store(9, second), second);
  t.is(counts.early, 0);
  await session.abort();
});
