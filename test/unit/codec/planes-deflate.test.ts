/**
 * Goal: a segment decodes to the planes it was made of, also its leading planes alone and over the
 * memory of its base; what is damaged is refused.
 * Method: kinds of planes that take every mode and transform, then flips of each byte.
 */
import test from 'ava';
import { decodeSegment, encodeSegment, verifySegment } from '../../../lib/codec/planes-deflate.js';
import { DlvError } from '../../../lib/errors.js';
import { CHUNK_ELEMENTS } from '../../../lib/limits.js';
import { randomBytes, seededRandom } from '../../helpers/rng.js';

/** Planes of fp32-like values: few exponents, noise below. */
function planesOf(width: number, count: number, seed: number): Uint8Array[] {
  const random = seededRandom(seed);
  return Array.from({ length: width }, (_, k) => {
    if (k > 0) return randomBytes(count, seed + k);
    return Uint8Array.from({ length: count }, () => 0x3c + Math.floor(random() ** 3 * 4));
  });
}

/** Planes a little above `base`: the leading one seldom differs. */
function childOf(base: readonly Uint8Array[], seed: number): Uint8Array[] {
  const random = seededRandom(seed);
  return base.map((plane, k) =>
    plane.map((byte) => byte + Math.floor(random() * 3 ** k * (random() < 0.1 ? 1 : 0))),
  );
}

const COUNTS = [0, 1, 5, 70_000, CHUNK_ELEMENTS + 3];

for (const width of [1, 2, 4, 8]) {
  test(`segment: width ${width}, every prefix of planes, with and without a base`, async (t) => {
    for (const count of COUNTS) {
      const base = planesOf(width, count, 7);
      for (const [planes, against] of [
        [base, null],
        [childOf(base, 9), base],
        [base, base],
      ] as const) {
        const coded = await encodeSegment(planes, against);
        await verifySegment(coded, planes, against, 'a segment');
        for (let wanted = 1; wanted <= width; wanted++) {
          const options = { width, count, wanted, base: against, file: 'a segment' };
          const fresh = await decodeSegment(coded, options);
          const memory = base.slice(0, wanted).map((plane) => plane.slice());
          const own = { ...options, base: against && memory };
          const over = await decodeSegment(coded, own, memory);
          for (let k = 0; k < wanted; k++) {
            t.is(Buffer.compare(fresh[k]!, planes[k]!), 0);
            t.is(over[k], memory[k], 'the target is what is returned');
            t.is(Buffer.compare(over[k]!, planes[k]!), 0);
          }
        }
      }
    }
  });
}

test('segment: a plane that did not change costs nothing, one of noise no more than itself', async (t) => {
  const planes = planesOf(4, CHUNK_ELEMENTS, 3);
  const same = await encodeSegment(planes, planes);
  t.deepEqual([same.hi.length, same.mid.length, same.low.length], [0, 0, 0]);
  const alone = await encodeSegment(planes, null);
  t.is(alone.mid.length, CHUNK_ELEMENTS);
  t.true(alone.hi.length < 1.3 * CHUNK_ELEMENTS, 'the leading plane was coded');
});

test('segment: half noise, half zeros is not taken for noise', async (t) => {
  const plane = randomBytes(CHUNK_ELEMENTS, 5);
  plane.fill(0, CHUNK_ELEMENTS / 2);
  const coded = await encodeSegment([plane], null);
  t.true(coded.hi.length < 0.75 * CHUNK_ELEMENTS);
});

test('segment: a check finds planes that differ in one byte', async (t) => {
  const planes = planesOf(2, 5000, 1);
  const base = childOf(planes, 2);
  for (const against of [null, base]) {
    const coded = await encodeSegment(planes, against);
    for (let k = 0; k < 2; k++) {
      const other = planes.map((plane) => plane.slice());
      other[k]![4999]! ^= 1;
      await t.throwsAsync(verifySegment(coded, other, against, 'a segment'), { code: 'DLV_BUG' });
    }
  }
});

test('segment: a flipped byte anywhere is refused or changes nothing', async (t) => {
  const planes = planesOf(4, 300, 11);
  const base = childOf(planes, 12);
  const coded = await encodeSegment(planes, base);
  const options = { width: 4, count: 300, wanted: 4, base, file: 'a segment' };
  let refused = 0;
  for (const part of ['hi', 'mid', 'low'] as const) {
    for (let at = 0; at < coded[part].length; at++) {
      const damaged = { ...coded, [part]: coded[part].slice() };
      damaged[part][at]! ^= 0x10;
      await t.throwsAsync(decodeSegment(damaged, options), { instanceOf: DlvError });
      refused++;
    }
  }
  t.true(refused > 0);
  for (let at = 0; at < coded.head.length; at++) {
    const head = coded.head.slice();
    head[at]! ^= 0x81;
    // The head has its own checksum in the record: here it must only not hang or crash.
    await decodeSegment({ ...coded, head }, options).catch((error: unknown) => {
      t.true(error instanceof DlvError, String(error));
    });
  }
});
