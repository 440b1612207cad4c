/** A storm of seconds; storm.slow.test.ts lasts longer. */
import test from 'ava';
import { SEED, searchMs, timeoutMs } from '../budget.js';
import { storm } from './storm.js';

const SECONDS = 1;

test('storm: processes that are killed at random lose nothing of one another', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  const { wrong, ...weather } = await storm(t, 3, searchMs(SECONDS) / 1000, SEED);
  t.log(`seed ${SEED}, ${JSON.stringify(weather)}`);
  t.deepEqual(wrong, []);
});
