/** Some of the bytes of a repository, flipped; flips.slow.test.ts flips all of them. */
import test from 'ava';
import { flipBytes } from './flips.js';

test('flips: fsck finds a flipped byte, and no read gives anything but the truth', async (t) => {
  t.timeout(600_000);
  t.true((await flipBytes(t, 127, 0)) > 30);
});
