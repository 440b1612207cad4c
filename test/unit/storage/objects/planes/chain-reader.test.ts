/**
 * Goal: planes come back exactly through one chain, with and without a cache, however many readers ask
 * at once; a chain that has no end is told; an abort ends the reading at the next link.
 * Method: chains of random shapes in memory; the pool overwrites what is released, so that planes that
 * were given back too early are wrong bytes.
 */
import test from 'ava';
import fc from 'fast-check';
import type { Id } from '../../../../../lib/base/bytes/hash.js';
import { AbortedError, CorruptError, NotFoundError } from '../../../../../lib/base/errors.js';
import { planChains } from '../../../../../lib/storage/objects/planes/chain-forest.js';
import { ChainReader } from '../../../../../lib/storage/objects/planes/chain-reader.js';
import { ForestReader } from '../../../../../lib/storage/objects/planes/forest-reader.js';
import {
  lendWhole,
  type PlaneReader,
  type SegmentRecords,
} from '../../../../../lib/storage/objects/planes/plane-reader.js';
import { newStats } from '../../../../../lib/storage/objects/planes/read-counts.js';
import { openPlanes } from '../../../../../lib/storage/objects/planes/read-segments.js';
import { type MadeChains, makeChains, planesOf } from '../../../../helpers/chain-store.js';

/** Records that another one stands before. */
function over(made: MadeChains, changes: Partial<SegmentRecords>): SegmentRecords {
  const { store } = made;
  return {
    findSegment: (...args) => store.findSegment(...args),
    openSegment: (...args) => store.openSegment(...args),
    readSegment: (...args) => store.readSegment(...args),
    readPlanes: (...args) => store.readPlanes(...args),
    ...changes,
  };
}

/** Reads one extent, looks at its planes a while later, and gives them back. */
async function isRight(reader: PlaneReader, made: MadeChains, extent: number, planes: number) {
  const lease = await reader.lend({ id: made.ids[extent]!, segment: 0, planes });
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  const expected = planesOf(made.contents[extent]!, made.width).slice(0, planes);
  const same =
    lease.planes.length === expected.length &&
    expected.every((plane, k) => Buffer.compare(plane, lease.planes[k]!) === 0);
  lease.release();
  return same;
}

const chains = fc
  .array(fc.option(fc.nat(1000), { freq: 8 }), { minLength: 1, maxLength: 12 })
  .map((picks) => picks.map((pick, i) => (pick === null || i === 0 ? null : pick % i)));

test('chain reader: any requests at once, kept or not, give the planes that were stored', async (t) => {
  const shape = fc.record({
    parents: chains,
    picks: fc.array(fc.record({ extent: fc.nat(1000), planes: fc.constantFrom(1, 2, 3, 4, 8) }), {
      minLength: 1,
      maxLength: 20,
    }),
    cacheSegments: fc.nat(4),
    lanes: fc.integer({ min: 1, max: 5 }),
    keepsOdd: fc.boolean(),
    seed: fc.nat(1e6),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ parents, picks, cacheSegments, lanes, keepsOdd, seed }) => {
      const made = await makeChains(parents, { seed, count: 5000, isWhole: (i) => i % 3 === 2 });
      const stats = newStats();
      const reader = new ChainReader(made.store, {
        cacheBytes: cacheSegments * made.count * made.width,
        keeps: (id) => !keepsOdd || made.ids.indexOf(id) % 2 === 1,
        stats,
      });
      let next = 0;
      const lane = async (): Promise<void> => {
        while (next < picks.length) {
          const { extent, planes } = picks[next++]!;
          t.true(await isRight(reader, made, extent % parents.length, planes));
        }
      };
      await Promise.all(Array.from({ length: lanes }, lane));
      if (cacheSegments > 0) return;
      const links = (extent: number): number =>
        made.bases[extent] === null ? 1 : 1 + links(made.bases[extent]!);
      const all = picks.reduce((sum, { extent }) => sum + links(extent % parents.length), 0);
      t.is(stats.decodes, all);
    }),
    { numRuns: 60 },
  );
});

