/**
 * Goal: memory of planes is lent once at a time, and a reader that uses planes after their release is
 * found out. Method: a pool of the test's own, and the pool that every other test runs on.
 */
import test from 'ava';
import { BugError } from '../../../../../lib/base/errors.js';
import { SEGMENT_ELEMENTS } from '../../../../../lib/base/limits.js';
import { PlanePool, planePool } from '../../../../../lib/storage/objects/planes/plane-pool.js';

/** Where a plane is: planes share buffers. */
function placeOf(plane: Uint8Array | undefined): unknown {
  const numbers = places.get(plane!.buffer) ?? `${places.size}`;
  places.set(plane!.buffer, numbers);
  return `${numbers}:${plane!.byteOffset}`;
}
const places = new Map<ArrayBufferLike, string>();

const COUNTS = [1, 1000, 4096, 5000, 70_000, 1 << 20, SEGMENT_ELEMENTS, 3 * SEGMENT_ELEMENTS];

test('lend: planes have the size asked for, and memory of their own while they are lent', (t) => {
  const pool = new PlanePool();
  for (const count of COUNTS) {
    for (let round = 0; round < 3; round++) {
      const leases = [pool.lend(2, count), pool.lend(1, count)];
      const planes = leases.flatMap((lease) => [...lease.planes]);
      t.deepEqual(
        planes.map((plane) => plane.length),
        [count, count, count],
      );
      for (const [k, plane] of planes.entries()) plane.fill(k + 1);
      t.true(planes.every((plane, k) => plane[0] === k + 1 && plane[count - 1] === k + 1));
      for (const lease of leases) lease.release();
    }
  }
});

test('lend: released memory is lent again, that of a dropped lease never', (t) => {
  const pool = new PlanePool();
  const first = pool.lend(1, 5000);
  const memory = placeOf(first.planes[0]);
  t.not(placeOf(pool.lend(1, 5000).planes[0]), memory);
  first.release();
  t.is(placeOf(pool.lend(1, 6000).planes[0]), memory);
  t.not(placeOf(pool.lend(1, 6000).planes[0]), memory);
});

test('release: the second time is a bug, for planes of the pool, short ones and rooms', (t) => {
  const pool = new PlanePool();
  for (const lease of [pool.lend(3, 5000), pool.lend(3, 10), pool.lendRoom(4, 5000)!]) {
    lease.release();
    t.throws(() => lease.release(), { instanceOf: BugError });
  }
  // Nothing was put into the pool twice.
  const [a, b] = [pool.lend(3, 5000), pool.lend(3, 5000)];
  t.is(new Set([...a.planes, ...b.planes].map(placeOf)).size, 6);
});

test('lendRoom: as long as the planes together, none beyond the largest', (t) => {
  const pool = new PlanePool();
  t.is(pool.lendRoom(4, SEGMENT_ELEMENTS)?.planes[0]?.length, 4 * SEGMENT_ELEMENTS);
  t.is(pool.lendRoom(8, SEGMENT_ELEMENTS), null);
});

test('poison: lent and released planes hold no bytes of others', (t) => {
  for (const pool of [new PlanePool(true), planePool]) {
    for (const count of [10, 5000, SEGMENT_ELEMENTS]) {
      const lease = pool.lend(2, count);
      const ends = (): unknown => lease.planes.flatMap((plane) => [plane[0], plane[count - 1]]);
      t.deepEqual(ends(), [0xa5, 0xa5, 0xa5, 0xa5]);
      for (const plane of lease.planes) plane.fill(7);
      lease.release();
      t.deepEqual(ends(), [0xa5, 0xa5, 0xa5, 0xa5]);
    }
  }
});
