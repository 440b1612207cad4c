/** Every byte of a repository, flipped one at a time. */
import test from 'ava';
import { flipBytes } from './flips.js';

test('flips: fsck finds every flipped byte, and no read gives anything but the truth', async (t) => {
  t.timeout(7_200_000);
  t.true((await flipBytes(t, 1, 0)) > 1000);
});
