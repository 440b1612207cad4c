/** Bit rot for seconds; rot.slow.test.ts goes on for longer, in large packs, too. */
import test from 'ava';
import { SEED, searchMs, timeoutMs } from '../budget.js';
import { rot } from './rot.js';

const SECONDS = 0.5;

test('rot: damage in any kind of file is found or harmless, and mended where it can be', async (t) => {
  t.timeout(timeoutMs(SECONDS));
  const { counts, failures } = await rot(t, 1, SEED, performance.now() + searchMs(SECONDS));
  t.log(`seed ${SEED}, ${JSON.stringify(counts)}`);
  t.deepEqual(failures, []);
});
