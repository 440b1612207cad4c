/** `dlv forget` in more random histories than the ordinary suite makes. */
import test from 'ava';
import { forgetAtRandom } from '../e2e/random-forget.js';

for (const seed of [2, 3, 4, 5]) {
  test(`forget: kept versions are byte-equal, gc frees what was said (seed ${seed})`, async (t) => {
    t.timeout(600_000);
    await forgetAtRandom(t, seed);
  });
}
