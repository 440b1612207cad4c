/** Sketches: the same however an extent streams by, and distances that follow the size of a change. */
import test from 'ava';
import fc from 'fast-check';
import {
  SKETCH_BYTES_MAX,
  Sketcher,
  sketchBytes,
  sketchDistance,
  sketchDistances,
  sketchOfPlanes,
  sketchPositions,
} from '../../../../lib/pure/codec/sketch.js';
import { splitPlanes } from '../../../../lib/pure/tensor/planes.js';
import { randomBytes } from '../../../helpers/rng.js';

test('sketch: positions are those of the document, one in each stratum', (t) => {
  t.deepEqual(sketchPositions(4, 4096), [30, 1204, 1619, 2525, 2972, 4088]);
  t.deepEqual(
    sketchPositions(4, 49_152),
    [
      1806, 3059, 5580, 7615, 8619, 11421, 13199, 15077, 17748, 19695, 21424, 23451, 26064, 26800,
      29685, 31162, 33940, 34944, 36917, 40631, 42856, 44097, 45890, 47717,
    ],
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 0, max: 2 ** 50 }),
      (w, count) => {
        const positions = sketchPositions(w, count);
        t.is(sketchBytes(w, count), w * positions.length);
        t.true(sketchBytes(w, count) <= SKETCH_BYTES_MAX);
        for (const [i, at] of positions.entries()) {
          t.true(at < count && at > (positions[i - 1] ?? -1));
        }
      },
    ),
  );
});

test('sketch: the same in one piece and in many', (t) => {
  const bytes = randomBytes(4 * 10_007, 3);
  const planes = splitPlanes(bytes, 4);
  const whole = sketchOfPlanes(planes);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 10_007 }), { maxLength: 9 }), (cuts) => {
      const sketcher = new Sketcher(4, 10_007);
      let from = 0;
      for (const to of [...cuts.sort((a, b) => a - b), 10_007]) {
        sketcher.add(planes.map((plane) => plane.subarray(from, to)));
        from = to;
      }
      t.deepEqual(sketcher.finish(), whole);
    }),
  );
});

/** Bit length of the smaller of a − b and b − a modulo 2^(8 · width). */
function expected(a: Uint8Array, b: Uint8Array, width: number): number {
  let bits = 0;
  for (let at = 0; at < a.length; at += width) {
    const word = (s: Uint8Array) => {
      let value = 0n;
      for (let k = 0; k < width; k++) value = (value << 8n) | BigInt(s[at + k]!);
      return value;
    };
    const d = BigInt.asUintN(8 * width, word(a) - word(b));
    const e = BigInt.asUintN(8 * width, -d);
    const least = d < e ? d : e;
    bits += least === 0n ? 0 : least.toString(2).length;
  }
  return bits;
}

test('sketch: distances are bit lengths of differences, whatever the width', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 12 }),
      fc.uint8Array({ minLength: 96 * 5, maxLength: 96 * 5 }),
      (width, samples, noise) => {
        const length = width * samples;
        const sketch = noise.subarray(0, length);
        const near = sketch.slice();
        near[length - 1] = (near[length - 1]! + 1) & 255;
        const rows = new Uint8Array(96 * 5);
        rows.set(noise);
        rows.set(near, 96);
        rows.set(sketch, 192);
        const found = sketchDistances(sketch, width, rows, 96);
        t.is(found.length, 5);
        for (const [row, sum] of found.entries()) {
          const other = rows.subarray(row * 96, row * 96 + length);
          t.is(sum, expected(sketch, other, width));
          t.is(sketchDistance(sketch, other, width), sum / samples);
        }
      },
    ),
  );
});

test('sketch: the smaller a change of the weights, the nearer', (t) => {
  const weights = Float32Array.from(
    randomBytes(80_000, 1),
    (byte, i) => (byte - 128) / (1 + (i % 7)),
  );
  const sketchOf = (scale: number) => {
    const moved = weights.map((w, i) => w * (1 + scale * (((i * 7919) % 101) - 50)));
    return sketchOfPlanes(splitPlanes(new Uint8Array(moved.buffer), 4));
  };
  const own = sketchOf(0);
  const distances = [0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2].map((s) =>
    sketchDistance(own, sketchOf(s), 4),
  );
  t.is(distances[0], 0);
  for (let i = 1; i < distances.length; i++) t.true(distances[i]! > distances[i - 1]! + 1);
});
