/**
 * Goal: the fast ways to split and merge give what the reference gives.
 * Method: every width, sizes around the vectors of the kernel, odd alignments.
 */
import test from 'ava';
import { mergeFast, splitFast } from '../../../../lib/pure/codec/planes.js';
import { splitPlanes } from '../../../../lib/pure/tensor/planes.js';
import { randomBytes } from '../../../helpers/rng.js';

test('planes: fast splitting and merging equal the reference', (t) => {
  for (const width of [1, 2, 4, 8]) {
    for (const count of [0, 1, 15, 16, 17, 63, 64, 65, 1000]) {
      for (const shift of [0, 1, 4]) {
        const bytes = randomBytes(width * count + shift, count).subarray(shift);
        const expected = splitPlanes(bytes, width);
        const planes = expected.map((plane) =>
          new Uint8Array(plane.length + shift).subarray(shift),
        );
        splitFast(bytes, planes);
        t.deepEqual(
          planes.map((plane) => plane.slice()),
          expected,
        );
        const target = new Uint8Array(bytes.length + shift).subarray(shift);
        mergeFast(planes, target);
        t.deepEqual(target.slice(), bytes.slice());
      }
    }
  }
});
