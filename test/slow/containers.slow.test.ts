/** A commit in a container is killed at every fsync; the ordinary suite tries some. */
import test from 'ava';
import { killAtSyncs } from '../integration/contained.js';

test('containers: a killed command never blocks those after it, at whatever fsync', async (t) => {
  t.timeout(600_000);
  await killAtSyncs(t, 1);
});