test('chain reader: with room for it, a chain is decoded once, and so is what several ask for', async (t) => {
  const parents = Array.from({ length: 20 }, (_, i) => (i === 0 ? null : i - 1));
  const made = await makeChains(parents, { count: 5000 });
  const stats = newStats();
  const reader = new ChainReader(made.store, { cacheBytes: 1 << 30, stats });
  const wanted = [19, 19, 5, 19, 0, 12];
  const right = await Promise.all(wanted.map((extent) => isRight(reader, made, extent, 4)));
  t.deepEqual(
    right,
    wanted.map(() => true),
  );
  t.is(stats.decodes, 20);
});

test('chain reader: a chain that leads back into itself is damage, not an endless wait', async (t) => {
  const made = await makeChains([null, 0, 1]);
  const [first, second, third] = made.ids as [Id, Id, Id];
  const next = new Map([
    [third, second],
    [second, third],
  ]);
  const records = over(made, {
    findSegment: async (id, segment) => {
      const entry = await made.store.findSegment(id, segment);
      return entry && { ...entry, base: next.get(id) ?? entry.base };
    },
  });
  for (const cacheBytes of [0, 1 << 30]) {
    const reader = new ChainReader(records, { cacheBytes });
    const both = await Promise.allSettled(
      [second, third].map((id) => reader.lend({ id, segment: 0 })),
    );
    for (const result of both) {
      t.true(result.status === 'rejected' && result.reason instanceof CorruptError);
    }
    (await reader.lend({ id: first, segment: 0 })).release();
  }
});

test('readers: an abort in a long chain ends it at the next link, and leaves no read behind', async (t) => {
  const parents = Array.from({ length: 40 }, (_, i) => (i === 0 ? null : i - 1));
  const made = await makeChains(parents);
  const requests = [38, 39].map((extent) => ({ id: made.ids[extent]!, segment: 0 }));
  for (const kind of ['chain', 'kept', 'forest']) {
    const stop = new AbortController();
    let reads = 0;
    let open = 0;
    const records = over(made, {
      readSegment: async (...args) => {
        if (++reads === 5) stop.abort();
        open++;
        await new Promise((resolve) => setImmediate(resolve));
        open--;
        return made.store.readSegment(...args);
      },
    });
    const { signal } = stop;
    const forest = await planChains(made.store, requests, { keepOrder: true });
    const reader =
      kind === 'forest'
        ? new ForestReader(records, forest, { signal })
        : new ChainReader(records, { signal, cacheBytes: kind === 'kept' ? 1 << 30 : 0 });
    await t.throwsAsync(reader.lend(requests[1]!), { instanceOf: AbortedError }, kind);
    t.is(open, 0, kind);
    t.true(reads <= 6, `${kind}: ${reads}`);
  }
});

test('lendWhole: an extent of another size than its recipe says is damage', async (t) => {
  const made = await makeChains([null], { count: 5000 });
  const reader = new ChainReader(made.store);
  const extent = { id: made.ids[0]!, width: 4, count: 5000 };
  (await lendWhole(reader, extent, 0)).release();
  for (const lie of [{ width: 2 }, { width: 8 }, { count: 4999 }, { count: 5001 }]) {
    await t.throwsAsync(lendWhole(reader, { ...extent, ...lie }, 0), { instanceOf: CorruptError });
  }
});

test('openPlanes: shares what chains have in common, and nothing else', async (t) => {
  const made = await makeChains([null, 0, 1, null]);
  const asked = (...extents: number[]) => extents.map((i) => ({ id: made.ids[i]!, segment: 0 }));
  for (const [requests, isShared] of [
    [asked(1, 2), true],
    [asked(2, 2), true],
    [asked(2, 3), false],
    [asked(2), false],
    [[], false],
    [[...asked(1, 2), { id: '0'.repeat(64) as Id, segment: 0 }], false],
  ] as const) {
    const planes = await openPlanes(made.store, requests);
    t.is(planes.isShared, isShared);
    for (const { id } of requests) {
      const extent = made.ids.indexOf(id);
      if (extent >= 0) t.true(await isRight(planes.reader, made, extent, 4));
      else {
        await t.throwsAsync(planes.reader.lend({ id, segment: 0 }), { instanceOf: NotFoundError });
      }
    }
    // What was not announced, or not so often, is read all the same.
    for (const extent of [0, 2, 3]) t.true(await isRight(planes.reader, made, extent, 2));
    planes.close();
    t.true(await isRight(planes.reader, made, 2, 4), 'and so after the end');
  }
});
