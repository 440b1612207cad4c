/**
 * Goal: however segments are rebuilt, they have the same bytes; what chains share is decoded once if
 * there is room, memory keeps its bound if there is not, and what was read is counted to the byte.
 * Method: chains of random shapes in memory, reads counted at the backend.
 */

import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { AbortedError, CorruptError } from '../../../../../lib/base/errors.js';
import { SEGMENT_ELEMENTS } from '../../../../../lib/base/limits.js';
import {
  planChains,
  plannedBytes,
  type RetrievalScheme,
} from '../../../../../lib/storage/objects/planes/chain-forest.js';
import { ForestReader } from '../../../../../lib/storage/objects/planes/forest-reader.js';
import type { SegmentRequest } from '../../../../../lib/storage/objects/planes/plane-reader.js';
import { newStats, totalBytes } from '../../../../../lib/storage/objects/planes/read-counts.js';
import { readSegments } from '../../../../../lib/storage/objects/planes/read-segments.js';
import { MemoryBackend } from '../../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../../lib/storage/store/object-store.js';
import {
  type MadeChains,
  makeChains,
  packBytesRead,
  planesOf,
} from '../../../../helpers/chain-store.js';

const SCHEMES: readonly RetrievalScheme[] = ['independent', 'parallel', 'reusable'];

/** Parents of up to `max` extents: each stands alone or on an earlier one. */
function arbitraryForest(max: number): fc.Arbitrary<(number | null)[]> {
  const parent = fc.option(fc.nat(1000), { freq: 6 });
  return fc
    .array(parent, { minLength: 1, maxLength: max })
    .map((picks) => picks.map((pick, i) => (pick === null || i === 0 ? null : pick % i)));
}

/** Checks the planes that a retrieval gives and that each request got some, once. */
function checker(t: ExecutionContext, made: MadeChains, requests: readonly SegmentRequest[]) {
  const seen = new Array<number>(requests.length).fill(0);
  return {
    onSegment(planes: readonly Uint8Array[], at: number): void {
      const { id, planes: wanted = made.width } = requests[at] as SegmentRequest;
      const content = made.contents[made.ids.indexOf(id)] as Uint8Array;
      const expected = planesOf(content, made.width).slice(0, wanted);
      t.is(planes.length, expected.length);
      t.true(expected.every((plane, k) => Buffer.compare(plane, planes[k] as Uint8Array) === 0));
      seen[at]!++;
    },
    done(): void {
      t.true(seen.every((times) => times === 1));
    },
  };
}

/** Extents on the chains of some, each once. */
function onChains(made: MadeChains, wanted: readonly number[]): Set<number> {
  const found = new Set<number>();
  for (const extent of wanted) {
    for (
      let at: number | null = extent;
      at !== null && !found.has(at);
      at = made.bases[at] as never
    )
      found.add(at);
  }
  return found;
}

