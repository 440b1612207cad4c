/** Segments: what is encoded comes back, at every stop, through the names that archive uses. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import {
  decodeSegment,
  encodeSegment,
  segmentStop,
  verifySegment,
} from '../../../../lib/pure/codec/segment.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';
import { seededRandom } from '../../../helpers/rng.js';

function planesOf(random: () => number, width: number, count: number): Uint8Array[] {
  return Array.from({ length: width }, (_, k) =>
    new Uint8Array(count).map(() =>
      k === 0 ? 60 + Math.floor(random() * 4) : Math.floor(random() * 256),
    ),
  );
}

test('segment: the worked examples of docs/format/codec.md', async (t) => {
  const planes = [0x3f, 0x80, 0, 0].map((value) => new Uint8Array(4).fill(value));
  const coded = await encodeSegment(planes, null);
  t.is(Buffer.from(coded.head).toString('hex'), '020000003f008000000000');
  t.is(coded.hi.length + coded.mid.length + coded.low.length, 0);

  const bits = new Uint8Array(64).map((_, i) => (i % 4 === 3 ? 1 : 0));
  const stream = await encodeSegment([bits], null);
  t.is(Buffer.from(stream.head).toString('hex'), '0200000200ffff3f1b');
  const page = await fs.readFile(path.join(PROJECT_ROOT, 'docs/format/codec.md'), 'utf8');
  const [, shown] = /^```text\n([0-9a-f \n]+)```$/m.exec(page) as RegExpExecArray;
  t.is(Buffer.from(stream.hi).toString('hex'), (shown as string).replace(/\s/g, ''));
});

test('segment: every stop is exact, with and without a base', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 2, 4, 8),
      fc.integer({ min: 1, max: 400 }),
      fc.boolean(),
      fc.nat(),
      async (width, count, withBase, seed) => {
        const random = seededRandom(seed);
        const base = planesOf(random, width, count);
        const child = base.map((plane, k) =>
          plane.map((byte) =>
            k < 2 ? byte + (random() < 0.2 ? 1 : 0) : Math.floor(random() * 256),
          ),
        );
        const under = withBase ? base : null;
        const coded = await encodeSegment(child, under);
        await verifySegment(coded, child, under, { file: 'test' });
        for (let asked = 1; asked <= width; asked++) {
          const wanted = segmentStop(coded.head, width, asked, 'test');
          t.true(wanted >= asked && wanted <= width);
          const options = {
            width,
            count,
            wanted,
            base: coded.usesBase ? base : null,
            file: 'test',
          };
          const planes = await decodeSegment(coded, options);
          for (let k = 0; k < wanted; k++) {
            if (Buffer.compare(planes[k] as Uint8Array, child[k] as Uint8Array) !== 0)
              t.fail(`plane ${k} of ${width}`);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('segment: a plane that did not change costs nothing, one of noise no more than itself', async (t) => {
  const random = seededRandom(3);
  const count = 1 << 18;
  const planes = planesOf(random, 4, count);
  const same = await encodeSegment(planes, planes);
  t.deepEqual([same.hi.length, same.mid.length, same.low.length], [0, 0, 0]);
  const alone = await encodeSegment(planes, null);
  t.is(alone.mid.length, count);
  t.true(alone.hi.length < 1.3 * count, 'the leading plane was coded');
});

test('segment: a check finds planes that differ in one byte', async (t) => {
  const random = seededRandom(1);
  const planes = planesOf(random, 2, 5000);
  for (const against of [null, planesOf(random, 2, 5000)]) {
    const coded = await encodeSegment(planes, against);
    for (let k = 0; k < 2; k++) {
      const other = planes.map((plane) => plane.slice());
      other[k]![4999]! ^= 1;
      await t.throwsAsync(verifySegment(coded, other, against, { file: 'a segment' }), {
        code: 'DLV_BUG',
      });
    }
  }
});

test('segment: an unknown codec fails the object by name and says what to do', async (t) => {
  const error = await t.throwsAsync(
    decodeSegment(
      {
        head: Uint8Array.of(200),
        hi: new Uint8Array(0),
        mid: new Uint8Array(0),
        low: new Uint8Array(0),
      },
      { width: 4, count: 1, wanted: 4, base: null, file: 'extent abc' },
    ),
    { code: 'DLV_FORMAT_VERSION' },
  );
  t.regex(error.message, /extent abc.*codec 200/);
});
