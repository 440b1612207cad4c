/**
 * Goal: segments are encoded before their extent is read whole, as far as there is room; what was guessed right is
 * handed on once, what was guessed wrong is given up with its memory, and ends the guessing.
 * Method: extents of bytes in memory, a store that gives room as the test says.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { SEGMENT_ELEMENTS } from '../../../../lib/base/limits.js';
import { decodeSegment } from '../../../../lib/pure/codec/segment.js';
import { sketchPositions } from '../../../../lib/pure/codec/sketch.js';
import { type EarlyHost, EarlySegments } from '../../../../lib/storage/ingest/early-segments.js';
import { leaseOf, type PlaneLease } from '../../../../lib/storage/objects/planes/plane-pool.js';
import { randomBytes } from '../../../helpers/rng.js';

const COUNT = 2 * SEGMENT_ELEMENTS + 5;
const EXTENT = { width: 1, count: COUNT, keys: ['name'] };
const JOB = { width: 1, count: COUNT, operation: undefined };

/** Four symbols: they are coded, not stored. */
function filled(seed: number): PlaneLease {
  const plane = randomBytes(SEGMENT_ELEMENTS, seed).map((byte) => byte & 3);
  return leaseOf([plane], () => {});
}

/** @param room  how many segments may be in flight. */
function hostOf(room: number, more: Partial<EarlyHost> = {}) {
  const counts = { taken: 0, given: 0 };
  const host = {
    ...{ session: {}, bases: {}, file: 'file', level: 1 },
    finder: { namesakes: () => [] },
    chooser: { isUsable: () => true },
    takeRoom(): boolean {
      if (counts.taken - counts.given === room) return false;
      counts.taken++;
      return true;
    },
    giveRoom(): void {
      counts.given++;
    },
    ...more,
  } as unknown as EarlyHost;
  return { host, counts };
}

/** Says that segments are filled, and lets the base be guessed. */
async function advance(early: EarlySegments, kept: readonly PlaneLease[]): Promise<void> {
  for (let i = 0; i < 4; i++) {
    early.advance(kept, kept.length);
    await nextTurn();
  }
}

test('early: a segment is encoded before the next one is read, and handed on once', async (t) => {
  const { host, counts } = hostOf(1);
  const early = new EarlySegments(host, EXTENT, { isOver: false });
  early.advance([filled(1)], 0);
  await nextTurn();
  t.is(counts.taken, 0, 'it is not filled yet');
  const kept = [filled(1), filled(2)];
  await advance(early, kept.slice(0, 1));
  await advance(early, kept);
  t.is(counts.taken, 1, 'there is room for one');
  const begun = await early.take({ ...JOB, segment: 0, base: null });
  begun!.giveRoom();
  const { coded, room } = await begun!.coded;
  const how = { width: 1, count: SEGMENT_ELEMENTS, wanted: 1, base: null, file: 'file' };
  t.deepEqual(await decodeSegment(coded, how), kept[0]!.planes as Uint8Array[]);
  room?.release();
  t.is(counts.given, 1);
  t.is(await early.take({ ...JOB, segment: 0, base: null }), null);
  t.is(await early.take({ ...JOB, segment: 1, base: null }), null, 'it had no room');
  await early.settle();
});

test('early: a wrong guess gives all room back, and is the last one', async (t) => {
  const guessing = { isOver: false };
  const { host, counts } = hostOf(2);
  const early = new EarlySegments(host, EXTENT, guessing);
  await advance(early, [filled(1), filled(2)]);
  t.is(counts.taken, 2);
  const base = { id: 'ab'.repeat(32) as Id, depth: 1 };
  t.is(await early.take({ ...JOB, segment: 0, base }), null);
  t.deepEqual(counts, { taken: 2, given: 2 });
  t.true(guessing.isOver);
  t.is(await early.take({ ...JOB, segment: 1, base: null }), null);
  const next = new EarlySegments(host, EXTENT, guessing);
  await advance(next, [filled(1)]);
  t.is(counts.taken, 2);
});

test('early: an extent that is there already ends the guessing, one that none was guessed for does not', async (t) => {
  const guessing = { isOver: false };
  const { host, counts } = hostOf(2);
  await new EarlySegments(host, EXTENT, guessing).drop();
  t.false(guessing.isOver);
  const early = new EarlySegments(host, EXTENT, guessing);
  await advance(early, [filled(1)]);
  await early.drop();
  t.deepEqual(counts, { taken: 1, given: 1 });
  t.true(guessing.isOver);
});

test('early: nothing is encoded against a namesake to which the samples are equal', async (t) => {
  const id = 'cd'.repeat(32) as Id;
  const lease = filled(3);
  const sketch = Uint8Array.from(
    sketchPositions(1, COUNT),
    (place) => lease.planes[0]![place] ?? 7,
  );
  const fitted: unknown[] = [];
  const fit = async (...of: unknown[]) => {
    fitted.push(of);
    return null;
  };
  const more = {
    finder: { namesakes: () => [id] },
    chooser: { isUsable: () => true, fit },
    session: { sketchOf: async () => sketch },
  } as unknown as Partial<EarlyHost>;
  const { host, counts } = hostOf(2, more);
  await advance(new EarlySegments(host, EXTENT, { isOver: false }), [lease]);
  t.is(counts.taken, 0);
  const other = new EarlySegments(host, EXTENT, { isOver: false });
  await advance(other, [filled(4)]);
  t.is(counts.taken, 1);
  t.deepEqual(fitted, [[null, { id, operation: undefined }, 0]]);
  await other.settle();
});
