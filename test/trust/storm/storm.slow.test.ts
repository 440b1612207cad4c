/** A storm of a minute. */
import test from 'ava';
import { SEED, searchMs, timeoutMs } from '../budget.js';
import { storm } from './storm.js';

const SECONDS = 60;

test('storm: processes that are killed at random lose nothing of one another', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  const { wrong, ...weather } = await storm(t, 5, searchMs(SECONDS) / 1000, SEED);
  process.stdout.write(`# storm, seed ${SEED}: ${JSON.stringify(weather)}\n`);
  t.deepEqual(wrong, []);
  t.true(weather.versions > 0 && weather.kills > 0);
});
