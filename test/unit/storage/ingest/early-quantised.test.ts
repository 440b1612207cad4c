/**
 * Goal: a quantised copy of several segments is found whatever its name: its planes are at hand while its base is chosen.
 * Method: floats and their integers, fed from memory, stored by one session.
 */
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { SEGMENT_ELEMENTS } from '../../../../lib/base/limits.js';
import { BaseFinder } from '../../../../lib/storage/ingest/bases/named-bases.js';
import { ExtentStore, type ExtentTarget } from '../../../../lib/storage/ingest/store-extents.js';
import type { PackSession } from '../../../../lib/storage/objects/session.js';
import { randomBytes } from '../../../helpers/rng.js';
import { countEarly, memorySession } from './memory-session.js';

const COLUMNS = 4096;
const ROWS = (2 * SEGMENT_ELEMENTS) / COLUMNS + 1;
const COUNT = ROWS * COLUMNS;

/** Stores one tensor. @param planes  its bytes, the most significant first. */
async function store(
  session: PackSession,
  dtype: 'F32' | 'I8',
  planes: readonly Uint8Array[],
): Promise<Id> {
  let at = 0;
  const readRun = async (targets: readonly Uint8Array[]) => {
    const from = at;
    at += targets[0]!.length;
    for (const [k, target] of targets.entries()) target.set(planes[k]!.subarray(from, at));
    return null;
  };
  const options = { bases: new BaseFinder([]), chainDepth: 10, chainCost: 4, level: 1 };
  const target = { session, source: { name: 'file' }, feed: { readRun }, options };
  const extents = new ExtentStore(target as unknown as ExtentTarget);
  const id = await extents.read({
    ...{ width: planes.length, count: COUNT, byteSwap: false, offset: 0 },
    ...{ keys: [`model\0${dtype}`], view: { dtype, shape: [ROWS, COLUMNS] } },
  });
  await extents.settle();
  extents.check();
  return id;
}

/** Integers from −127 to 127, the ends among them, and floats that they are made of by a scale of 1/64. */
function pair(): { floats: Uint8Array[]; integers: Uint8Array[] } {
  const integers = new Int8Array(randomBytes(COUNT, 5)).map((value) => Math.max(-127, value));
  const floats = Array.from({ length: 4 }, () => new Uint8Array(COUNT));
  const bytes = Buffer.alloc(4);
  for (const [i, value] of integers.entries()) {
    bytes.writeFloatBE(value / 64);
    for (const [k, plane] of floats.entries()) plane[i] = bytes[k]!;
  }
  return { floats, integers: [new Uint8Array(integers.buffer)] };
}

test('early: a quantised copy of another name is found by the planes of all its segments, and its floats by it', async (t) => {
  const { floats, integers } = pair();
  for (const [first, second] of [
    ['F32', 'I8'],
    ['I8', 'F32'],
  ] as const) {
    const session = await memorySession();
    const counts = countEarly(session);
    const planes = { F32: floats, I8: integers };
    const base = await store(session, first, planes[first]);
    t.true(counts.early > 0, 'nothing is stored that it could be a copy of');
    counts.early = 0;
    const id = await store(session, second, planes[second]);
    t.is(counts.early, 0);
    for (let segment = 0; segment < 3; segment++) {
      t.is((await session.findSegment(id, segment))?.base, base, `segment ${segment}`);
    }
    await session.abort();
  }
});