test('read: every scheme gives the same planes, reads what was planned, keeps its bound', async (t) => {
  const shape = fc.record({
    parents: arbitraryForest(14),
    picks: fc.array(fc.nat(1000), { minLength: 1, maxLength: 20 }),
    planes: fc.constantFrom(undefined, 1, 2, 3, 4),
    cacheSegments: fc.nat(4),
    wholeEvery: fc.constantFrom(0, 3),
    seed: fc.nat(1e6),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ parents, picks, planes, cacheSegments, wholeEvery, seed }) => {
      const isWhole = (i: number): boolean => wholeEvery > 0 && i % wholeEvery === 0;
      const made = await makeChains(parents, { seed, isWhole, count: 600 });
      const wanted = picks.map((pick) => pick % parents.length);
      const requests = wanted.map((i) => ({
        id: made.ids[i]!,
        segment: 0,
        ...(planes === undefined ? {} : { planes }),
      }));
      const segmentBytes = made.count * made.width;
      for (const scheme of SCHEMES) {
        for (const cacheBytes of [cacheSegments * segmentBytes, 64 << 20]) {
          const check = checker(t, made, requests);
          const stats = newStats();
          const read = await packBytesRead(made.backend, () =>
            readSegments(made.store, requests, { scheme, cacheBytes, stats, ...check }),
          );
          check.done();
          t.is(totalBytes(stats.bytes), read);
          t.true(stats.keptBytesMax <= cacheBytes);
          const planned = plannedBytes(await planChains(made.store, requests), scheme);
          if (scheme === 'reusable' && cacheBytes < 64 << 20) {
            t.true(read >= totalBytes(planned));
          } else {
            t.deepEqual(stats.bytes, planned);
          }
          if (scheme === 'reusable' && cacheBytes === 64 << 20) {
            t.is(stats.decodes, onChains(made, wanted).size);
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('forest reader: any order and any overlap of calls gives the same planes within the bound', async (t) => {
  const shape = fc.record({
    parents: arbitraryForest(12),
    picks: fc.array(fc.nat(1000), { minLength: 1, maxLength: 24 }),
    cacheSegments: fc.nat(3),
    lanes: fc.integer({ min: 1, max: 5 }),
    seed: fc.nat(1e6),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ parents, picks, cacheSegments, lanes, seed }) => {
      const made = await makeChains(parents, { seed, count: 600 });
      const requests = picks.map((pick) => ({ id: made.ids[pick % parents.length]!, segment: 0 }));
      const forest = await planChains(made.store, requests, { keepOrder: true });
      const cacheBytes = cacheSegments * made.count * made.width;
      const reader = new ForestReader(made.store, forest, { cacheBytes });
      const check = checker(t, made, requests);
      let next = 0;
      const lane = async (): Promise<void> => {
        while (next < requests.length) {
          const place = next++;
          const lease = await reader.lendAt(place);
          await new Promise((resolve) => setImmediate(resolve));
          check.onSegment(lease.planes, place);
          lease.release();
        }
      };
      await Promise.all(Array.from({ length: lanes }, lane));
      check.done();
      t.true(reader.stats.keptBytesMax <= cacheBytes);
      t.is(reader.keptBytes, 0, 'nothing is kept that is not used again');
    }),
    { numRuns: 60 },
  );
});

test('read: a chain of 40 takes 40 decodes with room for one segment, in any order asked', async (t) => {
  const parents = Array.from({ length: 40 }, (_, i) => (i === 0 ? null : i - 1));
  const made = await makeChains(parents, { count: 600 });
  t.deepEqual(made.bases, parents);
  const requests = made.ids.map((id) => ({ id, segment: 0 })).reverse();
  const check = checker(t, made, requests);
  const cacheBytes = made.count * made.width;
  const stats = await readSegments(made.store, requests, { cacheBytes, ...check });
  check.done();
  t.is(stats.decodes, 40);
  const alone = await readSegments(made.store, requests, { scheme: 'independent' });
  t.is(alone.decodes, (40 * 41) / 2);
});

test('read: a binary tree of depth d needs room for d segments, no more', async (t) => {
  const parents = Array.from({ length: 31 }, (_, i) => (i === 0 ? null : (i - 1) >> 1));
  const made = await makeChains(parents, { count: 600 });
  const requests = made.ids.map((id) => ({ id, segment: 0 }));
  const bytes = made.count * made.width;
  const enough = await readSegments(made.store, requests, { cacheBytes: 4 * bytes });
  t.is(enough.decodes, 31);
  const tight = await readSegments(made.store, requests, { cacheBytes: bytes });
  t.true(tight.decodes > 31 && tight.decodes < 31 + 31, `${tight.decodes}`);
  t.true(tight.keptBytesMax <= bytes);
});

for (const smallSetBytes of [undefined, 0]) {
  const where = smallSetBytes === 0 ? 'files of their own' : 'one file';
  test(`read: two planes read neither mid nor low, classes in ${where}`, async (t) => {
    const made = await makeChains([null, 0, 1, 1], {
      ...(smallSetBytes === undefined ? {} : { smallSetBytes }),
    });
    const requests = made.ids.map((id) => ({ id, segment: 0, planes: 2 }));
    const check = checker(t, made, requests);
    const stats = newStats();
    const read = await packBytesRead(made.backend, () =>
      readSegments(made.store, requests, { stats, ...check }),
    );
    check.done();
    t.is(read, totalBytes(stats.bytes));
    t.is(stats.bytes.mid + stats.bytes.low, 0);
    let heads = 0;
    let hi = 0;
    for await (const entry of made.store.segments()) {
      hi += entry.hiBytes;
      heads += entry.headBytes;
    }
    t.is(stats.bytes.hi, hi);
    t.true(stats.bytes.head > heads && stats.bytes.head < heads + 4 * 150);
    const three = await readSegments(made.store, [{ ...requests[3]!, planes: 3 }]);
    t.true(three.bytes.mid > 0);
  });
}

test('read: segments of long extents stand on chains of their own', async (t) => {
  const count = SEGMENT_ELEMENTS + 70_000;
  const made = await makeChains([null, 0, 1], { count, width: 1 });
  const requests = made.ids.flatMap((id) => [0, 1].map((segment) => ({ id, segment })));
  const parts: Uint8Array[][] = [];
  const stats = await readSegments(made.store, requests, {
    onSegment(planes, at) {
      parts[at] = planes.map((plane) => plane.slice());
    },
  });
  t.is(stats.decodes, 6);
  for (const [i, content] of made.contents.entries()) {
    const found = Buffer.concat([parts[2 * i]![0]!, parts[2 * i + 1]![0]!]);
    t.is(Buffer.compare(found, content), 0);
  }
});

test('read: damage in the middle of a chain names the file and spares what lies below', async (t) => {
  for (const scheme of SCHEMES) {
    const made = await makeChains([null, 0, 1, 2], {});
    const entry = (await made.store.findSegment(made.ids[1]!, 0))!;
    const name = `packs/${entry.set}.hi`;
    const bytes = await made.backend.readAll(name, 1 << 28);
    const end = entry.offset + entry.headBytes + entry.hiBytes;
    bytes[end] = bytes[end]! ^ 0x10;
    await made.backend.writeAtomic(name, bytes);
    const wanted = (i: number) => [{ id: made.ids[i]!, segment: 0 }];
    const fresh = await ObjectStore.open(made.backend);
    await readSegments(fresh, wanted(0), { scheme });
    for (const i of [1, 3]) {
      const error = await t.throwsAsync(readSegments(fresh, wanted(i), { scheme }), {
        instanceOf: CorruptError,
      });
      t.true(error?.message.includes(name), error?.message);
    }
    const all = made.ids.map((id) => ({ id, segment: 0 }));
    await t.throwsAsync(readSegments(fresh, all, { scheme }), { instanceOf: CorruptError });
  }
});

test('read: an abort ends it between segments', async (t) => {
  const made = await makeChains([null, 0, 1, null, 3, 4], {});
  const requests = made.ids.map((id) => ({ id, segment: 0 }));
  for (const scheme of SCHEMES) {
    const stop = new AbortController();
    let given = 0;
    const run = readSegments(made.store, requests, {
      scheme,
      signal: stop.signal,
      onSegment() {
        if (++given === 2) stop.abort();
      },
    });
    await t.throwsAsync(run, { instanceOf: AbortedError });
    t.true(given >= 2 && given <= 3);
  }
});

test('read: a record that is re-encoded meanwhile is read as it is now', async (t) => {
  const made = await makeChains([null, 0, 1]);
  const again = await makeChains([null, null, 0], { backend: new MemoryBackend() });
  t.deepEqual(again.ids.slice(0, 1), made.ids.slice(0, 1));
  const requests = made.ids.map((id) => ({ id, segment: 0 }));
  const check = checker(t, made, requests);
  // Until its record is read, the index says another base of the last extent than the record has.
  let isRead = false;
  const moved = await readSegments(
    {
      findSegment: async (id, segment) => {
        const entry = await made.store.findSegment(id, segment);
        return entry && id === made.ids[2] && !isRead ? { ...entry, base: made.ids[0]! } : entry;
      },
      openSegment: (id, segment) => made.store.openSegment(id, segment),
      readSegment: (id, segment, classes) => {
        isRead ||= id === made.ids[2];
        return made.store.readSegment(id, segment, classes);
      },
      readPlanes: (head, classes) => made.store.readPlanes(head, classes),
    },
    requests,
    { ...check },
  );
  check.done();
  t.is(moved.decodes, 5, 'two of the forest, and the whole chain of the last extent');
});
